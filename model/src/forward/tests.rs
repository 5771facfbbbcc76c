//! What holds for every forward pass, whatever the shape.

use std::collections::HashSet;

use super::{Forward, Op, Slots};
use crate::config::{Activation, BIASED, Biases, ModelConfig, RopeKind, RopeScaling, StoredType};
use crate::tensors::{TensorId, TensorKind};

/// Shapes with and without every optional part.
fn shapes() -> Vec<ModelConfig> {
    let base = ModelConfig {
        vocab: 300,
        context: 64,
        width: 256,
        blocks: 3,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        ffn: 384,
        streams: 1,
        activation: Activation::Relu2,
        norm_eps: 1e-5,
        rope_base: 1e4,
        rope: RopeKind::HalfSplit,
        rope_dims: None,
        rope_scaling: RopeScaling::NONE,
        biases: Biases::NONE,
        qk_norm: false,
        attn_sub_norm: false,
        ffn_sub_norm: false,
        embedding_scale: 1.0,
        tied: true,
        embedding: StoredType::Q8_0,
        head: StoredType::F16,
        head_int8: false,
    };
    let full = ModelConfig {
        streams: 2,
        activation: Activation::SwiGlu,
        qk_norm: true,
        attn_sub_norm: true,
        ffn_sub_norm: true,
        tied: false,
        ..base.clone()
    };
    let square = ModelConfig {
        ffn: 256,
        head_dim: 64,
        streams: 4,
        activation: Activation::Relu2Gated,
        ..full.clone()
    };
    let foreign = ModelConfig {
        activation: Activation::Relu2Gated,
        rope_dims: Some(16),
        rope_scaling: RopeScaling { divisors: true, ..RopeScaling::NONE },
        biases: Biases::of(|_| true),
        ..base.clone()
    };
    vec![base, full, square, foreign]
}

/// The tensors that an op reads.
fn tensors_of(forward: &Forward, op: &Op) -> Vec<TensorId> {
    match *op {
        Op::Embed { table, .. } | Op::Head { table, .. } => vec![table],
        Op::HyperRead { connection, .. } => match forward.connections[connection.0].hyper {
            Some(h) => [h.weight, h.bias, h.alpha].concat(),
            None => vec![],
        },
        Op::NormQuantise { gain, .. } => gain.into_iter().collect(),
        Op::BitLinear { stack, .. } => forward.stacks[stack.0].parts.clone(),
        Op::Bias { stack, .. } => forward.stacks[stack.0].biases.iter().copied().flatten().collect(),
        Op::NormRope { q_gain, k_gain, .. } => q_gain.into_iter().chain(k_gain).collect(),
        Op::FinalNorm { gain, .. } => vec![gain],
        Op::Store { .. } | Op::Attention { .. } | Op::Activation { .. } | Op::HyperWrite { .. } => vec![],
    }
}

#[test]
fn forward_reads_each_tensor_where_it_should_and_no_other() {
    for c in shapes() {
        let forward = Forward::new(&c);
        let names: HashSet<&str> = forward.tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names.len(), forward.tensors.len(), "a name stands twice");
        let mut reads = vec![0; forward.tensors.len()];
        forward.ops.iter().flat_map(|op| tensors_of(&forward, op)).for_each(|id| reads[id.0] += 1);
        // Angles are made of them, once for all blocks.
        forward.rope_divisors.into_iter().for_each(|id| reads[id.0] += 1);
        let biases = forward.tensors.iter().filter(|t| t.name.ends_with(".bias") && !t.name.contains("hc_"));
        let biased = BIASED.into_iter().filter(|part| c.biases.has(part)).count();
        assert_eq!(biases.count(), c.blocks * biased);
        for (spec, reads) in forward.tensors.iter().zip(reads) {
            let tied = c.tied && spec.name == "token_embd.weight";
            assert_eq!(reads, if tied { 2 } else { 1 }, "{}", spec.name);
        }
        for stack in &forward.stacks {
            for (part, rows) in stack.parts.iter().zip(&stack.rows) {
                let kind = TensorKind::Ternary { rows: *rows, cols: stack.cols };
                assert_eq!(forward.tensors[part.0].kind, kind);
            }
        }
    }
}

#[test]
fn forward_stores_keys_and_values_once_a_block_before_they_are_read() {
    for c in shapes() {
        let ops = Forward::new(&c).ops;
        for block in 0..c.blocks {
            let at = |wanted: &dyn Fn(&Op) -> bool| {
                let found: Vec<usize> = (0..ops.len()).filter(|&i| wanted(&ops[i])).collect();
                assert_eq!(found.len(), 1);
                found[0]
            };
            let stored = at(&|op| matches!(op, Op::Store { block: b, .. } if *b == block));
            let read = at(&|op| matches!(op, Op::Attention { block: b, .. } if *b == block));
            assert!(stored < read);
        }
    }
}

#[test]
fn slots_hold_what_an_op_reads() {
    for c in shapes() {
        let forward = Forward::new(&c);
        let slots = Slots::new(&forward);
        let mut holds = vec![None; slots.widths().len()];
        for op in &forward.ops {
            let (reads, writes) = op.operands();
            for rows in reads {
                assert_eq!(holds[slots.of(rows)], Some(rows), "{op:?} reads what is no longer there");
            }
            if let Some(rows) = writes {
                assert_eq!(slots.widths()[slots.of(rows)], forward.width(rows));
                holds[slots.of(rows)] = Some(rows);
            }
        }
        // Streams before and after, a sub-layer's rows, queries to values, attention, up and gate, and what down reads.
        assert!(slots.widths().len() <= 7, "{:?}", slots.widths());
    }
}
