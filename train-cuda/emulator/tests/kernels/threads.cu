// Barriers and shared memory: each kernel beside one with a bug.
#include "primitives.cuh"

template <bool SYNC> __device__ void reversed(const float *x, float *y) {
    __shared__ float room[256];
    room[threadIdx.x] = x[threadIdx.x];
    if (SYNC) __syncthreads();
    y[threadIdx.x] = room[blockDim.x - 1 - threadIdx.x];
}
extern "C" __global__ void reverse(const float *x, float *y) { reversed<true>(x, y); }
extern "C" __global__ void reverse_unsynced(const float *x, float *y) { reversed<false>(x, y); }

// Two rounds over the same room: the barrier behind the reading is missing.
template <bool SYNC> __device__ void rounds_twice(const float *x, float *y) {
    __shared__ float room[256];
    for (int round = 0; round < 2; round++) {
        room[threadIdx.x] = x[round * blockDim.x + threadIdx.x];
        __syncthreads();
        y[round * blockDim.x + threadIdx.x] = room[blockDim.x - 1 - threadIdx.x];
        if (SYNC) __syncthreads();
    }
}
extern "C" __global__ void rounds(const float *x, float *y) { rounds_twice<true>(x, y); }
extern "C" __global__ void rounds_unsynced(const float *x, float *y) { rounds_twice<false>(x, y); }

extern "C" __global__ void barrier_in_branch(float *y) {
    if (threadIdx.x < 16) __syncthreads();
    y[threadIdx.x] = 1.0f;
}

extern "C" __global__ void barrier_after_return(float *y, int n) {
    if ((int)threadIdx.x >= n) return;
    __syncthreads();
    y[threadIdx.x] = 1.0f;
}

extern "C" __global__ void barrier_on_two_lines(float *y) {
    if (threadIdx.x % 2)
        __syncthreads();
    else
        __syncthreads();
    y[threadIdx.x] = 1.0f;
}

// Blocks that count on their order.
extern "C" __global__ void last_block_wins(float *y) {
    if (threadIdx.x == 0) *y = (float)blockIdx.x;
}

extern "C" __global__ void read_fresh_shared(float *y) {
    __shared__ float room[32];
    y[threadIdx.x] = room[threadIdx.x];
    room[threadIdx.x] = 1.0f;
}

extern "C" __global__ void dynamic_touch(float *y, int byte) {
    extern __shared__ __align__(128) unsigned char shared[];
    if (threadIdx.x == 0) shared[byte] = 7;
    __syncthreads();
    y[threadIdx.x] = (float)shared[byte];
}

extern "C" __global__ void __launch_bounds__(64) bounded(float *y) { y[threadIdx.x] = 1.0f; }

extern "C" __global__ void full_stack(float *y, int n) {
    volatile float room[65536];
    for (int i = 0; i < 65536; i++) room[i] = (float)i;
    y[threadIdx.x] = room[n];
}

// A flag that several threads raise, and one that they raise to different heights.
template <bool SAME> __device__ void raise_flag(const float *x, float *y) {
    __shared__ float flag;
    if (threadIdx.x == 0) flag = 0.0f;
    __syncthreads();
    if (x[threadIdx.x] > 3.0f) flag = SAME ? 1.0f : x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = flag;
}
extern "C" __global__ void flag(const float *x, float *y) { raise_flag<true>(x, y); }
extern "C" __global__ void flag_of_many(const float *x, float *y) { raise_flag<false>(x, y); }
