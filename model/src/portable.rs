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
const BOS: &str = "tokenizer.ggml.bos_token_id";
const EOS: &str = "tokenizer.ggml.eos_token_id";

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
        (0..tokenizer.vocab_size() as u32).find(is_it)
    };
    for (key, there, instead) in [(EOS, tokenizer.eos(), 0xff), (BOS, tokenizer.bos(), b'\n')] {
        if let (None, Some(id)) = (there, byte(instead)) {
            out.insert(key, id);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RopeKind, RopeScaling, StoredType};

    const PORTABLE: ModelConfig = ModelConfig {
        vocab: 300,
        context: 64,
        width: 256,
        blocks: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 64,
        ffn: 384,
        streams: 1,
        activation: Activation::SwiGlu,
        norm_eps: 1e-5,
        rope_base: 1e4,
        rope: RopeKind::HalfSplit,
        rope_dims: None,
        rope_scaling: RopeScaling::NONE,
        biases: Biases::NONE,
        qk_norm: true,
        attn_sub_norm: false,
        ffn_sub_norm: false,
        embedding_scale: 1.0,
        tied: true,
        embedding: StoredType::Q8_0,
        head: StoredType::Q8_0,
        head_int8: false,
    };

    #[test]
    fn obstacles_are_what_llama_cpp_does_not_compute() {
        assert_eq!(obstacles(&PORTABLE), Vec::<String>::new());
        let free = ModelConfig { tied: false, head_int8: true, rope_base: 5e5, context: 9, ..PORTABLE };
        assert_eq!(obstacles(&free), Vec::<String>::new());
        let divisors = RopeScaling { divisors: true, ..RopeScaling::NONE };
        for (config, what) in [
            (ModelConfig { streams: 4, ..PORTABLE }, "4 residual streams"),
            (ModelConfig { activation: Activation::Relu2, ..PORTABLE }, "relu2 in place of swiglu"),
            (ModelConfig { rope_dims: Some(32), ..PORTABLE }, "heads that turn in part"),
            (ModelConfig { rope_scaling: divisors, ..PORTABLE }, "rotary divisors"),
            (ModelConfig { biases: Biases::of(|part| part == "attn_q"), ..PORTABLE }, "biases"),
            (ModelConfig { qk_norm: false, ..PORTABLE }, "no norm of queries and keys"),
            (ModelConfig { attn_sub_norm: true, ..PORTABLE }, "a norm before the attention's output"),
            (
                ModelConfig { ffn_sub_norm: true, ..PORTABLE },
                "a norm before the feed-forward network's output",
            ),
            (ModelConfig { embedding_scale: 2.0, ..PORTABLE }, "an embedding scaled by 2"),
        ] {
            assert_eq!(obstacles(&config), [what]);
        }
    }

    #[test]
    fn shapes_that_llama_cpp_computes_are_written_whole() {
        let mut meta = Metadata::new();
        meta.insert("tercet.training.steps", 7u64);
        meta.insert("tokenizer.ggml.pre", "gpt-2");
        PORTABLE.to_gguf(&mut meta);
        let mut out = Metadata::new();
        describe(&mut out, &PORTABLE, &meta);
        let ours: Vec<&str> =
            out.iter().map(|(key, _)| key).filter(|key| key.starts_with("tercet.")).collect();
        assert_eq!(ours, ["tercet.training.steps"]);
        assert_eq!(out.str("general.architecture").unwrap(), Some("qwen3"));
        assert_eq!(out.str("tokenizer.ggml.pre").unwrap(), Some("gpt-2"));
        assert_eq!(out.u32("qwen3.attention.key_length").unwrap(), Some(64));
        assert_eq!(out.f32("qwen3.rope.freq_base").unwrap(), Some(1e4));
    }
}
