//! The near levels of a tensor's picture, read from the file by a thread of their own as they come into sight. A new wish replaces
//! the one before, so that what was scrolled past is not read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use eframe::egui;
use formats::blocks::{self, GROUP_MIN, TensorType};
use formats::gguf::{Header, TensorFile};
use half::f16;

use super::portrait::{code_parts, finite};
use super::pyramid::{Cell, Cells, TILE};
use formats::sentence;

/// Which part of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileKey {
    /// Each cell is 2^level weights wide and high.
    pub level: u32,
    pub x: usize,
    pub y: usize,
}

/// What came of a wish.
type Answer = Result<(TileKey, Cells), String>;

/// The thread's end that the picture holds. Letting go of it ends the thread.
#[derive(Debug)]
pub struct Tiles {
    wishes: Sender<Vec<TileKey>>,
    answers: Receiver<Answer>,
    /// What has been wished for and is not here yet.
    pending: BTreeSet<TileKey>,
}

impl Tiles {
    /// Starts to serve a tensor; `None` where the system gives no thread.
    pub fn start(path: &Path, header: &Arc<Header>, name: &str, ctx: &egui::Context) -> Option<Tiles> {
        let (wishes, wished) = channel();
        let (answer, answers) = channel();
        let (path, header, name, ctx) = (path.to_owned(), Arc::clone(header), name.to_owned(), ctx.clone());
        let serve = move || {
            if let Err(why) = serve(path, &header, &name, &wished, &answer, &ctx) {
                // Nobody may be listening any more.
                let _ = answer.send(Err(why));
                ctx.request_repaint();
            }
        };
        std::thread::Builder::new().name("reading weights to draw".into()).spawn(serve).ok()?;
        Some(Tiles { wishes, answers, pending: BTreeSet::new() })
    }

    /// Wishes for these and nothing else any more.
    pub fn wish(&mut self, keys: Vec<TileKey>) {
        let wish: BTreeSet<TileKey> = keys.iter().copied().collect();
        let coming = !wish.is_empty() && wish.is_subset(&self.pending);
        if !coming && wish != self.pending {
            self.pending = wish;
            // A thread that has failed has said so.
            let _ = self.wishes.send(keys);
        }
    }

    /// What has come since.
    pub fn arrived(&mut self) -> Vec<Answer> {
        let answers: Vec<Answer> = self.answers.try_iter().collect();
        for answer in &answers {
            match answer {
                Ok((key, _)) => drop(self.pending.remove(key)),
                Err(_) => self.pending.clear(),
            }
        }
        answers
    }

    /// Whether something is on its way.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }
}

fn serve(
    path: PathBuf,
    header: &Header,
    name: &str,
    wished: &Receiver<Vec<TileKey>>,
    answer: &Sender<Answer>,
    ctx: &egui::Context,
) -> Result<(), String> {
    let mut reader = TileReader::open(&path, header, name)?;
    while let Ok(mut wish) = wished.recv() {
        wish.reverse();
        while let Some(key) = wish.pop() {
            let cells = reader.read(key)?;
            if answer.send(Ok((key, cells))).is_err() {
                return Ok(());
            }
            ctx.request_repaint();
            if let Some(newest) = wished.try_iter().last() {
                wish = newest;
                wish.reverse();
            }
        }
    }
    Ok(())
}

/// Reads tiles of one tensor.
#[derive(Debug)]
pub struct TileReader {
    file: TensorFile,
    ty: TensorType,
    bytes: Vec<u8>,
    codes: Vec<i8>,
    scales: Vec<f16>,
    values: Vec<f32>,
}

impl TileReader {
    /// Of a tensor in a file.
    ///
    /// # Errors
    /// A sentence.
    pub fn open(path: &Path, header: &Header, name: &str) -> Result<TileReader, String> {
        let file = TensorFile::open(path, header, name).map_err(|e| sentence(&e))?;
        let ty = file.ty().map_err(|e| sentence(&e))?;
        let (bytes, codes, scales, values) = Default::default();
        Ok(TileReader { file, ty, bytes, codes, scales, values })
    }

    /// One tile.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(&mut self, key: TileKey) -> Result<Cells, String> {
        let side = (TILE as u64) << key.level;
        let (x, y) = (key.x as u64 * side, key.y as u64 * side);
        self.area(key.level, x..x + side, y..y + side)
    }

    /// The cells of these columns and rows of weights, as far as the tensor reaches; both begin at a multiple of 2^level.
    ///
    /// # Errors
    /// A sentence.
    pub fn area(
        &mut self,
        level: u32,
        cols: std::ops::Range<u64>,
        rows: std::ops::Range<u64>,
    ) -> Result<Cells, String> {
        let dims = self.file.info().dims;
        let cols = cols.start..cols.end.min(dims.row());
        let rows = rows.start..rows.end.min(dims.rows());
        let (wide, high) =
            (cols.end.saturating_sub(cols.start) as usize, rows.end.saturating_sub(rows.start) as usize);
        let side = 1usize << level;
        let (width, height) = (wide.div_ceil(side), high.div_ceil(side));
        let mut cells = vec![Cell::default(); width * height];
        for (r, row) in rows.enumerate() {
            let line = &mut cells[r / side * width..][..width];
            let parts = self.row(row, &cols)?;
            for (c, [a, b]) in parts.enumerate() {
                let cell = &mut line[c / side];
                cell.a += a;
                cell.b += b;
            }
        }
        for (i, cell) in cells.iter_mut().enumerate() {
            let (x, y) = (i % width, i / width);
            let n = ((wide - x * side).min(side) * (high - y * side).min(side)) as f32;
            cell.a /= n;
            cell.b /= n;
        }
        Ok(Cells { width, height, cells })
    }

    /// Some weights of a row, as the parts of cells.
    fn row(
        &mut self,
        row: u64,
        cols: &std::ops::Range<u64>,
    ) -> Result<Box<dyn Iterator<Item = [f32; 2]> + '_>, String> {
        let len = self.ty.block_len() as u64;
        let first = row * self.file.info().dims.row() / len;
        let blocks = first + cols.start / len..first + cols.end.div_ceil(len);
        let start = blocks.start;
        self.file.read_blocks(blocks, &mut self.bytes).map_err(|e| sentence(&e))?;
        let count = self.bytes.len() / self.ty.block_bytes() * self.ty.block_len();
        let skip = (cols.start % len) as usize;
        let take = (cols.end - cols.start) as usize;
        let unpacked = if self.ty.is_ternary() {
            self.codes.resize(count, 0);
            self.scales.resize(count / GROUP_MIN, f16::ZERO);
            blocks::unpack_codes(self.ty, &self.bytes, &mut self.scales, &mut self.codes)
        } else {
            self.values.resize(count, 0.0);
            blocks::unpack(self.ty, &self.bytes, &mut self.values)
        };
        unpacked.map_err(|e| sentence(&self.file.explain(e.after_blocks(start as usize))))?;
        Ok(if self.ty.is_ternary() {
            Box::new(self.codes.iter().skip(skip).take(take).map(|t| code_parts(*t)))
        } else {
            Box::new(self.values.iter().skip(skip).take(take).map(|v| [finite(*v), 0.0]))
        })
    }
}
