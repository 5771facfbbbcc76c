//! Muon for every ternary matrix at once: the table of matrices and the lists of tiles that its kernels walk, and the order of its launches.

use bytemuck::{Pod, Zeroable};
use train::optim::{Matrices, Moments};
use train::program::Program;

use super::Recorder;
use super::products::EXACT_SHARED;
use crate::driver::{Arg, Buffer, Device, Shape};
use crate::error::Result;
use crate::moments::kernel;
use crate::plan::{Alike, Plan};
use crate::precision::Precision;

/// Side of the tiles of momentum, and of the products where a card has more multiprocessors than there are larger ones.
const SMALL: usize = 64;
/// Side of the larger tiles, which only tensor cores have.
const LARGE: usize = 128;
const SHARED: [usize; 2] = [49_152, 98_304];

/// A matrix, as `kernels/muon.cu` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Matrix {
    /// Of its values, in all arrays.
    at: u64,
    /// Of its squares.
    square: u64,
    rows: i32,
    cols: i32,
    first_tile: i32,
    tiles: i32,
}

/// A tile of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Tile {
    matrix: u32,
    row: u16,
    column: u16,
}

/// Tiles of one side.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tiles {
    /// Of the matrices, the shorter side first.
    all: Vec<Tile>,
    /// Of their squares, on the diagonal and above.
    upper: Vec<Tile>,
}

/// What Muon knows of a program's matrices.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    matrices: Vec<Matrix>,
    small: Tiles,
    large: Tiles,
    /// Values of all squares.
    squares: usize,
    /// Values of all matrices.
    values: usize,
}

impl Table {
    /// The table of a plan's matrices.
    pub fn new(plan: &Plan) -> Table {
        let mut table = Table {
            matrices: Vec::new(),
            small: Tiles::default(),
            large: Tiles::default(),
            squares: 0,
            values: plan.arenas.ternary,
        };
        for alike in &plan.arenas.alike {
            for i in 0..alike.count {
                table.add(alike, alike.first + i * alike.rows * alike.cols);
            }
        }
        table
    }

    fn add(&mut self, alike: &Alike, at: usize) {
        let index = self.matrices.len() as u32;
        let (m, n) = (alike.rows.min(alike.cols), alike.rows.max(alike.cols));
        let first = self.small.all.len();
        self.small.add(index, m, n, SMALL);
        self.large.add(index, m, n, LARGE);
        self.matrices.push(Matrix {
            at: at as u64,
            square: self.squares as u64,
            rows: alike.rows as i32,
            cols: alike.cols as i32,
            first_tile: first as i32,
            tiles: (self.small.all.len() - first) as i32,
        });
        self.squares += m * m;
    }

    /// Bytes that Muon takes besides momentum.
    pub fn bytes(&self, precision: Precision) -> usize {
        let tiles = [&self.small, &self.large].map(|t| t.all.len() + t.upper.len());
        let tables = size_of::<Matrix>() * self.matrices.len() + size_of::<Tile>() * (tiles[0] + tiles[1]);
        let sums = 4 * (self.small.all.len() + self.matrices.len());
        precision.bytes() * 2 * (self.values + self.squares) + tables + sums
    }
}

impl Tiles {
    fn add(&mut self, matrix: u32, m: usize, n: usize, side: usize) {
        for row in 0..m.div_ceil(side) {
            let tile = |column: usize| Tile { matrix, row: row as u16, column: column as u16 };
            self.all.extend((0..n.div_ceil(side)).map(tile));
            self.upper.extend((row..m.div_ceil(side)).map(tile));
        }
    }
}

/// Muon's arrays on a card.
#[derive(Debug)]
pub(crate) struct MuonRoom {
    matrices: Buffer<u8>,
    count: usize,
    small: TilesRoom,
    large: TilesRoom,
    /// Two, which a step reads and writes in turn.
    x: [Buffer<u8>; 2],
    gram: Buffer<u8>,
    polynomial: Buffer<u8>,
    parts: Buffer<f32>,
    scale: Buffer<f32>,
}

#[derive(Debug)]
struct TilesRoom {
    all: Buffer<u8>,
    upper: Buffer<u8>,
    counts: [usize; 2],
}

impl MuonRoom {
    /// Takes room, none where AdamW updates the matrices.
    pub fn new(device: &Device, program: &Program, plan: &Plan) -> Result<Option<MuonRoom>> {
        if program.recipe.optimiser.matrices != Matrices::Muon {
            return Ok(None);
        }
        let table = Table::new(plan);
        let bytes = plan.precision.bytes();
        let tiles = |t: &Tiles| -> Result<TilesRoom> {
            Ok(TilesRoom {
                all: device.upload(bytemuck::cast_slice(&t.all))?,
                upper: device.upload(bytemuck::cast_slice(&t.upper))?,
                counts: [t.all.len(), t.upper.len()],
            })
        };
        Ok(Some(MuonRoom {
            matrices: device.upload(bytemuck::cast_slice(&table.matrices))?,
            count: table.matrices.len(),
            small: tiles(&table.small)?,
            large: tiles(&table.large)?,
            x: [device.buffer(bytes * table.values)?, device.buffer(bytes * table.values)?],
            gram: device.buffer(bytes * table.squares)?,
            polynomial: device.buffer(bytes * table.squares)?,
            parts: device.buffer(table.small.all.len())?,
            scale: device.buffer(table.matrices.len())?,
        }))
    }
}

impl Recorder<'_> {
    /// One step of Muon for all ternary matrices.
    pub(super) fn muon(&self) -> Result<()> {
        let (p, settings) = (&self.memory.ternary, &self.program.recipe.optimiser.muon);
        let m = self.memory.muon.as_ref().expect("Muon has its arrays");
        let matrices = m.matrices.arg();
        let mut args = args_vec![
            p.gradient.arg(),
            p.first.at(0),
            m.x[0].arg(),
            m.parts.arg(),
            matrices,
            m.small.all.arg(),
            self.words(),
            settings.momentum,
        ];
        let kept = self.program.recipe.optimiser.moments;
        if kept == Moments::Bf16 {
            args.extend(args![self.program.recipe.seed, p.site]);
        }
        let momentum = kernel("muon_momentum", kept);
        self.run_here("muon", &momentum, Shape::line(m.small.counts[0], 256), &args)?;
        let args = args![m.parts.arg(), m.scale.arg(), matrices];
        self.run_here("muon", "muon_norms", Shape::line(m.count, 256), &args)?;

        let enough = m.large.counts[1] >= self.device.card().multiprocessors as usize;
        let (tiles, side, shared) = match (self.plan.precision, enough) {
            (Precision::F32, _) => (&m.small, SMALL, EXACT_SHARED),
            (Precision::Bf16, false) => (&m.small, SMALL, SHARED[0]),
            (Precision::Bf16, true) => (&m.large, LARGE, SHARED[1]),
        };
        let shape = |count: usize| Shape::line(count, 2 * side).shared(shared);
        let symmetric = |from: Arg, to: Arg, scale: Arg, square: bool| {
            let args = args![from, to, scale, matrices, tiles.upper.arg(), square];
            self.run_here("muon", &format!("muon_symmetric_{side}"), shape(tiles.counts[1]), &args)
        };
        for step in 0..settings.ns_steps {
            let scale = if step == 0 { m.scale.arg() } else { Arg::NULL };
            let (x, next) = (m.x[step % 2].arg(), m.x[1 - step % 2].arg());
            symmetric(x, m.gram.arg(), scale, false)?;
            symmetric(m.gram.arg(), m.polynomial.arg(), Arg::NULL, true)?;
            let w = if step + 1 == settings.ns_steps { p.latent.arg() } else { Arg::NULL };
            let args = args![
                m.polynomial.arg(),
                x,
                next,
                w,
                scale,
                matrices,
                tiles.all.arg(),
                self.words(),
                settings.weight_decay,
            ];
            self.run_here("muon", &format!("muon_step_{side}"), shape(tiles.counts[0]), &args)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_matrix_and_half_of_its_square() {
        let mut tiles = Tiles::default();
        tiles.add(3, 130, 300, SMALL);
        assert_eq!((tiles.all.len(), tiles.upper.len()), (3 * 5, 3 + 2 + 1));
        assert_eq!(tiles.upper[3], Tile { matrix: 3, row: 1, column: 1 });
        assert!(tiles.upper.iter().all(|t| t.column >= t.row));
    }
}
