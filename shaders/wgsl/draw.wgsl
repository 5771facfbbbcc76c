// A next token, drawn from the logits as the CPU's sampler draws it: top-k, softmax at a temperature, top-p, min-p, and one uniform
// number that picks by cumulative probability, the likeliest first, or by id if nothing is cut. Sums are in f32. Candidates
// that are equal to the last one kept are kept too. What is asked for is a bound on the logits, found bit by bit.
// One workgroup a token; 2^32 - 1 if any of its logits is not finite.

const WG: u32 = 256u;
const NONE: u32 = 0xffffffffu;

override VOCAB: u32;

struct Draw {
    temperature: f32,
    /// 0 keeps all.
    top_k: u32,
    /// 1 keeps all.
    top_p: f32,
    min_p: f32,
    /// Uniform in [0, 1).
    point: f32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(1) var<storage, read> logits: array<f32>; // (wanted, VOCAB)
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>; // (wanted) and more
@group(0) @binding(3) var<storage, read_write> chosen: array<u32>; // (wanted)
@group(0) @binding(4) var<storage, read> draws: array<Draw>; // (drawn)

var<workgroup> ranges: array<f32, WG>;
var<workgroup> drawn: u32;
var<private> draw: Draw;
/// Where the token's logits begin.
var<private> base: u32;
var<private> largest: f32;
var<private> least_share: f32;

/// Integers in the order of the floats.
fn key(v: f32) -> u32 {
    let bits = bitcast<u32>(v);
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

/// The share of a logit, beside the largest one's of 1; none if it is too small for min-p.
fn share(v: f32) -> f32 {
    let w = exp_poly((v - largest) / draw.temperature);
    return select(0.0, w, w >= least_share);
}

/// How many logits have keys from `bound` on.
fn count_from(bound: u32, lid: u32) -> f32 {
    var count = 0.0;
    for (var i = lid; i < VOCAB; i += WG) {
        count += select(0.0, 1.0, key(logits[base + i]) >= bound);
    }
    return group_sum(count, lid);
}

/// The shares of logits with keys from `bound` on.
fn share_from(bound: u32, lid: u32) -> f32 {
    var sum = 0.0;
    for (var i = lid; i < VOCAB; i += WG) {
        let v = logits[base + i];
        if key(v) >= bound {
            sum += share(v);
        }
    }
    return group_sum(sum, lid);
}

/// The lowest id whose key is `wanted`.
fn lowest_id(wanted: u32, lid: u32) -> u32 {
    var id = -1e9;
    for (var i = lid; i < VOCAB; i += WG) {
        if key(logits[base + i]) == wanted {
            id = max(id, -f32(i));
        }
    }
    // Ids are below 2^24, so f32 holds them.
    return u32(-group_max(id, lid));
}

fn by_likelihood(lid: u32) -> u32 {
    var bound = 0u;
    if draw.top_k > 0u && draw.top_k < VOCAB {
        for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
            if count_from(bound | bit, lid) >= f32(draw.top_k) {
                bound |= bit;
            }
        }
    }
    if draw.top_p < 1.0 {
        let enough = share_from(bound, lid) * draw.top_p;
        var nucleus = 0u;
        for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
            if share_from(max(nucleus | bit, bound), lid) >= enough {
                nucleus |= bit;
            }
        }
        bound = max(bound, nucleus);
    }
    least_share = draw.min_p;
    let left = draw.point * share_from(bound, lid);
    var last = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
        if share_from(max(last | bit, bound), lid) > left {
            last |= bit;
        }
    }
    return lowest_id(max(last, bound), lid);
}

fn by_id(lid: u32) -> u32 {
    least_share = draw.min_p;
    let width = (VOCAB + WG - 1u) / WG;
    let first = lid * width;
    var sum = 0.0;
    for (var i = first; i < min(first + width, VOCAB); i++) {
        sum += share(logits[base + i]);
    }
    ranges[lid] = sum;
    if lid == 0u {
        drawn = NONE;
    }
    workgroupBarrier();
    var before = 0.0;
    var total = 0.0;
    for (var r = 0u; r < WG; r++) {
        before += select(0.0, ranges[r], r < lid);
        total += ranges[r];
    }
    let left = draw.point * total;
    if before <= left && left < before + sum {
        // Rounding may leave a crumb at the end; the last candidate takes it.
        for (var i = first; i < min(first + width, VOCAB) && before <= left; i++) {
            let mine = share(logits[base + i]);
            if mine > 0.0 {
                drawn = i;
            }
            before += mine;
        }
    }
    workgroupBarrier();
    let id = drawn;
    let likeliest = lowest_id(key(largest), lid);
    return select(id, likeliest, id == NONE);
}

fn run(group: vec3<u32>, lid: u32) {
    let row = now.drawn_first + group.x;
    base = row * VOCAB;
    draw = draws[group.x];
    var best = -3.4e38;
    var bad = 0.0;
    for (var i = lid; i < VOCAB; i += WG) {
        let v = logits[base + i];
        if (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u {
            bad = 1.0;
        }
        best = max(best, v);
    }
    largest = group_max(best, lid);
    least_share = 0.0;
    let ok = group_max(bad, lid) == 0.0;
    var id = NONE;
    if ok {
        let cut = draw.top_p < 1.0 || (draw.top_k > 0u && draw.top_k < VOCAB);
        if cut {
            id = by_likelihood(lid);
        } else {
            id = by_id(lid);
        }
    }
    if lid == 0u {
        tokens[row] = select(0u, id, ok);
        chosen[row] = id;
    }
}
