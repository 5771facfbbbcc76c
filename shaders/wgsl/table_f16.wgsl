// An embedding or a head of halves.

@group(0) @binding(3) var<storage, read> codes: array<Half2>; // (rows, WIDTH / 2)

/// Elements 4 i .. 4 i + 3 of a row.
fn four(row: u32, i: u32) -> vec4<f32> {
    let at = row * (WIDTH / 2u) + 2u * i;
    return vec4<f32>(widen(codes[at]), widen(codes[at + 1u]));
}
