//! The tokenizer as GGUF metadata, under llama.cpp's keys, so that other programs read ours and
//! we read theirs. The keys of the model itself are the model's business.

use super::spelled::{self, Merges};
use super::{Parts, Split, TokenKind, Tokenizer, Tokens, alphabet};
use crate::Result;
use crate::gguf::{Metadata, Strings};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const EOT: &str = "tokenizer.ggml.eot_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";

/// A model trained on documents says here what stood between them; its end-of-text token took the place of that string.
pub const SEPARATOR: &str = "tercet.training.separator";

impl Tokenizer {
    /// From a model's metadata. Only byte-level BPE (`tokenizer.ggml.model` = `gpt2`) is read.
    ///
    /// Errors name the key, what was expected and what was found.
    pub fn from_gguf(meta: &Metadata) -> Result<Tokenizer> {
        let model = meta.require_str(MODEL)?;
        if model != "gpt2" {
            return Err(meta.invalid(
                MODEL,
                format!("is \"{}\"; expected \"gpt2\", byte-level BPE", crate::shown(model)),
            ));
        }
        // Old files do not say; what they hold is GPT-2's own.
        let pre = meta.str(PRE)?.unwrap_or("gpt-2");
        let split = Split::from_name(pre).ok_or_else(|| {
            let known = Split::ALL.map(Split::name).join(", ");
            meta.invalid(PRE, format!("is \"{}\"; the pre-tokenizers we know are {known}", crate::shown(pre)))
        })?;

        let texts = meta.require_strs(TOKENS)?;
        let types = meta.i32s(TOKEN_TYPE)?;
        if let Some(types) = types
            && types.len() != texts.len()
        {
            let what = format!("has {} entries; {TOKENS} has {}", types.len(), texts.len());
            return Err(meta.invalid(TOKEN_TYPE, what));
        }
        let mut tokens = Tokens::new();
        for (id, text) in texts.iter().enumerate() {
            let kind = match types.map_or(1, |t| t[id]) {
                1 => TokenKind::Normal,
                2 => TokenKind::Unknown,
                3 => TokenKind::Control,
                4 => TokenKind::UserDefined,
                0 | 5 => TokenKind::Unused,
                other => {
                    return Err(
                        meta.invalid(TOKEN_TYPE, format!("is {other} for token {id}; expected 0 to 5"))
                    );
                }
            };
            spelled::push(&mut tokens, text, kind).map_err(|what| meta.invalid(TOKENS, what))?;
        }
        let mut merges = Merges::new((0..).zip(texts.iter()), &tokens);
        for line in meta.require_strs(MERGES)?.iter() {
            merges.push_line(line).map_err(|what| meta.invalid(MERGES, what))?;
        }

        let id = |key| -> Result<Option<u32>> {
            match meta.u32(key)? {
                Some(id) if id as usize >= tokens.len() => {
                    Err(meta.invalid(key, format!("is {id}; there are {} tokens", tokens.len())))
                }
                id => Ok(id),
            }
        };
        let (bos, eos, eot) = (id(BOS)?, id(EOS)?, id(EOT)?);
        let add_bos = meta.bool(ADD_BOS)?.unwrap_or(split.adds_bos());
        let parts = Parts { tokens, merges: merges.finish(), split, bos, eos, eot, add_bos };
        Tokenizer::new(parts, meta.file())
    }

    /// Writes the tokenizer into a model's metadata; [`Tokenizer::from_gguf`] reads the same one back.
    pub fn to_gguf(&self, meta: &mut Metadata) {
        let parts = self.parts();
        let spell = |bytes: &[u8], kind| match kind {
            TokenKind::Normal => alphabet::spelling(bytes),
            _ => String::from_utf8_lossy(bytes).into_owned(),
        };
        let texts: Strings = parts.tokens.iter().map(|(_, bytes, kind)| spell(bytes, kind)).collect();
        let types: Vec<i32> = parts.tokens.iter().map(|(_, _, kind)| kind as i32).collect();
        let part = |id| alphabet::spelling(parts.tokens.bytes(id));
        let merges: Strings = parts.merges.iter().map(|&(l, r)| format!("{} {}", part(l), part(r))).collect();
        meta.insert(MODEL, "gpt2");
        meta.insert(PRE, parts.split.name());
        meta.insert(TOKENS, texts);
        meta.insert(TOKEN_TYPE, types);
        meta.insert(MERGES, merges);
        for (key, id) in [(BOS, parts.bos), (EOS, parts.eos), (EOT, parts.eot)] {
            if let Some(id) = id {
                meta.insert(key, id);
            }
        }
        meta.insert(ADD_BOS, parts.add_bos);
    }
}
