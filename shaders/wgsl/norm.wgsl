// RMS norm of a row to f32, for products that read f32. One workgroup a token.

const WG: u32 = 256u;

override WIDTH: u32;
override EPS: f32;
/// Whether there is a norm.
override NORM: bool = true;

@group(0) @binding(1) var<storage, read> gain: array<f32>; // (WIDTH)
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // (tokens, WIDTH)

fn term(i: u32) -> f32 {
    let v = input(i);
    return v * v;
}

fn run(group: vec3<u32>, lid: u32) {
    prepare(group.x, lid);
    var inv_rms = 1.0;
    if NORM {
        inv_rms = 1.0 / sqrt(row_sum(WIDTH, lid) / f32(WIDTH) + EPS);
    }
    for (var i = lid; i < WIDTH; i += WG) {
        var v = input(i);
        if NORM {
            v = v * inv_rms * gain[i];
        }
        y[group.x * WIDTH + i] = v;
    }
}
