// A row op's input: the sum of a token's streams, or a plain row, which is a sum of one.

override STREAMS: u32 = 1u;
/// Whether the rows are those whose logits are wanted, rather than all.
override HEAD: bool = false;

@group(0) @binding(4) var<storage, read> x: array<f32>; // (tokens, STREAMS, WIDTH)
var<private> base: u32;

fn prepare(token: u32, lid: u32) {
    base = (token + select(0u, now.head_first, HEAD)) * STREAMS * WIDTH;
}

fn input(i: u32) -> f32 {
    var v = x[base + i];
    for (var s = 1u; s < STREAMS; s++) {
        v += x[base + s * WIDTH + i];
    }
    return v;
}
