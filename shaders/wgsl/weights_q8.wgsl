// 8-bit weights against int8 activations, a group of 32 at a time.

fn quad_product(w: vec4<u32>, a: vec4<u32>) -> i32 {
    return dot4(w.x, a.x) + dot4(w.y, a.y) + dot4(w.z, a.z) + dot4(w.w, a.w);
}

/// `s * (f32) sum of c q` over group `g` of a row; `item` is row * GROUPS + g.
fn group_product(item: u32, g: u32, token: u32) -> f32 {
    let at = (token * GROUPS + g) * 2u;
    let sum = quad_product(codes[item * 2u], q[at]) + quad_product(codes[item * 2u + 1u], q[at + 1u]);
    return scale_at(item) * f32(sum);
}
