// An embedding or a head of 8-bit integers, 32 to a scale.

@group(0) @binding(3) var<storage, read> codes: array<u32>; // (rows, WIDTH / 4)
@group(0) @binding(4) var<storage, read> scales: array<Half2>; // (rows, WIDTH / 32), two together

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    let c = codes[row * (WIDTH / 4u) + i];
    let item = row * (WIDTH / 32u) + i / 8u;
    let pair = widen(scales[item / 2u]);
    let bytes = bitcast<vec4<i32>>(vec4<u32>(c << 24u, c << 16u, c << 8u, c)) >> vec4<u32>(24u);
    return select(pair.x, pair.y, item % 2u == 1u) * vec4<f32>(bytes);
}
