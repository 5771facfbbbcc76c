// RMS norm, absolute maximum and int8 quantisation of a row, in one go: `a = max|y| / 127`, `q = round_half_even(y / a)`.
// One workgroup a token. Beside `a` it leaves the sum of each 128 codes, which the products need to undo a bias.

const WG: u32 = 256u;

override WIDTH: u32;
override EPS: f32;
/// Whether there is a norm.
override NORM: bool = true;

@group(0) @binding(1) var<storage, read> gain: array<f32>; // (WIDTH)
@group(0) @binding(2) var<storage, read_write> q: array<u32>; // (tokens, WIDTH / 4), four codes a word
@group(0) @binding(3) var<storage, read_write> q_scales: array<f32>; // (tokens, 1 + WIDTH / 128): a, then sums of codes

var<workgroup> sums: array<atomic<i32>, 512>;
var<private> inv_rms: f32;

fn term(i: u32) -> f32 {
    let v = input(i);
    return v * v;
}

fn normed(i: u32) -> f32 {
    let v = input(i);
    if NORM {
        return v * inv_rms * gain[i];
    }
    return v;
}

fn run(group: vec3<u32>, lid: u32) {
    let token = group.x;
    let groups = WIDTH / 128u;
    prepare(token, lid);
    for (var g = lid; g < groups; g += WG) {
        atomicStore(&sums[g], 0);
    }
    if NORM {
        inv_rms = 1.0 / sqrt(row_sum(WIDTH, lid) / f32(WIDTH) + EPS);
    }
    var largest = 0.0;
    for (var i = lid; i < WIDTH; i += WG) {
        largest = max(largest, abs(normed(i)));
    }
    var a = group_max(largest, lid) / 127.0;
    // A subnormal scale could divide to infinity; such a row is zero for every purpose.
    let zero = a < 1.17549435e-38;
    if zero {
        a = 0.0;
    }
    for (var word = lid; word < WIDTH / 4u; word += WG) {
        var packed = 0u;
        var sum = 0;
        for (var b = 0u; b < 4u && !zero; b++) {
            let code = i32(round(clamp(normed(4u * word + b) / a, -127.0, 127.0)));
            packed |= (bitcast<u32>(code) & 0xffu) << (8u * b);
            sum += code;
        }
        q[token * (WIDTH / 4u) + word] = packed;
        atomicAdd(&sums[word / 32u], sum);
    }
    workgroupBarrier();
    let out = token * (1u + groups);
    if lid == 0u {
        q_scales[out] = a;
    }
    for (var g = lid; g < groups; g += WG) {
        q_scales[out + 1u + g] = f32(atomicLoad(&sums[g]));
    }
}
