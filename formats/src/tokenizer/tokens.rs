//! The vocabulary as a list: every id's bytes and kind, packed into three allocations that
//! together are smaller than the file they come from.

/// What a token is, as GGUF's `tokenizer.ggml.token_type` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TokenKind {
    /// Text, made by merging bytes.
    Normal = 1,
    /// Stands for what cannot be encoded; never happens here.
    Unknown = 2,
    /// Steers the model and is not text: end of text, start of a turn.
    Control = 3,
    /// Text added to the vocabulary by hand: found by its name before anything merges.
    UserDefined = 4,
    /// A hole in the numbering.
    Unused = 5,
}

impl TokenKind {
    /// Whether a token of this kind stands for its bytes in a text.
    pub fn is_text(self) -> bool {
        matches!(self, TokenKind::Normal | TokenKind::UserDefined)
    }

    /// Whether it is known by its name, in every text or where that is asked for.
    pub fn is_added(self) -> bool {
        matches!(self, TokenKind::Control | TokenKind::UserDefined)
    }
}

/// Tokens in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    bytes: Vec<u8>,
    /// Where each token ends in `bytes`.
    ends: Vec<u32>,
    kinds: Vec<TokenKind>,
}

impl Tokens {
    /// No tokens yet.
    pub fn new() -> Tokens {
        Tokens::default()
    }

    /// Appends a token; gives its id. For kinds other than [`TokenKind::Normal`] the bytes are its name.
    ///
    /// All tokens together have less than 4 GiB; every file we read is smaller.
    pub fn push(&mut self, bytes: &[u8], kind: TokenKind) -> u32 {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(u32::try_from(self.bytes.len()).expect("a vocabulary is smaller than 4 GiB"));
        self.kinds.push(kind);
        (self.kinds.len() - 1) as u32
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
