// The largest logit's id, the lowest among equals; 2^32 - 1 if any logit is not finite. It becomes a next token.
// One workgroup reads all logits of one token.

const WG: u32 = 256u;
const NONE: u32 = 0xffffffffu;

override VOCAB: u32;

@group(0) @binding(1) var<storage, read> logits: array<f32>; // (wanted, VOCAB)
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>; // (wanted) and more
@group(0) @binding(3) var<storage, read_write> chosen: array<u32>; // (wanted)

fn run(group: vec3<u32>, lid: u32) {
    let row = now.likeliest_first + group.x;
    var best = -3.4e38;
    var id = NONE;
    var bad = 0.0;
    for (var i = lid; i < VOCAB; i += WG) {
        let v = logits[row * VOCAB + i];
        if (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u {
            bad = 1.0;
        } else if v > best {
            best = v;
            id = i;
        }
    }
    let top = group_max(best, lid);
    let any_bad = group_max(bad, lid);
    // Ids are below 2^24, so f32 holds them.
    let mine = select(-1e9, -f32(id), best == top && id != NONE);
    let winner = group_max(mine, lid);
    if lid == 0u {
        let ok = any_bad == 0.0 && winner > -1e9;
        tokens[row] = select(0u, u32(-winner), ok);
        chosen[row] = select(NONE, u32(-winner), ok);
    }
}
