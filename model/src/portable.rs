//! A model of ours as a file that llama.cpp runs, and with it the programs built on llama.cpp: the same weights, under its keys and in its types.
//! Which models can be written so, [`obstacles`] knows; how blocks are packed is `formats`' business.

use std::collections::HashSet;

use formats::blocks::{self, TensorType, TypeId};
use formats::gguf::{Gguf, GgufWriter, Metadata, Tensor, Value};
use formats::tokenizer::{TokenKind, Tokenizer};

use crate::architecture::{TERCET, key};
use crate::config::{Activation, ModelConfig};
use crate::error::{Error, Result};
use crate::forward::Forward;
use crate::tensors::TensorKind;

/// The architecture that computes what ours does with one stream: QK-norm, half-split rope, SwiGLU.
pub const ARCHITECTURE: &str = "qwen3";

/// llama.cpp's keys that ours have no use for: which type most tensors have, and the version of the types' layouts.
const FILE_TYPE: &str = "general.file_type";
const FILE_TYPE_Q2_0: u32 = 41;

const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";

/// What of a model llama.cpp cannot compute, each as the end of "it has ..."; nothing if it can.
pub fn obstacles(c: &ModelConfig) -> Vec<String> {
    let cases = [
        (c.streams > 1, format!("{} residual streams", c.streams)),
        (c.activation != Activation::SwiGlu, format!("{} in place of swiglu", c.activation.name())),
        (!c.qk_norm, "no norm of queries and keys".to_owned()),
        (c.attn_sub_norm, "a norm before the attention's output".to_owned()),
        (c.ffn_sub_norm, "a norm before the feed-forward network's output".to_owned()),
        (c.embedding_scale != 1.0, format!("an embedding scaled by {}", c.embedding_scale)),
    ];
    cases.into_iter().filter_map(|(there, what)| there.then_some(what)).collect()
}

/// The same model for llama.cpp, every weight as it is: matrices in our own type become Q2_0. `gguf` is a file of ours.
///
/// # Errors
/// A file of another architecture; a model that llama.cpp cannot compute, with all that stands in the way; a vocabulary that it refuses;
/// a tensor that is missing or damaged.
pub fn for_llama_cpp(gguf: &Gguf) -> Result<GgufWriter> {
    let meta = gguf.metadata();
    let found = meta.require_str("general.architecture")?;
    if found != TERCET.name {
        return Err(Error::NotOurs { found: found.to_owned() });
    }
    let config = ModelConfig::from_gguf(gguf)?;
    let obstacles = obstacles(&config);
    if !obstacles.is_empty() {
        return Err(Error::NotPortable { obstacles });
    }
    let mut file = GgufWriter::default();
    describe(&mut file.metadata, &config, meta);
    vocabulary(&mut file.metadata, config.vocab, &Tokenizer::from_gguf(meta)?)?;
    for spec in &Forward::new(&config).tensors {
        let tensor = gguf.tensor(&spec.name)?;
        let (ty, bytes) = match spec.kind {
            TensorKind::Plain(_) => as_f32(&tensor)?,
            TensorKind::Table { .. } | TensorKind::Ternary { .. } => as_known(&tensor)?,
        };
        if ty.id() == 42 {
            file.metadata.insert(FILE_TYPE, FILE_TYPE_Q2_0);
        }
        file.add_tensor(&spec.name, ty, &tensor.info.dims, bytes)?;
    }
    Ok(file)
}

/// The keys: the shape under the names of [`ARCHITECTURE`], and what the file says besides it.
fn describe(out: &mut Metadata, c: &ModelConfig, meta: &Metadata) {
    let ours = format!("{}.", TERCET.name);
    let origin = format!("{ours}training.");
    for (key, value) in meta.iter().filter(|(key, _)| !key.starts_with(&ours) || key.starts_with(&origin)) {
        out.insert(key, value.clone());
    }
    out.insert("general.architecture", ARCHITECTURE);
    let mut insert = |key: &str, value: Value| out.insert(&format!("{ARCHITECTURE}.{key}"), value);
    for (key, size) in [
        (key::VOCAB, c.vocab),
        (key::CONTEXT, c.context),
        (key::WIDTH, c.width),
        (key::BLOCKS, c.blocks),
        (key::FFN, c.ffn),
        (key::HEADS, c.heads),
        (key::KV_HEADS, c.kv_heads),
        (key::HEAD_DIM, c.head_dim),
        (key::VALUE_DIM, c.head_dim),
    ] {
        insert(key, u32::try_from(size).expect("validated sizes are far below 2^32").into());
    }
    insert(key::NORM_EPS, c.norm_eps.into());
    insert(key::ROPE_BASE, c.rope_base.into());
}

/// What llama.cpp wants of a vocabulary beyond what it takes as it is.
///
/// # Errors
/// Two tokens that are spelt alike.
fn vocabulary(out: &mut Metadata, rows: usize, tokenizer: &Tokenizer) -> Result<()> {
    // Where a file names none, id 11 ends and begins texts, which is a comma in GPT-2's order. The byte 0xFF is in no text, and a model of ours
    // that has no start of a text begins with a line break.
    let byte = |byte: u8| {
        let is_it = |id: &u32| tokenizer.text_bytes(*id) == [byte];
        (0..tokenizer.vocab_size() as u32).find(is_it).expect("a tokenizer has all bytes")
    };
    if tokenizer.eos().is_none() {
        out.insert("tokenizer.ggml.eos_token_id", byte(0xff));
    }
    if tokenizer.bos().is_none() {
        out.insert("tokenizer.ggml.bos_token_id", byte(b'\n'));
    }
    // It counts the rows of the embedding by the tokens.
    let mut tokens: Vec<String> = out.require_strs(TOKENS)?.iter().map(str::to_owned).collect();
    if tokens.len() < rows {
        let mut kinds =
            out.i32s(KINDS)?.map_or_else(|| vec![TokenKind::Normal as i32; tokens.len()], <[i32]>::to_vec);
        tokens.extend((tokens.len()..rows).map(|id| format!("[unused {id}]")));
        kinds.resize(rows, TokenKind::Unused as i32);
        out.insert(KINDS, kinds);
        out.insert(TOKENS, tokens.clone());
    }
    let mut seen = HashSet::new();
    match tokens.iter().find(|token| !seen.insert(token.as_str())) {
        Some(token) => Err(out
            .invalid(TOKENS, format!("has \"{}\" twice, which llama.cpp refuses", formats::shown(token)))
            .into()),
        None => Ok(()),
    }
}

/// A matrix or a table in a type that llama.cpp knows.
fn as_known(tensor: &Tensor<'_>) -> Result<(TypeId, Vec<u8>)> {
    if tensor.ty()? != TensorType::Q1_58 {
        return Ok((tensor.info.ty, tensor.bytes.to_vec()));
    }
    let mut out = Vec::with_capacity(tensor.bytes.len() / 34 * 36);
    for block in tensor.bytes.as_chunks::<34>().0 {
        for half in block[2..].chunks_exact(16) {
            out.extend(&block[..2]);
            out.extend(half);
        }
    }
    Ok((TypeId::from_id(42).unwrap(), out))
}

/// A vector as f32, which is what llama.cpp multiplies by.
fn as_f32(tensor: &Tensor<'_>) -> Result<(TypeId, Vec<u8>)> {
    let mut out = Vec::new();
    blocks::pack(TensorType::F32, &tensor.to_f32()?, &mut out)?;
    Ok((TypeId::Known(TensorType::F32), out))
}
