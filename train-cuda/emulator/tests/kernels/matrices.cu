// One product of each kind by one warp; c[16][8] = a[16][K] b[8][K]^T + c, fragments by hand and by ldmatrix.
#include "primitives.cuh"

template <class T> __device__ uint32_t pair(const T *p) { return *(const uint32_t *)p; }

template <int WRONG, class MMA> __device__ void by_hand(const uint16_t *a, const uint16_t *b, float *c, MMA mma) {
    int g = threadIdx.x / 4, t = threadIdx.x % 4;
    uint32_t ra[4] = {pair(a + g * 16 + 2 * t), pair(a + (g + 8) * 16 + 2 * t), pair(a + g * 16 + 2 * t + 8), pair(a + (g + 8) * 16 + 2 * t + 8)};
    if (WRONG) {
        uint32_t other = ra[1];
        ra[1] = ra[2], ra[2] = other;
    }
    uint32_t rb[2] = {pair(b + g * 16 + 2 * t), pair(b + g * 16 + 2 * t + 8)};
    float d[4] = {c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1], c[(g + 8) * 8 + 2 * t], c[(g + 8) * 8 + 2 * t + 1]};
    mma(d, ra, rb);
    c[g * 8 + 2 * t] = d[0], c[g * 8 + 2 * t + 1] = d[1], c[(g + 8) * 8 + 2 * t] = d[2], c[(g + 8) * 8 + 2 * t + 1] = d[3];
}
struct Bf16 {
    __device__ void operator()(float (&d)[4], uint32_t (&a)[4], uint32_t (&b)[2]) const { mma_bf16(d, a, b); }
};
struct F16 {
    __device__ void operator()(float (&d)[4], uint32_t (&a)[4], uint32_t (&b)[2]) const { mma_f16(d, a, b); }
};
extern "C" __global__ void product_bf16(const uint16_t *a, const uint16_t *b, float *c) { by_hand<0>(a, b, c, Bf16()); }
extern "C" __global__ void product_f16(const uint16_t *a, const uint16_t *b, float *c) { by_hand<0>(a, b, c, F16()); }
extern "C" __global__ void product_bf16_swapped(const uint16_t *a, const uint16_t *b, float *c) { by_hand<1>(a, b, c, Bf16()); }

extern "C" __global__ void product_s8(const int8_t *a, const int8_t *b, int *c) {
    int g = threadIdx.x / 4, t = threadIdx.x % 4;
    uint32_t ra[4] = {pair(a + g * 32 + 4 * t), pair(a + (g + 8) * 32 + 4 * t), pair(a + g * 32 + 4 * t + 16), pair(a + (g + 8) * 32 + 4 * t + 16)};
    uint32_t rb[2] = {pair(b + g * 32 + 4 * t), pair(b + g * 32 + 4 * t + 16)};
    int d[4], old[4] = {c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1], c[(g + 8) * 8 + 2 * t], c[(g + 8) * 8 + 2 * t + 1]};
    mma_s8(d, ra, rb, old);
    c[g * 8 + 2 * t] = d[0], c[g * 8 + 2 * t + 1] = d[1], c[(g + 8) * 8 + 2 * t] = d[2], c[(g + 8) * 8 + 2 * t + 1] = d[3];
}

// `b` lies as [K][8] here, and is transposed on the way.
extern "C" __global__ void product_loaded(const uint16_t *a, const uint16_t *b, float *c, int shift) {
    __shared__ __align__(16) uint16_t sa[16 * 16 + 8], sb[16 * 8 * 2];
    int lane = threadIdx.x, g = lane / 4, t = lane % 4;
    for (int i = lane; i < 256; i += 32) sa[i] = a[i];
    for (int i = lane; i < 128; i += 32) sb[i] = b[i], sb[128 + i] = 0;
    __syncwarp();
    uint32_t ra[4], rb[4];
    ldmatrix_x4(ra, sa + (lane % 16) * 16 + lane / 16 * 8 + shift);
    ldmatrix_x4_trans(rb, sb + lane * 8);
    uint32_t two[2] = {rb[0], rb[1]};
    float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    mma_bf16(d, ra, two);
    c[g * 8 + 2 * t] = d[0], c[g * 8 + 2 * t + 1] = d[1], c[(g + 8) * 8 + 2 * t] = d[2], c[(g + 8) * 8 + 2 * t + 1] = d[3];
}
extern "C" __global__ void load_from_global(const uint16_t *a, uint32_t *y) {
    uint32_t r[4];
    ldmatrix_x4(r, a + threadIdx.x * 8);
    y[threadIdx.x] = r[0] ^ r[1] ^ r[2] ^ r[3];
}

// For the note on throughput: `n` products by each warp.
extern "C" __global__ void products_bf16(float *c, int n) {
    uint32_t a[4] = {0x3f803f80u, 0x3f803f80u, 0x3f803f80u, 0x3f803f80u}, b[2] = {0x3f803f80u, 0x3f803f80u};
    float d[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int i = 0; i < n; i++) mma_bf16(d, a, b);
    c[blockIdx.x * blockDim.x + threadIdx.x] = d[0];
}
extern "C" __global__ void products_s8(int *c, int n) {
    uint32_t a[4] = {0x01010101u, 0x01010101u, 0x01010101u, 0x01010101u}, b[2] = {0x01010101u, 0x01010101u};
    int d[4] = {0, 0, 0, 0};
    for (int i = 0; i < n; i++) mma_s8(d, a, b, d);
    c[blockIdx.x * blockDim.x + threadIdx.x] = d[0];
}
