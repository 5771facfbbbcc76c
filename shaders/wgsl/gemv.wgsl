// A matrix times one token's int8 activations: `y[r] = factor * (a * sum over groups in order (s[r,G] * (f32) sum of t q))`.
// One workgroup takes TILE rows: each invocation whole groups, whose sums are exact; then one invocation a row adds
// the groups up in order. Neighbouring invocations read neighbouring weights. Each weight is read once, activations from cache.

const WG: u32 = 64u;
const PARTIALS: u32 = 2048u;

/// Rows of this matrix, or of this part of it.
override ROWS: u32;
/// Where they begin in the result.
override FIRST_ROW: u32 = 0u;
/// Rows a workgroup takes; TILE * GROUPS <= PARTIALS.
override TILE: u32;

var<workgroup> partials: array<f32, PARTIALS>;

fn run(group: vec3<u32>, lid: u32) {
    let first = group.x * TILE;
    let token = group.y;
    let rows = min(TILE, ROWS - first);
    for (var i = lid; i < rows * GROUPS; i += WG) {
        partials[i] = group_product(first * GROUPS + i, i % GROUPS, token);
    }
    workgroupBarrier();
    for (var r = lid; r < rows; r += WG) {
        var sum = 0.0;
        for (var g = 0u; g < GROUPS; g++) {
            sum += partials[r * GROUPS + g];
        }
        finish(token, FIRST_ROW + first + r, times(q_scales[token * ROW_SCALES] * sum));
    }
}
