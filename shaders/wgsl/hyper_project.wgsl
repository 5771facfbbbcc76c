// A token's streams times the rows of a hyper-connection's weights, and the streams' sum of squares as a last row.
// One workgroup a row and token.

const WG: u32 = 64u;

/// Length of a row: streams times width.
override LENGTH: u32;
/// Rows of weights.
override ROWS: u32;

@group(0) @binding(1) var<storage, read> x: array<f32>; // (tokens, LENGTH)
@group(0) @binding(2) var<storage, read> weights: array<f32>; // (ROWS, LENGTH)
@group(0) @binding(3) var<storage, read_write> projected: array<f32>; // (tokens, 40)

var<private> row: u32;
var<private> base: u32;

fn term(i: u32) -> f32 {
    let v = x[base + i];
    if row == ROWS {
        return v * v;
    }
    return v * weights[row * LENGTH + i];
}

fn run(group: vec3<u32>, lid: u32) {
    row = group.x;
    base = group.y * LENGTH;
    let sum = row_sum(LENGTH, lid);
    if lid == 0u {
        projected[group.y * 40u + row] = sum;
    }
}
