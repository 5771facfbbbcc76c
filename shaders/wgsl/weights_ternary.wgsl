// Ternary weights against int8 activations, a group of 128 at a time: 32 bytes of weights, 128 of activations.
//
//   word of 16 weights: byte b holds columns b, b + 4, b + 8, b + 12, each as code + 1 in two bits, lowest first,
//   so that (word >> 2k) & 0x03030303 meets the four activations of columns 4k .. 4k + 3.

fn word_product(w: u32, a: vec4<u32>) -> i32 {
    return dot4(w & 0x03030303u, a.x) + dot4((w >> 2u) & 0x03030303u, a.y)
        + dot4((w >> 4u) & 0x03030303u, a.z) + dot4((w >> 6u) & 0x03030303u, a.w);
}

/// `s * (f32) sum of t q` over group `g` of a row; `item` is row * GROUPS + g.
fn group_product(item: u32, g: u32, token: u32) -> f32 {
    let at = (token * GROUPS + g) * 8u;
    let w0 = codes[item * 2u];
    let w1 = codes[item * 2u + 1u];
    let sum = word_product(w0.x, q[at]) + word_product(w0.y, q[at + 1u])
        + word_product(w0.z, q[at + 2u]) + word_product(w0.w, q[at + 3u])
        + word_product(w1.x, q[at + 4u]) + word_product(w1.y, q[at + 5u])
        + word_product(w1.z, q[at + 6u]) + word_product(w1.w, q[at + 7u]);
    return scale_at(item) * (f32(sum) - q_scales[token * ROW_SCALES + 1u + g]);
}
