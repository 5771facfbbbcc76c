// A product's result is stored.

/// Numbers a token has in the result.
override STRIDE: u32;

@group(0) @binding(5) var<storage, read_write> y: array<f32>; // (tokens, STRIDE)

fn finish(token: u32, row: u32, v: f32) {
    y[token * STRIDE + row] = v;
}
