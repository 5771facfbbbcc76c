// A matrix of f32.

@group(0) @binding(3) var<storage, read> codes: array<vec4<f32>>; // (rows, WIDTH / 4)

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    return codes[row * (WIDTH / 4u) + i];
}
