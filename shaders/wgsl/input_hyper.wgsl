// A row op's input: what a sub-layer reads of a token's streams (hyper-connections, arXiv 2601.05732). The coefficients
// are made here from the projections of `hyper_project`, and kept for the product that writes the streams.

override STREAMS: u32 = 2u;

@group(0) @binding(4) var<storage, read> x: array<f32>; // (tokens, STREAMS, WIDTH)
@group(0) @binding(5) var<storage, read> projected: array<f32>; // (tokens, 40): pre, post, res, sum of squares
@group(0) @binding(6) var<storage, read> constants: array<f32>; // alpha (3), then biases of pre, post, res
@group(0) @binding(7) var<storage, read_write> coefficients: array<f32>; // (tokens, 24): pre (4), post (4), mix (16)

/// The permutations of four streams in lexicographic order, two bits a row, row 0 lowest.
const ORDER = array<u32, 24>(
    0xe4u, 0xb4u, 0xd8u, 0x78u, 0x9cu, 0x6cu, 0xe1u, 0xb1u, 0xc9u, 0x39u, 0x8du, 0x2du,
    0xd2u, 0x72u, 0xc6u, 0x36u, 0x4eu, 0x1eu, 0x93u, 0x63u, 0x87u, 0x27u, 0x4bu, 0x1bu,
);

var<workgroup> pre: array<f32, 4>;
var<private> base: u32;

fn prepare(token: u32, lid: u32) {
    base = token * STREAMS * WIDTH;
    if lid == 0u {
        connect(token);
    }
    workgroupBarrier();
}

fn connect(token: u32) {
    let permutations = select(2u, 24u, STREAMS == 4u);
    let z = token * 40u;
    let out = token * 24u;
    let width = f32(STREAMS * WIDTH);
    let inv_rms = 1.0 / sqrt(projected[z + 2u * STREAMS + permutations] / width + EPS);
    for (var i = 0u; i < STREAMS; i++) {
        let read = sigmoid(constants[0] * (projected[z + i] * inv_rms) + constants[3u + i]);
        let j = STREAMS + i;
        pre[i] = read;
        coefficients[out + i] = read;
        coefficients[out + 4u + i] = 2.0 * sigmoid(constants[1] * (projected[z + j] * inv_rms) + constants[3u + j]);
    }
    var share: array<f32, 24>;
    var largest = -3.4e38;
    for (var k = 0u; k < permutations; k++) {
        let j = 2u * STREAMS + k;
        share[k] = constants[2] * (projected[z + j] * inv_rms) + constants[3u + j];
        largest = max(largest, share[k]);
    }
    var sum = 0.0;
    for (var k = 0u; k < permutations; k++) {
        share[k] = exp_poly(share[k] - largest);
        sum += share[k];
    }
    var mix: array<f32, 16>;
    for (var k = 0u; k < permutations; k++) {
        var order = ORDER[k];
        if STREAMS == 2u {
            order = select(4u, 1u, k == 1u);
        }
        for (var i = 0u; i < STREAMS; i++) {
            mix[i * STREAMS + ((order >> (2u * i)) & 3u)] += share[k] / sum;
        }
    }
    for (var i = 0u; i < STREAMS * STREAMS; i++) {
        coefficients[out + 8u + i] = mix[i];
    }
}

fn input(i: u32) -> f32 {
    var v = pre[0] * x[base + i];
    for (var s = 1u; s < STREAMS; s++) {
        v += pre[s] * x[base + s * WIDTH + i];
    }
    return v;
}
