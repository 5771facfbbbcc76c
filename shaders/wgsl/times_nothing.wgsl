// The products of a matrix without a factor.

fn times(v: f32) -> f32 {
    return v;
}
