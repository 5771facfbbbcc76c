// A row op's input: the feed-forward non-linearity of up and gate.

/// 0: SwiGLU, silu(gate) up. 1: relu(up)^2. 2: relu(gate)^2 up.
override ACTIVATION: u32;

@group(0) @binding(4) var<storage, read> up_gate: array<f32>; // (tokens, 2 WIDTH), or (tokens, WIDTH) without a gate
var<private> base: u32;

fn prepare(token: u32, lid: u32) {
    base = token * select(2u * WIDTH, WIDTH, ACTIVATION == 1u);
}

fn input(i: u32) -> f32 {
    let up = up_gate[base + i];
    if ACTIVATION == 1u {
        let r = max(up, 0.0);
        return r * r;
    }
    let gate = up_gate[base + WIDTH + i];
    if ACTIVATION == 2u {
        let r = max(gate, 0.0);
        return r * r * up;
    }
    return gate * sigmoid(gate) * up;
}
