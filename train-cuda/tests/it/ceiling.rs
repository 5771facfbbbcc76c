//! The kernels that say what a card can do at most: they compute what they are timed for.

use train_cuda::driver::Shape;

use crate::harness::{Numbers, bench};

#[test]
fn every_value_is_read_once() {
    let Some(b) = bench() else { return };
    for (quads, blocks) in [(1, 1), (700, 2), (4096, 3)] {
        let mut n = Numbers::new(quads as u64);
        let values: Vec<u32> = (0..4 * quads).map(|_| n.bits() as u32).collect();
        let (from, sums) = (b.upload(&values), b.room::<u32>(256 * blocks));
        let args = [from.arg(), sums.arg(), (quads as u64).into()];
        b.run("ceiling", "ceiling_read", Shape::line(blocks, 256), &args);
        let add = |sum: u32, v: &u32| sum.wrapping_add(*v);
        assert_eq!(b.download(&sums).iter().fold(0, add), values.iter().fold(0, add), "{quads} {blocks}");
    }
}

#[test]
fn every_product_is_made() {
    let Some(b) = bench() else { return };
    for (rounds, blocks) in [(1, 1), (5, 2)] {
        let (int8, bf16) = (b.room::<i32>(256 * blocks), b.room::<f32>(256 * blocks));
        b.run("ceiling", "ceiling_int8", Shape::line(blocks, 256), &[int8.arg(), rounds.into()]);
        b.run("ceiling", "ceiling_bf16", Shape::line(blocks, 256), &[bf16.arg(), rounds.into()]);
        assert!(b.download(&int8).iter().all(|&v| v == 32 * 64 * rounds), "{rounds}");
        assert!(b.download(&bf16).iter().all(|&v| v == (32 * 32 * rounds) as f32), "{rounds}");
    }
}
