enable f16;
// Halves as the device's own type.

alias Half2 = vec2<f16>;

fn widen(h: Half2) -> vec2<f32> {
    return vec2<f32>(h);
}

/// Of values that halves can hold.
fn narrow(v: vec2<f32>) -> Half2 {
    return vec2<f16>(v);
}
