// A ternary matrix times the int8 activations of many tokens, with the sums of `gemv`. One workgroup takes 64 rows, one an
// invocation, and 16 tokens, whose activations it stages group by group: each weight is read and unpacked once for all 16.

const WG: u32 = 64u;
const TOKENS: u32 = 16u;

/// Rows of this matrix, or of this part of it.
override ROWS: u32;
/// Where they begin in the result.
override FIRST_ROW: u32 = 0u;

var<workgroup> tile: array<vec4<u32>, 128>; // (TOKENS, 8)

fn run(group: vec3<u32>, lid: u32) {
    let row = group.x * WG + lid;
    let first = group.y * TOKENS;
    let last = now.count - 1u;
    let base = min(row, ROWS - 1u) * GROUPS;
    var acc: array<f32, TOKENS>;
    for (var g = 0u; g < GROUPS; g++) {
        for (var i = lid; i < TOKENS * 8u; i += WG) {
            tile[i] = q[(min(first + i / 8u, last) * GROUPS + g) * 8u + i % 8u];
        }
        workgroupBarrier();
        var sums: array<i32, TOKENS>;
        for (var v = 0u; v < 2u; v++) {
            let words = codes[(base + g) * 2u + v];
            for (var c = 0u; c < 4u; c++) {
                let w = words[c];
                let w0 = w & 0x03030303u;
                let w1 = (w >> 2u) & 0x03030303u;
                let w2 = (w >> 4u) & 0x03030303u;
                let w3 = (w >> 6u) & 0x03030303u;
                for (var t = 0u; t < TOKENS; t++) {
                    let a = tile[t * 8u + v * 4u + c];
                    sums[t] += dot4(w0, a.x) + dot4(w1, a.y) + dot4(w2, a.z) + dot4(w3, a.w);
                }
            }
        }
        let s = scale_at(base + g);
        for (var t = 0u; t < TOKENS; t++) {
            acc[t] += s * (f32(sums[t]) - q_scales[min(first + t, last) * ROW_SCALES + 1u + g]);
        }
        workgroupBarrier();
    }
    if row < ROWS {
        for (var t = 0u; t < TOKENS; t++) {
            let token = first + t;
            if token <= last {
                finish(token, FIRST_ROW + row, times(q_scales[token * ROW_SCALES] * acc[t]));
            }
        }
    }
}
