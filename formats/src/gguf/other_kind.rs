//! What is no GGUF, but of a kind that we know: files by their first bytes, folders by what lies in them; those that people have in its place.
//! What they hold is nobody's business here.

use std::path::Path;

/// What else a file is, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OtherKind {
    /// "a zip archive".
    pub kind: &'static str,
    /// "unpack it first".
    pub cure: &'static str,
}

const CONVERT: &str = "convert it to GGUF first";
const UNPACK: &str = "unpack it first";
const DOWNLOAD: &str = "download it again";
const CHOOSE: &str = "choose the model's .gguf file";

/// Where the bytes stand, the bytes, and what begins so.
#[rustfmt::skip]
static MAGICS: [(usize, &[u8], &str, &str); 29] = [
    (0, b"GUGF", "one whose first letters are swapped, as some early ternary exporters wrote", "export the model again"),
    (0, b"lmgg", "a GGML file, older than GGUF", CONVERT),
    (0, b"fmgg", "a GGML file, older than GGUF", CONVERT),
    (0, b"tjgg", "a GGML file, older than GGUF", CONVERT),
    (0, b"algg", "a GGML adapter, older than GGUF", CONVERT),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (0, b"\x80\x02\x8a\x0al\xfc\x9cF", "an old PyTorch checkpoint", CONVERT),
    (0, b"\x80\x02", "a Python pickle", CONVERT),
    (0, b"\x80\x04\x95", "a Python pickle", CONVERT),
    (0, b"\x80\x05\x95", "a Python pickle", CONVERT),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes", CONVERT),
    (0, b"\x93NUMPY", "a NumPy array", CONVERT),
    (4, b"TFL3", "a TensorFlow Lite model", CONVERT),
    (0, b"\x1f\x8b", "a gzip archive", UNPACK),
    (0, b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", UNPACK),
    (0, b"\x04\x22\x4d\x18", "an lz4 archive", UNPACK),
    (0, b"BZh", "a bzip2 archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"version https://git-lfs", "a Git LFS pointer in place of the file", "fetch it with `git lfs pull`"),
    (0, b"%PDF", "a PDF document", CHOOSE),
    (0, b"\x89PNG\r\n", "a picture", CHOOSE),
    (0, b"\xff\xd8\xff", "a picture", CHOOSE),
    (0, b"MZ", "a program", CHOOSE),
    (0, b"\x7fELF", "a program", CHOOSE),
    (0, b"SQLite format 3\0", "a database", CHOOSE),
    (0, b"\0\0\0\0\0\0\0\0", "a row of zeros, as an interrupted download leaves", DOWNLOAD),
];

/// What text files begin with, in small letters and behind spaces.
static TEXTS: [(&str, &str, &str); 5] = [
    ("<!doctype", "a web page saved in its place", DOWNLOAD),
    ("<html", "a web page saved in its place", DOWNLOAD),
    ("<?xml", "an XML text, perhaps a server's error message", DOWNLOAD),
    ("{", "a JSON text", CHOOSE),
    ("[", "a JSON text", CHOOSE),
];

/// The longest header that safetensors allows.
const SAFETENSORS_HEADER_MAX: u64 = 100_000_000;

/// What zip archives are by the name of their first member, at byte 30.
static ARCHIVES: [(&str, &str, &str); 2] =
    [("/data.pkl", "a PyTorch checkpoint", CONVERT), (".npy", "an archive of NumPy arrays", CONVERT)];

/// What folders are by a file in them.
static FOLDERS: [(&str, &str, &str); 4] = [
    ("run.toml", "a run of `tercet train`", "`tercet export` makes a GGUF file of it"),
    ("model.safetensors", "a Hugging Face model's folder", CONVERT),
    ("model.safetensors.index.json", "a Hugging Face model's folder", CONVERT),
    ("pytorch_model.bin", "a PyTorch model's folder", CONVERT),
];

/// What a folder is, if we know.
pub(super) fn other_folder(path: &Path) -> Option<OtherKind> {
    let &(_, kind, cure) = FOLDERS.iter().find(|(file, ..)| path.join(file).is_file())?;
    Some(OtherKind { kind, cure })
}

/// What a file is that starts so, if we know; `start` is some hundred bytes, where the file has them.
pub(super) fn other_kind(start: &[u8]) -> Option<OtherKind> {
    let has = |at: usize, magic: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if has(0, b"PK\x03\x04") {
        let name = first_member(start);
        if let Some(&(_, kind, cure)) = ARCHIVES.iter().find(|(end, ..)| name.ends_with(end.as_bytes())) {
            return Some(OtherKind { kind, cure });
        }
    }
    if let Some(&(.., kind, cure)) = MAGICS.iter().find(|(at, magic, ..)| has(*at, magic)) {
        return Some(OtherKind { kind, cure });
    }
    if let Some((header_len, header)) = start.split_first_chunk()
        && u64::from_le_bytes(*header_len) <= SAFETENSORS_HEADER_MAX
        && header.first() == Some(&b'{')
    {
        return Some(OtherKind { kind: "a safetensors file", cure: CONVERT });
    }
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
    let begins = |word: &str| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()));
    let (_, kind, cure) = TEXTS.iter().find(|(word, ..)| begins(word))?;
    Some(OtherKind { kind, cure })
}

/// The name of a zip archive's first member, as far as it is there.
fn first_member(start: &[u8]) -> &[u8] {
    let Some(&[low, high]) = start.get(26..28) else { return &[] };
    let name = start.get(30..).unwrap_or_default();
    name.get(..usize::from(u16::from_le_bytes([low, high]))).unwrap_or(name)
}
