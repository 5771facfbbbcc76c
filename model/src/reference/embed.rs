//! Into the residual streams and out of them.

/// `n` streams (n x d), each a copy of the token's row of `table` (vocab x d) times `scale`.
pub fn embed(table: &[f32], d: usize, token: usize, scale: f32, n: usize) -> Vec<f32> {
    let mut x = Vec::new();
    for _ in 0..n {
        for i in 0..d {
            x.push(scale * table[token * d + i]);
        }
    }
    x
}

/// The sum (d) of the streams `x` (n x d).
pub fn sum_of_streams(x: &[f32], d: usize) -> Vec<f32> {
    let mut y = vec![0.0; d];
    for stream in x.chunks_exact(d) {
        for i in 0..d {
            y[i] += stream[i];
        }
    }
    y
}
