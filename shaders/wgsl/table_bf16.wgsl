// A matrix of bfloat16, the upper halves of f32.

@group(0) @binding(3) var<storage, read> codes: array<vec2<u32>>; // (rows, WIDTH / 4), four numbers each

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    let w = codes[row * (WIDTH / 4u) + i];
    return bitcast<vec4<f32>>(vec4<u32>(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u));
}
