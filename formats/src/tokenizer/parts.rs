//! The facts a tokenizer is built from, as files state them. What follows from them is the tokenizer's to work out.

use super::{Split, Tokens};

/// Everything that a vocabulary's file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// Every id. All 256 bytes must be among them, as normal tokens or as [`Byte`](super::TokenKind::Byte) ones.
    pub tokens: Tokens,
    /// How text becomes them.
    pub scheme: Scheme,
    /// What stands before, between and after texts.
    pub special: Special,
}

/// What merges, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub enum Scheme {
    /// Byte-level BPE, GGUF's `gpt2`: the bytes of a piece merge as a list says.
    ByteLevel {
        /// How text is cut before merging.
        split: Split,
        /// Pairs of ids that merge, first ones first.
        merges: Vec<(u32, u32)>,
    },
    /// SentencePiece's BPE, GGUF's `llama`: the characters of a text merge to tokens of the highest score first. What has no token
    /// becomes its bytes.
    SentencePiece {
        /// By id.
        scores: Vec<f32>,
        /// Whether a text begins with a space that nobody wrote, as after a token of control.
        space_first: bool,
    },
}

/// Tokens by what they are for, and whether they are put around a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Special {
    /// Starts a sequence.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Ends a turn of a chat.
    pub eot: Option<u32>,
    /// Ends a message after which the turn goes on, for a tool to answer.
    pub eom: Option<u32>,
    /// Whether the model expects `bos` before a prompt.
    pub add_bos: bool,
    /// Whether it was taught with `eos` after every text. A prompt is never ended so.
    pub add_eos: bool,
}

impl Special {
    /// The ids and what they are called.
    pub fn named(&self) -> [(&'static str, Option<u32>); 4] {
        [("bos", self.bos), ("eos", self.eos), ("eot", self.eot), ("eom", self.eom)]
    }

    /// The same tokens under the ids that `new` gives them.
    pub(super) fn map(self, new: impl Fn(u32) -> Option<u32>) -> Special {
        let map = |id: Option<u32>| id.and_then(&new);
        Special { bos: map(self.bos), eos: map(self.eos), eot: map(self.eot), eom: map(self.eom), ..self }
    }
}
