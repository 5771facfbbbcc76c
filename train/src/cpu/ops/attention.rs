//! Causal grouped-query attention over the sequences of a pass. Forward calls the kernel that serves decoding;
//! backward recomputes the probabilities from the log-sum-exp, a block of queries at a time, as dense products.

use cpu::Kernels;
use cpu::ops::{PAGE_STEP, Pages, exp, k_transposed_len, transpose_key};

use crate::cpu::kernels::gemm::gemm;

/// Queries whose probabilities are recomputed at once: big enough for the dense products, small enough to skip the masked half.
const QUERY_BLOCK: usize = 64;

/// Shape of the heads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// Tokens of each sequence.
    pub(crate) seq: usize,
}

impl Heads {
    fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    fn kv_head(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// Working memory of both directions.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Keys of a sequence, transposed, and its values.
    page: Vec<f32>,
    scores: Vec<f32>,
    lse: Vec<f32>,
    p: Vec<f32>,
    d_p: Vec<f32>,
}

/// `out` (tokens x heads * head_dim) and `lse` (tokens x heads).
pub(crate) fn forward(
    kn: &Kernels,
    h: Heads,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &mut [f32],
    lse: &mut [f32],
    s: &mut Scratch,
) {
    let (qw, kw, hd) = (h.q_width(), h.kv_width(), h.head_dim);
    let keys = k_transposed_len(h.seq, hd);
    s.page.resize(keys + h.seq * hd, 0.0);
    s.lse.resize(h.seq, 0.0);
    for first in (0..q.len() / qw).step_by(h.seq) {
        for kv in 0..h.kv_heads {
            for t in 0..h.seq {
                let at = (first + t) * kw + kv * hd;
                let (page_k, page_v) = s.page.split_at_mut(keys);
                transpose_key(t, &k[at..at + hd], page_k);
                page_v[t * hd..(t + 1) * hd].copy_from_slice(&v[at..at + hd]);
            }
            let pages = &[&s.page[..]];
            let positions = h.seq.next_multiple_of(PAGE_STEP);
            let pages = Pages { pages, positions, keys: 0, values: keys };
            for head in (0..h.heads).filter(|&head| h.kv_head(head) == kv) {
                let at = first * qw + head * hd;
                kn.attention(
                    &q[at..],
                    qw,
                    0,
                    h.seq,
                    pages,
                    hd,
                    h.scale(),
                    &mut out[at..],
                    qw,
                    Some(&mut s.lse),
                    &mut s.scores,
                );
                for t in 0..h.seq {
                    lse[(first + t) * h.heads + head] = s.lse[t];
                }
            }
        }
    }
}

/// Overwrites `d_q`, `d_k`, `d_v`.
pub(crate) fn backward(
    kn: &Kernels,
    h: Heads,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &[f32],
    lse: &[f32],
    d_out: &[f32],
    d_q: &mut [f32],
    d_k: &mut [f32],
    d_v: &mut [f32],
    s: &mut Scratch,
) {
    d_k.fill(0.0);
    d_v.fill(0.0);
    let (qw, kw, hd) = (h.q_width(), h.kv_width(), h.head_dim);
    s.p.resize(QUERY_BLOCK * h.seq, 0.0);
    s.d_p.resize(QUERY_BLOCK * h.seq, 0.0);
    for first in (0..q.len() / qw).step_by(h.seq) {
        for head in 0..h.heads {
            let kv_at = first * kw + h.kv_head(head) * hd;
            for block in (0..h.seq).step_by(QUERY_BLOCK) {
                let rows = QUERY_BLOCK.min(h.seq - block);
                let keys = block + rows;
                let at = (first + block) * qw + head * hd;
                let (q, out, d_out) = (&q[at..], &out[at..], &d_out[at..]);
                let lse = |i: usize| lse[(first + block + i) * h.heads + head];
                let p = &mut s.p[..rows * keys];
                let d_p = &mut s.d_p[..rows * keys];
                let across = (keys, 1);
                gemm(rows, keys, hd, h.scale(), q, (qw, 1), &k[kv_at..], (1, kw), 0.0, p, across);
                gemm(rows, keys, hd, 1.0, d_out, (qw, 1), &v[kv_at..], (1, kw), 0.0, d_p, across);
                kn.vectorise(|| {
                    for i in 0..rows {
                        let inner = cpu::ops::dot(&d_out[i * qw..][..hd], &out[i * qw..][..hd]);
                        let p = &mut p[i * keys..(i + 1) * keys];
                        let d_p = &mut d_p[i * keys..(i + 1) * keys];
                        softmax_backward(p, d_p, lse(i), inner, block + i + 1);
                    }
                });
                gemm(keys, hd, rows, 1.0, p, (1, keys), d_out, (qw, 1), 1.0, &mut d_v[kv_at..], (kw, 1));
                gemm(
                    rows,
                    hd,
                    keys,
                    h.scale(),
                    d_p,
                    across,
                    &k[kv_at..],
                    (kw, 1),
                    0.0,
                    &mut d_q[at..],
                    (qw, 1),
                );
                gemm(keys, hd, rows, h.scale(), d_p, (1, keys), q, (qw, 1), 1.0, &mut d_k[kv_at..], (kw, 1));
            }
        }
    }
}

/// Turns scaled scores into probabilities, and their gradient into that of the scores; zero beyond `visible`.
#[inline(always)]
fn softmax_backward(p: &mut [f32], d_p: &mut [f32], lse: f32, inner: f32, visible: usize) {
    for (p, d) in p[..visible].iter_mut().zip(&mut d_p[..visible]) {
        *p = exp(*p - lse);
        *d = *p * (*d - inner);
    }
    p[visible..].fill(0.0);
    d_p[visible..].fill(0.0);
}
