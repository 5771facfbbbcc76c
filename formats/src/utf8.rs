//! Texts as editors and systems write them: UTF-8, perhaps behind a byte order mark, which is no part of the text.
//! Where they come from may be endless, so every way of reading takes a limit.

use crate::{Error, Result, ordinary};
use std::io::Read;
use std::path::Path;

/// What some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The text in an ordinary file of at most `limit` bytes.
///
/// # Errors
/// A file that cannot be read, is longer, or is not UTF-8.
pub fn read(path: &Path, limit: u64) -> Result<String> {
    decode(ordinary::read(path, limit)?, &path.display().to_string())
}

/// The text that a stream gives before it ends, at most `limit` bytes. `place` names it in errors.
///
/// # Errors
/// A stream that fails, gives more, or gives what is not UTF-8.
pub fn read_stream(stream: impl Read, limit: u64, place: &str) -> Result<String> {
    let io = |source| Error::Io { what: "read", path: place.into(), source };
    let mut bytes = Vec::new();
    stream.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        let why = format!("it gives more than {limit} bytes, the most that are read");
        return Err(io(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why)));
    }
    decode(bytes, place)
}

/// The text that bytes are, without a byte order mark. `place` names them in errors.
///
/// # Errors
/// Bytes that are not UTF-8.
pub fn decode(mut bytes: Vec<u8>, place: &str) -> Result<String> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    let not_text = |problem| Error::NotText { place: place.to_owned(), problem };
    // Other encodings are known by their marks; no UTF-8 begins so.
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes[..] {
        return Err(not_text("it is UTF-16".to_owned()));
    }
    String::from_utf8(bytes)
        .map_err(|e| not_text(format!("byte {} is not UTF-8", e.utf8_error().valid_up_to())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_drops_a_byte_order_mark_and_only_that() {
        let decoded = |bytes: &[u8]| decode(bytes.to_vec(), "a").unwrap();
        assert_eq!(decoded(b"\xef\xbb\xbfword"), "word");
        assert_eq!(decoded("a\u{feff}b".as_bytes()), "a\u{feff}b");
        assert_eq!(decoded("\u{feff}\u{feff}b".as_bytes()), "\u{feff}b");
        assert_eq!(decoded(b""), "");
    }

    #[test]
    fn utf8_says_what_else_it_found() {
        let why = |bytes: &[u8]| decode(bytes.to_vec(), "notes.txt").unwrap_err().to_string();
        assert_eq!(why(b"ab\xffc"), "cannot use notes.txt as text: byte 2 is not UTF-8; save it as UTF-8");
        assert_eq!(why(b"\xff\xfea\0"), "cannot use notes.txt as text: it is UTF-16; save it as UTF-8");
    }

    #[test]
    fn utf8_reads_no_stream_without_end() {
        let why = read_stream(std::io::repeat(b'a'), 1000, "standard input").unwrap_err().to_string();
        assert!(why.contains("standard input") && why.contains("more than 1000 bytes"), "{why}");
        assert_eq!(read_stream(&b"1234"[..], 4, "x").unwrap(), "1234");
    }
}
