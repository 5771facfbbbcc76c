// The rows of an embedding that some tokens name, scaled, into each of their streams. One workgroup a token; a table
// in parts takes one dispatch a part, which leaves other parts' tokens alone.

const WG: u32 = 64u;

override WIDTH: u32;
override STREAMS: u32;
override SCALE: f32;
/// Rows of this part, and the first of them.
override ROWS: u32;
override FIRST_ROW: u32 = 0u;

@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>; // (tokens, STREAMS, WIDTH / 4)

fn run(group: vec3<u32>, lid: u32) {
    let row = tokens[group.x] - FIRST_ROW;
    if row < ROWS {
        for (var i = lid; i < WIDTH / 4u; i += WG) {
            let v = four(row, i) * SCALE;
            for (var s = 0u; s < STREAMS; s++) {
                x[(group.x * STREAMS + s) * (WIDTH / 4u) + i] = v;
            }
        }
    }
}
