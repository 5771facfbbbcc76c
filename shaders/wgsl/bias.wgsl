// Adds a bias to the row of each token, in place: `y += bias`. One workgroup a token.

const WG: u32 = 256u;

override WIDTH: u32;

@group(0) @binding(1) var<storage, read> bias: array<f32>; // (WIDTH)
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // (tokens, WIDTH)

fn run(group: vec3<u32>, lid: u32) {
    for (var i = lid; i < WIDTH; i += WG) {
        y[group.x * WIDTH + i] += bias[i];
    }
}
