//! Small random models, built in memory as files are, so that tests load them the way users do.

use formats::blocks::TensorType;
use formats::gguf::{Gguf, GgufWriter, Metadata};
use model::architecture::Architecture;
use model::config::{Activation, Biases, ModelConfig, RopeKind, RopeScaling, StoredType, Stretch, Yarn};
use model::forward::Forward;
use model::tensors::{Role, TensorKind, TensorSpec};
use model::xoshiro::Xoshiro256;

use crate::blocks;

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
        rope_dims: None,
        rope_scaling: RopeScaling::NONE,
        biases: Biases::NONE,
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

/// A file of each variant, and files whose matrices others stored as they please.
pub fn files(seed: u64) -> Vec<(&'static str, ModelConfig, Gguf)> {
    let own = variants().into_iter().map(|(name, c)| (name, c.clone(), gguf(&c, seed)));
    let c = config();
    let sub_norms = ModelConfig { attn_sub_norm: true, ffn_sub_norm: true, streams: 2, ..c.clone() };
    use TensorType::{BF16, F16, F32, Q1_58, Q8_0};
    let others = [
        ("all F16", c.clone(), vec![("blk.", F16)]),
        (
            "a type for each matrix",
            ModelConfig { tied: false, ..c },
            vec![
                ("token_embd", BF16),
                ("output.weight", F32),
                ("attn_q", Q8_0),
                ("attn_k", Q1_58),
                ("attn_v", BF16),
                ("ffn_gate", F32),
                ("ffn_up", Q8_0),
                ("ffn_down", F16),
            ],
        ),
        ("ternary above and below floats", sub_norms, vec![("attn_k", F16), ("attn_output", Q8_0)]),
    ];
    let others = others.map(|(name, c, types)| {
        let file = stored(&c, seed, &types);
        (name, ModelConfig::from_gguf(&file).unwrap(), file)
    });
    own.chain(others).chain(published(seed)).chain(every_type(seed)).collect()
}

/// Files of all types between them.
fn every_type(seed: u64) -> Vec<(&'static str, ModelConfig, Gguf)> {
    use TensorType::{I2_S, PTQ1_0, Q2_0, Q2_0_128, Q4_0, Q4_1, Q4_K, Q5_K, Q6_K, TQ1_0, TQ2_0};
    let wide = ModelConfig { width: 256, heads: 8, ffn: 512, tied: false, ..config() };
    let all = [
        (
            "every ternary type",
            wide.clone(),
            vec![
                ("token_embd", Q6_K),
                ("output.weight", TQ1_0),
                ("attn_q", TQ1_0),
                ("attn_k", Q2_0),
                // Scales for each 64, and twos.
                ("attn_v", Q2_0),
                ("attn_output", I2_S),
                ("ffn_gate", PTQ1_0),
                ("ffn_up", Q2_0_128),
                ("ffn_down", TQ2_0),
            ],
        ),
        (
            "four to six bits",
            ModelConfig { attn_sub_norm: true, ..wide.clone() },
            vec![
                ("token_embd", Q4_1),
                ("output.weight", Q5_K),
                ("attn_q", Q4_0),
                ("attn_k", Q6_K),
                ("attn_v", Q4_K),
                ("attn_output", Q5_K),
                ("ffn_gate", Q4_1),
                ("ffn_up", Q6_K),
                ("ffn_down", Q4_0),
            ],
        ),
        ("one scale a tensor", wide, vec![("blk.", I2_S), ("token_embd", Q4_K), ("output.weight", Q4_0)]),
    ];
    let one = |(name, c, types): (_, ModelConfig, Vec<_>)| {
        let file = stored(&c, seed, &types);
        (name, ModelConfig::from_gguf(&file).unwrap(), file)
    };
    all.map(one).into()
}

/// Files of the families that others publish, with what theirs compute and ours do not.
fn published(seed: u64) -> Vec<(&'static str, ModelConfig, Gguf)> {
    let c = config();
    let plain = RopeScaling::NONE;
    let llama = ModelConfig { rope: RopeKind::Interleaved, qk_norm: false, ..c.clone() };
    let yarn = Yarn { factor: 4.0, original_context: 16, extrapolation: 1.0, beta_fast: 3.0, beta_slow: 0.5 };
    let all = [
        ("llama", llama.clone(), vec![]),
        (
            "llama, ternary in rows of whole 64",
            ModelConfig { width: 192, heads: 6, ffn: 448, ..llama.clone() },
            vec![("blk.", TensorType::Q2_0)],
        ),
        (
            "llama with divisors and biases, in floats, of odd widths",
            ModelConfig {
                width: 96,
                heads: 8,
                head_dim: 20,
                ffn: 160,
                rope_scaling: RopeScaling { divisors: true, ..plain },
                biases: Biases::of(|part| !["attn_q", "attn_k", "attn_v"].contains(&part)),
                ..llama
            },
            vec![("blk.", TensorType::F16)],
        ),
        (
            "qwen2, stretched",
            ModelConfig {
                qk_norm: false,
                rope_scaling: RopeScaling { stretch: Stretch::Linear { factor: 4.0 }, ..plain },
                biases: Biases::of(|part| ["attn_q", "attn_k", "attn_v"].contains(&part)),
                ..c.clone()
            },
            vec![],
        ),
        (
            "qwen3 with YaRN",
            ModelConfig {
                rope_scaling: RopeScaling { stretch: Stretch::Yarn(yarn), magnitude: 0.75, ..plain },
                ..c.clone()
            },
            vec![],
        ),
        ("qwen3 of which a part turns", ModelConfig { rope_dims: Some(12), ..c.clone() }, vec![]),
        (
            "bitnet",
            ModelConfig {
                activation: Activation::Relu2Gated,
                qk_norm: false,
                attn_sub_norm: true,
                ffn_sub_norm: true,
                ..c
            },
            vec![],
        ),
    ];
    all.into_iter().map(|(name, c, types)| (name, c.clone(), stored(&c, seed, &types))).collect()
}

/// An architecture whose files can say all of a shape.
fn row(c: &ModelConfig) -> &'static Architecture {
    let stretched = c.rope_scaling != RopeScaling::NONE || c.rope_dims.is_some();
    let name = match () {
        () if c.rope == RopeKind::Interleaved => "llama",
        () if c.biases != Biases::NONE => "qwen2",
        () if stretched => "qwen3",
        () if c.attn_sub_norm && !c.qk_norm && c.streams == 1 => "bitnet",
        () => "tercet",
    };
    Architecture::named(name).unwrap()
}

/// The file of a random model, some of whose matrices are of other types: those whose name has such a part.
fn stored(c: &ModelConfig, seed: u64, types: &[(&str, TensorType)]) -> Gguf {
    let (meta, mut tensors) = parts(c, seed);
    for tensor in tensors.iter_mut().filter(|t| t.dims.len() == 2 && !t.name.contains("hc_")) {
        if let Some((_, ty)) = types.iter().find(|(part, _)| tensor.name.contains(part)) {
            tensor.ty = *ty;
        }
    }
    assemble(meta, &tensors)
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
    let tensor = |t: TensorSpec| {
        let (centre, spread) = match t.kind {
            TensorKind::Table { .. } if t.name == "token_embd.weight" => (0.0, 1.0),
            TensorKind::Table { .. } | TensorKind::Ternary { .. } => (0.0, 0.2),
            TensorKind::Plain(Role::Gain) => (1.0, 0.3),
            TensorKind::Plain(Role::HeadGain) => (1.5, 0.3),
            TensorKind::Plain(Role::Bias) => (0.0, 0.3),
            TensorKind::Plain(Role::RopeDivisors) => (2.0, 0.5),
            TensorKind::Plain(Role::HyperWeight) => (0.0, 0.1),
            TensorKind::Plain(Role::HyperBias) => (0.0, 1.0),
            TensorKind::Plain(Role::HyperAlpha) => (0.5, 0.1),
        };
        // A sum of uniforms is normal enough.
        let mut value = || {
            let sum: f64 = (0..4).map(|_| rng.next_f64() - 0.5).sum();
            centre + spread * sum as f32
        };
        let values = (0..t.len()).map(|_| value()).collect();
        let dims = t.shape.iter().rev().map(|&d| d as u64).collect();
        Dense { ty: t.tensor_type(), name: t.name, dims, values }
    };
    let mut tensors = Forward::new(c).tensors;
    tensors.sort_by_key(|t| place(&t.name));
    let tensors = tensors.into_iter().map(tensor).collect();
    let mut meta = Metadata::new();
    c.to_gguf_of(row(c), &mut meta);
    (meta, tensors)
}

/// Where a tensor stands among those that draw their values from one stream: hyper-connections last in their block. Golden texts
/// depend on it.
fn place(name: &str) -> (usize, usize) {
    let at = |list: &[&str]| list.iter().position(|part| name.contains(part)).unwrap_or(0);
    let Some(block) = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()) else {
        return (0, at(&["token_embd", "output_norm", "output.weight"]));
    };
    let hyper = 100 * at(&["hc_attn", "hc_ffn"])
        + 10 * at(&["_pre", "_post", "_res"])
        + at(&["weight", "bias", "alpha"]);
    (1 + block.parse::<usize>().unwrap(), if name.contains("hc_") { 1 + hyper } else { 0 })
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
        let bytes = blocks::random(t.ty, &t.values, t.name.contains("attn_v"));
        writer.add_tensor(&t.name, t.ty, &t.dims, bytes).unwrap();
    }
    Gguf::parse(writer.to_bytes().unwrap(), "tiny.gguf").unwrap()
}

/// Some token ids.
pub fn tokens(c: &ModelConfig, seed: u64, n: usize) -> Vec<u32> {
    let mut rng = Xoshiro256::from_seed(seed);
    (0..n).map(|_| (rng.next_u64() % c.vocab as u64) as u32).collect()
}
