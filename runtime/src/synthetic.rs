//! Random models of known shapes, made in memory as files are, so that anybody can measure speed without a download. What they write
//! is noise; how fast they write it is what a trained model of that shape takes.

use formats::blocks::{TensorType, pack};
use formats::gguf::{Gguf, GgufWriter, Metadata};
use formats::ternary::GROUP;
use half::f16;

use crate::error::Result;
use crate::model::Model;
use cpu::Kernels;
use model::config::{Activation, Biases, ModelConfig, RopeKind, RopeScaling, StoredType};
use model::forward::Forward;
use model::tensors::{Role, TensorKind, TensorSpec};
use model::xoshiro::Xoshiro256;

/// The shapes, each with a line about it.
pub const SHAPES: [(&str, &str); 4] = [
    ("shakespeare", "our flagship: 4 blocks of 384, two streams, 2,048 ids"),
    ("showcase", "the published showcase with a ternary head: 4 blocks of 256, two streams, 50,257 ids"),
    ("bonsai-1.7b", "Qwen3 1.7B, every matrix ternary: 28 blocks of 2048, 151,669 ids"),
    ("bitnet-2b", "BitNet b1.58 2B4T with an 8-bit embedding and head: 30 blocks of 2560, 128,256 ids"),
];

/// The configuration of the shape called `name`.
pub fn config(name: &str) -> Option<ModelConfig> {
    let showcase = ModelConfig {
        vocab: 50_257,
        context: 1024,
        width: 256,
        blocks: 4,
        heads: 4,
        kv_heads: 4,
        head_dim: 64,
        ffn: 512,
        streams: 2,
        activation: Activation::SwiGlu,
        norm_eps: 1e-5,
        rope_base: 10_000.0,
        rope: RopeKind::HalfSplit,
        rope_dims: None,
        rope_scaling: RopeScaling::NONE,
        biases: Biases::NONE,
        qk_norm: true,
        attn_sub_norm: false,
        ffn_sub_norm: false,
        embedding_scale: 1.0,
        tied: true,
        embedding: StoredType::Q1_58,
        head: StoredType::Q1_58,
        head_int8: true,
    };
    match name {
        "showcase" => Some(showcase),
        "shakespeare" => Some(ModelConfig {
            vocab: 2048,
            width: 384,
            heads: 6,
            kv_heads: 6,
            ffn: 1152,
            activation: Activation::Relu2,
            embedding: StoredType::Q8_0,
            head: StoredType::Q8_0,
            head_int8: false,
            ..showcase
        }),
        "bonsai-1.7b" => Some(ModelConfig {
            vocab: 151_669,
            context: 8192,
            width: 2048,
            blocks: 28,
            heads: 16,
            kv_heads: 8,
            head_dim: 128,
            ffn: 6144,
            streams: 1,
            norm_eps: 1e-6,
            rope_base: 1e6,
            ..showcase
        }),
        "bitnet-2b" => Some(ModelConfig {
            vocab: 128_256,
            context: 4096,
            width: 2560,
            blocks: 30,
            heads: 20,
            kv_heads: 5,
            head_dim: 128,
            ffn: 6912,
            streams: 1,
            activation: Activation::Relu2Gated,
            rope_base: 500_000.0,
            qk_norm: false,
            attn_sub_norm: true,
            ffn_sub_norm: true,
            embedding: StoredType::Q8_0,
            head: StoredType::Q8_0,
            ..showcase
        }),
        _ => None,
    }
}

impl Model {
    /// A model of random weights, the same for the same `seed`, laid out for `kernels` as one from a file is.
    ///
    /// # Errors
    /// A configuration that no model can have.
    pub fn synthetic(config: &ModelConfig, kernels: &'static Kernels, seed: u64) -> Result<Self> {
        let model = Model::open(gguf(config, seed)?, kernels)?;
        model.lay_out()?;
        Ok(model)
    }
}

/// The file of a model of random weights, in memory.
///
/// # Errors
/// A configuration that no file can hold.
pub fn gguf(config: &ModelConfig, seed: u64) -> Result<Gguf> {
    let mut meta = Metadata::new();
    config.to_gguf(&mut meta);
    let mut writer = GgufWriter::new(meta);
    let mut rng = Xoshiro256::from_seed(seed);
    for tensor in Forward::new(config).tensors {
        let dims: Vec<u64> = tensor.shape.iter().rev().map(|&d| d as u64).collect();
        writer.add_tensor(&tensor.name, tensor.tensor_type(), &dims, bytes(&tensor, &mut rng))?;
    }
    let file = writer.to_bytes()?;
    drop(writer);
    Ok(Gguf::parse(file, "a synthetic model")?)
}

/// A tensor as a file holds it. Rows keep the size of what they multiply, so that activations are neither lost nor infinite.
fn bytes(tensor: &TensorSpec, rng: &mut Xoshiro256) -> Vec<u8> {
    let (ty, cols, len) = (tensor.tensor_type(), tensor.cols(), tensor.len());
    let spread = 1.0 / (cols as f32).sqrt();
    let mut bytes = Vec::with_capacity(len);
    if ty == TensorType::Q1_58 {
        // Half of the codes are zeros.
        let scale = f16::from_f32(spread * std::f32::consts::SQRT_2);
        for _ in 0..len / GROUP {
            bytes.extend(scale.to_le_bytes());
            (0..GROUP / 32).for_each(|_| bytes.extend(ternary_digits(rng.next_u64()).to_le_bytes()));
        }
        return bytes;
    }
    let (centre, spread) = match tensor.kind {
        TensorKind::Plain(Role::Gain | Role::HeadGain) => (1.0, 0.0),
        TensorKind::Plain(Role::HyperBias | Role::HyperAlpha | Role::Bias) => (0.0, 0.1),
        TensorKind::Plain(Role::RopeDivisors) => (1.0, 0.0),
        _ => (0.0, spread),
    };
    let mut row = vec![0.0f32; cols];
    for _ in 0..len / cols {
        for two in row.chunks_mut(2) {
            let bits = rng.next_u64();
            for (v, bits) in two.iter_mut().zip([bits as u32, (bits >> 32) as u32]) {
                // Uniform, of variance `spread` squared.
                *v = centre + spread * 3.0f32.sqrt() * (bits as i32 as f32 / 2f32.powi(31));
            }
        }
        pack(ty, &row, &mut bytes).expect("whole rows of finite values");
    }
    bytes
}

/// Random bits as two-bit codes 0, 1, 2: where there is a 3, a 1.
fn ternary_digits(bits: u64) -> u64 {
    let threes = bits & (bits >> 1) & 0x5555_5555_5555_5555;
    bits ^ (threes << 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_shapes_are_valid_and_known_by_name() {
        for (name, _) in SHAPES {
            config(name).unwrap().validate_ternary().unwrap();
        }
        assert!(config("gpt-5").is_none());
    }

    #[test]
    fn synthetic_model_runs_and_repeats() {
        let c = ModelConfig { vocab: 300, blocks: 2, ..config("showcase").unwrap() };
        let logits = |seed| {
            let model = Model::synthetic(&c, Kernels::best(), seed).unwrap();
            let mut session = crate::Session::new(&model, 32).unwrap();
            session.forward(&[1, 2, 299]).unwrap().to_vec()
        };
        let first = logits(1);
        assert!(first.iter().all(|v| v.is_finite()) && first.iter().any(|v| v.abs() > 0.1));
        assert_eq!(first, logits(1));
        assert_ne!(first, logits(2));
    }
}
