// Shuffles and votes.
#include "primitives.cuh"

extern "C" __global__ void sum(const float *x, float *y) {
    float v = x[threadIdx.x];
    for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
    y[threadIdx.x] = v;
}
extern "C" __global__ void shuffles(const float *x, float *y) {
    float v = x[threadIdx.x];
    int lane = threadIdx.x & 31, n = blockDim.x;
    y[threadIdx.x] = __shfl_down_sync(0xffffffffu, v, 3);
    y[n + threadIdx.x] = __shfl_up_sync(0xffffffffu, v, 3, 8);
    y[2 * n + threadIdx.x] = __shfl_sync(0xffffffffu, v, lane * 7, 16);
    y[3 * n + threadIdx.x] = (float)__shfl_xor_sync(0xffffffffu, (double)v, 12, 8);
    y[4 * n + threadIdx.x] = (float)__popc(__ballot_sync(0xffffffffu, lane % 3 == 0));
    // Halves of a warp by themselves.
    unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;
    y[5 * n + threadIdx.x] = lane < 16 ? __shfl_xor_sync(half, v, 1) : __shfl_xor_sync(half, v, 2);
}
extern "C" __global__ void sum_in_branch(const float *x, float *y) {
    float v = x[threadIdx.x];
    if (threadIdx.x < 16) v += __shfl_xor_sync(0xffffffffu, v, 1);
    y[threadIdx.x] = v;
}
extern "C" __global__ void sum_in_two_branches(const float *x, float *y) {
    float v = x[threadIdx.x];
    if (threadIdx.x < 16)
        v += __shfl_xor_sync(0xffffffffu, v, 1);
    else
        v += __shfl_xor_sync(0xffffffffu, v, 2);
    y[threadIdx.x] = v;
}
extern "C" __global__ void foreign_mask(const float *x, float *y) { y[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 1); }
extern "C" __global__ void unnamed_source(const float *x, float *y) {
    if (threadIdx.x < 16) y[threadIdx.x] = __shfl_sync(0x0000ffffu, x[threadIdx.x], 20);
}

// Lanes talk through shared memory, with and without saying so.
template <bool SYNC> __device__ void neighbour(const float *x, float *y) {
    __shared__ float room[32];
    room[threadIdx.x] = x[threadIdx.x];
    if (SYNC) __syncwarp();
    y[threadIdx.x] = room[threadIdx.x ^ 1];
}
extern "C" __global__ void neighbours(const float *x, float *y) { neighbour<true>(x, y); }
extern "C" __global__ void neighbours_unsynced(const float *x, float *y) { neighbour<false>(x, y); }
