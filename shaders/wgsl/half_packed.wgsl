// Two halves in a word, converted by the packing functions that every device has.

alias Half2 = u32;

fn widen(h: Half2) -> vec2<f32> {
    return unpack2x16float(h);
}

/// Of values that halves can hold.
fn narrow(v: vec2<f32>) -> Half2 {
    return pack2x16float(v);
}
