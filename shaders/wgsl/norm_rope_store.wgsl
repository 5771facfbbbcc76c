// Queries and keys are normed and rotated (rotary embedding, arXiv 2104.09864), keys and values rounded to halves and stored. One workgroup
// a head and token; heads are those of queries, keys and values in turn. Queries are rotated in place.
//
//   keys   (pages, kv_heads, head_dim / 2, 64) pairs of dimensions: neighbours are the same pair of neighbouring positions
//   values (pages, kv_heads, 64, head_dim / 2) pairs

const WG: u32 = 64u;

override HEADS: u32;
override KV_HEADS: u32;
override HEAD_DIM: u32;
override EPS: f32;
override QK_NORM: bool;
/// Dimensions that turn, the first ones of a head.
override ROTARY_DIM: u32;
/// Pairs are neighbours rather than halves.
override INTERLEAVED: bool;

@group(0) @binding(1) var<storage, read_write> qkv: array<f32>; // (tokens, HEADS + 2 KV_HEADS, HEAD_DIM)
@group(0) @binding(2) var<storage, read> gains: array<f32>; // of queries (HEAD_DIM), of keys (HEAD_DIM)
@group(0) @binding(3) var<storage, read> angles: array<vec2<f32>>; // (positions, ROTARY_DIM / 2): cosine, sine
@group(0) @binding(4) var<storage, read_write> keys: array<Half2>;
@group(0) @binding(5) var<storage, read_write> values: array<Half2>;

var<workgroup> turned: array<f32, 1024>;
var<private> base: u32;

fn term(i: u32) -> f32 {
    let v = qkv[base + i];
    return v * v;
}

fn run(group: vec3<u32>, lid: u32) {
    let head = group.x;
    let place = places[group.y];
    let half = HEAD_DIM / 2u;
    base = (group.y * (HEADS + 2u * KV_HEADS) + head) * HEAD_DIM;
    if head >= HEADS + KV_HEADS {
        let kv = head - HEADS - KV_HEADS;
        let out = (page_of(place, place.position) * KV_HEADS + kv) * half * 64u + place.position % 64u * half;
        for (var p = lid; p < half; p += WG) {
            let at = base + 2u * p;
            values[out + p] = narrow(vec2<f32>(round_to_half(qkv[at]), round_to_half(qkv[at + 1u])));
        }
        return;
    }
    var inv_rms = 1.0;
    if QK_NORM {
        inv_rms = 1.0 / sqrt(row_sum(HEAD_DIM, lid) / f32(HEAD_DIM) + EPS);
    }
    let gain = select(0u, HEAD_DIM, head >= HEADS);
    let pairs = ROTARY_DIM / 2u;
    for (var p = lid; p < half; p += WG) {
        // Those behind the pairs that turn are neighbours in any case.
        let neighbours = INTERLEAVED || p >= pairs;
        let i = select(p, 2u * p, neighbours);
        let j = select(p + pairs, 2u * p + 1u, neighbours);
        var a = qkv[base + i];
        var b = qkv[base + j];
        if QK_NORM {
            a = a * inv_rms * gains[gain + i];
            b = b * inv_rms * gains[gain + j];
        }
        var angle = vec2<f32>(1.0, 0.0);
        if p < pairs {
            angle = angles[place.position * pairs + p];
        }
        turned[i] = a * angle.x - b * angle.y;
        turned[j] = a * angle.y + b * angle.x;
    }
    workgroupBarrier();
    if head < HEADS {
        for (var i = lid; i < HEAD_DIM; i += WG) {
            qkv[base + i] = turned[i];
        }
        return;
    }
    let kv = head - HEADS;
    let out = (page_of(place, place.position) * KV_HEADS + kv) * half * 64u + place.position % 64u;
    for (var p = lid; p < half; p += WG) {
        keys[out + p * 64u] = narrow(vec2<f32>(round_to_half(turned[2u * p]), round_to_half(turned[2u * p + 1u])));
    }
}
