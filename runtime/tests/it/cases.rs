//! The one table of cases for ternary products: shapes, codes and activations chosen to reach every edge of a
//! kernel. Which kernel runs them is the business of the tests.

use std::convert::Infallible;
use std::ops::Range;

use formats::rows::TernaryRows;
use formats::ternary::GROUP;
use half::f16;

/// Deterministic pseudo-random numbers (xorshift64*).
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// Uniform below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }

    /// Uniform in [-1, 1).
    pub fn float(&mut self) -> f32 {
        self.next() as i32 as f32 / (1u32 << 31) as f32
    }
}

/// What the codes look like.
#[derive(Clone, Copy, Debug)]
pub enum Codes {
    Random,
    AllPlus,
    AllMinus,
    /// The sign of the first token's activation: the largest sum there is of ternary weights.
    MatchingFirstToken,
    /// All four of two bits.
    RandomWithTwos,
    AllTwos,
}

/// What the activations look like.
#[derive(Clone, Copy, Debug)]
pub enum Activations {
    Random,
    All(i8),
    Alternating,
    /// Each token another of the above.
    Mixed,
}

/// One product: `codes` (rows x cols), `scales` (rows x cols/group), `q` (tokens x cols), `a` (tokens).
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub rows: usize,
    pub cols: usize,
    /// Columns that share a scale.
    pub group: usize,
    pub factor: Option<f32>,
    pub tokens: usize,
    pub codes: Vec<i8>,
    pub scales: Vec<f16>,
    pub q: Vec<i8>,
    pub a: Vec<f32>,
}

impl Case {
    fn new(rows: usize, cols: usize, tokens: usize, codes: Codes, activations: Activations) -> Case {
        Case::grouped(rows, cols, GROUP, tokens, codes, activations)
    }

    fn grouped(
        rows: usize,
        cols: usize,
        group: usize,
        tokens: usize,
        codes: Codes,
        activations: Activations,
    ) -> Case {
        let mut noise = Noise::new((rows * 31 + cols * 7 + tokens) as u64);
        let mut q = vec![0i8; tokens * cols];
        for (t, row) in q.chunks_exact_mut(cols).enumerate() {
            let kind = match activations {
                Activations::Mixed => [
                    Activations::Random,
                    Activations::All(127),
                    Activations::All(-127),
                    Activations::Alternating,
                    Activations::All(0),
                    Activations::All(-128),
                ][t % 6],
                kind => kind,
            };
            for (k, q) in row.iter_mut().enumerate() {
                *q = match kind {
                    Activations::All(v) => i32::from(v),
                    Activations::Alternating => 127 - 254 * (k % 2) as i32,
                    _ => noise.below(255) as i32 - 127,
                } as i8;
            }
        }
        let codes = (0..rows * cols)
            .map(|i| match codes {
                Codes::Random => noise.below(3) as i8 - 1,
                Codes::AllPlus => 1,
                Codes::AllMinus => -1,
                Codes::MatchingFirstToken => q[i % cols].signum(),
                Codes::RandomWithTwos => noise.below(4) as i8 - 1,
                Codes::AllTwos => 2,
            })
            .collect();
        // Mostly what training gives; now and then the extremes and a negative one, which files may hold.
        let scales = (0..rows * (cols / group))
            .map(|_| match noise.below(12) {
                0 => f16::from_f32(6.103_515_6e-5),
                1 => f16::MAX,
                2 => f16::from_f32(-0.25),
                4 => f16::from_bits(1),
                3 => f16::ZERO,
                _ => f16::from_f32(0.02 + 0.01 * noise.float()),
            })
            .collect();
        let a = (0..tokens)
            .map(|t| match t {
                2 => f32::MIN_POSITIVE,
                3 => 0.0,
                _ => 0.01 + 0.005 * noise.float(),
            })
            .collect();
        let name = format!("{rows}x{cols} in groups of {group}, {tokens} tokens");
        Case { name, rows, cols, group, factor: None, tokens, codes, scales, q, a }
    }

    fn times(self, factor: f32) -> Case {
        Case { name: format!("{}, times {factor}", self.name), factor: Some(factor), ..self }
    }

    /// The definition: exact integer sums of a group, rounded once where f32 does not have them; then one multiply and one add a group, in
    /// order; then the token's scale, and the factor if there is one.
    pub fn expected(&self) -> Vec<f32> {
        let (group, groups) = (self.group, self.cols / self.group);
        let mut y = vec![0.0; self.tokens * self.rows];
        for t in 0..self.tokens {
            for r in 0..self.rows {
                let mut acc = 0.0f32;
                for g in 0..groups {
                    let span = |row: usize| row * self.cols + g * group..row * self.cols + g * group + group;
                    let sum: i64 = self.codes[span(r)]
                        .iter()
                        .zip(&self.q[span(t)])
                        .map(|(&c, &q)| i64::from(c) * i64::from(q))
                        .sum();
                    acc += self.scales[r * groups + g].to_f32() * sum as f32;
                }
                y[t * self.rows + r] = self.a[t] * acc;
                if let Some(factor) = self.factor {
                    y[t * self.rows + r] *= factor;
                }
            }
        }
        y
    }
}

/// The matrix as a file would mean it.
impl TernaryRows for Case {
    type Error = Infallible;

    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn group(&self) -> usize {
        self.group
    }

    fn factor(&self) -> Option<f32> {
        self.factor
    }

    fn unpack(&self, rows: Range<usize>, codes: &mut [i8], scales: &mut [f16]) -> Result<(), Infallible> {
        let groups = self.cols / self.group;
        codes.copy_from_slice(&self.codes[rows.start * self.cols..rows.end * self.cols]);
        scales.copy_from_slice(&self.scales[rows.start * groups..rows.end * groups]);
        Ok(())
    }
}

/// The table for groups of 128. Rows cross every block of rows a kernel has (8, 16, 32, 64, 1,024), tokens every tile (1 to 17, 33),
/// columns one group to many.
pub fn all() -> Vec<Case> {
    use Activations::{All, Alternating, Mixed, Random};
    let mut cases = Vec::new();
    for rows in [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 96, 127, 257] {
        cases.push(Case::new(rows, 256, 1, Codes::Random, Random));
        cases.push(Case::new(rows, 384, 1 + rows % 19, Codes::Random, Mixed));
    }
    for tokens in (1..=18).chain([31, 32, 33, 48]) {
        cases.push(Case::new(40, 128, tokens, Codes::Random, Mixed));
        cases.push(Case::new(67, 640, tokens, Codes::Random, Random));
    }
    for cols in [128, 1024, 4096] {
        for activations in [All(127), All(-127), All(-128), All(0), Alternating] {
            for codes in [Codes::AllPlus, Codes::AllMinus, Codes::MatchingFirstToken] {
                for tokens in [1, 5, 16] {
                    cases.push(Case::new(33, cols, tokens, codes, activations));
                }
            }
        }
    }
    cases.push(Case::new(1025, 128, 17, Codes::Random, Mixed));
    cases.push(Case::new(2051, 256, 3, Codes::Random, Mixed));
    cases
}

/// The table for every group and for factors: sides of blocks of rows and of tiles of tokens as above, one group and several, extremes.
pub fn of_groups() -> Vec<Case> {
    use Activations::{All, Alternating, Mixed, Random};
    let mut cases = Vec::new();
    // 32 to 256, what no file has but the layout can hold, and the whole row.
    for (group, cols) in
        [(32, 32), (32, 480), (64, 64), (64, 320), (128, 384), (256, 256), (256, 768), (16, 48)]
            .into_iter()
            .chain([(48, 48), (160, 160), (640, 640), (2560, 2560)])
    {
        for rows in [1, 15, 16, 17, 31, 32, 33, 65] {
            cases.push(Case::grouped(rows, cols, group, 1 + (rows + group) % 18, Codes::Random, Mixed));
        }
        for tokens in [1, 2, 7, 8, 9, 11, 12, 15, 16, 17, 33] {
            cases.push(Case::grouped(19, cols, group, tokens, Codes::Random, Random).times(0.3));
        }
        for activations in [All(127), All(-128), Alternating] {
            for codes in [Codes::AllMinus, Codes::MatchingFirstToken] {
                cases.push(Case::grouped(3, cols, group, 1, codes, activations));
            }
        }
    }
    // The fourth code, where a file may have it.
    for tokens in [1, 2, 7, 8, 9, 16, 17, 33] {
        for (rows, cols) in [(67, 64), (33, 640)] {
            cases.push(Case::grouped(rows, cols, 64, tokens, Codes::RandomWithTwos, Mixed));
        }
        for activations in [All(127), All(-128), Alternating] {
            cases.push(Case::grouped(17, 192, 64, tokens, Codes::AllTwos, activations));
        }
    }
    // A factor where the fast kernels run, on both sides of where they change.
    for tokens in [1, 2, 11, 12, 16, 17] {
        for factor in [1.0, -1.7e-3, 0.0, f32::MIN_POSITIVE] {
            cases.push(Case::new(67, 256, tokens, Codes::Random, Mixed).times(factor));
        }
    }
    // Whole rows whose sums f32 rounds: beyond 131,072 columns of 128 an integer may be odd above 2^24.
    for cols in [131_072, 131_088, 262_144] {
        for (codes, activations) in [
            (Codes::AllMinus, All(-128)),
            (Codes::AllPlus, All(127)),
            (Codes::MatchingFirstToken, Random),
            (Codes::MatchingFirstToken, Alternating),
        ] {
            cases.push(Case::grouped(2, cols, cols, 2, codes, activations));
        }
    }
    cases
}
