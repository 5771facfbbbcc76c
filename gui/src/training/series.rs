//! The values of one curve, a row for a point or for several: their means, their extremes, and the smoothed ones. Extremes of a stretch are
//! remembered by blocks of rows, so that asking for them and going back cost little however many rows there are.

use super::extremes::Extremes;

/// Rows of a block whose extremes are remembered.
const BLOCK: usize = 64;

/// See the top of this file.
#[derive(Clone, Debug, Default)]
pub struct Series {
    mean: Vec<f32>,
    /// Extremes of each row; empty while every row is one value.
    low: Vec<f32>,
    high: Vec<f32>,
    blocks: Vec<Extremes>,
    smooth: Vec<f32>,
    smooth_blocks: Vec<Extremes>,
    ema: Ema,
    /// As it was before each block.
    emas: Vec<Ema>,
    /// What `smooth` was made with.
    smoothing: f32,
}

/// An exponential moving average that starts without a bias towards zero.
#[derive(Clone, Copy, Debug, Default)]
struct Ema {
    sum: f64,
    weight: f64,
}

impl Ema {
    /// A weight this close to 1 makes no difference in 24 bits: it is 1 from there on, which saves a division a point.
    const FULL: f64 = 1.0 - 1e-9;

    /// Takes in a value; gives the average so far, of which a share of `keep` was there before.
    #[inline]
    fn add(&mut self, v: f32, keep: f64) -> f32 {
        if v.is_finite() {
            self.sum = self.sum * keep + f64::from(v) * (1.0 - keep);
            if self.weight < 1.0 {
                self.weight = self.weight * keep + (1.0 - keep);
                if self.weight >= Self::FULL {
                    self.weight = 1.0;
                }
            }
        }
        if self.weight == 1.0 {
            self.sum as f32
        } else if self.weight > 0.0 {
            (self.sum / self.weight) as f32
        } else {
            f32::NAN
        }
    }
}

impl Series {
    /// Mean of a row's points.
    pub fn mean(&self, row: usize) -> f32 {
        self.mean[row]
    }

    /// The moving average at a row's end.
    pub fn smooth(&self, row: usize) -> f32 {
        self.smooth[row]
    }

    /// Extremes of a row's points.
    pub fn extremes(&self, row: usize) -> Extremes {
        let mut e = Extremes::NONE;
        if self.low.is_empty() {
            e.add(self.mean[row]);
        } else {
            e.add(self.low[row]);
            e.add(self.high[row]);
        }
        e
    }

    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        4 * (self.mean.capacity() + self.low.capacity() + self.high.capacity() + self.smooth.capacity())
            + 8 * (self.blocks.capacity() + self.smooth_blocks.capacity())
    }

    /// Makes room for rows to come.
    pub fn reserve(&mut self, rows: usize) {
        self.mean.reserve(rows);
        self.smooth.reserve(rows);
    }

    /// Extremes of the rows from `a` to before `b`, of the smoothed values or of the points'.
    pub fn range(&self, smooth: bool, a: usize, b: usize) -> Extremes {
        let blocks = if smooth { &self.smooth_blocks } else { &self.blocks };
        let mut e = Extremes::NONE;
        let rows = |e: &mut Extremes, a: usize, b: usize| {
            if smooth {
                self.smooth[a..b].iter().for_each(|&v| e.add(v));
            } else if self.low.is_empty() {
                self.mean[a..b].iter().for_each(|&v| e.add(v));
            } else {
                self.low[a..b].iter().chain(&self.high[a..b]).for_each(|&v| e.add(v));
            }
        };
        let (first, last) = (a.div_ceil(BLOCK), b / BLOCK);
        if first >= last {
            rows(&mut e, a, b);
            return e;
        }
        rows(&mut e, a, first * BLOCK);
        blocks[first..last].iter().for_each(|&block| e.join(block));
        rows(&mut e, last * BLOCK, b);
        e
    }

    /// Has the smoothed values be those of a smoothing, from 0 to below 1; says whether they were not. A row stands for `points`.
    pub fn set_smoothing(&mut self, smoothing: f32, points: i32) -> bool {
        let other = self.smoothing != smoothing;
        if other {
            self.smoothing = smoothing;
            self.smoothen(points);
        }
        other
    }

    /// Two rows become one; `wide` if rows had extremes of their own before. What follows from the rows is to be made by `index`.
    pub fn merge(&mut self, wide: bool) {
        let of = |v: &[f32], f: &dyn Fn(f32, f32) -> f32| -> Vec<f32> {
            v.chunks(2).map(|c| f(c[0], c[c.len() - 1])).collect()
        };
        let (low, high) = if wide { (&self.low, &self.high) } else { (&self.mean, &self.mean) };
        // f32's own minimum and maximum leave out what is no number; what is odd stays odd in the mean.
        let low: Vec<f32> = of(low, &|a, b| a.min(b));
        let high: Vec<f32> = of(high, &|a, b| {
            if a == f32::INFINITY {
                b
            } else if b == f32::INFINITY {
                a
            } else {
                a.max(b)
            }
        });
        self.mean = of(&self.mean, &mean_of_two);
        (self.low, self.high) = (low, high);
    }

    /// Appends a row of one point; `wide` if rows have extremes of their own.
    pub fn push(&mut self, mean: f32, low: f32, high: f32, wide: bool) {
        self.mean.push(mean);
        if wide {
            self.low.push(low);
            self.high.push(high);
        }
        let before = self.ema;
        self.smooth.push(self.ema.add(mean, self.smoothing.into()));
        if self.mean.len() % BLOCK == 1 {
            self.emas.push(before);
            self.blocks.push(Extremes::NONE);
            self.smooth_blocks.push(Extremes::NONE);
        }
        self.note(low, high);
    }

    /// Takes one more point into the last row, which then has `filled`.
    pub fn widen(&mut self, mean: f32, low: f32, high: f32, filled: u32) {
        let last = self.mean.len() - 1;
        let (old, n) = (self.mean[last], filled as f32);
        self.mean[last] = if old.is_nan() {
            mean
        } else if mean.is_nan() {
            old
        } else {
            old + (mean - old) / n
        };
        if self.mean[last].is_nan() && !(old.is_nan() && mean.is_nan()) {
            // The difference of two that are no numbers.
            self.mean[last] = f32::INFINITY;
        }
        let mut e = Extremes::NONE;
        [self.low[last], self.high[last], low, high].into_iter().for_each(|v| e.add(v));
        if !e.is_empty() {
            (self.low[last], self.high[last]) = (e.low, e.high);
        }
        self.smooth[last] = self.ema.add(mean, self.smoothing.into());
        self.note(low, high);
    }

    /// The last row changed.
    fn note(&mut self, low: f32, high: f32) {
        if let (Some(block), Some(smooth)) = (self.blocks.last_mut(), self.smooth_blocks.last_mut()) {
            block.add(low);
            block.add(high);
            if let Some(&v) = self.smooth.last() {
                smooth.add(v);
            }
        }
    }

    /// Computes what follows from the rows, each of which stands for `points`.
    pub fn index(&mut self, points: i32) {
        self.blocks.clear();
        self.index_from(0);
        self.smoothen(points);
    }

    /// The blocks from one on.
    fn index_from(&mut self, block: usize) {
        let narrow = self.low.is_empty();
        for first in (block * BLOCK..self.mean.len()).step_by(BLOCK) {
            let rows = first..(first + BLOCK).min(self.mean.len());
            let mut e = Extremes::NONE;
            if narrow {
                self.mean[rows].iter().for_each(|&v| e.add(v));
            } else {
                self.low[rows.clone()].iter().chain(&self.high[rows]).for_each(|&v| e.add(v));
            }
            self.blocks.push(e);
        }
    }

    /// Drops all but so many rows. Costs no more than a block, however many there are: a log may go back with every line.
    pub fn cut(&mut self, rows: usize, points: i32) {
        let block = rows / BLOCK;
        for v in [&mut self.mean, &mut self.low, &mut self.high] {
            v.truncate(rows);
        }
        self.ema = self.emas.get(block).copied().unwrap_or(self.ema);
        self.emas.truncate(block);
        self.blocks.truncate(block);
        self.smooth_blocks.truncate(block);
        self.index_from(block);
        self.smoothen_from(block, points);
    }

    /// Over all rows; one that stands for several points counts as that many of its mean.
    fn smoothen(&mut self, points: i32) {
        self.ema = Ema::default();
        self.emas.clear();
        self.smooth_blocks.clear();
        self.smoothen_from(0, points);
    }

    /// The blocks from one on; what was before them is in `ema`.
    fn smoothen_from(&mut self, block: usize, points: i32) {
        let mut ema = self.ema;
        let keep = f64::from(self.smoothing).powi(points);
        self.smooth.resize(self.mean.len(), 0.0);
        let first = block * BLOCK;
        for (rows, smooth) in self.mean[first..].chunks(BLOCK).zip(self.smooth[first..].chunks_mut(BLOCK)) {
            self.emas.push(ema);
            rows.iter().zip(&mut *smooth).for_each(|(&v, out)| *out = ema.add(v, keep));
            let mut e = Extremes::NONE;
            smooth.iter().for_each(|&v| e.add(v));
            self.smooth_blocks.push(e);
        }
        self.ema = ema;
    }
}

fn mean_of_two(a: f32, b: f32) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (true, _) => b,
        (_, true) => a,
        // Of two halves, each of which may be near the end of what f32 holds. Odd stays odd.
        _ => a / 2.0 + b / 2.0,
    }
}
