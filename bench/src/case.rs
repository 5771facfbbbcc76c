//! One matrix and its tokens: inputs that reach the extremes, and the result that every kernel must have.

use cpu::{Kernels, Pool, ROW_BLOCK, TernaryMatrix};
use half::f16;
use model::xoshiro::Xoshiro256;

use crate::options::Shape;

/// Kinds of tokens: random ones, all 127, all -127, all -128, alternating extremes, zeros.
pub const KINDS: usize = 6;

/// Inputs and what they multiply to.
pub struct Case {
    /// Rows and columns.
    pub shape: Shape,
    /// -1, 0 or 1, rows x cols.
    pub codes: Vec<i8>,
    /// Rows x cols / 128.
    pub scales: Vec<f16>,
    /// Activations, tokens x cols, the kinds in turn.
    pub q: Vec<i8>,
    /// Their scales.
    pub a: Vec<f32>,
    /// The scalar kernel's result, tokens x rows.
    pub expected: Vec<f32>,
}

impl Case {
    /// A random matrix and enough tokens that batches of each of these sizes see every kind.
    pub fn new(shape: Shape, batches: &[usize], pool: &Pool) -> Case {
        let Shape { rows, cols } = shape;
        let tokens = batches.iter().map(|&n| n * KINDS.div_ceil(n)).max().unwrap_or(0);
        let mut rng = Xoshiro256::from_seed(shape.weights() as u64);
        let mut bytes = Bytes { rng: &mut rng, word: 0, left: 0 };
        let codes = (0..rows * cols).map(|_| ((u16::from(bytes.next()) * 3) >> 8) as i8 - 1).collect();
        let scales =
            (0..rows * cols / 128).map(|_| f16::from_f32(0.01 + f32::from(bytes.next()) / 8192.0)).collect();
        let mut q = vec![0i8; tokens * cols];
        for (t, token) in q.chunks_exact_mut(cols).enumerate() {
            for (k, q) in token.iter_mut().enumerate() {
                *q = match t % KINDS {
                    0 => bytes.next() as i8,
                    1 => 127,
                    2 => -127,
                    3 => -128,
                    4 if k % 2 == 0 => 127,
                    4 => -128,
                    _ => 0,
                };
            }
        }
        let a = (0..tokens).map(|t| 0.001 + 0.0001 * t as f32).collect();
        let mut case = Case { shape, codes, scales, q, a, expected: Vec::new() };
        case.expected = case.scalar(pool);
        case
    }

    /// Tokens.
    pub fn tokens(&self) -> usize {
        self.a.len()
    }

    /// The matrix as `kernels` read it.
    pub fn matrix(&self, kernels: &Kernels) -> TernaryMatrix {
        TernaryMatrix::from_codes(kernels, self.shape.rows, self.shape.cols, &self.codes, &self.scales)
    }

    fn scalar(&self, pool: &Pool) -> Vec<f32> {
        let scalar = Kernels::named("scalar").expect("scalar is always there");
        let (m, rows, cols) = (self.matrix(scalar), self.shape.rows, self.shape.cols);
        let n = self.tokens();
        // A task a block of rows: their products lie together here, and are put in the order of tokens afterwards.
        let mut blocks = vec![0.0f32; rows * n];
        pool.chunks_mut(&mut blocks, ROW_BLOCK * n, |i, y| {
            let rows = i * ROW_BLOCK..(i * ROW_BLOCK + ROW_BLOCK).min(rows);
            let stride = rows.len();
            scalar.gemm_ternary(&m, rows, &self.q[..n * cols], &self.a, y, stride);
        });
        let mut y = vec![0.0; rows * n];
        for (i, block) in blocks.chunks(ROW_BLOCK * n).enumerate() {
            let width = block.len() / n;
            for (t, part) in block.chunks_exact(width).enumerate() {
                y[t * rows + i * ROW_BLOCK..][..width].copy_from_slice(part);
            }
        }
        y
    }
}

/// Random bytes, eight from each word.
struct Bytes<'a> {
    rng: &'a mut Xoshiro256,
    word: u64,
    left: u32,
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        if self.left == 0 {
            (self.word, self.left) = (self.rng.next_u64(), 8);
        }
        let byte = self.word as u8;
        (self.word, self.left) = (self.word >> 8, self.left - 1);
        byte
    }
}
