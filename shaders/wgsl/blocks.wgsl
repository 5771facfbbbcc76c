// A matrix of blocks as they lie in a file, each row padded to whole words. How a block lies is the next file's business.

@group(0) @binding(3) var<storage, read> codes: array<u32>; // (rows, words of a row)

/// Where block `b` of a row begins, in bytes.
fn block_at(row: u32, b: u32) -> u32 {
    let words = (WIDTH / BLOCK * BYTES + 3u) / 4u;
    return 4u * row * words + b * BYTES;
}

fn byte(at: u32) -> u32 {
    return (codes[at / 4u] >> (8u * (at % 4u))) & 0xffu;
}

/// Four bytes in a row.
fn bytes(at: u32) -> vec4<u32> {
    return vec4<u32>(byte(at), byte(at + 1u), byte(at + 2u), byte(at + 3u));
}

fn half_at(at: u32) -> f32 {
    return unpack2x16float(byte(at) | (byte(at + 1u) << 8u)).x;
}
