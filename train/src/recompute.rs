//! A program that keeps less: of each block what enters it, and no more. Before a block's way back its ops are told again, over buffers of
//! their own that live no longer than that way back; a device that shares room between what is never alive together then needs that of one
//! block instead of all. It costs a forward pass, and changes no bit: dropout's masks depend on step, site and place alone.

use std::collections::{HashMap, HashSet};

use crate::operands::{Access, Buffer};
use crate::program::{Buffers, Op, Program};

/// The same step with less to keep. What is run alone for evaluation stays as it is.
pub fn recomputed(program: &Program) -> Program {
    let blocks = program.model.blocks;
    let places = |ops: &[Op], is: fn(&Op) -> bool| -> Vec<usize> {
        ops.iter().enumerate().filter(|(_, op)| is(op)).map(|(at, _)| at).collect()
    };
    // A sub-layer begins with what it reads of the streams, and so ends its way back.
    let begins = places(&program.forward, |op| matches!(op, Op::HyperRead { .. }));
    let ends = places(&program.backward, |op| matches!(op, Op::HyperReadBackward { .. }));
    let of_a_block = begins.len() / blocks;
    let begins: Vec<usize> = begins.into_iter().step_by(of_a_block).collect();
    let ends: Vec<usize> = ends.into_iter().skip(of_a_block - 1).step_by(of_a_block).collect();
    // What the last block computed is still there when its way back begins.
    let mut backward = program.backward[..=ends[0]].to_vec();
    let mut buffers = program.buffers.clone();
    for (way, block) in ends.windows(2).zip((0..blocks - 1).rev()) {
        let forward = &program.forward[begins[block]..begins[block + 1]];
        backward.extend(again(&mut buffers, forward, &program.backward[way[0] + 1..=way[1]]));
    }
    backward.extend(&program.backward[ends[blocks - 1] + 1..]);
    Program { buffers, backward, ..program.clone() }
}

/// A block's way back, and before it those ops of its way forward that give what it reads, over new buffers. The op that ends a block is
/// none of them, since what it gives is what enters the next.
fn again(buffers: &mut Buffers, forward: &[Op], backward: &[Op]) -> Vec<Op> {
    let read = |op: &Op| op.operands().into_iter().filter(|(access, _)| *access != Access::Writes);
    let mut needed: HashSet<Buffer> = backward.iter().flat_map(read).map(|(_, b)| b).collect();
    let mut told = Vec::new();
    for op in forward.iter().rev() {
        if op.operands().iter().any(|(access, b)| *access != Access::Reads && needed.contains(b)) {
            needed.extend(read(op).map(|(_, b)| b));
            told.push(*op);
        }
    }
    told.reverse();
    let mut fresh: HashMap<Buffer, Buffer> = HashMap::new();
    for (access, buffer) in told.iter().flat_map(Op::operands) {
        if access == Access::Writes {
            fresh.insert(buffer, buffers.like(buffer));
        }
    }
    told.extend(backward);
    for (_, named) in told.iter_mut().flat_map(Op::operands_mut) {
        if let Some(&to) = fresh.get(&named.buffer()) {
            named.rename(to);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph, preset};

    /// Buffers that the way forward wrote and the way back reads before anything else is written there.
    fn kept(program: &Program) -> HashSet<Buffer> {
        let mut written: HashSet<Buffer> = HashSet::new();
        for (access, buffer) in program.forward.iter().flat_map(Op::operands) {
            if access != Access::Reads {
                written.insert(buffer);
            }
        }
        let mut kept = HashSet::new();
        for (access, buffer) in program.backward.iter().flat_map(Op::operands) {
            match access {
                Access::Writes => drop(written.remove(&buffer)),
                _ => drop(written.contains(&buffer).then(|| kept.insert(buffer))),
            }
        }
        kept
    }

    /// Every preset, with one stream and with two.
    fn programs() -> Vec<Program> {
        let of = |name: &str| [1, 2].map(|streams| (preset::named(name).unwrap(), streams));
        let all = preset::PRESETS.iter().flat_map(|(name, _)| of(name));
        all.map(|(mut config, streams)| {
            config.model.streams = streams;
            graph::build(&config.model_config(512), config.recipe())
        })
        .collect()
    }

    #[test]
    fn recomputed_blocks_keep_what_enters_them_and_no_more() {
        for program in programs() {
            let less = recomputed(&program);
            assert_eq!(less.forward, program.forward);
            let reads = program.forward.iter().filter_map(|op| match *op {
                Op::HyperRead { x, .. } => Some(Buffer::Rows(x)),
                _ => None,
            });
            let enters: Vec<Buffer> = reads.step_by(2).collect();
            let last = enters[program.model.blocks - 1];
            let at = program.forward.iter().position(|op| op.operands().contains(&(Access::Reads, last)));
            let of_the_last: HashSet<Buffer> =
                program.forward[at.unwrap()..].iter().flat_map(Op::operands).map(|(_, b)| b).collect();
            let (before, after) = (kept(&program), kept(&less));
            for buffer in &after {
                assert!(enters.contains(buffer) || of_the_last.contains(buffer), "{buffer:?} is kept");
            }
            assert!(enters[..enters.len() - 1].iter().all(|x| after.contains(x)));
            assert!(program.model.blocks == 1 || after.len() < before.len());
        }
    }

    /// What ends a block is what enters the next, and a single stream has no gradient that reads what is written to it.
    #[test]
    fn recomputed_blocks_do_not_end_again() {
        for program in programs() {
            let less = recomputed(&program);
            let count = |is: fn(&Op) -> bool| less.backward.iter().filter(|op| is(op)).count();
            let again = program.model.blocks - 1;
            assert_eq!(count(|op| matches!(op, Op::Attention { .. })), again);
            // After attention alone.
            assert_eq!(count(|op| matches!(op, Op::HyperWrite { .. })), again);
            let products = count(|op| matches!(op, Op::BitLinear { .. }));
            let of_a_block = program.forward.iter().filter(|op| matches!(op, Op::BitLinear { .. })).count()
                / program.model.blocks;
            assert_eq!(products, again * (of_a_block - usize::from(program.model.streams == 1)));
        }
    }
}
