// Four signed bytes times four, summed exactly, by shifts and multiplications.

fn byte(w: u32, shift: u32) -> i32 {
    return bitcast<i32>(w << (24u - shift)) >> 24u;
}

fn dot4(a: u32, b: u32) -> i32 {
    return byte(a, 0u) * byte(b, 0u) + byte(a, 8u) * byte(b, 8u) + byte(a, 16u) * byte(b, 16u) + byte(a, 24u) * byte(b, 24u);
}
