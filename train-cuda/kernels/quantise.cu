// Latent weights to what the products read, once a step, and counted for a report. `formats::ternary::quantise_group` defines the codes
// and scales; `ternary.cuh` has its bits.
#include "ternary.cuh"

// latent, codes, dequantised: [groups][128]; scales: [groups]; dequantised = scale * code.
// Blocks of 256 threads, 32 groups each. Moves 4 + 1 + sizeof(grad_t) bytes a weight, every access a whole line.
extern "C" __global__ void __launch_bounds__(256)
    quantise_weights(const float *__restrict__ latent, int8_t *__restrict__ codes, half_t *__restrict__ scales, grad_t *__restrict__ dequantised, uint64_t groups) {
    __shared__ __align__(16) float room[8][WARP_GROUPS * GROUP_ROOM];
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    uint64_t first = ((uint64_t)blockIdx.x * 8 + warp) * WARP_GROUPS;
    if (first >= groups) return;
    float4 w[WARP_GROUPS];
    load_groups(w, latent, first, groups);
    half_t scale = ternary_scale(w, room[warp]);
#pragma unroll
    for (int g = 0; g < WARP_GROUPS; g++) {
        if (first + g >= groups) break;
        float s = scale_of(scale, g);
        float4 rounded = round_quotient4(w[g], s, 1.0f);
        size_t at = (first + g) * GROUP + 4 * lane;
        *(uint32_t *)(codes + at) = bytes4(rounded);
        store4(dequantised + at, s * (rounded - splat4(ROUND)));
    }
    if ((lane & 7) == 0 && first + (lane >> 3) < groups) scales[first + (lane >> 3)] = scale;
}

constexpr int LOOK_THREADS = 512;

// Counts the codes of matrix blockIdx.x against `remembered`, which they become: `train::cpu::look`.
// latent, remembered: all matrices one after another; first_group: [matrices + 1]; scale_sum, zeros, flips: [matrices].
// One block of 512 threads a matrix. A scale is a multiple of 2^-24, so their sum is exact in any order.
extern "C" __global__ void __launch_bounds__(LOOK_THREADS)
    look(const float *__restrict__ latent, int8_t *__restrict__ remembered, const uint64_t *__restrict__ first_group, double *__restrict__ scale_sum,
         uint64_t *__restrict__ zeros, uint64_t *__restrict__ flips) {
    constexpr int WARPS = LOOK_THREADS / 32;
    __shared__ __align__(16) float room[WARPS][WARP_GROUPS * GROUP_ROOM];
    __shared__ double sums[LOOK_THREADS];
    __shared__ uint32_t counts[2][LOOK_THREADS];
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    uint64_t end = first_group[blockIdx.x + 1];
    double sum = 0.0;
    uint32_t none = 0, changed = 0;
    for (uint64_t first = first_group[blockIdx.x] + warp * WARP_GROUPS; first < end; first += WARPS * WARP_GROUPS) {
        float4 w[WARP_GROUPS];
        load_groups(w, latent, first, end);
        half_t scale = ternary_scale(w, room[warp]);
        if ((lane & 7) == 0 && first + (lane >> 3) < end) sum += to_float(scale);
#pragma unroll
        for (int g = 0; g < WARP_GROUPS; g++) {
            if (first + g >= end) break;
            uint32_t codes = bytes4(round_quotient4(w[g], scale_of(scale, g), 1.0f));
            uint32_t *old = (uint32_t *)(remembered + (first + g) * GROUP + 4 * lane);
            uint32_t difference = codes ^ *old;
            *old = codes;
#pragma unroll
            for (int byte = 0; byte < 32; byte += 8) {
                none += (codes >> byte & 0xff) == 0;
                changed += (difference >> byte & 0xff) != 0;
            }
        }
    }
    sums[threadIdx.x] = sum;
    counts[0][threadIdx.x] = none;
    counts[1][threadIdx.x] = changed;
    for (int half = LOOK_THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half) {
            sums[threadIdx.x] += sums[threadIdx.x + half];
            counts[0][threadIdx.x] += counts[0][threadIdx.x + half];
            counts[1][threadIdx.x] += counts[1][threadIdx.x + half];
        }
    }
    if (threadIdx.x == 0) {
        scale_sum[blockIdx.x] = sums[0];
        zeros[blockIdx.x] = counts[0][0];
        flips[blockIdx.x] = counts[1][0];
    }
}
