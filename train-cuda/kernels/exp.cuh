// The exponential of `cpu::ops::exp`, bit for bit: adds, multiplies and integer shifts alone, and cheap enough for the card too.
#pragma once

#include "primitives.cuh"

// e^x, relative error below 2e-7 for -87.3 <= x <= 88; beyond, the value at the bound. NaN stays NaN.
__device__ __forceinline__ float exp_f32(float x) {
    const float round = 12582912.0f; // 1.5 * 2^23
    x = x < -87.3f ? -87.3f : x > 88.0f ? 88.0f : x;
    float z = x * 1.44269504f + round;
    float n = z - round;
    // ln 2 in two parts, the first with trailing zeros so that n times it is exact.
    float r = x - n * 0.6933594f + n * 2.1219444e-4f;
    float p = 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * __uint_as_float((__float_as_uint(z) << 23) + (127u << 23));
}

// 1 / (1 + e^-x).
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + exp_f32(-x)); }
