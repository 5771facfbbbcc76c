// Copies beside the threads: tiles of 128 floats go through two stages of shared memory and come out reversed.
#include "primitives.cuh"

enum { RIGHT, NO_WAIT, WAIT_TOO_WEAK, NO_BARRIER, REUSED_EARLY };

template <int BUG> __device__ void stream(const float *x, float *y, int tiles) {
    __shared__ __align__(16) float stages[2][128];
    int t = threadIdx.x;  // of 32, 16 bytes each
    copy_async_16(&stages[0][t * 4], x + t * 4);
    copy_async_commit();
    for (int tile = 0; tile < tiles; tile++) {
        if (tile + 1 < tiles) copy_async_16(&stages[(tile + 1) % 2][t * 4], x + (tile + 1) * 128 + t * 4);
        copy_async_commit();
        if (BUG == WAIT_TOO_WEAK) copy_async_wait<2>();
        else if (BUG != NO_WAIT) copy_async_wait<1>();
        if (BUG != NO_BARRIER) __syncthreads();
        for (int i = 0; i < 4; i++) y[tile * 128 + t * 4 + i] = stages[tile % 2][127 - t * 4 - i];
        if (BUG != REUSED_EARLY && BUG != NO_BARRIER) __syncthreads();
    }
}
extern "C" __global__ void copies(const float *x, float *y, int tiles) { stream<RIGHT>(x, y, tiles); }
extern "C" __global__ void copies_no_wait(const float *x, float *y, int tiles) { stream<NO_WAIT>(x, y, tiles); }
extern "C" __global__ void copies_wait_too_weak(const float *x, float *y, int tiles) { stream<WAIT_TOO_WEAK>(x, y, tiles); }
extern "C" __global__ void copies_no_barrier(const float *x, float *y, int tiles) { stream<NO_BARRIER>(x, y, tiles); }
extern "C" __global__ void copies_reused_early(const float *x, float *y, int tiles) { stream<REUSED_EARLY>(x, y, tiles); }

// Only some of the 16 bytes are there: the rest must be zeros, and nothing may be read.
extern "C" __global__ void copies_ragged(const float *x, float *y, int n) {
    __shared__ __align__(16) float room[128];
    int t = threadIdx.x;
    copy_async_16(room + t * 4, x + t * 4, t * 4 < n);
    copy_async_commit();
    copy_async_wait<0>();
    __syncthreads();
    for (int i = 0; i < 4; i++) y[t * 4 + i] = room[t * 4 + i];
}
extern "C" __global__ void copies_unaligned(const float *x, float *y) {
    __shared__ __align__(16) float room[136];
    copy_async_16(room + threadIdx.x * 4, x + threadIdx.x * 4 + 1);
    copy_async_commit();
    copy_async_wait<0>();
    y[threadIdx.x] = room[threadIdx.x];
}
extern "C" __global__ void copies_to_global(const float *x, float *y) {
    copy_async_16(y + threadIdx.x * 4, x + threadIdx.x * 4);
    copy_async_commit();
    copy_async_wait<0>();
}
