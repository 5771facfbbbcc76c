// The products of a matrix that is multiplied by one number as a whole, last of all.

@group(0) @binding(7) var<storage, read> factor: array<f32>; // one

fn times(v: f32) -> f32 {
    return v * factor[0];
}
