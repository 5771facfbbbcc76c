//! Writing so that a power cut or a full disk leaves the old file or the new one, never half of one: into a
//! temporary neighbour, to the disk, and only then under the final name. What is written is the caller's business.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Ends the name of everything unfinished: after a crash, such files and folders may be removed.
pub const TEMP_SUFFIX: &str = ".tmp";

/// Writes `path` through `write`: afterwards it holds all of it, or on an error what it held before.
///
/// The writer given to `write` is buffered. On an error the temporary file is removed. A symbolic link stays one: the file
/// it leads to is written. A file that is written again keeps its permissions.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    replace(path, false, write)
}

/// The same for what is nobody else's business: only its owner can read the file, whoever could before, where the system knows owners.
pub fn write_private(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    replace(path, true, write)
}

fn replace(path: &Path, private: bool, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let path = &behind_links(path)?;
    refuse_special(path)?;
    let temp = temp_beside(path)?;
    let result = write_temp(&temp, private, write).and_then(|()| {
        let keep = match fs::metadata(path) {
            Ok(old) if !private => fs::set_permissions(&temp, old.permissions()),
            _ => Ok(()),
        };
        let renamed = keep.and_then(|()| fs::rename(&temp, path));
        renamed.map_err(|source| Error::Io { what: "write", path: path.to_owned(), source })
    });
    if result.is_err() {
        // The first error is the one to report; a leftover is recognised by its suffix.
        let _ = fs::remove_file(&temp);
        return result;
    }
    sync_dir(parent(path))
}

/// Where symbolic links lead, whether there is something yet or not.
fn behind_links(path: &Path) -> Result<PathBuf> {
    // As many as Linux follows.
    const LINKS_MAX: usize = 40;
    let mut at = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&at) {
            Ok(target) => at = parent(&at).join(target),
            // Not a link, or nothing.
            Err(_) => return Ok(at),
        }
    }
    let source = io::Error::new(io::ErrorKind::InvalidInput, "its symbolic links lead nowhere");
    Err(Error::Io { what: "write", path: path.to_owned(), source })
}

/// Renaming over a device or a pipe would replace it, not write to it.
fn refuse_special(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(Error::NotAFile { found: "folder", path: path.to_owned() }),
        Ok(meta) if !meta.is_file() => {
            Err(Error::NotAFile { found: "pipe or device", path: path.to_owned() })
        }
        _ => Ok(()),
    }
}

fn write_temp(
    temp: &Path,
    private: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let io = |what| move |source| Error::Io { what, path: temp.to_owned(), source };
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    let file = options.open(temp).map_err(io("create"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    write(&mut out).map_err(io("write to"))?;
    // Not `into_inner`, whose error would keep the unwritten part and try again on drop.
    out.flush().map_err(io("write to"))?;
    out.get_ref().sync_all().map_err(io("write to"))
}

/// Makes the finished folder `tmp` appear as `dst`, which must not exist: its files and itself go to the disk first.
///
/// `tmp` holds files only, and lies on the same file system. On an error it stays, for the caller to remove.
pub fn commit_dir(tmp: &Path, dst: &Path) -> Result<()> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { what, path, source }
    };
    for entry in fs::read_dir(tmp).map_err(io("read", tmp))? {
        let path = entry.map_err(io("read", tmp))?.path();
        File::open(&path).and_then(|file| file.sync_all()).map_err(io("write to", &path))?;
    }
    sync_dir(tmp)?;
    if dst.symlink_metadata().is_ok() {
        return Err(io("create", dst)(io::ErrorKind::AlreadyExists.into()));
    }
    fs::rename(tmp, dst).map_err(io("create", dst))?;
    sync_dir(parent(dst))
}

/// A name beside `path` that nobody else uses: `.NAME.PID-COUNT.tmp`.
pub fn temp_beside(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
        return Err(Error::Io { what: "write", path: path.to_owned(), source });
    };
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut temp = OsString::from(".");
        temp.push(name);
        temp.push(format!(".{}-{count}{TEMP_SUFFIX}", std::process::id()));
        let temp = parent(path).join(temp);
        // An earlier process with our number may have left one; in a container that is the rule.
        if temp.symlink_metadata().is_err() {
            return Ok(temp);
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes a folder's list of names durable: a rename is lost with the power until this has returned.
pub fn sync_dir(dir: &Path) -> Result<()> {
    // Elsewhere a folder cannot be opened as a file, and the rename itself is what the system offers.
    if cfg!(unix) {
        let sync = File::open(dir).and_then(|d| d.sync_all());
        sync.map_err(|source| Error::Io { what: "write to folder", path: dir.to_owned(), source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("tercet-atomic-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn write_atomic_replaces_whole_or_not_at_all() {
        let dir = dir("replace");
        let path = dir.join("a");
        write_atomic(&path, |out| out.write_all(b"old")).unwrap();
        // Fail after more than the buffer holds, so that part of it is in the temporary file.
        let error = write_atomic(&path, |out| {
            out.write_all(&vec![7; 3 << 20])?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(error.unwrap_err().to_string().starts_with("cannot write to "));
        assert_eq!((fs::read(&path).unwrap(), names(&dir)), (b"old".to_vec(), vec!["a".to_owned()]));
        write_atomic(&path, |out| out.write_all(b"new")).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(&dir)), (b"new".to_vec(), vec!["a".to_owned()]));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn write_atomic_refuses_folders_and_missing_folders() {
        let dir = dir("refuse");
        assert!(matches!(write_atomic(&dir, |_| Ok(())), Err(Error::NotAFile { .. })));
        assert!(matches!(write_atomic(&dir.join("no/a"), |_| Ok(())), Err(Error::Io { .. })));
        assert!(write_atomic(Path::new(".."), |_| Ok(())).is_err());
        assert!(names(&dir).is_empty());
        fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn write_private_is_for_its_owner_also_where_it_was_not() {
        use std::os::unix::fs::PermissionsExt;
        let dir = dir("private");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (fresh, known) = (dir.join("fresh"), dir.join("known"));
        fs::write(&known, "old").unwrap();
        fs::set_permissions(&known, fs::Permissions::from_mode(0o644)).unwrap();
        for path in [&fresh, &known] {
            write_private(path, |out| out.write_all(b"new")).unwrap();
            assert_eq!((fs::read(path).unwrap(), mode(path)), (b"new".to_vec(), 0o600));
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn write_atomic_writes_through_links_and_keeps_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = dir("links");
        fs::create_dir(dir.join("big")).unwrap();
        let real = dir.join("big/m");
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("big/m", dir.join("near")).unwrap();
        symlink(dir.join("near"), dir.join("far")).unwrap();
        write_atomic(&dir.join("far"), |out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_link(dir.join("far")).unwrap(), dir.join("near"));
        assert_eq!(fs::read_link(dir.join("near")).unwrap(), Path::new("big/m"));
        assert_eq!(names(&dir.join("big")), ["m"]);

        // Where nothing is yet, in a folder that is not there, and round in a circle.
        symlink("big/new", dir.join("ahead")).unwrap();
        write_atomic(&dir.join("ahead"), |out| out.write_all(b"first")).unwrap();
        assert_eq!(fs::read(dir.join("big/new")).unwrap(), b"first");
        symlink("gone/m", dir.join("lost")).unwrap();
        assert!(write_atomic(&dir.join("lost"), |_| Ok(())).is_err());
        symlink("round", dir.join("round")).unwrap();
        assert!(write_atomic(&dir.join("round"), |_| Ok(())).is_err());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn temp_beside_steps_over_what_an_earlier_process_left() {
        let dir = dir("leftover");
        let first = temp_beside(&dir.join("a")).unwrap();
        let number: u64 = first.to_str().unwrap().rsplit(['-', '.']).nth(1).unwrap().parse().unwrap();
        for count in number + 1..number + 100 {
            let left = format!(".a.{}-{count}{TEMP_SUFFIX}", std::process::id());
            fs::write(dir.join(left), "").unwrap();
        }
        write_atomic(&dir.join("a"), |out| out.write_all(b"x")).unwrap();
        assert_eq!(fs::read(dir.join("a")).unwrap(), b"x");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn commit_dir_renames_and_never_replaces() {
        let dir = dir("commit");
        let (tmp, dst) = (dir.join("x.tmp"), dir.join("x"));
        fs::create_dir(&tmp).unwrap();
        fs::write(tmp.join("f"), "1").unwrap();
        commit_dir(&tmp, &dst).unwrap();
        assert_eq!((names(&dir), names(&dst)), (vec!["x".to_owned()], vec!["f".to_owned()]));
        fs::create_dir(&tmp).unwrap();
        assert!(commit_dir(&tmp, &dst).is_err());
        assert!(tmp.exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
