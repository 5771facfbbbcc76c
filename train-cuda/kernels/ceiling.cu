// What a card can do at most, which kernels are held against: bytes that it reads a second, products of its tensor cores with all operands in
// registers. No step runs these.
#include "common.cuh"

constexpr int CHAINS = 8;

// Adds up `quads` times 16 bytes, a share a thread, as integers: the result depends on no order. Threads walk the array side by side.
// values: [quads][4]; sums: one a thread.
extern "C" __global__ void __launch_bounds__(256) ceiling_read(const uint4 *__restrict__ values, uint32_t *__restrict__ sums, uint64_t quads) {
    uint64_t threads = (uint64_t)gridDim.x * blockDim.x, thread = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    uint32_t sum = 0;
#pragma unroll 4
    for (uint64_t i = thread; i < quads; i += threads) {
        uint4 v = values[i];
        sum += v.x + v.y + v.z + v.w;
    }
    sums[thread] = sum;
}

// Products of 16x8x32 int8, `rounds` times 8 that do not wait for each other, a warp. All of a are 1 and all of b are 2, so every
// result is 64 `rounds`. out: one a thread, the sum over its 32 results.
extern "C" __global__ void __launch_bounds__(256) ceiling_int8(int *__restrict__ out, int rounds) {
    uint32_t a[4], b[2];
    int d[CHAINS][4] = {};
#pragma unroll
    for (int i = 0; i < 4; i++) a[i] = 0x01010101u;
    b[0] = b[1] = 0x02020202u;
    for (int round = 0; round < rounds; round++) {
#pragma unroll
        for (int c = 0; c < CHAINS; c++) mma_s8(d[c], a, b, d[c]);
    }
    int sum = 0;
#pragma unroll
    for (int c = 0; c < CHAINS; c++) sum += d[c][0] + d[c][1] + d[c][2] + d[c][3];
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

// The same with 16x8x16 bf16 of 1 and 2, so every result is 32 `rounds`.
extern "C" __global__ void __launch_bounds__(256) ceiling_bf16(float *__restrict__ out, int rounds) {
    uint32_t a[4], b[2];
    float d[CHAINS][4] = {};
#pragma unroll
    for (int i = 0; i < 4; i++) a[i] = pack_bf16(1.0f, 1.0f);
    b[0] = b[1] = pack_bf16(2.0f, 2.0f);
    for (int round = 0; round < rounds; round++) {
#pragma unroll
        for (int c = 0; c < CHAINS; c++) mma_bf16(d[c], a, b);
    }
    float sum = 0.0f;
#pragma unroll
    for (int c = 0; c < CHAINS; c++) sum += (d[c][0] + d[c][1]) + (d[c][2] + d[c][3]);
    out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
