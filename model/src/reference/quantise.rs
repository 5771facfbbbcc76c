//! Int8 quantisation of one row of activations.

/// `a = max|x| / 127`, `q = clamp(round_half_even(x / a), -127, 127)`; a row of zeros gives zeros.
///
/// So does a row whose `a` is below the smallest normal f32: dividing by it could overflow.
pub fn quantise(x: &[f32]) -> (f32, Vec<i8>) {
    let mut max = 0.0f32;
    for &x in x {
        max = max.max(x.abs());
    }
    let a = max / 127.0;
    if a < f32::MIN_POSITIVE {
        return (0.0, vec![0; x.len()]);
    }
    let mut q = Vec::new();
    for &x in x {
        q.push((x / a).round_ties_even().clamp(-127.0, 127.0) as i8);
    }
    (a, q)
}
