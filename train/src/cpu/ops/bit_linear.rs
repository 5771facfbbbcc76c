//! The products with weight matrices, forward and backward. Ternary: forward by the runtime's exact integer kernel, the input's gradient
//! by table lookup in f32, the weights' gradient as a dense product. Float (for comparison): three dense products.

use cpu::{Kernels, VecLutMatrix};
use half::f16;

use crate::cpu::kernels::dx_ternary::{DxMatrix, dx_ternary};
use crate::cpu::kernels::gemm::gemm;

/// A weight matrix as the products of one step read it.
#[derive(Debug)]
pub(crate) struct TernaryWeights {
    /// Row-major codes.
    pub(crate) codes: Vec<i8>,
    /// One scale per 128 codes.
    pub(crate) scales: Vec<f16>,
    forward: VecLutMatrix,
    backward: DxMatrix,
}

impl TernaryWeights {
    pub(crate) fn new(rows: usize, cols: usize) -> Self {
        TernaryWeights {
            codes: vec![0; rows * cols],
            scales: vec![f16::ZERO; rows * cols / formats::ternary::GROUP],
            forward: VecLutMatrix::new(rows, cols),
            backward: DxMatrix::new(rows, cols),
        }
    }

    /// Quantises latent weights and lays them out for both directions.
    pub(crate) fn prepare(&mut self, kn: &Kernels, latent: &[f32]) {
        use formats::ternary::{GROUP, quantise_group};
        kn.vectorise(|| {
            let groups = latent.chunks_exact(GROUP).zip(self.codes.chunks_exact_mut(GROUP));
            for ((w, t), s) in groups.zip(&mut self.scales) {
                *s = quantise_group(w, t);
            }
        });
        self.forward.repack_from_codes(kn, &self.codes, &self.scales);
        self.backward.repack(&self.codes, &self.scales);
    }
}

/// A matrix in either precision.
pub(crate) enum Weights<'a> {
    Ternary(&'a TernaryWeights),
    /// Row-major, outputs x inputs.
    Float(&'a [f32]),
}

/// A pass's input rows: int8 with a scale a token, or f32.
#[derive(Debug, Default)]
pub(crate) struct QuantRows {
    pub(crate) width: usize,
    pub(crate) q: Vec<i8>,
    pub(crate) scale: Vec<f32>,
    pub(crate) float: Vec<f32>,
}

impl QuantRows {
    pub(crate) fn new(width: usize, tokens: usize, float: bool) -> Self {
        let (q, f) = if float { (0, width * tokens) } else { (width * tokens, 0) };
        QuantRows { width, q: vec![0; q], scale: vec![0.0; tokens], float: vec![0.0; f] }
    }

    /// Stores one row.
    pub(crate) fn set(&mut self, kn: &Kernels, token: usize, x: &[f32]) {
        let at = token * self.width..(token + 1) * self.width;
        if self.float.is_empty() {
            self.scale[token] = kn.quantise(x, &mut self.q[at]);
        } else {
            self.float[at].copy_from_slice(x);
        }
    }

    /// The rows as the weights' gradient reads them: `a q`.
    fn dequantised<'a>(&'a self, kn: &Kernels, tokens: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        if !self.float.is_empty() {
            return &self.float[..tokens * self.width];
        }
        scratch.resize(tokens * self.width, 0.0);
        kn.vectorise(|| {
            let rows = scratch.chunks_exact_mut(self.width).zip(self.q.chunks_exact(self.width));
            for ((x, q), a) in rows.zip(&self.scale) {
                for (x, &q) in x.iter_mut().zip(q) {
                    *x = a * f32::from(q);
                }
            }
        });
        scratch
    }
}

/// `y = W q`; `y` is tokens x rows.
pub(crate) fn forward(kn: &Kernels, w: &Weights<'_>, q: &QuantRows, tokens: usize, y: &mut [f32]) {
    match w {
        Weights::Ternary(w) => {
            kn.gemm_veclut(&w.forward, &q.q[..tokens * q.width], &q.scale[..tokens], y);
        }
        Weights::Float(w) => {
            let rows = w.len() / q.width;
            gemm(tokens, rows, q.width, 1.0, &q.float, (q.width, 1), w, (1, q.width), 0.0, y, (rows, 1));
        }
    }
}

/// Working memory of the backward pass.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    x: Vec<f32>,
}

/// `d_w += d_y^T q`; `d_q = W^T d_y`, added where `accumulate`.
pub(crate) fn backward(
    kn: &Kernels,
    w: &Weights<'_>,
    q: &QuantRows,
    tokens: usize,
    d_y: &[f32],
    d_q: &mut [f32],
    accumulate: bool,
    d_w: &mut [f32],
    s: &mut Scratch,
) {
    let (cols, rows) = (q.width, d_w.len() / q.width);
    let x = q.dequantised(kn, tokens, &mut s.x);
    gemm(rows, cols, tokens, 1.0, d_y, (1, rows), x, (cols, 1), 1.0, d_w, (cols, 1));
    match w {
        Weights::Ternary(w) => dx_ternary(kn, &w.backward, d_y, d_q, accumulate),
        Weights::Float(w) => {
            let beta = if accumulate { 1.0 } else { 0.0 };
            gemm(tokens, cols, rows, 1.0, d_y, (rows, 1), w, (cols, 1), beta, d_q, (cols, 1));
        }
    }
}
