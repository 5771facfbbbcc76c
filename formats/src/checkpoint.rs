//! Checkpoints: the whole state of a training run at a step, written so that a crash at any
//! instant leaves the older ones intact, and read so that damage is found. What the tensors
//! mean is the trainer's business.
//!
//! ```text
//! checkpoints/step-00001000/state.safetensors   f32 tensors
//! checkpoints/step-00001000/manifest.json       step, meta, lengths and hashes; written last
//! checkpoints/.tmp-...                          being written, or left by a crash: ignored
//! checkpoints/.old-step-00001000                the older one of a step that is being replaced: counts until the new one is there
//! ```
//! The manifest carries a hash of itself, of the tensors' header and of each tensor: a flipped
//! bit anywhere in either file is found.

use crate::shown;
use crate::{Error, Result, atomic, ordinary};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;
const STATE: &str = "state.safetensors";
const MANIFEST: &str = "manifest.json";
const TMP: &str = ".tmp-";
const OLD: &str = ".old-";

/// A manifest is at most this long: a few hundred bytes a tensor.
const MANIFEST_MAX: u64 = 256 << 20;

/// The state of a run at a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// Name, shape (row-major) and values. Names are unique.
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    /// Everything else that its writer needs to go on. Its numbers come back as they were if they are integers of 64 bits or
    /// finite f64.
    pub meta: Value,
}

/// A checkpoint in a folder, not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Steps done.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
}

/// The newest checkpoint that loads, and why newer ones did not.
#[derive(Debug)]
pub struct Newest {
    /// The state.
    pub checkpoint: Checkpoint,
    /// Its folder.
    pub path: PathBuf,
    /// Newer ones that are damaged, newest first.
    pub skipped: Vec<(Entry, Error)>,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    step: u64,
    state_bytes: u64,
    header_blake3: String,
    tensors: Vec<TensorLine>,
    meta: Value,
}

#[derive(Serialize, Deserialize)]
struct TensorLine {
    name: String,
    shape: Vec<usize>,
    blake3: String,
}

/// The folder name of a step.
fn dir_name(step: u64) -> String {
    format!("step-{step:08}")
}

/// A checkpoint that is not in memory: what [`save_from`] writes of it is made one tensor at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Outline {
    /// Steps done.
    pub step: u64,
    /// Name and shape (row-major) of each tensor. Names are unique.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// As in [`Checkpoint::meta`].
    pub meta: Value,
}

/// Writes a checkpoint into `dir` (made if missing) and gives its folder.
///
/// It appears whole or not at all, and is on the disk when this returns. One of the same step is
/// replaced. Folders that earlier crashes left half-written are removed; one process writes at a time.
pub fn save(dir: &Path, checkpoint: &Checkpoint) -> Result<PathBuf> {
    let Checkpoint { step, tensors, meta } = checkpoint;
    let tensors_of = tensors.iter().map(|(name, shape, _)| (name.clone(), shape.clone()));
    let outline = Outline { step: *step, tensors: tensors_of.collect(), meta: meta.clone() };
    save_from(dir, &outline, |index, values: &mut Vec<f32>| {
        values.extend_from_slice(&tensors[index].2);
        Ok(())
    })
}

/// As [`save`], of tensors that come one at a time, in order: `fill` puts the values of one into a vector that is empty. What it
/// refuses is the error, and nothing was saved.
pub fn save_from<E: From<Error>>(
    dir: &Path,
    outline: &Outline,
    fill: impl FnMut(usize, &mut Vec<f32>) -> std::result::Result<(), E>,
) -> std::result::Result<PathBuf, E> {
    std::fs::create_dir_all(dir).map_err(io_error("create", dir))?;
    remove_stale(dir)?;
    let name = dir_name(outline.step);
    let tmp = dir.join(format!("{TMP}{name}"));
    let dst = dir.join(&name);
    let old = dir.join(format!("{OLD}{name}"));
    let written = write_files(&tmp, outline, fill).and_then(|()| {
        // The old one keeps a name that `list` knows until the new one is in place.
        if dst.exists() {
            remove_dir(&old)?;
            std::fs::rename(&dst, &old).map_err(io_error("move", &dst))?;
        }
        Ok(atomic::commit_dir(&tmp, &dst)?)
    });
    match written {
        Ok(()) => remove_dir(&old)?,
        Err(e) => {
            // Best effort: `list` copes with what is left.
            let _ = remove_dir(&tmp);
            let _ = std::fs::rename(&old, &dst);
            return Err(e);
        }
    }
    Ok(dst)
}

fn write_files<E: From<Error>>(
    tmp: &Path,
    outline: &Outline,
    fill: impl FnMut(usize, &mut Vec<f32>) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    std::fs::create_dir(tmp).map_err(io_error("create", tmp))?;
    let manifest = write_state(&tmp.join(STATE), outline, fill)?;
    let path = tmp.join(MANIFEST);
    let bytes = seal(&manifest);
    Ok(std::fs::write(&path, bytes).map_err(io_error("write", &path))?)
}

fn write_state<E: From<Error>>(
    path: &Path,
    outline: &Outline,
    mut fill: impl FnMut(usize, &mut Vec<f32>) -> std::result::Result<(), E>,
) -> std::result::Result<Manifest, E> {
    let header = state_header(&outline.tensors);
    let file = File::create(path).map_err(io_error("write", path))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(&header).map_err(io_error("write", path))?;
    let mut state_bytes = header.len() as u64;
    let mut tensors = Vec::with_capacity(outline.tensors.len());
    let (mut values, mut bytes) = (Vec::new(), Vec::with_capacity(1 << 16));
    for (index, (name, shape)) in outline.tensors.iter().enumerate() {
        values.clear();
        fill(index, &mut values)?;
        assert_eq!(shape.iter().product::<usize>(), values.len(), "tensor {name}: shape and values");
        let mut hash = blake3::Hasher::new();
        for chunk in values.chunks(1 << 14) {
            bytes.clear();
            bytes.extend(chunk.iter().flat_map(|v| v.to_le_bytes()));
            hash.update(&bytes);
            out.write_all(&bytes).map_err(io_error("write", path))?;
        }
        state_bytes += 4 * values.len() as u64;
        let blake3 = hash.finalize().to_hex().to_string();
        tensors.push(TensorLine { name: name.clone(), shape: shape.clone(), blake3 });
    }
    let file = out.into_inner().map_err(|e| io_error("write", path)(e.into_error()))?;
    file.sync_all().map_err(io_error("write", path))?;
    Ok(Manifest {
        version: VERSION,
        step: outline.step,
        state_bytes,
        header_blake3: blake3::hash(&header).to_hex().to_string(),
        tensors,
        meta: outline.meta.clone(),
    })
}

/// The head of a safetensors file: its length, then JSON padded so that the data is aligned.
fn state_header(tensors: &[(String, Vec<usize>)]) -> Vec<u8> {
    let mut map = serde_json::Map::new();
    let mut at = 0;
    for (name, shape) in tensors {
        let end = at + 4 * shape.iter().product::<usize>();
        let line = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [at, end] });
        assert!(map.insert(name.clone(), line).is_none(), "tensor {name} is there twice");
        at = end;
    }
    let mut json = Value::Object(map).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    header
}

/// Reads a checkpoint's folder and verifies every byte of it.
pub fn load(path: &Path) -> Result<Checkpoint> {
    let damaged = |problem: String| Error::Checkpoint { path: path.to_owned(), problem };
    let manifest = read_manifest(path)?;
    let bytes = read_state(path, &manifest)?;

    let (header_len, _) = safetensors::SafeTensors::read_metadata(&bytes)
        .map_err(|e| damaged(format!("{STATE} is not a safetensors file: {}", shown(&e.to_string()))))?;
    let header_end = header_len + 8;
    check_hash(&manifest.header_blake3, &bytes[..header_end])
        .map_err(|e| damaged(format!("the header of {STATE} {e}")))?;
    let state = safetensors::SafeTensors::deserialize(&bytes)
        .map_err(|e| damaged(format!("{STATE} is not a safetensors file: {}", shown(&e.to_string()))))?;
    if state.len() != manifest.tensors.len() {
        let (a, b) = (manifest.tensors.len(), state.len());
        return Err(damaged(format!("{MANIFEST} lists {a} tensors, {STATE} holds {b}")));
    }
    let mut tensors = Vec::with_capacity(state.len());
    for line in manifest.tensors {
        let name = shown(&line.name);
        let tensor = state.tensor(&line.name).map_err(|_| damaged(format!("tensor {name} is missing")))?;
        if tensor.dtype() != safetensors::Dtype::F32 || tensor.shape() != line.shape {
            let found = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
            return Err(damaged(format!("tensor {name} is {found}, expected F32 {:?}", line.shape)));
        }
        check_hash(&line.blake3, tensor.data()).map_err(|e| damaged(format!("tensor {name} {e}")))?;
        let (chunks, _) = tensor.data().as_chunks::<4>();
        let values = chunks.iter().map(|&b| f32::from_le_bytes(b)).collect();
        tensors.push((line.name, line.shape, values));
    }
    Ok(Checkpoint { step: manifest.step, tensors, meta: manifest.meta })
}

/// The checkpoints of a folder by their names, newest first; nothing is read. A missing folder has none.
pub fn list(dir: &Path) -> Result<Vec<Entry>> {
    let (mut entries, mut replaced) = (Vec::new(), Vec::new());
    for (name, path) in named_entries(dir)? {
        let name = name.as_str();
        if let Some(step) = step_of(name) {
            entries.push(Entry { step, path });
        } else if let Some(step) = name.strip_prefix(OLD).and_then(step_of) {
            replaced.push(Entry { step, path });
        }
    }
    // A crash between moving the old one away and the new one in leaves only the old one.
    replaced.retain(|old| entries.iter().all(|e| e.step != old.step));
    entries.append(&mut replaced);
    entries.sort_unstable_by_key(|e| std::cmp::Reverse(e.step));
    Ok(entries)
}

/// Loads the newest checkpoint that is whole, or `None` if the folder has none at all.
///
/// Damaged ones are passed over and reported. If all are damaged, the error is the newest one's.
pub fn newest_complete(dir: &Path) -> Result<Option<Newest>> {
    let mut skipped = Vec::new();
    for entry in list(dir)? {
        match load(&entry.path) {
            Ok(checkpoint) => return Ok(Some(Newest { checkpoint, path: entry.path, skipped })),
            Err(e) => skipped.push((entry, e)),
        }
    }
    if skipped.is_empty() { Ok(None) } else { Err(skipped.swap_remove(0).1) }
}

/// Removes all checkpoints but the `keep_newest` newest and the one of step `best`; gives what it removed.
/// What a crash left of an earlier save or removal goes too; one process writes at a time.
///
/// Only those whose manifest and file length are right count as newest: a damaged one never pushes out a good one.
pub fn prune(dir: &Path, keep_newest: usize, best: Option<u64>) -> Result<Vec<Entry>> {
    let mut kept = 0;
    let mut removed = Vec::new();
    remove_stale(dir)?;
    for entry in list(dir)? {
        let whole = looks_whole(&entry.path);
        if whole && kept < keep_newest {
            kept += 1;
        } else if Some(entry.step) != best && (whole || kept == keep_newest) {
            // Renamed first: half-removed, it would be a damaged checkpoint.
            let tmp = dir.join(format!("{TMP}{}", dir_name(entry.step)));
            remove_dir(&tmp)?;
            std::fs::rename(&entry.path, &tmp).map_err(io_error("move", &entry.path))?;
            remove_dir(&tmp)?;
            removed.push(entry);
        }
    }
    Ok(removed)
}

/// Whether manifest and file length are right; the cheap part of `load`.
fn looks_whole(path: &Path) -> bool {
    let Ok(manifest) = read_manifest(path) else { return false };
    std::fs::metadata(path.join(STATE)).is_ok_and(|m| m.is_file() && m.len() == manifest.state_bytes)
}

fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("step-")?;
    let step = digits.parse().ok()?;
    (dir_name(step) == name).then_some(step)
}

/// Names and paths of what is in a folder; names that are no text are none of ours. A missing folder has none.
fn named_entries(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let read = match std::fs::read_dir(dir) {
        Ok(read) => read,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io_error("read", dir)(e)),
    };
    let mut named = Vec::new();
    for entry in read {
        let entry = entry.map_err(io_error("read", dir))?;
        if let Ok(name) = entry.file_name().into_string() {
            named.push((name, entry.path()));
        }
    }
    Ok(named)
}

/// Removes what a crash left half-written, half-removed or replaced.
fn remove_stale(dir: &Path) -> Result<()> {
    for (name, path) in named_entries(dir)? {
        let replaced = name.strip_prefix(OLD).is_some_and(|n| step_of(n).is_some() && dir.join(n).exists());
        if replaced || name.strip_prefix(TMP).and_then(step_of).is_some() {
            remove_dir(&path)?;
        }
    }
    Ok(())
}

fn remove_dir(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(e)),
        _ => Ok(()),
    }
}

const SEAL: [&[u8]; 3] = [b"{\"blake3\":\"", b"\",\"checkpoint\":", b"}\n"];
const HEX: usize = 64;

/// The manifest's bytes: JSON whose first member is the hash of the second's text.
fn seal(manifest: &Manifest) -> Vec<u8> {
    let body = serde_json::to_vec(manifest).expect("strings, numbers and a JSON value");
    let hash = blake3::hash(&body).to_hex();
    [SEAL[0], hash.as_bytes(), SEAL[1], &body, SEAL[2]].concat()
}

/// The text of the second member, if the first is its hash.
fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (hash, rest) = bytes.strip_prefix(SEAL[0])?.split_at_checked(HEX)?;
    let body = rest.strip_prefix(SEAL[1])?.strip_suffix(SEAL[2])?;
    (blake3::hash(body).to_hex().as_bytes() == hash).then_some(body)
}

fn read_manifest(path: &Path) -> Result<Manifest> {
    let damaged = |problem: String| Error::Checkpoint { path: path.to_owned(), problem };
    let bytes = ordinary::read(&path.join(MANIFEST), MANIFEST_MAX)?;
    let body = unseal(&bytes).ok_or_else(|| damaged(format!("{MANIFEST} does not match its own hash")))?;
    let manifest: Manifest = serde_json::from_slice(body)
        .map_err(|e| damaged(format!("{MANIFEST}: {}", shown(&e.to_string()))))?;
    if manifest.version != VERSION {
        let v = manifest.version;
        return Err(damaged(format!("{MANIFEST} is of version {v}, this program reads {VERSION}")));
    }
    Ok(manifest)
}

fn read_state(path: &Path, manifest: &Manifest) -> Result<Vec<u8>> {
    let expected = manifest.state_bytes;
    let file = path.join(STATE);
    let (_, len) = ordinary::open(&file)?;
    if len == expected {
        return ordinary::read(&file, expected);
    }
    let problem = format!("{STATE} has {len} bytes, expected {expected}");
    Err(Error::Checkpoint { path: path.to_owned(), problem })
}

fn check_hash(expected: &str, bytes: &[u8]) -> std::result::Result<(), &'static str> {
    if blake3::hash(bytes).to_hex().as_str() == expected { Ok(()) } else { Err("does not match its hash") }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
