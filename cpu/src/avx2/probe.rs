//! Ceilings of a core with AVX2: the multiply-add instruction from registers alone, and 32-byte loads in order.

use std::arch::asm;
use std::arch::x86_64::*;
use std::hint::black_box;

use crate::probe::BLOCK;

/// Instructions of one turn.
const UNROLLED: u64 = 96;
/// Multiplications and additions of one instruction: 32 products of bytes, each added to something.
const OPS: u64 = 64;

/// `vpmaddubsw` with eight results in flight that nothing waits for: throughput, two a cycle on Zen 3. Written as the
/// instruction itself, because a compiler may drop or merge what an intrinsic says.
#[target_feature(enable = "avx2")]
pub fn multiply_add(turns: usize) -> u64 {
    for _ in 0..turns {
        // SAFETY: computes on registers declared as clobbered; no memory, no stack, no flags.
        unsafe {
            asm!(
                ".rept 12",
                "vpmaddubsw {r0}, {a}, {b}",
                "vpmaddubsw {r1}, {a}, {b}",
                "vpmaddubsw {r2}, {a}, {b}",
                "vpmaddubsw {r3}, {a}, {b}",
                "vpmaddubsw {r4}, {a}, {b}",
                "vpmaddubsw {r5}, {a}, {b}",
                "vpmaddubsw {r6}, {a}, {b}",
                "vpmaddubsw {r7}, {a}, {b}",
                ".endr",
                a = in(ymm_reg) _mm256_set1_epi8(1),
                b = in(ymm_reg) _mm256_set1_epi8(127),
                r0 = out(ymm_reg) _, r1 = out(ymm_reg) _, r2 = out(ymm_reg) _, r3 = out(ymm_reg) _,
                r4 = out(ymm_reg) _, r5 = out(ymm_reg) _, r6 = out(ymm_reg) _, r7 = out(ymm_reg) _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }
    turns as u64 * UNROLLED * OPS
}

/// Exclusive or of the words of eight bytes: eight loads in flight, each into a sum of its own.
#[target_feature(enable = "avx2")]
pub fn read(blocks: &[[u8; BLOCK]], passes: usize) -> u64 {
    let mut sums = [_mm256_setzero_si256(); 8];
    for _ in 0..passes {
        for block in black_box(blocks) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: 32 bytes from byte 32 i of 256.
                let load = unsafe { _mm256_loadu_si256(block.as_ptr().add(32 * i).cast()) };
                *sum = _mm256_xor_si256(*sum, load);
            }
        }
    }
    let sum = sums.into_iter().fold(_mm256_setzero_si256(), |a, b| _mm256_xor_si256(a, b));
    let words = [
        _mm256_extract_epi64::<0>(sum),
        _mm256_extract_epi64::<1>(sum),
        _mm256_extract_epi64::<2>(sum),
        _mm256_extract_epi64::<3>(sum),
    ];
    words.into_iter().fold(0, |a, w| a ^ w as u64)
}
