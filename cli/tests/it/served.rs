//! What is exported is what was trained: codes and scales bit for bit, logits to rounding, greedy text to the token.

use cpu::Kernels;
use formats::blocks::q1_58;
use formats::gguf::Gguf;
use model::config::{Activation, Biases, ModelConfig, RopeKind, RopeScaling, StoredType};
use runtime::{Model, Session};
use train::export::{ExportType, Provenance, to_gguf};
use train::tokenizers;
use train::trainer::Trainer;

use model::rng::SplitMix64;
use train::backend::Part;
use train::batch::Batch;
use train::cpu::{CpuBackend, CpuOptions};
use train::graph;
use train::optim::{Matrices, Moments, Settings, adamw, muon};
use train::recipe::Recipe;

/// Logits of the trainer and of the runtime share every rounding to int8 and f16; only the f32 sums of the head differ in order.
const TOL_HEAD: f32 = 1e-4;
const SEQ: usize = 80;

fn config(streams: usize, tied: bool, activation: Activation) -> ModelConfig {
    ModelConfig {
        vocab: 256,
        context: SEQ,
        width: 128,
        blocks: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        ffn: 256,
        streams,
        activation,
        norm_eps: 1e-6,
        rope_base: 10_000.0,
        rope: RopeKind::HalfSplit,
        rope_dims: None,
        rope_scaling: RopeScaling::NONE,
        biases: Biases::NONE,
        qk_norm: true,
        attn_sub_norm: streams == 2,
        ffn_sub_norm: streams == 4,
        embedding_scale: if streams == 1 { 3.0 } else { 1.0 },
        tied,
        embedding: if tied { StoredType::Q8_0 } else { StoredType::F16 },
        head: if streams == 4 { StoredType::Q1_58 } else { StoredType::F16 },
        head_int8: streams == 4,
    }
}

/// Three sequences a step, in two shards on two threads.
fn trainer(c: &ModelConfig) -> Trainer<CpuBackend> {
    let recipe = Recipe {
        sequences: 3,
        tokens: SEQ,
        seed: 5,
        dropout: 0.0,
        float: false,
        optimiser: Settings {
            matrices: Matrices::Muon,
            muon: muon::Settings { momentum: 0.95, ns_steps: 5, weight_decay: 0.0 },
            adam: adamw::Settings { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.0 },
            clip_norm: 1.0,
            moments: Moments::F32,
        },
    };
    let program = graph::build(c, recipe);
    let options = CpuOptions { shards: 2, threads: 2, pass_tokens: 1 };
    Trainer::new(program.clone(), Box::new(CpuBackend::new(program, options).unwrap()))
}

/// Random token ids.
fn random_tokens(seed: u64, count: usize, vocab: usize) -> Vec<u32> {
    let mut random = SplitMix64::new(&[seed]);
    (0..count).map(|_| random.below(vocab as u64) as u32).collect()
}

/// A briefly trained model and its file.
fn trained(c: &ModelConfig) -> (Trainer<CpuBackend>, Gguf) {
    let mut trainer = trainer(c);
    let tokens = random_tokens(3, 3 * SEQ, c.vocab);
    // The next token is a function of this one, so that there is something to learn.
    let targets = tokens.iter().map(|t| (t * 7 + 3) % c.vocab as u32).collect();
    let batch = Batch { tokens, targets };
    for step in 0..12 {
        let rates = train::backend::Rates { muon: 0.02, adam: 0.01 };
        trainer.step(step, &batch, rates).unwrap();
    }
    let (file, fidelity) =
        to_gguf(c, trainer.params(), &tokenizers::bytes(), &Provenance::default(), ExportType::Q1_58)
            .unwrap();
    assert!(fidelity.exact());
    let gguf = Gguf::parse(file.to_bytes().unwrap(), "exported").unwrap();
    (trainer, gguf)
}

fn check(streams: usize, tied: bool, activation: Activation) {
    let c = config(streams, tied, activation);
    let (mut trainer, gguf) = trained(&c);
    let mut matrices = 0;
    for (name, (codes, scales)) in trainer.codes().unwrap() {
        let tensor = gguf.tensor(&name).unwrap();
        let mut found = [0i8; 128];
        for ((block, codes), scale) in tensor.bytes.chunks_exact(34).zip(codes.chunks_exact(128)).zip(&scales)
        {
            let stored = q1_58::unpack_group(block.try_into().unwrap(), &mut found).unwrap();
            assert_eq!((stored.to_bits(), &found[..]), (scale.to_bits(), codes), "{name}");
        }
        matrices += 1;
    }
    assert_eq!(matrices, 2 * if activation.gated() { 7 } else { 6 });

    let mut prompt = random_tokens(9, 16, c.vocab);
    for kernels in Kernels::available() {
        let model = Model::with_kernels(&gguf, kernels).unwrap();
        let mut session = Session::new(&model, SEQ).unwrap();
        let text = random_tokens(4, SEQ, c.vocab);
        let (expected, _) = trainer.logits(&text).unwrap();
        let got = session.forward_all(&text).unwrap();
        let size = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let worst = expected.iter().zip(got).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= TOL_HEAD * size, "{}: {worst} of {size}", kernels.name);
    }

    let model = Model::from_gguf(&gguf).unwrap();
    let mut session = Session::new(&model, SEQ).unwrap();
    let mut logits = session.forward(&prompt).unwrap().to_vec();
    for _ in 0..64 {
        // The trainer reads the whole text again each time; what follows the end cannot be seen.
        let mut padded = prompt.clone();
        padded.resize(SEQ, 0);
        let (all, _) = trainer.logits(&padded).unwrap();
        let trained = argmax(&all[(prompt.len() - 1) * c.vocab..][..c.vocab]);
        let served = argmax(&logits);
        assert_eq!(trained, served, "after {} tokens", prompt.len());
        prompt.push(served);
        logits = session.forward(&[served]).unwrap().to_vec();
    }
}

fn argmax(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.expect("a vocabulary").0 as u32
}

#[test]
fn served_equals_trained_with_one_stream() {
    check(1, true, Activation::SwiGlu);
    check(1, false, Activation::Relu2);
}

#[test]
fn served_equals_trained_with_two_streams() {
    check(2, true, Activation::Relu2);
    check(2, false, Activation::Relu2Gated);
}

#[test]
fn served_equals_trained_with_four_streams() {
    check(4, true, Activation::Relu2Gated);
    check(4, false, Activation::SwiGlu);
}

/// Keys and values above the largest f16 were infinite in training, and the largest f16 in serving.
#[test]
fn served_equals_trained_with_keys_and_values_that_no_half_holds() {
    let c = ModelConfig { qk_norm: false, ..config(1, true, Activation::SwiGlu) };
    let mut trainer = trainer(&c);
    for id in trainer.ids().collect::<Vec<_>>() {
        let name = &trainer.specs()[id.0].name;
        if name.contains("attn_k.") || name.contains("attn_v.") {
            // Rows are as large as the scales of ternary weights allow.
            let mut values = Vec::new();
            trainer.read(id, Part::Latent, &mut values).unwrap();
            values.iter_mut().for_each(|w| *w *= 2e6);
            trainer.write(id, Part::Latent, &values).unwrap();
        }
    }
    let text = random_tokens(4, SEQ, c.vocab);
    let (expected, _) = trainer.logits(&text).unwrap();
    assert!(expected.iter().all(|v| v.is_finite()));
    let (file, _) =
        to_gguf(&c, trainer.params(), &tokenizers::bytes(), &Provenance::default(), ExportType::Q1_58)
            .unwrap();
    let gguf = Gguf::parse(file.to_bytes().unwrap(), "exported").unwrap();
    let size = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for kernels in Kernels::available() {
        let model = Model::with_kernels(&gguf, kernels).unwrap();
        let got = Session::new(&model, SEQ).unwrap().forward_all(&text).unwrap().to_vec();
        let worst = expected.iter().zip(got).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= TOL_HEAD * size, "{}: {worst} of {size}", kernels.name);
    }
}
