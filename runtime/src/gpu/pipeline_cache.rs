//! Compiled pipelines in a file, so that the next process need not compile them. It is only a cache: whatever is wrong with
//! the file or its folder, pipelines are compiled as if there were none. Which folder is the caller's business.
//!
//! ```text
//! "tercet pipelines 1\n"   BLAKE3 of all that follows (32 bytes)   identity's length u32 LE   identity   what the driver gave
//! ```
//!
//! The identity is wgpu's key of the adapter (its backend, vendor and device) and the driver's name and version.
#![expect(unsafe_code, reason = "wgpu cannot check what it hands to the driver")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use formats::atomic::write_atomic;
use formats::ordinary;

use super::device::Gpu;

const MAGIC: &[u8] = b"tercet pipelines 1\n";

/// A larger file is not read, and so a small one takes its place: every shape of model adds pipelines, and nothing takes any away.
const BYTES_MAX: u64 = 64 << 20;

/// What a device has compiled, and the file it is kept in.
#[derive(Debug)]
pub struct PipelineCache {
    inner: wgpu::PipelineCache,
    path: PathBuf,
    identity: String,
    /// Bytes from the driver that the file holds. They only grow with what they are made of, but may come in another order.
    saved: AtomicUsize,
}

impl PipelineCache {
    /// The cache of an adapter in a folder, which need not exist; `None` where the device has none to offer.
    pub fn open(gpu: &Gpu, adapter: &wgpu::AdapterInfo, folder: &Path) -> Option<Self> {
        if !gpu.device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let key = wgpu::util::pipeline_cache_key(adapter)?;
        let identity = format!("{key}\n{}\n{}", adapter.driver, adapter.driver_info);
        let path = folder.join(key);
        let file = read(&path).unwrap_or_default();
        let data = contents(&file, &identity);
        let describe = wgpu::PipelineCacheDescriptor { label: Some("tercet"), data, fallback: true };
        // SAFETY: `data`, if there is any, came from `get_data` on an adapter of the same key and driver: `contents` found both named
        // in the file, and its hash says that these are the bytes which `save`, the only writer of such a file, put there.
        let create = || Ok(unsafe { gpu.device.create_pipeline_cache(&describe) });
        let inner = gpu.scoped(create).ok()?;
        Some(PipelineCache { inner, path, saved: AtomicUsize::new(data.map_or(0, <[u8]>::len)), identity })
    }

    /// What pipelines are created with.
    pub fn inner(&self) -> &wgpu::PipelineCache {
        &self.inner
    }

    /// Writes what was compiled since, if anything was. A file that cannot be written is one that is not there next time.
    pub fn save(&self) {
        let Some(data) = self.inner.get_data() else { return };
        if self.saved.swap(data.len(), Ordering::Relaxed) == data.len() {
            return;
        }
        let framed = frame(&data, &self.identity);
        let made = self.path.parent().is_none_or(|folder| fs::create_dir_all(folder).is_ok());
        let _ = made && write_atomic(&self.path, |out| out.write_all(&framed)).is_ok();
    }
}

/// A file that is not there, is none or is too long is as good as an empty one.
fn read(path: &Path) -> Option<Vec<u8>> {
    ordinary::read(path, BYTES_MAX).ok()
}

/// A file of these contents.
fn frame(data: &[u8], identity: &str) -> Vec<u8> {
    let length = (identity.len() as u32).to_le_bytes();
    let hashed = [&length, identity.as_bytes(), data].concat();
    [MAGIC, blake3::hash(&hashed).as_bytes(), &hashed].concat()
}

/// What the driver gave, if this is a whole file of this adapter's.
fn contents<'f>(file: &'f [u8], identity: &str) -> Option<&'f [u8]> {
    let (hash, hashed) = file.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
    if blake3::hash(hashed) != *hash {
        return None;
    }
    let (length, rest) = hashed.split_first_chunk::<4>()?;
    let (named, data) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    (named == identity.as_bytes()).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn pipeline_cache_reads_whole_files_of_its_own_adapter_only() {
        let file = frame(b"from the driver", "card 1");
        assert_eq!(contents(&file, "card 1"), Some(&b"from the driver"[..]));
        assert_eq!(contents(&frame(b"", ""), ""), Some(&b""[..]));
        assert_eq!(contents(&file, "card 2"), None);
        for cut in 0..file.len() {
            assert_eq!(contents(&file[..cut], "card 1"), None, "cut to {cut}");
        }
        for bit in 0..8 * file.len() {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(contents(&flipped, "card 1"), None, "bit {bit}");
        }
        assert_eq!(contents(&[&file[..], b"x"].concat(), "card 1"), None);
        // A hash that is right does not make a length so.
        let hashed = [&u32::MAX.to_le_bytes()[..], b"card 1"].concat();
        let long = [MAGIC, blake3::hash(&hashed).as_bytes(), &hashed].concat();
        assert_eq!(contents(&long, "card 1"), None);
    }

    #[test]
    fn pipeline_cache_does_not_read_pipes_folders_or_endless_files() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        assert_eq!(read(&folder.path().join("none")), None);
        let path = folder.path().join("large");
        File::create(&path).unwrap().set_len(BYTES_MAX + 1).unwrap();
        assert_eq!(read(&path), None);
        fs::write(&path, "small").unwrap();
        assert_eq!(read(&path), Some(b"small".to_vec()));
    }
}
