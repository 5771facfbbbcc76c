// A sum over a row in the CPU's order: element i goes to lane i % 8, lanes are folded as halves, quarters, eighths.
// All invocations compute terms, eight add them up. An op defines `term`, `run` and `WG`.

const STAGED: u32 = 1024u;
var<workgroup> staged: array<f32, STAGED>;
var<workgroup> lane_sums: array<f32, 8>;

/// Sum of `term(0) .. term(count - 1)`, known to every invocation.
fn row_sum(count: u32, lid: u32) -> f32 {
    var sum = 0.0;
    for (var start = 0u; start < count; start += STAGED) {
        let staged_now = min(STAGED, count - start);
        for (var i = lid; i < staged_now; i += WG) {
            staged[i] = term(start + i);
        }
        workgroupBarrier();
        if lid < 8u {
            for (var i = lid; i < staged_now; i += 8u) {
                sum += staged[i];
            }
        }
        workgroupBarrier();
    }
    if lid < 8u {
        lane_sums[lid] = sum;
    }
    workgroupBarrier();
    let h0 = lane_sums[0] + lane_sums[4];
    let h1 = lane_sums[1] + lane_sums[5];
    let h2 = lane_sums[2] + lane_sums[6];
    let h3 = lane_sums[3] + lane_sums[7];
    workgroupBarrier();
    return (h0 + h2) + (h1 + h3);
}
