// Q6_K: 256 weights in 210 bytes: 128 bytes of low nibbles, 64 of two high bits, 16 scales of 8 bits, an f16 scale of scales. Of each 128
// weights: the low nibbles of 64 bytes, then their high ones; of the 32 bytes of high bits, two bits for each 32 weights, lowest first.

const BLOCK: u32 = 256u;
const BYTES: u32 = 210u;

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    let at = block_at(row, i / 64u);
    let j = 4u * (i % 64u);
    let half = j / 128u;
    let k = j % 128u;
    let low = bytes(at + half * 64u + k % 64u) >> vec4<u32>(k / 64u * 4u);
    let high = (bytes(at + 128u + half * 32u + k % 32u) >> vec4<u32>(k / 32u * 2u)) & vec4<u32>(3u);
    let q = vec4<i32>((low & vec4<u32>(15u)) | (high << vec4<u32>(4u))) - 32;
    let s = bitcast<i32>(byte(at + 192u + j / 16u) << 24u) >> 24u;
    return (half_at(at + 208u) * f32(s)) * vec4<f32>(q);
}
