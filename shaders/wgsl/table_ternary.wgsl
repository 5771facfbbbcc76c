// A matrix of ternary codes, GROUP to a scale, in the words of `weights_ternary`.

override GROUP: u32 = 128u;

@group(0) @binding(3) var<storage, read> codes: array<u32>; // (rows, WIDTH / 16)
@group(0) @binding(4) var<storage, read> scales: array<Half2>; // (rows, WIDTH / 128), two together

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    let c = codes[row * (WIDTH / 16u) + i / 4u] >> (2u * (i % 4u));
    let item = row * (WIDTH / GROUP) + i / (GROUP / 4u);
    let pair = widen(scales[item / 2u]);
    let biased = vec4<u32>(c, c >> 8u, c >> 16u, c >> 24u) & vec4<u32>(3u);
    return select(pair.x, pair.y, item % 2u == 1u) * (vec4<f32>(biased) - 1.0);
}
