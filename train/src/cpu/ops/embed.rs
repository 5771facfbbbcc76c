//! From token ids to streams, and the gradient back into the embedding table.

use cpu::Kernels;

use model::dropout::Mask;

/// `x[token][stream] = dropout(scale * table[id])` for every one of `streams`.
pub(crate) fn forward(
    kn: &Kernels,
    table: &[f32],
    width: usize,
    streams: usize,
    scale: f32,
    ids: &[u32],
    first_token: usize,
    mask: Mask,
    x: &mut [f32],
) {
    kn.vectorise(|| {
        for (i, (x, &id)) in x.chunks_exact_mut(streams * width).zip(ids).enumerate() {
            let (first, rest) = x.split_at_mut(width);
            for (x, e) in first.iter_mut().zip(&table[id as usize * width..][..width]) {
                *x = e * scale;
            }
            if mask.active() {
                mask.apply(first_token + i, first);
            }
            for copy in rest.chunks_exact_mut(width) {
                copy.copy_from_slice(first);
            }
        }
    });
}

/// Adds the gradient of [`forward`] to `d_table`.
pub(crate) fn backward(
    kn: &Kernels,
    width: usize,
    streams: usize,
    scale: f32,
    ids: &[u32],
    first_token: usize,
    mask: Mask,
    d_x: &[f32],
    d_table: &mut [f32],
    row: &mut Vec<f32>,
) {
    row.resize(width, 0.0);
    kn.vectorise(|| {
        for (i, (d_x, &id)) in d_x.chunks_exact(streams * width).zip(ids).enumerate() {
            row.copy_from_slice(&d_x[..width]);
            for stream in d_x[width..].chunks_exact(width) {
                for (r, d) in row.iter_mut().zip(stream) {
                    *r += d;
                }
            }
            if mask.active() {
                mask.apply(first_token + i, row);
            }
            for (d, r) in d_table[id as usize * width..][..width].iter_mut().zip(row.iter()) {
                *d += scale * r;
            }
        }
    });
}
