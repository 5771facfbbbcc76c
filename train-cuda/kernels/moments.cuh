// How moments are kept from step to step: in f32 as they are, or in bf16 with the bits that are cut off decided at random. The value of number
// `i` is that of the launch, four of them where a name says so.
#pragma once

#include "vector.cuh"

__device__ __forceinline__ float moment(const float *from) { return *from; }
__device__ __forceinline__ float moment(const bf16_t *from) { return to_float(*from); }
__device__ __forceinline__ float4 moment4(const float *from) { return load4(from); }
__device__ __forceinline__ float4 moment4(const bf16_t *from) {
    uint2 v = *(const uint2 *)from;
    return make_float4(__uint_as_float(v.x << 16), __uint_as_float(v.x & 0xffff0000u), __uint_as_float(v.y << 16), __uint_as_float(v.y & 0xffff0000u));
}

// One of the two values of bf16 around `v`, decided by 16 random bits: the nearer, the likelier, and `v` itself if it is one. What is finite
// stays finite. Answers its bits.
__device__ __forceinline__ uint32_t bf16_at_random(float v, uint32_t random) {
    uint32_t bits = __float_as_uint(v);
    if ((bits & 0x7fffffffu) < 0x7f7f0000u) bits += random;
    return bits >> 16;
}

struct KeptF32 {
    typedef float moment_t;

    __device__ __forceinline__ void first(float *to, float v, uint64_t) const { *to = v; }
    __device__ __forceinline__ void second(float *to, float v, uint64_t) const { *to = v; }
    __device__ __forceinline__ void first4(float *to, float4 v, uint64_t) const { store4(to, v); }
    __device__ __forceinline__ void second4(float *to, float4 v, uint64_t) const { store4(to, v); }
};

// Bit for bit `train::optim::Rounding`: a value's first moment is rounded by the low half of its bits, its second by the high half.
struct KeptBf16 {
    typedef bf16_t moment_t;

    Draws draws;
    uint64_t place; // of the launch's first value in its array

    __device__ __forceinline__ void first(bf16_t *to, float v, uint64_t i) const { *to = one(v, bits(i) & 0xffffu); }
    __device__ __forceinline__ void second(bf16_t *to, float v, uint64_t i) const { *to = one(v, bits(i) >> 16); }

    __device__ __forceinline__ void first4(bf16_t *to, float4 v, uint64_t i) const {
        uint32_t x = bf16_at_random(v.x, bits(i) & 0xffffu), y = bf16_at_random(v.y, bits(i + 1) & 0xffffu);
        uint32_t z = bf16_at_random(v.z, bits(i + 2) & 0xffffu), w = bf16_at_random(v.w, bits(i + 3) & 0xffffu);
        *(uint2 *)to = make_uint2(x | y << 16, z | w << 16);
    }

    __device__ __forceinline__ void second4(bf16_t *to, float4 v, uint64_t i) const {
        uint32_t x = bf16_at_random(v.x, bits(i) >> 16), y = bf16_at_random(v.y, bits(i + 1) >> 16);
        uint32_t z = bf16_at_random(v.z, bits(i + 2) >> 16), w = bf16_at_random(v.w, bits(i + 3) >> 16);
        *(uint2 *)to = make_uint2(x | y << 16, z | w << 16);
    }

  private:
    __device__ __forceinline__ uint32_t bits(uint64_t i) const { return draws.at((uint32_t)(place + i)); }
    __device__ __forceinline__ static bf16_t one(float v, uint32_t random) { return bf16_t{uint16_t(bf16_at_random(v, random))}; }
};
