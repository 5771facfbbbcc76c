//! A model of ours as a file that llama.cpp runs, and with it the programs built on llama.cpp: the same weights, under its keys and in its types.
//! Which models can be written so, [`obstacles`] knows; how blocks are packed is `formats`' business.

use std::collections::HashSet;

use crate::architecture::{ARCHITECTURE, QWEN3, TERCET};
use crate::config::{Activation, Biases, ModelConfig};
use crate::error::{Error, Result};
use crate::forward::Forward;
use crate::tensors::TensorKind;
use formats::blocks::{self, TensorType};
use formats::gguf::{Gguf, GgufWriter, Metadata, Tensor};
use formats::tokenizer::{TokenKind, Tokenizer};

/// How programs name a file: by llama.cpp's number for what most of its tensors are.
const FILE_TYPE: &str = "general.file_type";
const FILE_TYPE_Q2_0: u32 = 41;

const TOKENS: &str = "tokenizer.ggml.tokens";
const KINDS: &str = "tokenizer.ggml.token_type";

/// What of a model llama.cpp cannot compute, each as the end of "it has ..."; nothing if it can.
pub fn obstacles(c: &ModelConfig) -> Vec<String> {
    // All fields are named, so that whoever adds one decides whether llama.cpp's qwen3 has it too.
    let ModelConfig {
        streams,
        activation,
        rope_dims,
        rope_scaling,
        biases,
        qk_norm,
        attn_sub_norm,
        ffn_sub_norm,
        embedding_scale,
        // It rounds what a head of integers reads whether or not we do.
        head_int8: _,
        vocab: _,
        context: _,
        width: _,
        blocks: _,
        heads: _,
        kv_heads: _,
        head_dim: _,
        ffn: _,
        norm_eps: _,
        rope_base: _,
        rope: _,
        tied: _,
        embedding: _,
        head: _,
    } = c;
    let cases = [
        (*streams > 1, format!("{streams} residual streams")),
        (*activation != Activation::SwiGlu, format!("{} in place of swiglu", activation.name())),
        (rope_dims.is_some(), "heads that turn in part".to_owned()),
        (rope_scaling.divisors, "rotary divisors".to_owned()),
        (*biases != Biases::NONE, "biases".to_owned()),
        (!qk_norm, "no norm of queries and keys".to_owned()),
        (*attn_sub_norm, "a norm before the attention's output".to_owned()),
        (*ffn_sub_norm, "a norm before the feed-forward network's output".to_owned()),
        (*embedding_scale != 1.0, format!("an embedding scaled by {embedding_scale}")),
    ];
    cases.into_iter().filter_map(|(there, what)| there.then_some(what)).collect()
}

/// Whether llama.cpp, as its authors publish it, reads a type; Q2_0 since its build 9916.
pub fn llama_cpp_reads(ty: TensorType) -> bool {
    use TensorType::{I2_S, PTQ1_0, Q1_58, Q2_0_128};
    !matches!(ty, I2_S | Q2_0_128 | Q1_58 | PTQ1_0)
}

/// The same model for llama.cpp, every weight as it is: matrices in a type that it does not read become Q2_0. `gguf` is a file of ours.
///
/// # Errors
/// A file of another architecture; a model that llama.cpp cannot compute, with all that stands in the way; a vocabulary that it refuses;
/// a tensor that is missing or damaged.
pub fn for_llama_cpp(gguf: &Gguf) -> Result<GgufWriter> {
    let meta = gguf.metadata();
    let found = meta.require_str(ARCHITECTURE)?;
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
            TensorKind::Plain(_) => (TensorType::F32, as_f32(&tensor)?),
            _ if llama_cpp_reads(tensor.ty()?) => (tensor.ty()?, tensor.bytes.to_vec()),
            _ => (TensorType::Q2_0, as_q2_0(&tensor)?),
        };
        if ty == TensorType::Q2_0 {
            file.metadata.insert(FILE_TYPE, FILE_TYPE_Q2_0);
        }
        file.add_tensor(&spec.name, ty, &tensor.info.dims, bytes)?;
    }
    Ok(file)
}

/// The keys: the shape under the names that llama.cpp knows, and what the file says besides it.
fn describe(out: &mut Metadata, config: &ModelConfig, meta: &Metadata) {
    let shape = |key: &str| key.starts_with(&TERCET.key("")) && !key.starts_with(&TERCET.key("training."));
    for (key, value) in meta.iter().filter(|(key, _)| !shape(key)) {
        out.insert(key, value.clone());
    }
    config.to_gguf_of(&QWEN3, out);
}

/// What llama.cpp wants of a vocabulary beyond what it takes as it is.
///
/// # Errors
/// Two tokens that are spelt alike.
fn vocabulary(out: &mut Metadata, rows: usize, tokenizer: &Tokenizer) -> Result<()> {
    // Where a file names none, id 11 begins and ends texts: a comma in GPT-2's order. The byte 0xFF is in no text, and a model of ours that has
    // no start of a text begins with a line break.
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
        let kinds = out.i32s(KINDS)?.map(<[i32]>::to_vec);
        let mut kinds = kinds.unwrap_or_else(|| vec![TokenKind::Normal as i32; tokens.len()]);
        kinds.resize(rows, TokenKind::Unused as i32);
        tokens.extend((tokens.len()..rows).map(|id| format!("[unused {id}]")));
        out.insert(KINDS, kinds);
        out.insert(TOKENS, tokens.clone());
    }
    let mut seen = HashSet::new();
    match tokens.iter().find(|token| !seen.insert(token.as_str())) {
        None => Ok(()),
        Some(twice) => {
            let what = format!("has \"{}\" twice, which llama.cpp refuses", formats::shown(twice));
            Err(out.invalid(TOKENS, what).into())
        }
    }
}

/// A vector as f32, which is what llama.cpp multiplies by.
fn as_f32(tensor: &Tensor<'_>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    blocks::pack(TensorType::F32, &tensor.to_f32()?, &mut out)?;
    Ok(out)
}

/// Ternary weights with a scale for each group, whose half has the same.
fn as_q2_0(tensor: &Tensor<'_>) -> Result<Vec<u8>> {
    let ty = tensor.ty()?;
    if ty.tail_bytes() > 0 {
        let (name, found) = (tensor.info.name.clone(), ty.name().to_owned());
        return Err(Error::TensorType { name, found, expected: "a type that has its scales in its blocks" });
    }
    let weights = tensor.bytes.len() / ty.block_bytes() * ty.block_len();
    let (mut codes, mut scales) = (vec![0; weights], vec![Default::default(); weights / ty.block_len()]);
    let mut out = Vec::new();
    blocks::unpack_codes(ty, tensor.bytes, &mut scales, &mut codes).map_err(|e| tensor.explain(e))?;
    blocks::pack_codes(TensorType::Q2_0, &scales, &codes, &mut out).map_err(|e| tensor.explain(e))?;
    Ok(out)
}
