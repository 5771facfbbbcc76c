// Q5_K: 256 weights in 176 bytes: as Q4_K, with 32 bytes of fifth bits before the nibbles; byte m has those of weights m, 32 + m, 64 + m ...,
// lowest first.

const BLOCK: u32 = 256u;
const BYTES: u32 = 176u;

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    let at = block_at(row, i / 64u);
    let j = 4u * (i % 64u);
    let p = j / 32u;
    let s = part_scales(at + 4u, p);
    let q = bytes(at + 48u + p / 2u * 32u + j % 32u) >> vec4<u32>(p % 2u * 4u);
    let fifth = (bytes(at + 16u + j % 32u) >> vec4<u32>(p)) & vec4<u32>(1u);
    return (half_at(at) * s.x) * vec4<f32>((q & vec4<u32>(15u)) | (fifth << vec4<u32>(4u))) - half_at(at + 2u) * s.y;
}
