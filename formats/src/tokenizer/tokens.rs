//! The vocabulary as a list: every id's bytes and kind, packed into three allocations that
//! together are smaller than the file they come from.

/// What a token is, as GGUF's `tokenizer.ggml.token_type` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TokenKind {
    /// Text, made by merging bytes.
    Normal = 1,
    /// Stands for what cannot be encoded, which never happens here.
    Unknown = 2,
    /// Steers the model and is not text: end of text, start of a turn.
    Control = 3,
    /// Text added to the vocabulary by hand: found by its name before anything merges.
    UserDefined = 4,
    /// A hole in the numbering.
    Unused = 5,
    /// One byte, of SentencePiece's: what has no other token becomes these.
    Byte = 6,
}

impl TokenKind {
    /// Whether a token of this kind stands for its bytes in a text.
    pub fn is_text(self) -> bool {
        matches!(self, TokenKind::Normal | TokenKind::UserDefined | TokenKind::Byte)
    }

    /// Whether it is known by its name, in every text or where that is asked for.
    pub fn is_added(self) -> bool {
        matches!(self, TokenKind::Control | TokenKind::UserDefined | TokenKind::Unknown)
    }
}

/// Tokens in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    bytes: Vec<u8>,
    /// Where each token ends in `bytes`.
    ends: Vec<u32>,
    kinds: Vec<TokenKind>,
    /// Whether one had no room any more.
    too_long: bool,
}

/// Bytes of all tokens together: what `ends` can count.
pub const BYTES_MAX: usize = u32::MAX as usize;

impl Tokens {
    /// No tokens yet.
    pub fn new() -> Tokens {
        Tokens::default()
    }

    /// Appends a token; gives its id. For kinds other than [`TokenKind::Normal`] the bytes are its name.
    ///
    /// Tokens that have more than 4 GiB together are too long: what has no room is left out, and no tokenizer is made of them.
    pub fn push(&mut self, bytes: &[u8], kind: TokenKind) -> u32 {
        self.push_within(bytes, kind, BYTES_MAX)
    }

    fn push_within(&mut self, bytes: &[u8], kind: TokenKind, bytes_max: usize) -> u32 {
        if self.bytes.len() + bytes.len() > bytes_max {
            self.too_long = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        self.ends.push(self.bytes.len() as u32);
        self.kinds.push(kind);
        (self.kinds.len() - 1) as u32
    }

    /// Whether they have more bytes together than they may.
    pub fn are_too_long(&self) -> bool {
        self.too_long
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// A token's bytes, or its name; empty for an id out of range.
    pub fn bytes(&self, id: u32) -> &[u8] {
        let at = id as usize;
        let Some(&end) = self.ends.get(at) else { return &[] };
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start as usize..end as usize]
    }

    /// What a token is; [`TokenKind::Unused`] for an id out of range.
    pub fn kind(&self, id: u32) -> TokenKind {
        self.kinds.get(id as usize).copied().unwrap_or(TokenKind::Unused)
    }

    /// Ids, bytes and kinds in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8], TokenKind)> {
        (0..self.len() as u32).map(|id| (id, self.bytes(id), self.kind(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{Parts, Scheme, Special, Split, Tokenizer};

    /// A vocabulary of 4 GiB once was a panic.
    #[test]
    fn tokens_that_are_too_long_together_are_refused_in_a_sentence() {
        let build = |last: &[u8]| {
            let mut tokens = Tokens::new();
            for byte in 0..=255u8 {
                tokens.push_within(&[byte], TokenKind::Normal, 300);
            }
            let id = tokens.push_within(last, TokenKind::Normal, 300);
            assert_eq!((id, tokens.len(), tokens.kind(id)), (256, 257, TokenKind::Normal));
            let scheme = Scheme::ByteLevel { split: Split::Gpt2, merges: vec![] };
            Tokenizer::new(Parts { tokens, scheme, special: Special::default() }, "a file")
        };
        assert_eq!(build(&[b'x'; 44]).unwrap().token_bytes(256), [b'x'; 44]);
        let refused = build(&[b'x'; 45]).unwrap_err().to_string();
        assert_eq!(
            refused,
            "cannot use the tokenizer in a file: its tokens have more than 4294967295 bytes together"
        );
    }
}
