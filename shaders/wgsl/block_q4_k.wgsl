// Q4_K: 256 weights in 144 bytes: f16 scale of scales, f16 scale of minima, twelve bytes of both, then codes of four bits: of each 64
// weights 32 bytes, the low nibbles first.

const BLOCK: u32 = 256u;
const BYTES: u32 = 144u;

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    let at = block_at(row, i / 64u);
    let j = 4u * (i % 64u);
    let p = j / 32u;
    let s = part_scales(at + 4u, p);
    let q = bytes(at + 16u + p / 2u * 32u + j % 32u) >> vec4<u32>(p % 2u * 4u);
    return (half_at(at) * s.x) * vec4<f32>(q & vec4<u32>(15u)) - half_at(at + 2u) * s.y;
}
