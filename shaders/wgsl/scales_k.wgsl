// The scales and minima of eight parts of 32 weights, six bits each in twelve bytes: of parts 0 to 3 the low six bits of bytes 0 to 3 and 4 to
// 7; of parts 4 to 7 the nibbles of bytes 8 to 11, below the two high bits of bytes 0 to 3 and 4 to 7.

/// Scale and minimum of part `p`, whose twelve bytes begin at `at`.
fn part_scales(at: u32, p: u32) -> vec2<f32> {
    if p < 4u {
        return vec2<f32>(f32(byte(at + p) & 63u), f32(byte(at + 4u + p) & 63u));
    }
    let both = byte(at + 4u + p);
    let scale = (both & 15u) | ((byte(at + p - 4u) >> 6u) << 4u);
    let minimum = (both >> 4u) | ((byte(at + p) >> 6u) << 4u);
    return vec2<f32>(f32(scale), f32(minimum));
}
