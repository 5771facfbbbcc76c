//! How tokens that are text are written as strings, in files and in the library that merges: in the alphabet of bytes, or as
//! SentencePiece writes them. Names of other tokens are written as they are.

use super::parts::Scheme;
use super::{TokenKind, Tokens, VOCAB_MAX, alphabet};
use crate::shown;

/// What SentencePiece writes for a space.
const SPACE: &str = "\u{2581}";

/// One of the two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Every byte as one character, [`alphabet`]'s.
    Bytes,
    /// Text as it is but for spaces, and a byte that is no text alone as `<0x0A>`.
    Sentence,
}

impl Spelling {
    /// The spelling that goes with a scheme.
    pub fn of(scheme: &Scheme) -> Spelling {
        match scheme {
            Scheme::ByteLevel { .. } => Spelling::Bytes,
            Scheme::SentencePiece { .. } => Spelling::Sentence,
        }
    }

    /// A text as tokens of it are spelt.
    pub fn of_text(self, text: &str) -> String {
        match self {
            Spelling::Bytes => alphabet::spelling(text.as_bytes()),
            Spelling::Sentence => text.replace(' ', SPACE),
        }
    }

    /// A token's bytes as merging knows them.
    pub fn of_bytes(self, bytes: &[u8]) -> String {
        match self {
            Spelling::Bytes => alphabet::spelling(bytes),
            Spelling::Sentence => self.of_text(&String::from_utf8_lossy(bytes)),
        }
    }

    /// The token of a byte.
    pub fn of_byte(self, byte: u8) -> String {
        match self {
            Spelling::Bytes => self.of_token(&[byte], TokenKind::Normal),
            Spelling::Sentence => self.of_token(&[byte], TokenKind::Byte),
        }
    }

    /// A token as files spell it.
    pub fn of_token(self, bytes: &[u8], kind: TokenKind) -> String {
        match kind {
            TokenKind::Normal => self.of_bytes(bytes),
            TokenKind::Byte => bytes.iter().map(|byte| format!("<0x{byte:02X}>")).collect(),
            _ => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// Adds a token that a file spells so.
    ///
    /// # Errors
    /// What is wrong with it: one too many, an empty text, a character that spells no byte.
    pub fn push(self, tokens: &mut Tokens, text: &str, kind: TokenKind) -> Result<(), String> {
        let id = tokens.len();
        if id == VOCAB_MAX {
            return Err(format!("has more than {VOCAB_MAX} tokens"));
        }
        if text.is_empty() && kind == TokenKind::Normal {
            return Err(format!("has an empty text for token {id}"));
        }
        match (kind, self) {
            (TokenKind::Normal, Spelling::Bytes) => {
                let bytes = alphabet::unspelled(text).map_err(|c| {
                    let c = c.escape_debug();
                    format!(
                        "spells token {id} \"{}\" with '{c}', which is not in the byte alphabet",
                        shown(text)
                    )
                })?;
                tokens.push(&bytes, kind)
            }
            (TokenKind::Normal, Spelling::Sentence) => tokens.push(text.replace(SPACE, " ").as_bytes(), kind),
            (TokenKind::Byte, _) => {
                let byte = byte_of(text).ok_or_else(|| {
                    format!("spells token {id} \"{}\", a byte; expected one as <0x0A>", shown(text))
                })?;
                tokens.push(&[byte], kind)
            }
            _ => tokens.push(text.as_bytes(), kind),
        };
        Ok(())
    }
}

/// The byte that is written `<0x0A>`.
fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let hexadecimal = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if hexadecimal { u8::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Spelling::{Bytes, Sentence};
    use TokenKind::{Byte, Control, Normal, UserDefined};

    #[test]
    fn spelling_reads_back_what_it_writes() {
        let cases: [(Spelling, &[u8], TokenKind, &str); 7] = [
            (Bytes, b" the\xff", Normal, "Ġtheÿ"),
            (Bytes, "a é".as_bytes(), UserDefined, "a é"),
            (Sentence, b" the", Normal, "▁the"),
            (Sentence, "é".as_bytes(), Normal, "é"),
            (Sentence, b"\n", Byte, "<0x0A>"),
            (Sentence, b"\xff", Byte, "<0xFF>"),
            (Sentence, b"<s> ", Control, "<s> "),
        ];
        for (spelling, bytes, kind, text) in cases {
            assert_eq!(spelling.of_token(bytes, kind), text);
            let mut tokens = Tokens::new();
            spelling.push(&mut tokens, text, kind).unwrap();
            assert_eq!((tokens.bytes(0), tokens.kind(0)), (bytes, kind), "{text}");
        }
        assert_eq!((Sentence.of_text("a b"), Bytes.of_text("a b")), ("a▁b".into(), "aĠb".into()));
    }

    #[test]
    fn spelling_refuses_what_is_no_byte() {
        for text in ["", "\n", "<0x1>", "<0x1G>", "<0x+1>", "<0x010>", "0x0A", "<0xé>"] {
            let error = Sentence.push(&mut Tokens::new(), text, Byte).unwrap_err();
            assert!(error.contains("expected one as <0x0A>"), "{error}");
        }
        assert!(Bytes.push(&mut Tokens::new(), "a b", Normal).is_err());
        assert!(Sentence.push(&mut Tokens::new(), "", Normal).is_err());
    }
}
