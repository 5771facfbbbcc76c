// What every kernel shares: the words of a step, the type of gradients, dropout, sums over a warp and a block.
#pragma once

#include "primitives.cuh"

// What gradients that tensor cores read are kept in, and the copies of weights and activations that are multiplied with them. Every module
// that needs it is compiled for both: f32 to be checked, bf16 to be fast.
#if defined(GRADIENTS_F32)
typedef float grad_t;
__device__ __forceinline__ grad_t to_grad(float x) { return x; }
#else
typedef bf16_t grad_t;
__device__ __forceinline__ grad_t to_grad(float x) { return to_bf16(x); }
#endif

// What a step is told and what it tells, in device memory: a graph that was captured once reads its rates here. As `src/words.rs` has it.
struct StepWords {
    uint64_t step;      // counted from 0
    float rate_muon;
    float rate_adam;
    float adam_c1;      // 1 / (1 - beta1^(step + 1))
    float adam_c2;
    float scored_inv;   // 1 / tokens scored in the batch
    uint32_t pad;
    // Written by the device.
    double loss;        // mean nats of the scored tokens
    double grad_norm;   // before clipping
    float clip;         // what gradients are multiplied with for AdamW
    uint32_t skip;      // 1: loss or norm is not finite, and nothing is updated
};

// Uniform bits as `model::rng::SplitMix64` has them.
__device__ __forceinline__ uint64_t split_mix(uint64_t &state) {
    state += 0x9E3779B97F4A7C15ull;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// Random bits of one site in one step, bit for bit `model::draws::Draws`.
struct Draws {
    uint32_t key;

    __device__ __forceinline__ Draws(uint64_t seed, uint64_t step, uint32_t site) {
        uint64_t state = 0x746572636574ull;
        uint64_t words[3] = {seed, step, site};
        for (int i = 0; i < 3; i++) {
            state ^= words[i];
            state = split_mix(state);
        }
        key = (uint32_t)split_mix(state);
    }

    // The 32 bits of a place.
    __device__ __forceinline__ uint32_t at(uint32_t place) const {
        uint32_t x = place ^ key;
        x ^= x >> 16;
        x *= 0x7FEB352Du;
        x ^= x >> 15;
        x *= 0x846CA68Bu;
        return x ^ (x >> 16);
    }
};

// The dropout mask of one site in one step, bit for bit `model::dropout::Mask`.
struct Mask {
    Draws draws;
    uint32_t threshold;
    float scale;

    __device__ __forceinline__ Mask(uint64_t seed, uint64_t step, uint32_t site, uint32_t threshold, float scale)
        : draws(seed, step, site), threshold(threshold), scale(scale) {}

    // The value at `index` = token * width + column, or nothing of it.
    __device__ __forceinline__ float apply(float v, uint32_t index) const {
        if (threshold == 0) return v;
        return v * (draws.at(index) >= threshold ? scale : 0.0f);
    }
};

// Sum over a warp, in the same order on every lane.
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
    return v;
}

__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, d));
    return v;
}

// Sum over a block of up to 1024 threads, whole warps, known to all of them. `room` is 32 floats of shared memory that nobody else uses
// between two of these.
__device__ __forceinline__ float block_sum(float v, float *room) {
    int warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    v = warp_sum(v);
    if ((threadIdx.x & 31) == 0) room[warp] = v;
    __syncthreads();
    float sum = (int)(threadIdx.x & 31) < warps ? room[threadIdx.x & 31] : 0.0f;
    sum = warp_sum(sum);
    __syncthreads();
    return sum;
}

__device__ __forceinline__ float block_max(float v, float *room) {
    int warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    v = warp_max(v);
    if ((threadIdx.x & 31) == 0) room[warp] = v;
    __syncthreads();
    float most = (int)(threadIdx.x & 31) < warps ? room[threadIdx.x & 31] : -__int_as_float(0x7f800000);
    most = warp_max(most);
    __syncthreads();
    return most;
}
