// Takes the place of `kernels/primitives.cuh`: the same functions, executed by the emulated device instead of by inline PTX.
// Fragments have the layouts that file draws. It stands in the kernels' namespace, so it includes nothing (`cuda.h` does).
#pragma once

typedef unsigned char uint8_t;
typedef signed char int8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;

struct alignas(2) half_t { uint16_t bits; };
struct alignas(2) bf16_t { uint16_t bits; };

inline half_t to_half(float x) { return {::emulator::half_of_float(x)}; }
inline float to_float(half_t h) { return ::emulator::float_of_half(h.bits); }
inline bf16_t to_bf16(float x) { return {::emulator::bf16_of_float(x)}; }
inline float to_float(bf16_t b) { return ::emulator::float_of_bf16(b.bits); }
inline float to_float(float x) { return x; }

inline uint32_t pack_half(float low, float high) { return to_half(low).bits | uint32_t(to_half(high).bits) << 16; }
inline uint32_t pack_bf16(float low, float high) { return to_bf16(low).bits | uint32_t(to_bf16(high).bits) << 16; }

// Right to the last bit or two, as the real one is; what is below the normal range counts as 0 on both sides.
inline float exp2_approx(float x) {
    float y = exp2f(fabsf(x) < 1.17549435e-38f ? 0.0f : x);
    return y < 1.17549435e-38f ? 0.0f : y;
}

inline void mma_s8(int (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const int (&c)[4], EMULATOR_HERE) {
    ::emulator::MatrixProduct operands = {d, a, b, c};
    ::emulator::warp_execute(::emulator::matrix_product_s8, "mma_s8", 0xffffffffu, &operands, {file, line});
}

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], EMULATOR_HERE) {
    ::emulator::MatrixProduct operands = {d, a, b, d};
    ::emulator::warp_execute(::emulator::matrix_product_bf16, "mma_bf16", 0xffffffffu, &operands, {file, line});
}

inline void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], EMULATOR_HERE) {
    ::emulator::MatrixProduct operands = {d, a, b, d};
    ::emulator::warp_execute(::emulator::matrix_product_f16, "mma_f16", 0xffffffffu, &operands, {file, line});
}

inline void ldmatrix_x4(uint32_t (&r)[4], const void *row, EMULATOR_HERE) {
    ::emulator::MatrixLoad operands = {r, row};
    ::emulator::warp_execute(::emulator::matrix_load, "ldmatrix_x4", 0xffffffffu, &operands, {file, line});
}

inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void *row, EMULATOR_HERE) {
    ::emulator::MatrixLoad operands = {r, row};
    ::emulator::warp_execute(::emulator::matrix_load_transposed, "ldmatrix_x4_trans", 0xffffffffu, &operands, {file, line});
}

inline void copy_async_16(void *shared, const void *global, bool there = true, EMULATOR_HERE) {
    ::emulator::async_copy_16(shared, global, there, {file, line});
}
inline void copy_async_commit() { ::emulator::async_copy_commit(); }
template <int LEFT> inline void copy_async_wait() { ::emulator::async_copy_wait(LEFT); }
