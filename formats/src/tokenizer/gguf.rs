//! The tokenizer as GGUF metadata, under llama.cpp's keys, so that other programs read ours and
//! we read theirs. The keys of the model itself are the model's business.

use super::merges::Merges;
use super::spelling::Spelling;
use super::{Parts, Scheme, Special, Split, TokenKind, Tokenizer, Tokens};
use crate::Result;
use crate::gguf::{Metadata, Strings};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const SCORES: &str = "tokenizer.ggml.scores";
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";
const EOT: &str = "tokenizer.ggml.eot_token_id";
const EOM: &str = "tokenizer.ggml.eom_token_id";
const ADD_BOS: &str = "tokenizer.ggml.add_bos_token";
const ADD_EOS: &str = "tokenizer.ggml.add_eos_token";
const ADD_SPACE: &str = "tokenizer.ggml.add_space_prefix";

/// The two that are read, as [`MODEL`] names them.
const BYTE_LEVEL: &str = "gpt2";
const SENTENCE_PIECE: &str = "llama";

/// The token that tells Llama 3's vocabulary.
const LLAMA3_BOS: &[u8] = b"<|begin_of_text|>";

/// A model trained on documents says here what stood between them; its end-of-text token took the place of that string.
pub const SEPARATOR: &str = "tercet.training.separator";

impl Tokenizer {
    /// From a model's metadata. Byte-level BPE (`tokenizer.ggml.model` = `gpt2`) and SentencePiece's (`llama`) are read.
    ///
    /// Errors name the key, what was expected and what was found.
    pub fn from_gguf(meta: &Metadata) -> Result<Tokenizer> {
        let parts = match meta.require_str(MODEL)? {
            BYTE_LEVEL => byte_level(meta)?,
            SENTENCE_PIECE => sentence_piece(meta)?,
            other => {
                let known = format!(
                    "expected \"{BYTE_LEVEL}\", byte-level BPE, or \"{SENTENCE_PIECE}\", SentencePiece's"
                );
                return Err(meta.invalid(MODEL, format!("is \"{}\"; {known}", crate::shown(other))));
            }
        };
        Tokenizer::new(parts, meta.file())
    }

    /// Writes the tokenizer into a model's metadata; [`Tokenizer::from_gguf`] reads the same one back.
    pub fn to_gguf(&self, meta: &mut Metadata) {
        let Parts { tokens, scheme, special } = self.parts();
        let spelling = Spelling::of(scheme);
        let texts: Strings = tokens.iter().map(|(_, bytes, kind)| spelling.of_token(bytes, kind)).collect();
        let types: Vec<i32> = tokens.iter().map(|(_, _, kind)| kind as i32).collect();
        let (model, pre) = match scheme {
            Scheme::ByteLevel { split, .. } => (BYTE_LEVEL, split.name()),
            Scheme::SentencePiece { .. } => (SENTENCE_PIECE, "default"),
        };
        meta.insert(MODEL, model);
        meta.insert(PRE, pre);
        meta.insert(TOKENS, texts);
        meta.insert(TOKEN_TYPE, types);
        match scheme {
            Scheme::ByteLevel { merges, .. } => {
                let spelt = |id| spelling.of_bytes(tokens.bytes(id));
                let merges: Strings =
                    merges.iter().map(|&(l, r)| format!("{} {}", spelt(l), spelt(r))).collect();
                meta.insert(MERGES, merges);
            }
            Scheme::SentencePiece { scores, space_first } => {
                meta.insert(SCORES, scores.clone());
                meta.insert(ADD_SPACE, *space_first);
            }
        }
        for (key, id) in [(BOS, special.bos), (EOS, special.eos), (EOT, special.eot), (EOM, special.eom)] {
            if let Some(id) = id {
                meta.insert(key, id);
            }
        }
        meta.insert(ADD_BOS, special.add_bos);
        if special.add_eos {
            meta.insert(ADD_EOS, true);
        }
    }
}

fn byte_level(meta: &Metadata) -> Result<Parts> {
    let (tokens, texts) = tokens(meta, Spelling::Bytes)?;
    let split = match meta.str(PRE)? {
        Some(pre) => Split::from_name(pre).ok_or_else(|| {
            let known = Split::ALL.map(Split::name).join(", ");
            meta.invalid(PRE, format!("is \"{}\"; the pre-tokenizers we know are {known}", crate::shown(pre)))
        })?,
        // BitNet b1.58 2B4T does not say, and has Llama 3's vocabulary; what older files hold is GPT-2's own.
        None if tokens.iter().any(|(_, name, kind)| kind == TokenKind::Control && name == LLAMA3_BOS) => {
            Split::Llama3
        }
        None => Split::Gpt2,
    };
    let mut merges = Merges::new((0..).zip(texts.iter()), &tokens);
    for line in meta.require_strs(MERGES)?.iter() {
        merges.push_line(line).map_err(|what| meta.invalid(MERGES, what))?;
    }
    let scheme = Scheme::ByteLevel { split, merges: merges.finish() };
    Ok(Parts { special: special(meta, &tokens, split.adds_bos())?, tokens, scheme })
}

fn sentence_piece(meta: &Metadata) -> Result<Parts> {
    let (tokens, _) = tokens(meta, Spelling::Sentence)?;
    let scores = meta.require_f32s(SCORES)?;
    if scores.len() != tokens.len() {
        return Err(
            meta.invalid(SCORES, format!("has {} entries; {TOKENS} has {}", scores.len(), tokens.len()))
        );
    }
    let scheme =
        Scheme::SentencePiece { scores: scores.to_vec(), space_first: meta.bool(ADD_SPACE)?.unwrap_or(true) };
    let mut special = special(meta, &tokens, true)?;
    // Where a file does not say, everybody means these.
    let control = |id| Some(id).filter(|&id| tokens.kind(id) == TokenKind::Control);
    special.bos = special.bos.or(control(1));
    special.eos = special.eos.or(control(2));
    Ok(Parts { tokens, scheme, special })
}

/// The tokens, and their texts as the file spells them.
fn tokens(meta: &Metadata, spelling: Spelling) -> Result<(Tokens, &Strings)> {
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
            6 => TokenKind::Byte,
            other => {
                return Err(meta.invalid(TOKEN_TYPE, format!("is {other} for token {id}; expected 0 to 6")));
            }
        };
        spelling.push(&mut tokens, text, kind).map_err(|what| meta.invalid(TOKENS, what))?;
    }
    Ok((tokens, texts))
}

fn special(meta: &Metadata, tokens: &Tokens, adds_bos: bool) -> Result<Special> {
    let id = |key| -> Result<Option<u32>> {
        match meta.u32(key)? {
            Some(id) if id as usize >= tokens.len() => {
                Err(meta.invalid(key, format!("is {id}; there are {} tokens", tokens.len())))
            }
            id => Ok(id),
        }
    };
    Ok(Special {
        bos: id(BOS)?,
        eos: id(EOS)?,
        eot: id(EOT)?,
        eom: id(EOM)?,
        add_bos: meta.bool(ADD_BOS)?.unwrap_or(adds_bos),
        add_eos: meta.bool(ADD_EOS)?.unwrap_or(false),
    })
}
