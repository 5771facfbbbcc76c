// Rows of a head times f32 activations: logits. A workgroup takes eight rows, eight invocations each, for one token.

const WG: u32 = 64u;

override WIDTH: u32;
/// Rows of this part, the first of them, and of all parts.
override ROWS: u32;
override FIRST_ROW: u32 = 0u;
override VOCAB: u32;

@group(0) @binding(1) var<storage, read> h: array<vec4<f32>>; // (tokens, WIDTH / 4)
@group(0) @binding(2) var<storage, read_write> logits: array<f32>; // (tokens, VOCAB)

var<workgroup> partials: array<f32, WG>;

fn run(group: vec3<u32>, lid: u32) {
    let row = group.x * 8u + lid / 8u;
    let base = group.y * (WIDTH / 4u);
    var sum = 0.0;
    if row < ROWS {
        for (var i = lid % 8u; i < WIDTH / 4u; i += 8u) {
            sum += dot(four(row, i), h[base + i]);
        }
    }
    partials[lid] = sum;
    workgroupBarrier();
    if lid % 8u == 0u && row < ROWS {
        for (var i = 1u; i < 8u; i++) {
            sum += partials[lid + i];
        }
        logits[group.y * VOCAB + FIRST_ROW + row] = sum;
    }
}
