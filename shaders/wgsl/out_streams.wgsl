// A product's result goes to the residual streams: `X' = R X + post (outer) y`; with one stream, `x + y`. A row of the
// result meets only its own column of the streams, so they are updated in place.

override STREAMS: u32 = 1u;
override STREAM_WIDTH: u32;

@group(0) @binding(5) var<storage, read_write> x: array<f32>; // (tokens, STREAMS, STREAM_WIDTH)
@group(0) @binding(6) var<storage, read> coefficients: array<f32>; // (tokens, 24): pre (4), post (4), mix (16)

fn finish(token: u32, row: u32, v: f32) {
    let at = token * STREAMS * STREAM_WIDTH + row;
    if STREAMS == 1u {
        x[at] = v + x[at];
        return;
    }
    var old: array<f32, 4>;
    for (var j = 0u; j < STREAMS; j++) {
        old[j] = x[at + j * STREAM_WIDTH];
    }
    let c = token * 24u;
    for (var i = 0u; i < STREAMS; i++) {
        var sum = coefficients[c + 4u + i] * v;
        for (var j = 0u; j < STREAMS; j++) {
            sum += coefficients[c + 8u + i * STREAMS + j] * old[j];
        }
        x[at + i * STREAM_WIDTH] = sum;
    }
}
