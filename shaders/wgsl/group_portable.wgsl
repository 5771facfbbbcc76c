// The entry point, and reductions over a workgroup through its memory. An op defines `run` and `WG`, a power of two.

var<workgroup> reduced: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lid: u32) {
    run(group, lid);
}

fn group_max(v: f32, lid: u32) -> f32 {
    reduced[lid] = v;
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lid < half {
            reduced[lid] = max(reduced[lid], reduced[lid + half]);
        }
    }
    workgroupBarrier();
    let m = reduced[0];
    workgroupBarrier();
    return m;
}

fn group_sum(v: f32, lid: u32) -> f32 {
    reduced[lid] = v;
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lid < half {
            reduced[lid] += reduced[lid + half];
        }
    }
    workgroupBarrier();
    let s = reduced[0];
    workgroupBarrier();
    return s;
}
