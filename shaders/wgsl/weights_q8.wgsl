// 8-bit weights against int8 activations, a group of 32 at a time.

override GROUPS: u32; // of 32, in a row
override ROW_SCALES: u32; // numbers a token has in q_scales

@group(0) @binding(1) var<storage, read> q: array<vec4<u32>>; // (tokens, GROUPS, 2)
@group(0) @binding(2) var<storage, read> q_scales: array<f32>; // (tokens, ROW_SCALES)
@group(0) @binding(3) var<storage, read> codes: array<vec4<u32>>; // (rows, GROUPS, 2)
@group(0) @binding(4) var<storage, read> scales: array<Half2>; // (rows, GROUPS), two together

fn quad_product(w: vec4<u32>, a: vec4<u32>) -> i32 {
    return dot4(w.x, a.x) + dot4(w.y, a.y) + dot4(w.z, a.z) + dot4(w.w, a.w);
}

/// `s * (f32) sum of c q` over group `g` of a row; `item` is row * GROUPS + g.
fn group_product(item: u32, g: u32, token: u32) -> f32 {
    let at = (token * GROUPS + g) * 2u;
    let pair = widen(scales[item / 2u]);
    let sum = quad_product(codes[item * 2u], q[at]) + quad_product(codes[item * 2u + 1u], q[at + 1u]);
    return select(pair.x, pair.y, item % 2u == 1u) * f32(sum);
}
