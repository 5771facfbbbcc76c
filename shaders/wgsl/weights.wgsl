// What a product with int8 activations binds: a group of weights shares a scale. How many weights that is, and how their codes lie
// in 32 bytes, is the next file's business.

override GROUPS: u32; // in a row
override ROW_SCALES: u32; // numbers a token has in q_scales

@group(0) @binding(1) var<storage, read> q: array<vec4<u32>>; // (tokens, GROUPS, vectors of a group)
@group(0) @binding(2) var<storage, read> q_scales: array<f32>; // (tokens, ROW_SCALES)
@group(0) @binding(3) var<storage, read> codes: array<vec4<u32>>; // (rows, GROUPS, 2)
@group(0) @binding(4) var<storage, read> scales: array<Half2>; // (rows, GROUPS), two together

fn scale_at(item: u32) -> f32 {
    let pair = widen(scales[item / 2u]);
    return select(pair.x, pair.y, item % 2u == 1u);
}
