// Rows of a matrix times f32 activations: logits, and linear layers that are not ternary. A workgroup takes eight rows, eight invocations
// each, for one token.

const WG: u32 = 64u;

override WIDTH: u32;
/// Rows of this part, and where they begin in the result.
override ROWS: u32;
override FIRST_ROW: u32 = 0u;

@group(0) @binding(1) var<storage, read> h: array<vec4<f32>>; // (tokens, WIDTH / 4)

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
        finish(group.y, FIRST_ROW + row, sum);
    }
}
