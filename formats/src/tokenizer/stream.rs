//! Text out of a stream of tokens, whole characters at a time. A token may end in the middle of
//! a character; what follows completes it or shows that it was not one.

use super::Tokenizer;

/// Collects tokens and gives out the text that is certain so far.
///
/// What `push` and `flush` return, joined, is [`Tokenizer::decode`] of the same ids.
#[derive(Clone, Debug, Default)]
pub struct DecodeStream {
    pending: Vec<u8>,
}

impl DecodeStream {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a token; gives the text that became certain, if any.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Option<String> {
        self.push_bytes(tokenizer.text_bytes(id))
    }

    /// Adds raw bytes; gives the text that became certain, if any.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Option<String> {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut done = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                break;
            }
            if done + invalid.len() == self.pending.len() && may_continue(invalid) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            done += invalid.len();
        }
        self.pending.drain(..done);
        (!text.is_empty()).then_some(text)
    }

    /// Ends the text: an unfinished character shows as U+FFFD.
    pub fn flush(&mut self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        (!text.is_empty()).then_some(text)
    }
}

/// Whether more bytes could make these the start of a character.
fn may_continue(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(e) if e.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(bytes: &[u8], step: usize) -> String {
        let mut stream = DecodeStream::new();
        let mut out = String::new();
        for chunk in bytes.chunks(step) {
            out.extend(stream.push_bytes(chunk));
        }
        out.extend(stream.flush());
        assert_eq!(stream.flush(), None);
        out
    }

    #[test]
    fn stream_holds_back_half_characters() {
        let mut s = DecodeStream::new();
        assert_eq!(s.push_bytes(b"a\xe2\x82"), Some("a".into()));
        assert_eq!(s.push_bytes(b"\xac"), Some("\u{20ac}".into()));
        assert_eq!(s.push_bytes(b"\xf0\x9f"), None);
        assert_eq!(s.flush(), Some("\u{fffd}".into()));
    }

    #[test]
    fn stream_joined_is_the_lossy_text() {
        // Every pair of awkward bytes between letters, and characters of each length.
        let odd = [0x00, b'a', 0x80, 0xbf, 0xc2, 0xe0, 0xed, 0xa0, 0xef, 0xf0, 0x9f, 0xf4, 0x90, 0xff];
        let mut bytes = "né€😀\u{feff}".as_bytes().to_vec();
        for a in odd {
            for b in odd {
                for c in odd {
                    bytes.extend([a, b, c, b'x']);
                    bytes.extend([c, a, b]);
                }
            }
        }
        for step in 1..=5 {
            assert_eq!(through(&bytes, step), String::from_utf8_lossy(&bytes));
        }
    }
}
