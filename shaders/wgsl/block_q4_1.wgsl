// Q4_1: 32 weights in 20 bytes, an f16 scale, an f16 minimum and codes of four bits; the low ones of 16 bytes first, then the high ones.

const BLOCK: u32 = 32u;
const BYTES: u32 = 20u;

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    let at = block_at(row, i / 8u);
    let j = 4u * (i % 8u);
    let q = bytes(at + 4u + j % 16u) >> vec4<u32>(j / 16u * 4u);
    return half_at(at) * vec4<f32>(q & vec4<u32>(15u)) + half_at(at + 2u);
}
