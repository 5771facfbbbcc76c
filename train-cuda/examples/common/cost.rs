//! What a kernel has to do: operations, and bytes if each array is read or written once.

use model::tensors::TensorKind;
use train::program::Program;
use train_cuda::driver::{Arg, Launch};

/// Operations (int8, 16-bit) and bytes of a launch, each array read or written once.
pub fn of(launch: &Launch, program: &Program) -> ([f64; 2], f64) {
    let number = |i: usize| match launch.args[i] {
        Arg::Int(v) => f64::from(v),
        Arg::Long(v) => v as f64,
        Arg::Float(v) => f64::from(v),
        Arg::Word(v) => f64::from(v),
        Arg::Pointer(_) => panic!("argument {i} of {} is a place", launch.kernel),
    };
    let (streams, heads) = (program.model.streams as f64, program.model.heads as f64);
    let head_dim = program.model.head_dim as f64;
    let shapes = program.params.iter().filter_map(|s| match s.kind {
        TensorKind::Ternary { rows, cols } => Some((rows.min(cols) as f64, rows.max(cols) as f64)),
        _ => None,
    });
    let ternary: f64 = shapes.clone().map(|(m, n)| m * n).sum();
    let squares: f64 = shapes.clone().map(|(m, _)| m * m).sum();
    let none = [0.0, 0.0];
    match launch.kernel.as_str() {
        "linear_64" | "linear_128" => {
            let (t, r, c) = (number(5), number(6), number(7));
            ([2.0 * t * r * c, 0.0], t * c + r * c * (1.0 + 2.0 / 128.0) + 4.0 * t * (r + 1.0))
        }
        "gemm_nn_64" | "gemm_nn_128" | "gemm_tn_64" | "gemm_tn_128" => {
            let (m, n, k) = (number(3), number(4), number(5));
            let passes = if number(13) == 0.0 { 1.0 } else { 2.0 };
            ([0.0, 2.0 * m * n * k], 2.0 * k * (m + n) + 4.0 * m * n * passes)
        }
        "gemm_tn_64_split" => {
            let (m, n, k, pieces) = (number(3), number(4), number(5), launch.shape.blocks[2] as f64);
            ([0.0, 2.0 * m * n * k], 2.0 * k * (m + n) + 4.0 * m * n * pieces)
        }
        "sum_splits" => (none, 4.0 * number(2) * (number(3) + 1.0)),
        "head_stats" => {
            let (t, v, w) = (number(5), number(6), number(7));
            ([0.0, 2.0 * t * v * w], 2.0 * w * (t + v))
        }
        "head_gradient" => {
            let (t, w, chunk) = (number(5), number(7), number(9));
            ([0.0, 2.0 * t * chunk * w], 2.0 * (w * (t + chunk) + t * chunk))
        }
        "head_dy" => {
            let (t, w, chunk, splits) = (number(3), number(5), number(7), launch.shape.blocks[2] as f64);
            ([0.0, 2.0 * t * chunk * w], 2.0 * chunk * (t + w) + 8.0 * t * w * splits)
        }
        "head_dtable" => {
            let (t, w, chunk) = (number(4), number(6), number(8));
            ([0.0, 2.0 * t * chunk * w], 2.0 * t * (chunk + w) + 4.0 * chunk * w)
        }
        "head_dy_sum" => (none, 4.0 * number(3) * (number(4) + 1.0)),
        "head_loss" => (none, 8.0 * number(5) * number(6)),
        // Half of each square is masked.
        name if name.starts_with("attention_d") && name != "attention_delta" => {
            let products = if name.starts_with("attention_dq") { 3.0 } else { 4.0 };
            let first = if name.starts_with("attention_dq") { 7 } else { 8 };
            let (sequences, seq) = (number(first), number(first + 1));
            let bytes = sequences * seq * heads * head_dim * 22.0;
            ([0.0, products * sequences * seq * seq * heads * head_dim], bytes)
        }
        "attention_delta" => (none, 8.0 * number(3) * number(4) * number(5)),
        name if name.starts_with("attention") => {
            let (sequences, seq) = (number(5), number(6));
            ([0.0, 2.0 * sequences * seq * seq * heads * head_dim], sequences * seq * heads * head_dim * 16.0)
        }
        "muon_momentum" => (none, ternary * 14.0),
        "muon_momentum_bf16" => (none, ternary * 10.0),
        "muon_norms" => (none, 0.0),
        name if name.starts_with("muon_symmetric") => {
            let of = |(m, n): (f64, f64)| if number(5) == 0.0 { m * m * n } else { m * m * m };
            let read = if number(5) == 0.0 { ternary } else { squares };
            ([0.0, shapes.map(of).sum()], 2.0 * (read + squares))
        }
        name if name.starts_with("muon_step") => {
            ([0.0, shapes.map(|(m, n)| 2.0 * m * m * n).sum()], 2.0 * (2.0 * ternary + squares))
        }
        "quantise_weights" => (none, number(4) * 128.0 * 7.0),
        name if name.starts_with("round_table") => (none, number(3) * 10.0),
        "norm_parts" => (none, number(2) * 4.0),
        "finish_step" => (none, number(4) * 8.0),
        "adamw" => (none, number(5) * 28.0),
        "adamw_bf16" => (none, number(5) * 20.0),
        "embed" => (none, number(4) * number(5) * 4.0 * (1.0 + streams)),
        "embed_backward" => (none, number(4) * number(5) * 4.0 * (2.0 + streams)),
        "norm_quantise" => (none, number(6) * number(7) * 7.0),
        "norm_backward" => (none, number(6) * number(7) * 12.0),
        "final_norm" => (none, number(6) * number(7) * (4.0 * streams + 10.0)),
        "final_norm_backward" => (none, number(6) * number(7) * 4.0 * (2.0 + streams)),
        "sum_parts" => (none, number(2) * number(3) * 4.0),
        "norm_rope" => (none, number(6) * number(7) * number(8) * 8.0),
        "norm_rope_backward" => (none, number(7) * number(8) * number(9) * 8.0),
        "store_f16" => (none, number(1) * 8.0),
        "activation" => (none, number(3) * 12.0),
        "activation_backward" => (none, number(5) * 16.0),
        "residual_write" => (none, number(4) * number(5) * 12.0),
        "residual_write_backward" => (none, number(3) * number(4) * 6.0),
        "residual_read_backward" => (none, number(2) * 12.0),
        "hyper_read" => (none, number(12) * (number(13) * 4.0 * (streams + 1.0) + 512.0)),
        "hyper_write" => (none, number(5) * number(6) * 4.0 * (2.0 * streams + 1.0)),
        name if name.starts_with("hyper_write_backward") => {
            (none, number(7) * number(8) * (4.0 * (3.0 * streams + 1.0) + 2.0))
        }
        "hyper_logits_backward" => (none, number(7) * number(8) * 4.0 * (streams + 1.0)),
        name if name.starts_with("hyper_read_backward") => {
            (none, number(11) * number(12) * 4.0 * (3.0 * streams + 1.0))
        }
        "hyper_parts" => (none, 0.0),
        other => panic!("nobody said what {other} costs"),
    }
}
