//! Small random models, built in memory as files are, so that tests load them the way users do.

use formats::blocks::{TensorType, pack};
use formats::gguf::{Gguf, GgufWriter, Metadata};
use runtime::config::{Activation, ModelConfig, RopeKind, StoredType};
use runtime::xoshiro::Xoshiro256;

/// Two blocks, fewer key-value heads than heads, everything else as plain as it comes.
pub fn config() -> ModelConfig {
    ModelConfig {
        vocab: 67,
        context: 320,
        width: 128,
        blocks: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        ffn: 256,
        streams: 1,
        activation: Activation::SwiGlu,
        norm_eps: 1e-6,
        rope_base: 10_000.0,
        rope: RopeKind::HalfSplit,
        qk_norm: true,
        attn_sub_norm: false,
        ffn_sub_norm: false,
        embedding_scale: 1.0,
        tied: true,
        embedding: StoredType::F16,
        head: StoredType::F16,
        head_int8: false,
    }
}

/// The shapes that a model may have: every choice of the configuration appears, most of them together with others.
pub fn variants() -> Vec<(&'static str, ModelConfig)> {
    let c = config();
    let untied = |head| (false, head);
    let relu2 = Activation::Relu2;
    vec![
        ("plain", c.clone()),
        ("two streams, relu2", ModelConfig { streams: 2, activation: relu2, ..c.clone() }),
        (
            "four streams, untied, gated relu2",
            ModelConfig { streams: 4, tied: false, activation: Activation::Relu2Gated, ..c.clone() },
        ),
        (
            "Q8_0 tied, scaled, no query-key norm",
            ModelConfig {
                embedding: StoredType::Q8_0,
                head: StoredType::Q8_0,
                embedding_scale: 3.5,
                qk_norm: false,
                ..c.clone()
            },
        ),
        (
            "Q1_58 tied, sub-norms, one key-value head",
            ModelConfig {
                embedding: StoredType::Q1_58,
                head: StoredType::Q1_58,
                attn_sub_norm: true,
                ffn_sub_norm: true,
                kv_heads: 1,
                ..c.clone()
            },
        ),
        ("Q8_0 head reads int8", {
            let (tied, head) = untied(StoredType::Q8_0);
            ModelConfig { tied, head, head_int8: true, streams: 2, ..c.clone() }
        }),
        ("Q1_58 head reads int8", {
            let (tied, head) = untied(StoredType::Q1_58);
            ModelConfig { tied, head, head_int8: true, embedding: StoredType::Q8_0, ..c.clone() }
        }),
        (
            "wider, as many key-value heads, odd sizes",
            ModelConfig {
                vocab: 301,
                width: 256,
                heads: 8,
                kv_heads: 8,
                head_dim: 48,
                ffn: 384,
                blocks: 3,
                streams: 2,
                activation: relu2,
                ..c
            },
        ),
    ]
}

/// A tensor as f32 values, before it is packed.
#[derive(Clone)]
pub struct Dense {
    pub name: String,
    pub ty: TensorType,
    pub dims: Vec<u64>,
    pub values: Vec<f32>,
}

/// Metadata and tensors of a random model.
pub fn parts(c: &ModelConfig, seed: u64) -> (Metadata, Vec<Dense>) {
    let mut rng = Xoshiro256::from_seed(seed);
    let mut tensors = Vec::new();
    // A sum of uniforms is normal enough; `centre` is 1 for gains.
    let mut add = |name: String, ty: TensorType, dims: &[usize], centre: f32, spread: f32| {
        let values = (0..dims.iter().product::<usize>())
            .map(|_| {
                let sum: f64 = (0..4).map(|_| rng.next_f64() - 0.5).sum();
                centre + spread * sum as f32
            })
            .collect();
        tensors.push(Dense { name, ty, dims: dims.iter().map(|&d| d as u64).collect(), values });
    };
    let (d, f, t) = (c.width, TensorType::F32, TensorType::Q1_58);
    add("token_embd.weight".into(), c.embedding.tensor_type(), &[d, c.vocab], 0.0, 1.0);
    add("output_norm.weight".into(), f, &[d], 1.0, 0.3);
    if !c.tied {
        add("output.weight".into(), c.head.tensor_type(), &[d, c.vocab], 0.0, 0.2);
    }
    for b in 0..c.blocks {
        let name = |part: &str| format!("blk.{b}.{part}.weight");
        add(name("attn_norm"), f, &[d], 1.0, 0.3);
        add(name("attn_q"), t, &[d, c.q_width()], 0.0, 0.2);
        add(name("attn_k"), t, &[d, c.kv_width()], 0.0, 0.2);
        add(name("attn_v"), t, &[d, c.kv_width()], 0.0, 0.2);
        if c.qk_norm {
            add(name("attn_q_norm"), f, &[c.head_dim], 1.5, 0.3);
            add(name("attn_k_norm"), f, &[c.head_dim], 1.5, 0.3);
        }
        if c.attn_sub_norm {
            add(name("attn_sub_norm"), f, &[c.q_width()], 1.0, 0.3);
        }
        add(name("attn_output"), t, &[c.q_width(), d], 0.0, 0.2);
        add(name("ffn_norm"), f, &[d], 1.0, 0.3);
        if c.activation.gated() {
            add(name("ffn_gate"), t, &[d, c.ffn], 0.0, 0.2);
        }
        add(name("ffn_up"), t, &[d, c.ffn], 0.0, 0.2);
        if c.ffn_sub_norm {
            add(name("ffn_sub_norm"), f, &[c.ffn], 1.0, 0.3);
        }
        add(name("ffn_down"), t, &[c.ffn, d], 0.0, 0.2);
        if c.streams > 1 {
            let n = c.streams;
            for kind in ["attn", "ffn"] {
                for (part, outputs) in [("pre", n), ("post", n), ("res", (1..=n).product())] {
                    let name = format!("blk.{b}.hc_{kind}_{part}");
                    add(format!("{name}.weight"), f, &[n * d, outputs], 0.0, 0.1);
                    add(format!("{name}.bias"), f, &[outputs], 0.0, 1.0);
                    add(format!("{name}.alpha"), f, &[1], 0.5, 0.1);
                }
            }
        }
    }
    let mut meta = Metadata::new();
    c.to_gguf(&mut meta);
    (meta, tensors)
}

/// The file of a random model.
pub fn gguf(c: &ModelConfig, seed: u64) -> Gguf {
    let (meta, tensors) = parts(c, seed);
    assemble(meta, &tensors)
}

/// Packs tensors into a file in memory.
pub fn assemble(meta: Metadata, tensors: &[Dense]) -> Gguf {
    let mut writer = GgufWriter::new(meta);
    for t in tensors {
        let mut bytes = Vec::new();
        pack(t.ty, &t.values, &mut bytes).unwrap();
        writer.add_tensor(&t.name, t.ty, &t.dims, bytes).unwrap();
    }
    Gguf::parse(writer.to_bytes().unwrap(), "tiny.gguf").unwrap()
}

/// Some token ids.
pub fn tokens(c: &ModelConfig, seed: u64, n: usize) -> Vec<u32> {
    let mut rng = Xoshiro256::from_seed(seed);
    (0..n).map(|_| (rng.next_u64() % c.vocab as u64) as u32).collect()
}
