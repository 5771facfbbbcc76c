// Four neighbouring values of a row: what a thread moves at a time, 16 bytes of f32. And the order in which the processor sums a row.
#pragma once

#include "common.cuh"

__device__ __forceinline__ float4 load4(const float *from) { return *(const float4 *)from; }

__device__ __forceinline__ void store4(float *to, float4 v) { *(float4 *)to = v; }
__device__ __forceinline__ void store4(half_t *to, float4 v) { *(uint2 *)to = make_uint2(pack_half(v.x, v.y), pack_half(v.z, v.w)); }
__device__ __forceinline__ void store4(bf16_t *to, float4 v) { *(uint2 *)to = make_uint2(pack_bf16(v.x, v.y), pack_bf16(v.z, v.w)); }

__device__ __forceinline__ float2 load2(const float *from) { return *(const float2 *)from; }
__device__ __forceinline__ float2 load2(const bf16_t *from) {
    uint32_t both = *(const uint32_t *)from;
    return make_float2(__uint_as_float(both << 16), __uint_as_float(both & 0xffff0000u));
}

__device__ __forceinline__ void store2(float *to, float2 v) { *(float2 *)to = v; }
__device__ __forceinline__ void store2(bf16_t *to, float2 v) { *(uint32_t *)to = pack_bf16(v.x, v.y); }

// Element by element; a product and a sum are two roundings, as on the processor.
__device__ __forceinline__ float4 splat4(float v) { return make_float4(v, v, v, v); }
__device__ __forceinline__ float4 operator+(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
__device__ __forceinline__ float4 operator-(float4 a, float4 b) { return make_float4(a.x - b.x, a.y - b.y, a.z - b.z, a.w - b.w); }
__device__ __forceinline__ float4 operator*(float4 a, float4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
__device__ __forceinline__ float4 operator*(float4 a, float b) { return a * splat4(b); }
__device__ __forceinline__ float4 operator*(float a, float4 b) { return splat4(a) * b; }

__device__ __forceinline__ float4 abs4(float4 a) { return make_float4(fabsf(a.x), fabsf(a.y), fabsf(a.z), fabsf(a.w)); }
__device__ __forceinline__ float most4(float4 a) { return fmaxf(fmaxf(a.x, a.y), fmaxf(a.z, a.w)); }
__device__ __forceinline__ float dot4(float4 a, float4 b) { return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, a.x * b.x))); }

// Dropout of four values, the first of which has this index.
__device__ __forceinline__ float4 apply4(const Mask &mask, float4 v, uint32_t index) {
    return make_float4(mask.apply(v.x, index), mask.apply(v.y, index + 1), mask.apply(v.z, index + 2), mask.apply(v.w, index + 3));
}

// Adds 1.5 * 2^23: rounds a small number to an integer, ties to even, and leaves it in the low bits.
constexpr float ROUND = 12582912.0f;

// Four small integers that were rounded so, as bytes.
__device__ __forceinline__ uint32_t bytes4(float4 rounded) {
    uint32_t low = (__float_as_uint(rounded.x) & 0xff) | (__float_as_uint(rounded.y) & 0xff) << 8;
    return low | (__float_as_uint(rounded.z) & 0xff) << 16 | __float_as_uint(rounded.w) << 24;
}

// `v / s` within [-limit, limit], rounded as above.
__device__ __forceinline__ float round_quotient(float v, float s, float limit) { return fminf(fmaxf(v / s, -limit), limit) + ROUND; }
__device__ __forceinline__ float4 round_quotient4(float4 v, float s, float limit) {
    return make_float4(round_quotient(v.x, s, limit), round_quotient(v.y, s, limit), round_quotient(v.z, s, limit), round_quotient(v.w, s, limit));
}

// The sum of eight lanes (lane % 8), known to all of them, in the order of `formats::ternary::fold_lanes`: halves, quarters, eighths.
// Element i of a row belongs to lane i % 8, which adds its own in order; so the sum has the processor's bits.
__device__ __forceinline__ float fold_lanes(float v) {
    v += __shfl_xor_sync(0xffffffffu, v, 4);
    v += __shfl_xor_sync(0xffffffffu, v, 2);
    v += __shfl_xor_sync(0xffffffffu, v, 1);
    return v;
}
