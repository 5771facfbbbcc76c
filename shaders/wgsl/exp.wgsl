// The exponential of the CPU's kernels, operation by operation. Relative error below 3e-7 over [-87, 88], clamped beyond.

fn exp_poly(v: f32) -> f32 {
    let x = clamp(v, -87.3, 88.0);
    let n = round(x * 1.44269504);
    let r = x - n * 0.6933594 + n * 2.1219444e-4;
    var p = 0.0013888889;
    p = p * r + 0.008333334;
    p = p * r + 0.041666668;
    p = p * r + 0.16666667;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    return p * bitcast<f32>(bitcast<u32>(i32(n) + 127) << 23u);
}

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp_poly(-x));
}
