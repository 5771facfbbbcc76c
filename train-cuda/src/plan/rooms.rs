//! Room for the arrays of a step. An array holds its room from the first op that touches it to the last one, and what is
//! never alive together shares room.

use std::collections::HashMap;

use train::program::{Op, Program};

use super::array::{Array, touched};
use crate::precision::Precision;

/// Where every array of a program is.
#[derive(Clone, Debug, PartialEq)]
pub struct Rooms {
    /// The room of each array that an op touches.
    of: HashMap<Array, usize>,
    /// Bytes of each room, for every token of a pass.
    pub bytes: Vec<usize>,
}

impl Rooms {
    /// Finds room for the arrays of a program.
    pub fn new(program: &Program, precision: Precision) -> Rooms {
        let buffers = &program.buffers;
        let mut bytes: Vec<usize> = Array::all(buffers).map(|a| a.bytes(buffers, precision)).collect();
        // What products of the backward pass read is in its precision.
        for op in &program.backward {
            if let Op::BitLinearBackward { d_y, .. } = *op {
                bytes[d_y.0] = precision.bytes() * buffers.rows[d_y.0];
            }
        }
        let same = aliases(program, bytes.len());
        let lives = lives(program, &same);
        let mut order: Vec<(usize, Life)> =
            lives.iter().enumerate().filter_map(|(a, life)| life.map(|life| (a, life))).collect();
        // The largest choose first, so that no room has to grow and the small ones find place between the lives of large ones.
        order.sort_by_key(|&(a, life)| (std::cmp::Reverse(bytes[a]), life.first));
        let mut rooms: Vec<(usize, Vec<Life>)> = Vec::new(); // bytes, and who lives there
        let mut of = vec![None; bytes.len()];
        for (a, life) in order {
            let free =
                rooms.iter().enumerate().filter(|(_, (_, lives))| !lives.iter().any(|l| l.meets(life)));
            let room = free.min_by_key(|(_, room)| room.0).map(|(i, _)| i).unwrap_or_else(|| {
                rooms.push((bytes[a], Vec::new()));
                rooms.len() - 1
            });
            rooms[room].1.push(life);
            of[a] = Some(room);
        }
        let rooms_of =
            Array::all(buffers).zip(&same).filter_map(|(array, &a)| of[a].map(|room| (array, room)));
        Rooms { of: rooms_of.collect(), bytes: rooms.into_iter().map(|room| room.0).collect() }
    }

    /// The room of an array.
    ///
    /// # Panics
    /// No op touches it.
    pub fn of(&self, array: Array) -> usize {
        *self.of.get(&array).unwrap_or_else(|| panic!("no op touches {array:?}"))
    }
}

/// The first and the last op that touch an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    first: usize,
    last: usize,
}

impl Life {
    fn meets(self, other: Life) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The life of each array that has one and is not another's.
fn lives(program: &Program, same: &[usize]) -> Vec<Option<Life>> {
    let mut lives: Vec<Option<Life>> = vec![None; same.len()];
    let ops = program.forward.iter().chain(&program.backward);
    let last = program.forward.len() + program.backward.len();
    for (at, op) in ops.enumerate() {
        for array in touched(op) {
            let life = lives[same[array.index(&program.buffers)]].get_or_insert(Life { first: at, last: at });
            life.last = at;
        }
    }
    // What is read after the step.
    for r in [program.nats, program.streams, program.head_input] {
        if let Some(life) = &mut lives[same[r.0]] {
            life.last = last;
        }
    }
    lives
}

/// For each array the one whose values it always has, itself if there is no other: what a single stream reads is the stream, and the gradient
/// of rows that are only quantised is that of the quantised ones.
fn aliases(program: &Program, arrays: usize) -> Vec<usize> {
    let mut same: Vec<usize> = (0..arrays).collect();
    for op in program.forward.iter().chain(&program.backward) {
        match *op {
            Op::HyperRead { connection: None, x, y } => same[y.0] = same[x.0],
            Op::NormQuantiseBackward { gain: None, d_q, d_x, .. } => same[d_x.0] = same[d_q.0],
            _ => {}
        }
    }
    same
}

#[cfg(test)]
mod tests {
    use train::recompute::recomputed;
    use train::{graph, preset};

    use super::*;

    /// Bytes of a token that are alive at one time at most: no plan takes less.
    fn alive_at_most(program: &Program, precision: Precision) -> usize {
        let buffers = &program.buffers;
        let arrays: Vec<Array> = Array::all(buffers).collect();
        let same = aliases(program, arrays.len());
        let lives = lives(program, &same);
        let ops = program.forward.len() + program.backward.len();
        let alive = |at: usize| {
            let alive = lives.iter().zip(&arrays);
            let alive = alive.filter(|(life, _)| life.is_some_and(|l| (l.first..=l.last).contains(&at)));
            alive.map(|(_, array)| array.bytes(buffers, precision)).sum()
        };
        (0..ops).map(alive).max().unwrap()
    }

    #[test]
    fn rooms_take_little_more_than_is_alive() {
        for streams in [1, 2] {
            let mut config = preset::showcase();
            let m = &mut config.model;
            (m.width, m.blocks, m.heads, m.kv_heads, m.head_dim, m.ffn) = (768, 12, 12, 12, 64, 2048);
            m.streams = streams;
            let program = graph::build(&config.model_config(512), config.recipe());
            for (name, program) in [("kept", program.clone()), ("recomputed", recomputed(&program))] {
                let rooms = Rooms::new(&program, Precision::F32);
                let (taken, least) =
                    (rooms.bytes.iter().sum::<usize>(), alive_at_most(&program, Precision::F32));
                println!("{streams} {name}: {taken} taken, {least} alive, {} rooms", rooms.bytes.len());
                assert!(taken >= least && taken as f64 <= 1.05 * least as f64, "{name}: {taken}, {least}");
            }
        }
    }
}
