// The embedding table and the head as files will store them, once a step: rounded, and back in f32. As `round` in train/src/cpu/params.rs,
// bit for bit. All take latent, rounded, operand: [values]; operand is what f16 tensor cores read, or null.
#include "ternary.cuh"

__device__ __forceinline__ void store_rounded(float *rounded, half_t *operand, size_t at, float4 v) {
    store4(rounded + at, v);
    if (operand) store4(operand + at, v);
}

// Blocks of 256 threads, four values a thread; values is a multiple of 4.
extern "C" __global__ void __launch_bounds__(256)
    round_table_f16(const float *__restrict__ latent, float *__restrict__ rounded, half_t *__restrict__ operand, uint64_t values) {
    size_t at = 4 * ((size_t)blockIdx.x * 256 + threadIdx.x);
    if (at >= values) return;
    float4 v = load4(latent + at);
    v = make_float4(to_float(to_half(v.x)), to_float(to_half(v.y)), to_float(to_half(v.z)), to_float(to_half(v.w)));
    store_rounded(rounded, operand, at, v);
}

// `formats::blocks::q8_0`: eight lanes hold a block of 32 that shares a scale. Blocks of 256 threads, four values a thread; values is a
// multiple of 32.
extern "C" __global__ void __launch_bounds__(256)
    round_table_q8_0(const float *__restrict__ latent, float *__restrict__ rounded, half_t *__restrict__ operand, uint64_t values) {
    size_t at = 4 * ((size_t)blockIdx.x * 256 + threadIdx.x);
    bool there = at < values;
    float4 v = there ? load4(latent + at) : splat4(0.0f);
    float most = most4(abs4(v));
#pragma unroll
    for (int d = 4; d > 0; d >>= 1) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, d));
    float scale = to_float(to_half(most / 127.0f));
    // A block too small for a scale becomes zeros, which its values are by themselves.
    float4 q = round_quotient4(v, scale == 0.0f ? 1.0f : scale, 127.0f) - splat4(ROUND);
    if (there) store_rounded(rounded, operand, at, scale * q);
}

// `formats::ternary`. Blocks of 256 threads, 32 groups of 128 values each; values is a multiple of 128.
extern "C" __global__ void __launch_bounds__(256)
    round_table_q1_58(const float *__restrict__ latent, float *__restrict__ rounded, half_t *__restrict__ operand, uint64_t values) {
    __shared__ __align__(16) float room[8][WARP_GROUPS * GROUP_ROOM];
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    uint64_t first = ((uint64_t)blockIdx.x * 8 + warp) * WARP_GROUPS, groups = values / GROUP;
    if (first >= groups) return;
    float4 w[WARP_GROUPS];
    load_groups(w, latent, first, groups);
    half_t scale = ternary_scale(w, room[warp]);
#pragma unroll
    for (int g = 0; g < WARP_GROUPS; g++) {
        if (first + g >= groups) break;
        float s = scale_of(scale, g);
        float4 t = round_quotient4(w[g], s, 1.0f) - splat4(ROUND);
        store_rounded(rounded, operand, (first + g) * GROUP + 4 * lane, s * t);
    }
}
