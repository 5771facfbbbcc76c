//! A decoded token beside its matrix products: how much of its time everything else takes. The products run through all blocks in
//! the order of decoding, so that caches and memory behave as they do there, split between threads as a session does.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cpu::{Pool, ROW_BLOCK};
use runtime::weights::Matrix;
use runtime::{Model, Session};

use crate::error::Result;
use crate::limits::{ceiling_gops, memory_gbs};
use crate::model::{advance, token_ids};
use crate::row::MatmulsRow;
use crate::timing::median;

/// Tokens and passes over all products take turns, so many of each, so that both see the same hour.
const TURN: usize = 16;
/// Turns go on for this long, and at least so often.
pub const LEAST: Duration = Duration::from_millis(500);
const TURNS_MIN: usize = 2;

/// Query, key and value; output projection; gate and up; down; head.
const KINDS: usize = 5;

/// Whether a model of this context has room for it.
pub fn fits(depth: usize, context: usize) -> bool {
    depth + TURN <= context
}

/// Measures tokens after `depth` others, for which there is room; `None` once cancelled.
pub fn measure(
    model: &Model,
    name: &str,
    depth: usize,
    pool: &Pool,
    cancel: &AtomicBool,
) -> Result<Option<MatmulsRow>> {
    let (ceiling_gops, bandwidth_gbs) = (ceiling_gops(pool), memory_gbs(pool));
    let ids = token_ids(depth + TURN, model.config().vocab);
    let mut session = Session::with_threads(model, depth + TURN, pool.threads())?;
    if advance(&mut session, &ids[..depth], cancel)?.is_none() {
        return Ok(None);
    }
    let mut pass = Pass::new(model, pool);
    let (mut tokens, mut passes) = (Vec::new(), Vec::new());
    let mut kinds: [Vec<f64>; KINDS] = Default::default();
    let (start, mut turns) = (Instant::now(), 0);
    while turns < TURNS_MIN || start.elapsed() < LEAST {
        session.truncate(depth);
        for id in &ids[depth..] {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let start = Instant::now();
            session.forward(std::slice::from_ref(id))?;
            tokens.push(start.elapsed().as_secs_f64());
        }
        for _ in 0..TURN {
            if cancel.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let start = Instant::now();
            let by_kind = pass.run();
            passes.push(start.elapsed().as_secs_f64());
            kinds.iter_mut().zip(by_kind).for_each(|(all, one)| all.push(one.as_secs_f64()));
        }
        turns += 1;
    }
    let middle_us = |mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        median(&seconds) * 1e6
    };
    let (token_us, matmuls_us) = (middle_us(tokens), middle_us(passes));
    let [qkv_us, o_us, gate_up_us, down_us, head_us] = kinds.map(middle_us);
    let matmul_bytes = pass.bytes();
    Ok(Some(MatmulsRow {
        test: "matmuls",
        model: name.to_owned(),
        kernel: model.kernels().name,
        threads: pool.threads(),
        depth,
        token_us,
        matmuls_us,
        ratio: token_us / matmuls_us,
        qkv_us,
        o_us,
        gate_up_us,
        down_us,
        head_us,
        matmul_bytes,
        matmul_ops: pass.ops(),
        gbs: matmul_bytes as f64 / matmuls_us / 1e3,
        ceiling_gops,
        bandwidth_gbs,
    }))
}

/// All products of one token.
struct Pass<'m> {
    model: &'m Model,
    pool: &'m Pool,
    /// Activations, as many as the widest input.
    q: Vec<i8>,
    x: Vec<f32>,
    /// As many as the longest output.
    y: Vec<f32>,
}

impl<'m> Pass<'m> {
    fn new(model: &'m Model, pool: &'m Pool) -> Self {
        let (c, stacks) = (model.config(), &model.forward().stacks);
        let cols = stacks.iter().map(|stack| stack.cols).max().unwrap_or(0).max(c.width);
        let rows = stacks.iter().map(|stack| stack.rows.iter().sum()).max().unwrap_or(0).max(c.vocab);
        let q: Vec<i8> = (0..cols).map(|i| (i * 37 % 255) as u8 as i8).collect();
        let x = q.iter().map(|&q| f32::from(q) / 64.0).collect();
        Pass { model, pool, q, x, y: vec![0.0; rows] }
    }

    /// Multiplies once by every matrix and returns the time of each kind.
    fn run(&mut self) -> [Duration; KINDS] {
        let mut times = [Duration::ZERO; KINDS];
        let mut last = Instant::now();
        let mut lap = |kind: usize| {
            let now = Instant::now();
            times[kind] += now - std::mem::replace(&mut last, now);
        };
        let model = self.model;
        // A block has one of each kind, in their order.
        for (i, matrices) in model.weights().stacks().iter().enumerate() {
            let cols = model.forward().stacks[i].cols;
            matrices.iter().for_each(|m| self.product(m, cols, false));
            lap(i % (KINDS - 1));
        }
        let head = model.weights().table(model.forward().head_table());
        self.product(head, model.config().width, model.config().head_int8);
        lap(KINDS - 1);
        black_box(&self.y);
        times
    }

    /// Multiplies by one matrix, whose integers may be multiplied as such.
    fn product(&mut self, matrix: &Matrix, cols: usize, int8: bool) {
        let kernels = self.model.kernels();
        let (q, x, y) = (&self.q[..cols], &self.x[..cols], &mut self.y[..matrix.row_count(cols)]);
        if let Matrix::Ternary(m) = matrix {
            return self.pool.gemv_ternary(kernels, m, q, 0.01, y);
        }
        self.pool.split_mut(y, ROW_BLOCK, |first, y| {
            let rows = first..first + y.len();
            match matrix {
                Matrix::Scaled { codes, scales, group } if int8 => {
                    let elements = rows.start * cols..rows.end * cols;
                    let scales = &scales[elements.start / group..elements.end / group];
                    kernels.head_products_int8(&codes[elements], scales, *group, q, 0.01, y);
                }
                _ => {
                    let count = y.len();
                    kernels.head_products(matrix.rows(rows, cols), cols, x, y, count, &mut Vec::new());
                }
            }
        });
    }

    /// Bytes of matrices that one pass reads.
    fn bytes(&self) -> u64 {
        let w = self.model.weights();
        let head = w.table(self.model.forward().head_table());
        w.stacks().iter().flatten().chain([head]).map(|m| m.bytes() as u64).sum()
    }

    /// Multiplications and additions of one pass.
    fn ops(&self) -> u64 {
        let c = self.model.config();
        let stacks = self.model.forward().stacks.iter();
        let weights = stacks.map(|stack| stack.rows.iter().sum::<usize>() * stack.cols);
        2 * (weights.sum::<usize>() + c.vocab * c.width) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cpu::Kernels;
    use model::config::{ModelConfig, StoredType};
    use runtime::synthetic;

    #[test]
    fn matmuls_of_every_kind_of_head_are_measured() {
        let small = ModelConfig { vocab: 300, blocks: 2, ..synthetic::config("showcase").unwrap() };
        let f16 = ModelConfig {
            embedding: StoredType::F16,
            head: StoredType::F16,
            head_int8: false,
            ..small.clone()
        };
        let int8 = ModelConfig { embedding: StoredType::Q8_0, head: StoredType::Q8_0, ..small.clone() };
        for (config, head_bytes) in [(small, 320 * 68), (f16, 300 * 512), (int8, 300 * (256 + 32))] {
            let model = Model::synthetic(&config, Kernels::best(), 1).unwrap();
            let pool = Pool::new(2).unwrap();
            let blocks = 2 * (768 + 256 + 1024 + 512) * 256 / 128 * 34;
            assert_eq!(Pass::new(&model, &pool).bytes(), blocks + head_bytes);
            let weights = 2 * (768 + 256 + 1024 + 512) * 256 + 300 * 256;
            assert_eq!(Pass::new(&model, &pool).ops(), 2 * weights);
            let never = AtomicBool::new(false);
            let row = measure(&model, "m", 3, &pool, &never).unwrap().unwrap();
            let kinds = row.qkv_us + row.o_us + row.gate_up_us + row.down_us + row.head_us;
            assert!(row.token_us > 0.0 && kinds > 0.0 && kinds < 2.0 * row.matmuls_us, "{row:?}");
            assert!((row.ratio - row.token_us / row.matmuls_us).abs() < 1e-9);
            assert!(measure(&model, "m", 3, &pool, &AtomicBool::new(true)).unwrap().is_none());
            assert!(fits(1008, 1024) && !fits(1009, 1024));
        }
    }
}
