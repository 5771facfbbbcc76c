//! Tables as files store them, bit for bit.

use formats::blocks::q8_0::quantise_block;
use formats::ternary::quantise_group;
use half::f16;
use train_cuda::driver::{Arg, Shape};

use crate::harness::{Numbers, bench};
use crate::rows::*;

/// A name, the values that share a scale, and how many a block of threads takes.
const KINDS: [(&str, usize, usize); 3] =
    [("round_table_f16", 1, 1024), ("round_table_q8_0", 32, 1024), ("round_table_q1_58", 128, 4096)];

fn rounded(kind: &str, values: &[f32]) -> Vec<f32> {
    match kind {
        "round_table_f16" => vec![f16::from_f32(values[0]).to_f32()],
        "round_table_q8_0" => {
            let (d, q) = quantise_block(values.try_into().unwrap());
            q.iter().map(|&q| d.to_f32() * f32::from(q)).collect()
        }
        _ => {
            let mut t = [0i8; 128];
            let s = quantise_group(values, &mut t).to_f32();
            t.iter().map(|&t| s * f32::from(t)).collect()
        }
    }
}

#[test]
fn tables_are_rounded_as_files_store_them() {
    let Some(b) = bench() else { return };
    for rows in [1usize, 3, 7, 67] {
        let len = rows * 128;
        let mut n = Numbers::new(rows as u64);
        let mut latent: Vec<f32> =
            (0..len).map(|i| n.uniform() * 2f32.powi((i / 128) as i32 % 40 - 26)).collect();
        latent[7] = 65_519.0;
        latent[8] = 0.0;
        latent[9] = -0.0;
        if rows > 3 {
            // One block of zeros, one of dust, one that no file may hold.
            latent[128..160].fill(0.0);
            latent[160..192].fill(1e-9);
            latent[256] = 1e8;
        }
        for (kind, share, block) in KINDS {
            let want: Vec<f32> = latent.chunks(share).flat_map(|v| rounded(kind, v)).collect();
            for with_operand in [true, false] {
                let what = format!("{kind} {rows} rows");
                let (values, operand) = in_every_order(&b, &what, || {
                    let (from, to, operand) =
                        (b.upload(&latent), b.room::<f32>(len), b.upload(&vec![7u16; len]));
                    let o = if with_operand { operand.arg() } else { Arg::NULL };
                    let args = [from.arg(), to.arg(), o, (len as u64).into()];
                    b.run("table", kind, Shape::line(len.div_ceil(block), 256), &args);
                    (bits(&b.download(&to)), b.download(&operand))
                });
                for i in 0..len {
                    let got = f32::from_bits(values[i]);
                    // A scale that is infinite makes no numbers; which is not said.
                    let same = got.to_bits() == want[i].to_bits() || got.is_nan() && want[i].is_nan();
                    assert!(same, "{what}: value {i} of {:e} is {got:e}, expected {:e}", latent[i], want[i]);
                    let half = f16::from_bits(operand[i]);
                    let want_half = if with_operand { f16::from_f32(got) } else { f16::from_bits(7) };
                    assert!(
                        half.to_bits() == want_half.to_bits() || half.is_nan() && want_half.is_nan(),
                        "{what} {i}"
                    );
                }
            }
        }
    }
}
