//! Files that must load, and files that must be refused with the name of what is wrong.

use std::sync::{Arc, OnceLock};

use cpu::Kernels;
use formats::blocks::{TensorType, unpack};
use formats::gguf::{Gguf, Metadata};
use model::config::{ModelConfig, StoredType};
use runtime::gpu::{Gpu, GpuModel, GpuOptions};
use runtime::{CpuWorker, Error, Model, Session};

use crate::tiny::{self, Dense};

fn logits(gguf: &Gguf) -> Vec<f32> {
    let model = Model::from_gguf(gguf).unwrap();
    let tokens = tiny::tokens(model.config(), 1, 9);
    Session::with_threads(&model, 16, 1).unwrap().forward_all(&tokens).unwrap().to_vec()
}

/// What loading says of a two-stream model after `change`.
fn refusal(change: impl FnOnce(&mut Metadata, &mut Vec<Dense>)) -> String {
    let c = ModelConfig { streams: 2, ..tiny::config() };
    let (mut meta, mut tensors) = tiny::parts(&c, 1);
    change(&mut meta, &mut tensors);
    refused(&tiny::assemble(meta, &tensors))
}

/// What loading says of a broken file: the same whoever finds it, checks at the door, the processor's layout or a device's upload.
fn refused(gguf: &Gguf) -> String {
    let message = Model::from_gguf(gguf).unwrap_err().to_string();
    let in_file = |said: String| {
        let whole = format!("cannot load the model: {message}, in {}", gguf.name());
        assert!(said == whole || said == message && said.contains(gguf.name()), "{said}\n{whole}");
    };
    match Model::open(gguf.clone(), Kernels::best()) {
        Err(error) => in_file(error.to_string()),
        Ok(model) => {
            if let Some(gpu) = gpu() {
                in_file(GpuModel::new(gpu, &model).unwrap_err().to_string());
            }
            assert!(!model.is_laid_out());
            // As often as somebody asks.
            for _ in 0..2 {
                in_file(model.lay_out().unwrap_err().to_string());
                in_file(CpuWorker::with_threads(&model, 1).unwrap_err().to_string());
            }
            assert!(!model.is_laid_out());
        }
    }
    message
}

/// One device for all files.
fn gpu() -> Option<Arc<Gpu>> {
    static GPU: OnceLock<Option<Arc<Gpu>>> = OnceLock::new();
    GPU.get_or_init(|| crate::gpu::gpu(GpuOptions::default())).clone()
}

fn tensor<'a>(tensors: &'a mut [Dense], name: &str) -> &'a mut Dense {
    tensors.iter_mut().find(|t| t.name == name).unwrap()
}

#[test]
fn config_survives_the_file() {
    for (name, c, file) in tiny::files(1) {
        assert_eq!(ModelConfig::from_gguf(&file).unwrap(), c, "{name}");
    }
}

/// What loading says of a published file after `change`. Its matrices are floats.
fn published_refusal(name: &str, change: impl FnOnce(&mut Metadata, &mut Vec<Dense>)) -> String {
    let (_, c, _) = tiny::files(1).into_iter().find(|(n, ..)| *n == name).unwrap();
    let (mut meta, mut tensors) = tiny::parts(&c, 1);
    for matrix in tensors.iter_mut().filter(|t| t.name.starts_with("blk.") && t.dims.len() == 2) {
        matrix.ty = TensorType::F16;
    }
    change(&mut meta, &mut tensors);
    refused(&tiny::assemble(meta, &tensors))
}

#[test]
fn tensors_that_would_not_be_read_are_refused_by_name() {
    for (name, dims) in [
        ("blk.0.ffn_gate_exps.weight", vec![128, 2, 2]),
        ("blk.1.attn_qkv.weight", vec![128, 256]),
        ("blk.1.attn_norm.bias", vec![128]),
        // The first block has none.
        ("blk.1.attn_q.bias", vec![128]),
        ("output.bias", vec![67]),
        ("blk.0.attn_q.scale", vec![1]),
    ] {
        let values = vec![0.5; dims.iter().product::<u64>() as usize];
        let extra = Dense { name: name.to_owned(), ty: TensorType::F32, dims, values };
        let message = published_refusal("llama", |_, tensors| tensors.insert(3, extra));
        let said = "is not read in models of the architecture \"llama\"; without it this one would compute something else";
        assert_eq!(message, format!("tensor {name} {said}"));
    }
    let (meta, mut tensors) = tiny::parts(&tiny::config(), 1);
    let harmless = "blk.0.attn_rot_embd.weight".to_owned();
    tensors.push(Dense { name: harmless, ty: TensorType::F32, dims: vec![16], values: vec![1.0; 16] });
    Model::from_gguf(&tiny::assemble(meta, &tensors)).unwrap();
}

#[test]
fn broken_biases_and_divisors_are_named() {
    let biased = "llama with divisors and biases, in floats, of odd widths";
    let message = published_refusal(biased, |_, t| t.retain(|t| t.name != "blk.1.ffn_up.bias"));
    assert!(message.contains("blk.1.ffn_up.bias"), "{message}");
    let message = published_refusal(biased, |_, t| tensor(t, "blk.0.ffn_down.bias").values[5] = f32::NAN);
    assert!(message.starts_with("tensor blk.0.ffn_down.bias holds"), "{message}");
    let message = published_refusal(biased, |_, t| {
        let divisors = tensor(t, "rope_freqs.weight");
        (divisors.dims, divisors.values) = (vec![9], vec![1.0; 9]);
    });
    assert_eq!(message, "tensor rope_freqs.weight has dimensions [9]; the metadata call for [10]");
    for value in [0.0, -1.0, 1e30] {
        let message = published_refusal(biased, |_, t| tensor(t, "rope_freqs.weight").values[3] = value);
        assert_eq!(
            message,
            format!("tensor rope_freqs.weight holds {value} at element 3; expected 1e-6 to 1e6")
        );
    }
    let message = published_refusal(biased, |meta, _| meta.insert("llama.block_count", 1_000_000_000u32));
    assert_eq!(message, "metadata key llama.block_count is 1000000000; expected 1 to 4096");
    let message = published_refusal(biased, |meta, _| meta.insert("llama.embedding_length", 100u32));
    assert_eq!(message, "metadata key llama.embedding_length is 100; expected a multiple of 32");
}

#[test]
fn weights_that_are_ternary_already_load_from_any_type() {
    let c = ModelConfig { embedding: StoredType::Q8_0, head: StoredType::Q8_0, ..tiny::config() };
    let (meta, tensors) = tiny::parts(&c, 2);
    // The same scale in neighbouring groups, as TQ2_0 needs: quantise, then set every scale to one of the tensor's.
    let ternary = |values: &[f32]| -> Vec<f32> {
        let mut bytes = Vec::new();
        formats::blocks::pack(TensorType::Q1_58, values, &mut bytes).unwrap();
        let mut out = vec![0.0; values.len()];
        unpack(TensorType::Q1_58, &bytes, &mut out).unwrap();
        out.iter().map(|v| if *v == 0.0 { 0.0 } else { 0.0625 * v.signum() }).collect()
    };
    let stored_as = |ty| {
        let tensors: Vec<Dense> = tensors
            .iter()
            .map(|t| match t.ty {
                // A TQ2_0 row needs 256 weights: 128-wide rows stay floats there.
                TensorType::Q1_58 if ty == TensorType::TQ2_0 && t.dims[0] % 256 != 0 => {
                    Dense { ty: TensorType::F16, values: ternary(&t.values), ..t.clone() }
                }
                TensorType::Q1_58 => Dense { ty, values: ternary(&t.values), ..t.clone() },
                _ => t.clone(),
            })
            .collect();
        tiny::assemble(meta.clone(), &tensors)
    };
    let want = logits(&stored_as(TensorType::F32));
    for ty in [TensorType::F16, TensorType::BF16] {
        assert_eq!(logits(&stored_as(ty)), want, "{}", ty.name());
    }
    // Packing re-derives the scale from the mean of |w|, so scales differ but all weights keep their signs.
    for ty in [TensorType::Q1_58, TensorType::TQ2_0] {
        assert!(Model::from_gguf(&stored_as(ty)).is_ok(), "{}", ty.name());
    }
}

#[test]
fn tensors_that_are_missing_misshapen_or_mistyped_are_named() {
    let message = refusal(|_, t| t.retain(|t| t.name != "blk.1.ffn_down.weight"));
    assert!(message.contains("blk.1.ffn_down.weight"), "{message}");
    let message = refusal(|_, t| {
        let up = tensor(t, "blk.0.ffn_up.weight");
        up.dims[1] = 128;
        up.values.truncate(128 * 128);
    });
    assert_eq!(
        message,
        "tensor blk.0.ffn_up.weight has dimensions [128, 128]; the metadata call for [128, 256]"
    );
    let message = refusal(|_, t| tensor(t, "output_norm.weight").ty = TensorType::Q8_0);
    assert!(message.contains("output_norm.weight is stored as Q8_0; expected F32"), "{message}");
}

#[test]
fn weights_that_are_not_finite_are_named() {
    for (name, bad) in [
        ("output_norm.weight", f32::NAN),
        ("blk.1.attn_norm.weight", f32::INFINITY),
        ("blk.0.attn_q_norm.weight", f32::NEG_INFINITY),
        ("blk.1.hc_ffn_res.weight", f32::NAN),
        ("blk.1.hc_attn_pre.alpha", f32::INFINITY),
        ("blk.0.hc_attn_res.bias", f32::NAN),
    ] {
        let message = refusal(|_, t| *tensor(t, name).values.last_mut().unwrap() = bad);
        assert!(message.starts_with(&format!("tensor {name} holds")), "{message}");
    }
}

#[test]
fn scales_and_halves_that_are_not_finite_are_named() {
    // Packing refuses such weights, so the bytes are damaged afterwards: each tensor starts with an f16.
    let c = ModelConfig { tied: false, head: StoredType::Q8_0, ..tiny::config() };
    let good = tiny::gguf(&c, 3);
    for name in ["token_embd.weight", "output.weight", "blk.0.attn_v.weight"] {
        let mut writer = formats::gguf::GgufWriter::new(good.metadata().clone());
        for t in good.tensors() {
            let mut bytes = good.tensor(&t.name).unwrap().bytes.to_vec();
            if t.name == name {
                bytes[..2].copy_from_slice(&0x7c00u16.to_le_bytes());
            }
            writer.add_tensor(&t.name, t.ty.known().unwrap(), &t.dims, bytes).unwrap();
        }
        let damaged = Gguf::parse(writer.to_bytes().unwrap(), "damaged.gguf").unwrap();
        let message = refused(&damaged);
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn metadata_out_of_range_is_named() {
    for (key, value, expected) in [
        ("tercet.attention.head_count_kv", 3u32, "a divisor of the 4 heads"),
        ("tercet.attention.head_count_kv", 0, "1 to 4"),
        ("tercet.attention.head_count", 0, "1 to 4096"),
        ("tercet.attention.key_length", 12, "12, the key length"),
        ("tercet.embedding_length", 100, "a multiple of 128"),
        ("tercet.embedding_length", 0, "1 to"),
        ("tercet.feed_forward_length", 200, "a multiple of 128"),
        ("tercet.vocab_size", u32::MAX, "1 to 1048576"),
        ("tercet.context_length", 0, "1 to 1048576"),
        ("tercet.block_count", 4000, "the tensors there are"),
        ("tercet.hyper_connections.count", 3, "1, 2 or 4"),
        ("tercet.ternary.group_size", 64, "128"),
    ] {
        let message = refusal(|meta, _| meta.insert(key, value));
        assert!(message.contains(key) || message.contains("value_length"), "{message}");
        assert!(message.contains(expected), "{message}: {expected}");
    }
    for (key, value) in [
        ("tercet.attention.layer_norm_rms_epsilon", 0.0f32),
        ("tercet.attention.layer_norm_rms_epsilon", f32::NAN),
        ("tercet.rope.freq_base", f32::INFINITY),
        ("tercet.embedding_scale", 0.0),
    ] {
        let message = refusal(|meta, _| meta.insert(key, value));
        assert!(message.contains(key), "{message}");
    }
    let message = refusal(|meta, _| meta.insert("tercet.feed_forward.activation", "gelu\u{1b}"));
    assert!(message.contains("\"gelu\\u{1b}\"; expected \"swiglu\""), "{message}");
    let message = refusal(|meta, _| meta.insert("tercet.head.int8_activations", true));
    assert!(message.contains("as the head is stored in F16"), "{message}");
    let message = refusal(|meta, _| meta.insert("tercet.block_count", "two"));
    assert!(message.contains("tercet.block_count"), "{message}");
}

#[test]
fn other_architectures_are_refused_by_name() {
    let message = refusal(|meta, _| meta.insert("general.architecture", "mamba"));
    assert!(
        message
            .starts_with("the model's architecture is \"mamba\"; this program runs \"tercet\", \"llama\","),
        "{message}"
    );
}

#[test]
fn parts_of_a_split_model_are_refused_as_such() {
    let split = |number: Option<u16>, parts: u16| {
        refusal(|meta, _| {
            // Only the first part says what the model is.
            if number != Some(0) {
                meta.insert("general.architecture", "not known");
            }
            meta.insert("split.count", parts);
            if let Some(number) = number {
                meta.insert("split.no", number);
            }
        })
    };
    let whole = "of a split model, under another name; its parts are found beside each other as NAME-00001-of-00002.gguf and so on";
    assert_eq!(split(Some(0), 2), format!("this is part 1 of 2 {whole}"));
    assert_eq!(split(Some(1), 2), format!("this is part 2 of 2 {whole}"));
    assert_eq!(split(None, 3), format!("this is one of 3 parts {whole}"));
    assert!(split(Some(1), 1).contains("architecture"), "one part is a whole");
    assert!(refusal(|meta, _| meta.insert("split.count", "two")).contains("split.count"));
}

#[test]
fn values_from_files_are_quoted_short() {
    let long = "x\u{1b}".repeat(1 << 19);
    for key in ["general.architecture", "tercet.feed_forward.activation"] {
        let message = refusal(|meta, _| meta.insert(key, &*long));
        assert!(
            message.len() < 500 && message.contains("…\"") && !message.contains('\u{1b}'),
            "{message:.600}"
        );
    }
}

#[test]
fn errors_name_the_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.gguf");
    let (mut meta, tensors) = tiny::parts(&tiny::config(), 4);
    meta.insert("tercet.hyper_connections.count", 3u32);
    std::fs::write(&path, {
        let mut writer = formats::gguf::GgufWriter::new(meta);
        for t in &tensors {
            let mut bytes = Vec::new();
            formats::blocks::pack(t.ty, &t.values, &mut bytes).unwrap();
            writer.add_tensor(&t.name, t.ty, &t.dims, bytes).unwrap();
        }
        writer.to_bytes().unwrap()
    })
    .unwrap();
    let error = Model::load(&path).unwrap_err();
    assert!(matches!(error, Error::InFile { .. }));
    assert_eq!(error.to_string().matches("bad.gguf").count(), 1, "{error}");
    let missing = Model::load(&folder.path().join("none.gguf")).unwrap_err();
    assert!(missing.to_string().contains("none.gguf"), "{missing}");
}

#[test]
fn mixing_is_measured() {
    for streams in [1, 2, 4] {
        let c = ModelConfig { streams, ..tiny::config() };
        let error = Model::from_gguf(&tiny::gguf(&c, 5)).unwrap().mixing_error();
        assert_eq!(error.is_none(), streams == 1);
        assert!(error.unwrap_or(0.0) < 1e-6);
    }
}
