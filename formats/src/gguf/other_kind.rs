//! Files that are no GGUF, but of a kind that we know by its first bytes: those that people have in its place.
//! What they hold is nobody's business here.

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
static MAGICS: [(usize, &[u8], &str, &str); 26] = [
    (0, b"GUGF", "one whose first letters are swapped, as some early ternary exporters wrote", "export the model again"),
    (0, b"lmgg", "a GGML file, older than GGUF", CONVERT),
    (0, b"fmgg", "a GGML file, older than GGUF", CONVERT),
    (0, b"tjgg", "a GGML file, older than GGUF", CONVERT),
    (0, b"algg", "a GGML adapter, older than GGUF", CONVERT),
    (0, b"PK\x03\x04", "a zip archive or a PyTorch checkpoint", CONVERT),
    (0, b"\x80\x02\x8a\x0al\xfc\x9cF", "an old PyTorch checkpoint", CONVERT),
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

/// What a file is that starts so, if we know; `start` is some hundred bytes, where the file has them.
pub(super) fn other_kind(start: &[u8]) -> Option<OtherKind> {
    let has = |at: usize, magic: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(magic));
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
