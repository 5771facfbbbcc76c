// Causal softmax attention of one query head and token over the pages of its text, online: a page of 64 keys at a time, one an invocation, with a
// running maximum and sum (arXiv 1805.02867). Layouts of keys and values are those of `norm_rope_store`; both are read side by side.

const WG: u32 = 64u;

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;
override SCALE: f32;

@group(0) @binding(1) var<storage, read> qkv: array<f32>; // (tokens, HEADS + 2 KV_HEADS, HEAD_DIM)
@group(0) @binding(2) var<storage, read> keys: array<Half2>;
@group(0) @binding(3) var<storage, read> values: array<Half2>;
@group(0) @binding(4) var<storage, read_write> mixed: array<f32>; // (tokens, HEADS, HEAD_DIM)

var<workgroup> query: array<vec2<f32>, 512>;
var<workgroup> shares: array<f32, WG>;
/// Sums of weighted values; where a head has fewer than 64 pairs, several invocations share a pair.
var<workgroup> sums: array<vec2<f32>, 512>;

fn run(group: vec3<u32>, lid: u32) {
    let head = group.x;
    let token = group.y;
    let half = HEAD_DIM / 2u;
    let place = places[token];
    let visible = place.position + 1u;
    let kv = head / (HEADS / KV_HEADS);
    let base = (token * (HEADS + 2u * KV_HEADS) + head) * HEAD_DIM;
    let splits = max(WG / half, 1u);
    for (var p = lid; p < half; p += WG) {
        query[p] = vec2<f32>(qkv[base + 2u * p], qkv[base + 2u * p + 1u]);
    }
    for (var slot = lid; slot < half * splits; slot += WG) {
        sums[slot] = vec2<f32>(0.0);
    }
    workgroupBarrier();
    var largest = -3.4e38;
    var total = 0.0;
    for (var start = 0u; start < visible; start += WG) {
        let here = min(WG, visible - start);
        let page = (page_of(place, start) * KV_HEADS + kv) * half * 64u;
        var score = -3.4e38;
        if lid < here {
            let at = page + lid;
            var dot = 0.0;
            for (var p = 0u; p < half; p++) {
                let k = widen(keys[at + p * 64u]);
                dot = fma(query[p].x, k.x, dot);
                dot = fma(query[p].y, k.y, dot);
            }
            score = dot * SCALE;
        }
        let before = largest;
        largest = max(largest, group_max(score, lid));
        let share = select(0.0, exp_poly(score - largest), lid < here);
        // The first time there is nothing to correct, whatever the factor.
        let correction = exp_poly(before - largest);
        shares[lid] = share;
        total = total * correction + group_sum(share, lid);
        for (var slot = lid; slot < half * splits; slot += WG) {
            let pair = slot % half;
            var sum = sums[slot] * correction;
            for (var j = slot / half; j < here; j += splits) {
                sum = fma(vec2<f32>(shares[j]), widen(values[page + j * half + pair]), sum);
            }
            sums[slot] = sum;
        }
        workgroupBarrier();
    }
    let out = (token * HEADS + head) * HEAD_DIM;
    for (var p = lid; p < half; p += WG) {
        var sum = sums[p];
        for (var s = 1u; s < splits; s++) {
            sum += sums[s * half + p];
        }
        mixed[out + 2u * p] = sum.x / total;
        mixed[out + 2u * p + 1u] = sum.y / total;
    }
}
