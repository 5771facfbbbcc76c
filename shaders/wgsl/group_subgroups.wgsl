// The entry point, and reductions over a workgroup by its subgroups, whatever their size. An op defines `run` and `WG`.

var<workgroup> reduced: array<f32, WG>;
var<private> subgroup: u32;
var<private> subgroups: u32;
var<private> lane: u32;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lid: u32,
    @builtin(subgroup_id) id: u32,
    @builtin(num_subgroups) count: u32,
    @builtin(subgroup_invocation_id) invocation: u32,
) {
    subgroup = id;
    subgroups = count;
    lane = invocation;
    run(group, lid);
}

fn group_max(v: f32, lid: u32) -> f32 {
    let part = subgroupMax(v);
    if lane == 0u {
        reduced[subgroup] = part;
    }
    workgroupBarrier();
    var m = reduced[0];
    for (var i = 1u; i < subgroups; i++) {
        m = max(m, reduced[i]);
    }
    workgroupBarrier();
    return m;
}

fn group_sum(v: f32, lid: u32) -> f32 {
    let part = subgroupAdd(v);
    if lane == 0u {
        reduced[subgroup] = part;
    }
    workgroupBarrier();
    var s = reduced[0];
    for (var i = 1u; i < subgroups; i++) {
        s += reduced[i];
    }
    workgroupBarrier();
    return s;
}
