//! The ops of the way back.

use model::tensors::TensorId;
use train::program::{Connection, Op, Program, Rows};

use super::forward::{Attention, Heads, activation, elementwise, interleaved, per_head, warp_per_token};
use super::head::Splits;
use super::{Pass, Recorder, products};
use crate::driver::{Arg, Shape};
use crate::error::Result;
use crate::plan::Plan;
use crate::precision::Precision;

/// Columns of the streams that a block of a connection's gradient owns.
const HYPER_COLUMNS: usize = 256;

/// Blocks that each leave a part of a norm's gradient.
fn norm_blocks(tokens: usize) -> usize {
    tokens.div_ceil(4).min(512)
}

/// The same for the norms of heads.
fn head_blocks(tokens: usize, heads: usize) -> usize {
    (tokens * heads).div_ceil(32).min(256)
}

/// The same for a connection.
fn hyper_blocks(tokens: usize) -> usize {
    tokens.div_ceil(8).min(128)
}

/// Outputs of a connection's three projections.
fn hyper_outputs(streams: usize) -> usize {
    2 * streams + (1..=streams).product::<usize>()
}

/// Floats of a block's part of a connection's gradient; what is behind its weights is padded.
fn hyper_part(streams: usize, width: usize) -> usize {
    let padded = if streams == 2 { 12 } else { 36 };
    hyper_outputs(streams) * streams * width + padded
}

/// Floats of the largest array of parts.
pub(crate) fn parts(plan: &Plan, program: &Program) -> usize {
    let (tokens, width) = (plan.tokens(), program.model.width);
    let sizes = program.backward.iter().map(|op| match *op {
        Op::NormQuantiseBackward { x, gain: Some(_), .. } => norm_blocks(tokens) * program.buffers.rows[x.0],
        Op::NormRopeBackward { x, gain: Some(_), head_dim, .. } => {
            head_blocks(tokens, program.buffers.rows[x.0] / head_dim) * head_dim
        }
        Op::FinalNormBackward { h, .. } => norm_blocks(tokens) * program.buffers.rows[h.0],
        Op::HyperReadBackward { connection: Some(_), d_y, .. } => {
            hyper_blocks(tokens) * hyper_part(program.model.streams, program.buffers.rows[d_y.0])
        }
        Op::BitLinearBackward { weight, .. } => {
            let spec = &program.params[weight.0];
            match products::pieces(spec.rows(), spec.cols(), tokens) {
                1 => 0,
                pieces => pieces * spec.len(),
            }
        }
        _ => 0,
    });
    let head = match plan.precision {
        Precision::Bf16 => Splits::of(tokens, width, plan.chunk).count * tokens * width,
        Precision::F32 => 0,
    };
    sizes.max().unwrap_or(0).max(head)
}

/// Threads of a block that walks rows of this width, four values a thread.
fn norm_threads(width: usize) -> usize {
    (width / 4).min(1024)
}

impl Recorder<'_> {
    /// Tells the device an op of the way back.
    pub fn backward(&self, op: &Op, pass: &Pass) -> Result<()> {
        let (tokens, streams) = (pass.tokens, self.program.model.streams);
        match *op {
            Op::EmbedBackward { table, scale, site, d_x } => {
                let width = self.width(d_x) / streams;
                let mut args = args_vec![self.ids(pass), self.words(), self.rows(d_x), self.gradient(table)];
                args.extend(args![tokens, width, streams, scale]);
                args.extend(self.mask(pass, site));
                let shape = Shape::line(tokens, 256).shared(512 * (width / 128).max(8));
                self.run("embed", "embed_backward", shape, &args)
            }
            Op::HyperWriteBackward { x, coefs, f, site, d_x, d_f } => {
                let width = self.width(f);
                let Some(coefs) = coefs else {
                    let mut args = args_vec![self.words(), self.rows(d_x), self.rows(d_f), tokens, width];
                    args.extend(self.mask(pass, site));
                    return self.run_here(
                        "residual",
                        "residual_write_backward",
                        elementwise(tokens * width),
                        &args,
                    );
                };
                let mut args = args_vec![
                    self.rows(x),
                    self.coefs(coefs),
                    self.rows(f),
                    self.words(),
                    self.rows(d_x),
                    self.rows(d_f),
                    self.memory.coef_gradients.arg(),
                    tokens,
                    width,
                ];
                args.extend(self.mask(pass, site));
                let name = format!("hyper_write_backward_{streams}");
                self.run_here("hyper_backward", &name, warp_per_token(tokens), &args)
            }
            Op::HyperReadBackward { connection: None, d_y, d_x, .. } => {
                let values = tokens * self.width(d_y);
                let args = args![self.rows(d_y), self.rows(d_x), values as u64];
                self.run_here("residual", "residual_read_backward", elementwise(values), &args)
            }
            Op::HyperReadBackward { connection: Some(c), x, d_y, d_x } => {
                self.hyper_read_backward(pass, c, x, d_y, d_x)
            }
            // What is only quantised passes its gradient on as it is.
            Op::NormQuantiseBackward { gain: None, .. } => Ok(()),
            Op::NormQuantiseBackward { x, gain: Some(gain), inv_rms, d_q, d_x } => {
                let (width, blocks) = (self.width(x), norm_blocks(tokens));
                let args = args![
                    self.rows(x),
                    self.plain(gain),
                    self.rows(inv_rms),
                    self.rows(d_q),
                    self.rows(d_x),
                    self.memory.parts.arg(),
                    tokens,
                    width,
                ];
                self.run_here("norm", "norm_backward", Shape::line(blocks, norm_threads(width)), &args)?;
                self.sum_parts(pass, gain, blocks, width)
            }
            Op::BitLinearBackward { q, weight, d_y, d_q, accumulate } => {
                self.linear_backward(pass, q, weight, d_y, d_q, accumulate)
            }
            Op::NormRopeBackward { x, gain, head_dim, kind, inv_rms, d_y } => {
                let heads = self.width(x) / head_dim;
                let parts = if gain.is_some() { self.memory.parts.arg() } else { Arg::NULL };
                let args = args![
                    self.rows_of(gain, x),
                    self.gain(gain),
                    self.memory.cos.arg(),
                    self.memory.sin.arg(),
                    self.rows_of(gain, inv_rms),
                    self.rows(d_y),
                    parts,
                    tokens,
                    heads,
                    head_dim,
                    self.plan.seq,
                    interleaved(kind),
                ];
                let Some(gain) = gain else {
                    return self.run_here("rope", "norm_rope_backward", per_head(tokens, heads), &args);
                };
                let blocks = head_blocks(tokens, heads);
                self.run_here("rope", "norm_rope_backward", Shape::line(blocks, 256), &args)?;
                self.sum_parts(pass, gain, blocks, head_dim)
            }
            Op::AttentionBackward { heads, kv_heads, head_dim, q, k, v, out, lse, d_out, d_q, d_k, d_v } => {
                let delta = self.memory.delta.arg();
                let args = args![self.rows(out), self.rows(d_out), delta, tokens, heads, head_dim];
                self.run("sums", "attention_delta", per_head(tokens, heads), &args)?;
                let mut arrays = [q, k, v, lse].map(|r| self.rows(r)).to_vec();
                arrays.extend(args![delta, self.rows(d_out), self.rows(d_q)]);
                let shape = Heads { heads, kv_heads, head_dim };
                self.attention(Attention::Queries, pass, &arrays, &shape)?;
                arrays.pop();
                arrays.extend(args![self.rows(d_k), self.rows(d_v)]);
                self.attention(Attention::KeysAndValues, pass, &arrays, &shape)
            }
            Op::ActivationBackward { kind, gate, up, d_out, d_gate, d_up } => {
                let values = tokens * self.width(up);
                let args = args![
                    gate.map_or(Arg::NULL, |g| self.rows(g)),
                    self.rows(up),
                    self.rows(d_out),
                    d_gate.map_or(Arg::NULL, |g| self.rows(g)),
                    self.rows(d_up),
                    values as u64,
                    activation(kind),
                ];
                self.run_here("activation", "activation_backward", elementwise(values), &args)
            }
            Op::FinalNormBackward { h, gain, inv_rms, d_y, d_x } => {
                let (width, blocks) = (self.width(h), norm_blocks(tokens));
                let args = args![
                    self.rows(h),
                    self.plain(gain),
                    self.rows(inv_rms),
                    self.rows(d_y),
                    self.rows(d_x),
                    self.memory.parts.arg(),
                    tokens,
                    width,
                    streams,
                ];
                self.run_here(
                    "norm",
                    "final_norm_backward",
                    Shape::line(blocks, norm_threads(width)),
                    &args,
                )?;
                self.sum_parts(pass, gain, blocks, width)
            }
            // Told again, because it was not kept.
            _ => self.forward(op, pass),
        }
    }

    /// Sums what blocks left of a parameter's gradient.
    fn sum_parts(&self, pass: &Pass, p: TensorId, blocks: usize, width: usize) -> Result<()> {
        let args = args![self.memory.parts.arg(), self.gradient(p), blocks, width, pass.accumulate,];
        self.run("sums", "sum_parts", Shape::line(width.div_ceil(32), 512), &args)
    }

    fn hyper_read_backward(
        &self,
        pass: &Pass,
        Connection { weights: h, coefs }: Connection,
        x: Rows,
        d_y: Rows,
        d_x: Rows,
    ) -> Result<()> {
        let (tokens, streams, width) = (pass.tokens, self.program.model.streams, self.width(d_y));
        let (x, coefs, d_y, d_x) = (self.rows(x), self.coefs(coefs), self.rows(d_y), self.rows(d_x));
        let alphas = h.alpha.map(|p| self.plain(p));
        let gradients = self.memory.coef_gradients.arg();
        let args = [&[x, coefs, gradients, d_y][..], &alphas, &args![tokens, width, streams]].concat();
        self.run_here("hyper_backward", "hyper_logits_backward", warp_per_token(tokens), &args)?;
        let (blocks, parts) = (hyper_blocks(tokens), self.memory.parts.arg());
        let weights = h.weight.map(|p| self.plain(p));
        let args = [&[x, coefs, d_y][..], &weights, &alphas, &args![d_x, parts, tokens, width]].concat();
        let columns = (streams * width).div_ceil(HYPER_COLUMNS);
        let shape = Shape { blocks: [columns, blocks, 1], threads: HYPER_COLUMNS / 2, shared: 0 };
        self.run_here("hyper_backward", &format!("hyper_read_backward_{streams}"), shape, &args)?;
        let d_parameters = h.weight.into_iter().chain(h.bias).chain(h.alpha).map(|p| self.gradient(p));
        let mut args = vec![parts];
        args.extend(d_parameters);
        args.extend(args![blocks, width, streams, pass.accumulate]);
        let values = hyper_outputs(streams) * (streams * width + 1) + 3;
        self.run_here("hyper_backward", "hyper_parts", Shape::line(values.div_ceil(32), 512), &args)
    }
}
