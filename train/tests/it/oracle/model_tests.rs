//! The oracle's tests of itself: against a second formula, against an analytic derivative, and its
//! bookkeeping of residuals.

use super::model;
use super::params::{config, random, shapes};
use super::random::Random;
use super::rounding::{self, Rounding};
use super::{Batch, Oracle, Params, ops};
use ::model::config::{Activation, ModelConfig, StoredType};

/// Half-width of the central differences: the error of order `h^2` stays below 1e-6 of a gradient and the
/// rounding of f64 losses near 1e-11.
const STEP: f64 = 3e-5;

fn batch(config: &ModelConfig, sequences: usize, seq: usize, seed: u64) -> Batch {
    let mut random = Random::new(seed);
    let tokens = random.tokens(sequences * seq, config.vocab);
    Batch { seq, tokens, targets: random.tokens(sequences * seq, config.vocab) }
}

/// One position alone attends to itself with weight one: the block is `x + O(V n(x))`, then the gated network.
fn one_position_loss(c: &ModelConfig, p: &Params, token: usize, target: usize) -> f64 {
    let product = |name: &str, x: &[f64]| -> Vec<f64> {
        p[name].chunks(x.len()).map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
    };
    let norm = |name: &str, x: &[f64]| -> Vec<f64> {
        let length = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64 + f64::from(c.norm_eps);
        x.iter().zip(&p[name]).map(|(x, g)| g * x / length.sqrt()).collect()
    };
    let add = |x: &mut Vec<f64>, y: Vec<f64>| x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
    let mut x = p["token_embd.weight"][token * c.width..][..c.width].to_vec();
    for b in 0..c.blocks {
        let v = product(&format!("blk.{b}.attn_v.weight"), &norm(&format!("blk.{b}.attn_norm.weight"), &x));
        let shared = c.heads / c.kv_heads * c.head_dim;
        let spread: Vec<f64> =
            (0..c.heads * c.head_dim).map(|i| v[i / shared * c.head_dim + i % c.head_dim]).collect();
        add(&mut x, product(&format!("blk.{b}.attn_output.weight"), &spread));
        let u = norm(&format!("blk.{b}.ffn_norm.weight"), &x);
        let gate = product(&format!("blk.{b}.ffn_gate.weight"), &u);
        let up = product(&format!("blk.{b}.ffn_up.weight"), &u);
        let hidden: Vec<f64> = gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
        add(&mut x, product(&format!("blk.{b}.ffn_down.weight"), &hidden));
    }
    let logits = product("token_embd.weight", &norm("output_norm.weight", &x));
    logits.iter().map(|z| (z - logits[target]).exp()).sum::<f64>().ln()
}

#[test]
fn oracle_of_one_position_is_the_short_formula() {
    let c = config(1);
    let p = random(&c, 7);
    let batch = Batch { seq: 1, tokens: vec![3], targets: vec![11] };
    let point = model::forward(&c, &p, &batch, &mut Rounding::Off);
    let expected = one_position_loss(&c, &p, 3, 11);
    assert!((point.loss - expected).abs() < 1e-12, "{} and {expected}", point.loss);
}

#[test]
fn oracle_with_transparent_connections_has_equal_streams_of_the_plain_model() {
    // R = I, post = 1 and pre one half (or one quarter) a stream: every stream is the plain residual.
    let plain = config(1);
    let p = random(&plain, 8);
    let batch = batch(&plain, 2, 5, 9);
    let expected = model::forward(&plain, &p, &batch, &mut Rounding::Off);
    for n in [2, 4] {
        let c = config(n);
        let mut p = p.clone();
        for (name, x) in random(&c, 8).into_iter().filter(|(name, _)| name.contains("hc_")) {
            let mut x = vec![0.0; x.len()];
            if name.ends_with("pre.bias") {
                x.fill(-((n - 1) as f64).ln());
            } else if name.ends_with("res.bias") {
                x[1..].fill(-1e3);
            }
            p.insert(name, x);
        }
        let point = model::forward(&c, &p, &batch, &mut Rounding::Off);
        // The head sees n times the plain sum; only the norm's epsilon notices.
        assert!((point.loss - expected.loss).abs() < 1e-4, "{} and {}", point.loss, expected.loss);
        let (got, want) = (&point.entries[2], &expected.entries[2]);
        for (i, v) in got.iter().enumerate() {
            let (token, within) = (i / (n * c.width), i % c.width);
            assert!((v - want[token * c.width + within]).abs() < 1e-12);
        }
    }
}

#[test]
fn oracle_is_causal_and_sequences_are_strangers() {
    let c = config(4);
    let p = random(&c, 10);
    let one = batch(&c, 2, 6, 11);
    let mut other = one.clone();
    other.tokens[11] = (one.tokens[11] + 1) % 40;
    other.tokens[5] = (one.tokens[5] + 1) % 40;
    let logits =
        |batch: &Batch| model::forward(&c, &rounding::stored(&c, &p), batch, &mut Rounding::record()).logits;
    let (a, b) = (logits(&one), logits(&other));
    let same: Vec<bool> = (0..12).map(|t| a[t * 40..][..40] == b[t * 40..][..40]).collect();
    assert_eq!(same, (0..12).map(|t| t % 6 != 5).collect::<Vec<_>>());
}

#[test]
fn oracle_with_a_head_of_zeros_loses_the_log_of_the_vocabulary() {
    let c = ModelConfig { tied: false, ..config(2) };
    let mut p = random(&c, 12);
    p.get_mut("output.weight").expect("untied").fill(0.0);
    let oracle = Oracle::new(&c, &batch(&c, 2, 6, 13), &p);
    assert!((oracle.loss() - 40.0f64.ln()).abs() < 1e-12);
}

#[test]
fn oracle_replays_its_base_point_to_the_bit() {
    for (streams, kind) in [(1, StoredType::F16), (2, StoredType::Q8_0), (4, StoredType::Q1_58)] {
        let c = ModelConfig { embedding: kind, head_int8: true, ..config(streams) };
        let mut oracle = Oracle::new(&c, &batch(&c, 2, 6, 14), &random(&c, 15));
        let rounded = oracle.loss();
        assert_eq!(oracle.loss_replayed().to_bits(), rounded.to_bits());
        // A difference leaves no trace.
        oracle.gradient("blk.1.ffn_down.weight", 77, STEP);
        oracle.gradient("token_embd.weight", 77, STEP);
        assert_eq!(oracle.loss_replayed().to_bits(), rounded.to_bits());
        let exact = model::forward(&c, &random(&c, 15), &batch(&c, 2, 6, 14), &mut Rounding::Off).loss;
        assert!((rounded - exact).abs() > 1e-3, "rounding must matter: {rounded} and {exact}");
    }
}

#[test]
fn oracle_started_at_a_block_equals_the_whole() {
    let c = ModelConfig { tied: false, ..config(2) };
    let (p, batch) = (rounding::stored(&c, &random(&c, 16)), batch(&c, 2, 6, 17));
    let mut rounding = Rounding::record();
    let base = model::forward(&c, &p, &batch, &mut rounding);
    let mut rounding = rounding.into_replay();
    for name in shapes(&c).iter().map(|(name, _)| name) {
        let mut moved = p.clone();
        moved.get_mut(name).expect("listed")[0] += 0.01;
        let from = model::first_block_reading(&c, name);
        let resumed = model::resume(&c, &moved, &batch, &mut rounding, &base, from);
        assert_eq!(resumed, model::forward(&c, &moved, &batch, &mut rounding).loss, "{name}");
    }
}

/// The head's derivative is known: `mean over tokens of (softmax - one-hot) x_hat`, where `x_hat` is the
/// rounded activation. It would differ in the third digit with the unrounded one.
#[test]
fn oracle_differentiates_the_head_through_its_rounding() {
    let c = ModelConfig { tied: false, head: StoredType::Q1_58, head_int8: true, ..config(2) };
    let (p, batch) = (random(&c, 18), batch(&c, 2, 6, 19));
    let mut oracle = Oracle::new(&c, &batch, &p);
    let summed: Vec<f64> = oracle
        .final_streams()
        .chunks_exact(2 * c.width)
        .flat_map(|x| (0..c.width).map(|i| x[i] + x[c.width + i]))
        .collect();
    let x = ops::rms_norm(&summed, c.width, Some(&p["output_norm.weight"]), f64::from(c.norm_eps));
    let rounded = rounding::int8(&x, c.width);
    let logits = ops::linear(&rounding::ternary(&p["output.weight"]), &rounded, c.width);
    let derivative = |x: &[f64], v: usize, i: usize| {
        let token = |t: usize| {
            let p = ops::softmax(&logits[t * c.vocab..][..c.vocab])[v];
            (p - f64::from(u8::from(batch.targets[t] as usize == v))) * x[t * c.width + i]
        };
        (0..12).map(token).sum::<f64>() / 12.0
    };
    let mut unrounded_differs = 0;
    for (v, i) in [(0, 0), (5, 100), (39, 127), (batch.targets[0] as usize, 64)] {
        let (got, want) =
            (oracle.gradient("output.weight", v * c.width + i, STEP), derivative(&rounded, v, i));
        assert!((got - want).abs() < 1e-6 * want.abs() + 1e-10, "{got} and {want}");
        unrounded_differs += u32::from((derivative(&x, v, i) - want).abs() > 1e-4 * want.abs());
    }
    assert!(unrounded_differs > 0);
}

#[test]
fn oracle_differences_do_not_depend_on_their_step() {
    for activation in [Activation::SwiGlu, Activation::Relu2, Activation::Relu2Gated] {
        let c = ModelConfig { activation, attn_sub_norm: true, ffn_sub_norm: true, ..config(4) };
        let mut oracle = Oracle::new(&c, &batch(&c, 2, 6, 20), &random(&c, 21));
        for (name, shape) in shapes(&c) {
            let index = shape.iter().product::<usize>() / 2;
            let (fine, coarse) =
                (oracle.gradient(&name, index, STEP), oracle.gradient(&name, index, 3.0 * STEP));
            assert!((fine - coarse).abs() < 1e-4 * fine.abs() + 1e-8, "{name}[{index}]: {fine} and {coarse}");
        }
    }
}
