// Rounding to what a half can hold, ties to even, in integer arithmetic: conversions may round as they like, but
// they do not change a number that fits. What would overflow is kept finite.

fn round_to_half(v: f32) -> f32 {
    let m = min(abs(v), 65504.0);
    if m < 6.103515625e-5 {
        return sign(v) * (round(m * 16777216.0) * 5.9604644775390625e-8);
    }
    let bits = bitcast<u32>(m);
    let rounded = (bits + 0xfffu + ((bits >> 13u) & 1u)) & 0xffffe000u;
    return bitcast<f32>(rounded | (bitcast<u32>(v) & 0x80000000u));
}
