// Sums over what blocks have left, in order, spread over enough threads that a few hundred parts take a microsecond or two.
#pragma once

#include "common.cuh"

constexpr int PARTS_WARPS = 16;

// The sum over `blocks` rows of column `column` (32 a block of 512 threads, the lane's) of parts: [blocks][stride]. Warp w takes rows
// w, w + 16, ...; then the warps' sums are added in order. Only warp 0 knows the result; all threads of the block must call it.
__device__ __forceinline__ float sum_column(const float *parts, int blocks, size_t stride, size_t column, bool there) {
    __shared__ float sums[PARTS_WARPS][32];
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    float sum = 0.0f;
    if (there) {
#pragma unroll 8
        for (int b = warp; b < blocks; b += PARTS_WARPS) sum += parts[b * stride + column];
    }
    sums[warp][lane] = sum;
    __syncthreads();
    if (warp > 0) return 0.0f;
    for (int w = 1; w < PARTS_WARPS; w++) sum += sums[w][lane];
    return sum;
}
