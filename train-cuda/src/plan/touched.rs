//! Which buffers an op reads or writes.

use train::program::{Op, Rows};

/// See the top of this file.
pub fn touched(op: &Op) -> Vec<Rows> {
    match *op {
        Op::Embed { x, .. } | Op::Store { x } => vec![x],
        Op::EmbedBackward { d_x, .. } => vec![d_x],
        Op::HyperRead { x, y, .. } => vec![x, y],
        Op::HyperWrite { x, f, out, .. } => vec![x, f, out],
        Op::HyperWriteBackward { x, f, d_x, d_f, .. } => vec![x, f, d_x, d_f],
        Op::HyperReadBackward { x, d_y, d_x, .. } => vec![x, d_y, d_x],
        Op::NormQuantise { x, inv_rms, .. } => vec![x, inv_rms],
        Op::NormQuantiseBackward { x, inv_rms, d_q, d_x, .. } => vec![x, inv_rms, d_q, d_x],
        Op::BitLinear { y, .. } => vec![y],
        Op::BitLinearBackward { d_y, d_q, .. } => vec![d_y, d_q],
        Op::NormRope { x, y, inv_rms, .. } => vec![x, y, inv_rms],
        Op::NormRopeBackward { x, inv_rms, d_y, .. } => vec![x, inv_rms, d_y],
        Op::Attention { q, k, v, out, lse, .. } => vec![q, k, v, out, lse],
        Op::AttentionBackward { q, k, v, out, lse, d_out, d_q, d_k, d_v, .. } => {
            vec![q, k, v, out, lse, d_out, d_q, d_k, d_v]
        }
        Op::Activation { gate, up, out, .. } => gate.into_iter().chain([up, out]).collect(),
        Op::ActivationBackward { gate, up, d_out, d_gate, d_up, .. } => {
            gate.into_iter().chain([up, d_out]).chain(d_gate).chain([d_up]).collect()
        }
        Op::FinalNorm { x, h, y, inv_rms, .. } => vec![x, h, y, inv_rms],
        Op::FinalNormBackward { h, inv_rms, d_y, d_x, .. } => vec![h, inv_rms, d_y, d_x],
        Op::CrossEntropy { y, nats, d_y, .. } => vec![y, nats, d_y],
    }
}
