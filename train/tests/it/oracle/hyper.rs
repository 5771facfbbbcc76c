//! Hyper-connections (mHC-lite) in f64: the coefficients out of the streams, and the mix of one
//! token's streams with a sub-layer's output. The sub-layer itself is `model`'s business.

use super::ops::{linear, rms_norm, sigmoid, softmax};

/// One of `pre`, `post`, `res`: `weight: (outputs, n*d)`, `bias: (outputs)`, one `alpha`.
#[derive(Clone, Copy)]
pub struct Projection<'a> {
    /// Row-major.
    pub weight: &'a [f64],
    /// One an output.
    pub bias: &'a [f64],
    /// Multiplies the product.
    pub alpha: f64,
}

impl Projection<'_> {
    /// `alpha u W + b` of every token, `(tokens, outputs)`.
    fn apply(&self, u: &[f64], width: usize) -> Vec<f64> {
        assert_eq!(self.weight.len(), self.bias.len() * width);
        let mut z = linear(self.weight, u, width);
        for (i, z) in z.iter_mut().enumerate() {
            *z = self.alpha * *z + self.bias[i % self.bias.len()];
        }
        z
    }
}

/// What mixes the streams of one token around one sub-layer.
pub struct Coefficients {
    /// The sub-layer's input is `pre . X`.
    pub pre: Vec<f64>,
    /// Stream `i` receives `post[i]` times the output.
    pub post: Vec<f64>,
    /// `R`, `(n, n)`, doubly stochastic.
    pub mix: Vec<f64>,
}

/// All permutations of `0..n` in lexicographic order.
pub fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for first in 0..n {
        for tail in permutations(n - 1) {
            let rest: Vec<usize> = (0..n).filter(|v| *v != first).collect();
            all.push(std::iter::once(first).chain(tail.into_iter().map(|t| rest[t])).collect());
        }
    }
    all
}

/// `sum_k weights[k] P_k`, where row `i` of `P_k` has its one in column `permutation_k[i]`.
pub fn blend(permutations: &[Vec<usize>], weights: &[f64]) -> Vec<f64> {
    assert_eq!(weights.len(), permutations.len());
    let n = permutations[0].len();
    let mut mix = vec![0.0; n * n];
    for (weight, permutation) in weights.iter().zip(permutations) {
        for i in 0..n {
            mix[i * n + permutation[i]] += weight;
        }
    }
    mix
}

/// The coefficients of each token of `streams: (tokens, n, d)`.
pub fn coefficients(
    streams: &[f64],
    n: usize,
    d: usize,
    [pre, post, res]: [Projection; 3],
    eps: f64,
) -> Vec<Coefficients> {
    let permutations = permutations(n);
    let u = rms_norm(streams, n * d, None, eps);
    let [pre, post, res] = [pre, post, res].map(|projection| projection.apply(&u, n * d));
    let tokens = pre.chunks_exact(n).zip(post.chunks_exact(n)).zip(res.chunks_exact(permutations.len()));
    tokens
        .map(|((pre, post), res)| Coefficients {
            pre: pre.iter().map(|z| sigmoid(*z)).collect(),
            post: post.iter().map(|z| 2.0 * sigmoid(*z)).collect(),
            mix: blend(&permutations, &softmax(res)),
        })
        .collect()
}

/// `pre . X`: the sub-layer's input, `(d)`.
pub fn gather(streams: &[f64], pre: &[f64]) -> Vec<f64> {
    let d = streams.len() / pre.len();
    (0..d).map(|i| (0..pre.len()).map(|s| pre[s] * streams[s * d + i]).sum()).collect()
}

/// `R X + post (outer) f`: the streams after the sub-layer, `(n, d)`.
pub fn scatter(streams: &[f64], c: &Coefficients, f: &[f64]) -> Vec<f64> {
    let (n, d) = (c.post.len(), f.len());
    let mut out = vec![0.0; n * d];
    for to in 0..n {
        for i in 0..d {
            let mixed: f64 = (0..n).map(|from| c.mix[to * n + from] * streams[from * d + i]).sum();
            out[to * d + i] = mixed + c.post[to] * f[i];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    const TOL: f64 = 1e-14;

    #[test]
    fn permutations_come_in_lexicographic_order() {
        assert_eq!(permutations(1), [[0]]);
        assert_eq!(permutations(2), [[0, 1], [1, 0]]);
        let four = permutations(4);
        assert_eq!(four.len(), 24);
        assert_eq!(four[..4], [[0, 1, 2, 3], [0, 1, 3, 2], [0, 2, 1, 3], [0, 2, 3, 1]]);
        assert!(four.is_sorted());
    }

    #[test]
    fn blend_is_doubly_stochastic() {
        for n in [1, 2, 4] {
            let all = permutations(n);
            let mix = blend(&all, &softmax(&Random::new(n as u64).values(all.len(), 4.0)));
            for i in 0..n {
                let row: f64 = mix[i * n..][..n].iter().sum();
                let column: f64 = (0..n).map(|j| mix[j * n + i]).sum();
                assert!((row - 1.0).abs() < TOL && (column - 1.0).abs() < TOL, "n = {n}: {row} and {column}");
            }
            assert!(mix.iter().all(|m| *m >= 0.0));
        }
    }

    #[test]
    fn permutation_moves_the_stream_in_its_column_to_its_row() {
        // Index 3 of 24 is (0, 2, 3, 1): not its own inverse, so the convention shows.
        let mut weights = [0.0; 24];
        weights[3] = 1.0;
        let c = Coefficients { pre: vec![], post: vec![0.0; 4], mix: blend(&permutations(4), &weights) };
        assert_eq!(scatter(&[10.0, 11.0, 12.0, 13.0], &c, &[5.0]), [10.0, 12.0, 13.0, 11.0]);
    }

    #[test]
    fn coefficients_without_weights_are_the_biases() {
        let (n, d) = (2, 3);
        let weight = vec![0.0; n * n * d];
        let bias = [[1.0, -1.0], [0.0, 3.0f64.ln()], [0.0, -8.0]];
        let project = |i: usize| Projection { weight: &weight, bias: &bias[i], alpha: 0.01 };
        let streams = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let c = &coefficients(&streams, n, d, [project(0), project(1), project(2)], 1e-5)[0];
        let swap = 1.0 / (1.0 + 8.0f64.exp());
        let expected = [sigmoid(1.0), sigmoid(-1.0), 1.0, 1.5, 1.0 - swap, swap, swap, 1.0 - swap];
        for (got, want) in c.pre.iter().chain(&c.post).chain(&c.mix).zip(expected) {
            assert!((got - want).abs() < TOL, "{got} and {want}");
        }
    }

    #[test]
    fn projection_reads_the_normalised_flattened_streams() {
        // mean square of (3, 0, 0, 4) is 25/4: u = (1.2, 0, 0, 1.6).
        let (weight, bias) = ([1.0, 9.0, 9.0, 1.0, 0.0, 9.0, 9.0, -2.0], [0.5, 0.0]);
        let p = Projection { weight: &weight, bias: &bias, alpha: 0.25 };
        let c = &coefficients(&[3.0, 0.0, 0.0, 4.0], 2, 2, [p, p, p], 0.0)[0];
        assert!((c.pre[0] - sigmoid(0.25 * 2.8 + 0.5)).abs() < TOL);
        assert!((c.post[1] - 2.0 * sigmoid(0.25 * -3.2)).abs() < TOL);
    }

    #[test]
    fn gather_and_scatter_weigh_streams() {
        let streams = [1.0, 2.0, 10.0, 20.0];
        assert_eq!(gather(&streams, &[1.0, 0.5]), [6.0, 12.0]);
        let c = Coefficients { pre: vec![], post: vec![1.0, 2.0], mix: vec![0.75, 0.25, 0.25, 0.75] };
        assert_eq!(scatter(&streams, &c, &[100.0, 0.0]), [103.25, 6.5, 207.75, 15.5]);
    }
}
