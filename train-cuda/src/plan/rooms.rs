//! Room for the buffers of a step. A buffer holds its room from the first op that touches it to the last one, and what is
//! never alive together shares room.

use train::program::{Op, Program, Rows};

use super::touched::touched;
use crate::precision::Precision;

/// How the values of a buffer are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// f32.
    Single,
    /// What products of the backward pass read: f32 or bf16, as the precision says.
    Gradient,
}

/// Where every buffer of a program is.
#[derive(Clone, Debug, PartialEq)]
pub struct Rooms {
    /// The room of each buffer; `usize::MAX` for one that no op touches.
    of: Vec<usize>,
    /// Bytes of each room, for every token of a pass.
    pub bytes: Vec<usize>,
}

impl Rooms {
    /// Finds room for the buffers of a program.
    pub fn new(program: &Program, precision: Precision) -> Rooms {
        let widths = &program.buffers.rows;
        let same = aliases(program);
        let mut kept = vec![Kept::Single; widths.len()];
        for op in &program.backward {
            if let Op::BitLinearBackward { d_y, .. } = *op {
                kept[d_y.0] = Kept::Gradient;
            }
        }
        let bytes = |r: usize| match kept[r] {
            Kept::Single => 4 * widths[r],
            Kept::Gradient => precision.bytes() * widths[r],
        };
        // The first and the last op that touches each.
        let mut lives: Vec<Option<(usize, usize)>> = vec![None; widths.len()];
        let ops = program.forward.iter().chain(&program.backward);
        let last = program.forward.len() + program.backward.len();
        for (at, op) in ops.enumerate() {
            for r in touched(op) {
                let life = lives[same[r.0]].get_or_insert((at, at));
                life.1 = at;
            }
        }
        // What is read after the step.
        for r in [program.nats, program.streams, program.head_input] {
            if let Some(life) = &mut lives[same[r.0]] {
                life.1 = last;
            }
        }
        let mut order: Vec<usize> =
            (0..widths.len()).filter(|&r| same[r] == r && lives[r].is_some()).collect();
        // Those that come first, and of these the largest, choose first.
        order.sort_by_key(|&r| (lives[r].map(|l| l.0), std::cmp::Reverse(bytes(r))));
        let mut rooms: Vec<(usize, usize)> = Vec::new(); // bytes, and the op after which it is free
        let mut of = vec![usize::MAX; widths.len()];
        for r in order {
            let (first, last) = lives[r].expect("it is alive");
            let free = rooms.iter().enumerate().filter(|(_, room)| room.1 < first);
            // The one whose size is nearest.
            let best = free.min_by_key(|(_, room)| room.0.abs_diff(bytes(r))).map(|(i, _)| i);
            let best = best.filter(|&i| rooms[i].0 >= bytes(r) || 2 * rooms[i].0 > bytes(r));
            let room = best.unwrap_or_else(|| {
                rooms.push((0, 0));
                rooms.len() - 1
            });
            rooms[room] = (rooms[room].0.max(bytes(r)), last);
            of[r] = room;
        }
        for r in 0..widths.len() {
            of[r] = of[same[r]];
        }
        Rooms { of, bytes: rooms.into_iter().map(|room| room.0).collect() }
    }

    /// The room of a buffer.
    pub fn of(&self, rows: Rows) -> usize {
        self.of[rows.0]
    }
}

/// For each buffer the one whose values it always has, itself if there is no other: what a single stream reads is the stream, and the gradient
/// of rows that are only quantised is that of the quantised ones.
fn aliases(program: &Program) -> Vec<usize> {
    let mut same: Vec<usize> = (0..program.buffers.rows.len()).collect();
    for op in program.forward.iter().chain(&program.backward) {
        match *op {
            Op::HyperRead { connection: None, x, y, .. } => same[y.0] = same[x.0],
            Op::NormQuantiseBackward { gain: None, d_q, d_x, .. } => same[d_x.0] = same[d_q.0],
            _ => {}
        }
    }
    same
}
