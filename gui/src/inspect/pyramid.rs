//! A tensor from afar: its weights averaged over squares of 2^level, for every level from the finest that is kept in memory to the
//! one that fits a single tile. What is nearer, `tiles` reads from the file.

/// Cells along each side of a tile.
pub const TILE: usize = 256;
/// Cells of the finest level that is kept.
const CELLS_MAX: u64 = 1 << 22;

/// What a picture's cell is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// Ternary: the share of weights that are -1. Dense: the mean.
    pub a: f32,
    /// Ternary: the share of weights that are +1.
    pub b: f32,
}

/// Some cells, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// Cells in a row.
    pub width: usize,
    pub height: usize,
    pub cells: Vec<Cell>,
}

impl Cells {
    /// The part of it that is a tile.
    pub fn tile(&self, x: usize, y: usize) -> Cells {
        let (left, top) = (x * TILE, y * TILE);
        let width = self.width.saturating_sub(left).min(TILE);
        let height = self.height.saturating_sub(top).min(TILE);
        let rows = (top..top + height).map(|r| &self.cells[r * self.width + left..][..width]);
        Cells { width, height, cells: rows.flatten().copied().collect() }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pyramid {
    /// The level of `levels[0]`: each of its cells is 2^base weights wide and high.
    pub base: u32,
    /// From the finest to the coarsest.
    pub levels: Vec<Cells>,
}

impl Pyramid {
    /// The level, if it is kept.
    pub fn level(&self, level: u32) -> Option<&Cells> {
        self.levels.get(level.checked_sub(self.base)? as usize)
    }

    /// The coarsest level: one tile.
    pub fn top(&self) -> u32 {
        self.base + self.levels.len() as u32 - 1
    }
}

/// Averages weights that come row after row.
#[derive(Debug)]
pub struct Builder {
    cols: usize,
    rows: usize,
    base: u32,
    /// Sums of the row of cells that is being filled.
    sums: Vec<[f64; 2]>,
    /// Where the next weight belongs.
    row: usize,
    col: usize,
    cells: Vec<Cell>,
}

impl Builder {
    /// For a tensor of that shape; neither is 0.
    pub fn new(cols: usize, rows: usize) -> Builder {
        let side = |n: usize, level: u32| n.div_ceil(1 << level) as u64;
        let base = (2..64).find(|l| side(cols, *l) * side(rows, *l) <= CELLS_MAX).unwrap_or(2);
        let width = cols.div_ceil(1 << base);
        Builder { cols, rows, base, sums: vec![[0.0; 2]; width], row: 0, col: 0, cells: Vec::new() }
    }

    /// Takes in the next weights, as what they add to each part of a cell.
    pub fn add(&mut self, weights: impl Iterator<Item = [f32; 2]>) {
        for [a, b] in weights {
            let sum = &mut self.sums[self.col >> self.base];
            sum[0] += f64::from(a);
            sum[1] += f64::from(b);
            self.col += 1;
            if self.col == self.cols {
                (self.row, self.col) = (self.row + 1, 0);
                if self.row.is_multiple_of(1 << self.base) || self.row == self.rows {
                    self.finish_row(self.row);
                }
            }
        }
    }

    /// `rows` of the tensor have been taken in, of which the last belong to the row of cells.
    fn finish_row(&mut self, rows: usize) {
        let side = 1usize << self.base;
        let high = rows - (rows - 1) / side * side;
        for (x, sum) in self.sums.iter_mut().enumerate() {
            let wide = (self.cols - x * side).min(side);
            let n = (wide * high) as f64;
            self.cells.push(Cell { a: (sum[0] / n) as f32, b: (sum[1] / n) as f32 });
            *sum = [0.0; 2];
        }
    }

    /// All levels, once every weight was taken in.
    pub fn finish(self) -> Pyramid {
        let width = self.sums.len();
        let mut levels = vec![Cells { width, height: self.cells.len() / width, cells: self.cells }];
        let mut level = self.base;
        while let Some(last) = levels.last().filter(|l| l.width > TILE || l.height > TILE) {
            let next = halved(last, self.cols, self.rows, level);
            levels.push(next);
            level += 1;
        }
        Pyramid { base: self.base, levels }
    }
}

/// The next level: four cells become one, each counting as many weights as it covers.
fn halved(fine: &Cells, cols: usize, rows: usize, level: u32) -> Cells {
    let (width, height) = (fine.width.div_ceil(2), fine.height.div_ceil(2));
    let side = 1usize << level;
    let covered = |i: usize, of: usize| (of - i * side).min(side) as f32;
    let mut cells = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let (mut a, mut b, mut n) = (0.0, 0.0, 0.0);
            for fy in (2 * y)..(2 * y + 2).min(fine.height) {
                for fx in (2 * x)..(2 * x + 2).min(fine.width) {
                    let weight = covered(fx, cols) * covered(fy, rows);
                    let cell = fine.cells[fy * fine.width + fx];
                    a += cell.a * weight;
                    b += cell.b * weight;
                    n += weight;
                }
            }
            cells.push(Cell { a: a / n, b: b / n });
        }
    }
    Cells { width, height, cells }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pyramid_cells_are_means_of_the_weights_they_cover() {
        // Sides that no power of two divides, several tiles wide.
        let (cols, rows) = (1500, 2603);
        let weight = |i: usize| [((i * 7919) % 101) as f32, f32::from(i.is_multiple_of(3))];
        let mut builder = Builder::new(cols, rows);
        for piece in (0..cols * rows).collect::<Vec<_>>().chunks(1000) {
            builder.add(piece.iter().map(|i| weight(*i)));
        }
        let pyramid = builder.finish();
        assert_eq!((pyramid.base, pyramid.top()), (2, 4));
        for level in pyramid.base..=pyramid.top() {
            let cells = pyramid.level(level).unwrap();
            let side = 1usize << level;
            assert_eq!((cells.width, cells.height), (cols.div_ceil(side), rows.div_ceil(side)));
            for (x, y) in
                [(0, 0), (cells.width - 1, 3), (7, cells.height - 1), (cells.width - 1, cells.height - 1)]
            {
                let mut sum = [0.0f64; 2];
                let mut n = 0.0;
                for r in y * side..((y + 1) * side).min(rows) {
                    for c in x * side..((x + 1) * side).min(cols) {
                        let [a, b] = weight(r * cols + c);
                        sum = [sum[0] + f64::from(a), sum[1] + f64::from(b)];
                        n += 1.0;
                    }
                }
                let cell = cells.cells[y * cells.width + x];
                assert!((f64::from(cell.a) - sum[0] / n).abs() < 1e-3, "level {level}, cell {x} {y}");
                assert!((f64::from(cell.b) - sum[1] / n).abs() < 1e-5, "level {level}, cell {x} {y}");
            }
        }
        assert!(pyramid.level(1).is_none() && pyramid.level(5).is_none());
        let corner = pyramid.level(2).unwrap().tile(1, 2);
        assert_eq!((corner.width, corner.height), (375 - 256, 651 - 512));
        assert_eq!(corner.cells[0], pyramid.level(2).unwrap().cells[512 * 375 + 256]);
    }
}
