// The ternary quantiser of `formats::ternary::quantise_group`, bit for bit. A warp takes four groups of 128 weights at a time: it loads
// each as a whole, 16 bytes a lane; then eight lanes a group sum |w| in the order that defines the scale.
#pragma once

#include "vector.cuh"

constexpr int GROUP = 128;
constexpr int WARP_GROUPS = 4;
// In shared memory a group is 8 floats longer, so that eight lanes of each of four groups read 32 different banks.
constexpr int GROUP_ROOM = GROUP + 8;
// The smallest normal f16.
constexpr float SCALE_MIN = 6.1035156e-5f;

// The lane's weights of groups first .. first + 3, four of each; zeros beyond the last of `groups`.
__device__ __forceinline__ void load_groups(float4 (&w)[WARP_GROUPS], const float *latent, uint64_t first, uint64_t groups) {
    int lane = threadIdx.x & 31;
#pragma unroll
    for (int g = 0; g < WARP_GROUPS; g++) w[g] = first + g < groups ? load4(latent + (first + g) * GROUP + 4 * lane) : splat4(0.0f);
}

// The scale of group lane / 8 of the four. `room` is the warp's own WARP_GROUPS * GROUP_ROOM floats.
__device__ __forceinline__ half_t ternary_scale(const float4 (&w)[WARP_GROUPS], float *room) {
    int lane = threadIdx.x & 31;
#pragma unroll
    for (int g = 0; g < WARP_GROUPS; g++) store4(room + g * GROUP_ROOM + 4 * lane, abs4(w[g]));
    __syncwarp();
    const float *mine = room + (lane >> 3) * GROUP_ROOM + (lane & 7);
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < GROUP; k += 8) sum += mine[k];
    __syncwarp();
    return to_half(fmaxf(fold_lanes(sum) / GROUP, SCALE_MIN));
}

// The scale of group g of the four, on every lane.
__device__ __forceinline__ float scale_of(half_t mine, int g) { return __shfl_sync(0xffffffffu, to_float(mine), 8 * g); }
