//! Opens ordinary files, and only those: opening a pipe would wait for its writer, and reading a
//! device might never end. What is in them is the caller's business.

use crate::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Opens a file for reading; gives its length too.
pub fn open(path: &Path) -> Result<(File, u64)> {
    open_as(path, File::options().read(true))
}

/// Opens a file for reading and writing, made if there is none, with what is in it.
pub fn open_to_change(path: &Path) -> Result<File> {
    open_as(path, File::options().read(true).write(true).create(true).truncate(false)).map(|(file, _)| file)
}

fn open_as(path: &Path, options: &mut OpenOptions) -> Result<(File, u64)> {
    let io = |what| move |source| Error::Io { what, path: path.to_owned(), source };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK | libc::O_CLOEXEC);
    let file = options.open(path).map_err(io("open"))?;
    let meta = file.metadata().map_err(io("open"))?;
    if !meta.is_file() {
        let found = if meta.is_dir() { "folder" } else { "pipe or device" };
        return Err(Error::NotAFile { found, path: path.to_owned() });
    }
    Ok((file, meta.len()))
}

/// Reads a whole file; one longer than `limit` bytes is refused unread.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let io = |source| Error::Io { what: "read", path: path.to_owned(), source };
    let (file, len) = open(path)?;
    if len > limit {
        let why = format!("it has {len} bytes; at most {limit} are allowed");
        return Err(io(io::Error::new(io::ErrorKind::FileTooLarge, why)));
    }
    let mut bytes = Vec::new();
    let room = usize::try_from(len).ok().filter(|&len| bytes.try_reserve_exact(len).is_ok());
    if room.is_none() {
        return Err(io(io::ErrorKind::OutOfMemory.into()));
    }
    // Whatever is appended meanwhile is not part of it.
    file.take(len).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_refuses_folders_devices_and_what_is_too_long() {
        let dir = tempfile::TempDir::new().unwrap();
        assert!(matches!(read(dir.path(), 9), Err(Error::NotAFile { found: "folder", .. })));
        let file = dir.path().join("a");
        assert!(read(&file, 9).unwrap_err().to_string().starts_with("cannot open"));
        std::fs::write(&file, "0123456789").unwrap();
        assert!(read(&file, 9).unwrap_err().to_string().contains("10 bytes; at most 9"));
        drop(open_to_change(&file).unwrap());
        assert_eq!(read(&file, 10).unwrap(), b"0123456789");
        #[cfg(unix)]
        for endless in ["/dev/zero", "/dev/urandom", "/dev/full"].map(Path::new) {
            assert!(matches!(read(endless, 9), Err(Error::NotAFile { .. })));
            assert!(matches!(open_to_change(endless), Err(Error::NotAFile { .. })));
        }
    }
}
