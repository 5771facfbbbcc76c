//! Kernels for AVX2, FMA and F16C (x86-64-v3). Only the table of kernels calls them, after detection.
#![expect(unsafe_code, reason = "vector loads and stores, at addresses computed from packed indices too")]

use formats::ternary::GROUP;

use crate::RowLayout;
use crate::isa::Isa;
use crate::kernels::{Kernels, Limits, TernaryEntry};

mod gemm_madd;
mod gemm_ternary;
mod gemm_veclut;
mod gemv_madd;
mod gemv_pshufb;
mod probe;
mod vector;

pub use vector::F32x8;

/// These kernels' rows of the table, the preferred one last.
pub(super) static KERNELS: &[Kernels] = &[
    Kernels {
        name: "avx2-madd",
        about: "multiply-add for any number of tokens",
        ternary: &[
            TernaryEntry { layout: RowLayout::Words, group: GROUP, gemm: gemm_ternary::gemm_without_table },
            GROUPS_OF_64,
        ],
        ..AVX2
    },
    Kernels {
        name: "avx2-pshufb",
        about: "byte table lookup for a few tokens, vector table lookup for many",
        layout: RowLayout::Bytes,
        ternary: &[TernaryEntry { layout: RowLayout::Bytes, group: GROUP, gemm: gemm_ternary::gemm }],
        ..AVX2
    },
    AVX2,
];

const GROUPS_OF_64: TernaryEntry =
    TernaryEntry { layout: RowLayout::Words, group: 64, gemm: gemm_ternary::gemm_groups_of_64 };

const AVX2: Kernels = Kernels {
    name: "avx2",
    about: "multiply-add for a few tokens, vector table lookup for many",
    isa: Isa::Avx2,
    layout: RowLayout::Words,
    ternary: &[
        TernaryEntry { layout: RowLayout::Words, group: GROUP, gemm: gemm_ternary::gemm },
        GROUPS_OF_64,
    ],
    gemm_veclut: gemm_veclut::gemm,
    index_codes: gemm_veclut::index_codes,
    limits: Limits { multiply_add: Some(probe::multiply_add), read: probe::read },
};

/// Asks for the cache line at `at`, which need not be memory at all.
#[inline(always)]
pub(super) fn prefetch(at: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: every x86-64 processor has the instruction, and it never faults.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at) };
}
