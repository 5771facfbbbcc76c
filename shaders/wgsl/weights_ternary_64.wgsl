// Weights of two bits against int8 activations, a group of 64 at a time: 16 bytes of weights, 64 of activations. They lie as in
// `weights_ternary`; a code may be 3, a weight of 2, and the bias is counted here.

fn word_product(w: u32, a: vec4<u32>) -> i32 {
    return dot4(w & 0x03030303u, a.x) + dot4((w >> 2u) & 0x03030303u, a.y)
        + dot4((w >> 4u) & 0x03030303u, a.z) + dot4((w >> 6u) & 0x03030303u, a.w);
}

/// `s * (f32) sum of c q` over group `g` of a row; `item` is row * GROUPS + g.
fn group_product(item: u32, g: u32, token: u32) -> f32 {
    let at = (token * GROUPS + g) * 4u;
    let w = codes[item];
    let ones = 0x55555555u;
    let sum = word_product(w.x, q[at]) + word_product(w.y, q[at + 1u])
        + word_product(w.z, q[at + 2u]) + word_product(w.w, q[at + 3u])
        - word_product(ones, q[at]) - word_product(ones, q[at + 1u])
        - word_product(ones, q[at + 2u]) - word_product(ones, q[at + 3u]);
    return scale_at(item) * f32(sum);
}
