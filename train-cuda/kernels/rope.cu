// Queries and keys before attention: RMS norm of each head (where there is a gain), rotation by position, f16 as the cache stores it.
//
// Eight threads a head, 32 heads a block of 256. Heads of 16 to 128 values, a multiple of 16; a row is one head of one token, and its
// position is token % seq. cos and sin: [seq][head_dim / 2].
#include "vector.cuh"

constexpr int HEADS_A_BLOCK = 32;
constexpr int HEAD_DIM_MAX = 128;

// f16 and back; what would overflow stays finite, what is no number stays none. As `cpu::ops::half::round`.
__device__ __forceinline__ float stored_f16(float v) { return v != v ? v : to_float(to_half(fminf(fmaxf(v, -65504.0f), 65504.0f))); }

// y = rope(rms_norm(x) * gain), rounded if `store_f16`. x, y: [tokens][heads * head_dim], may be the same; gain: [head_dim] or null;
// inv_rms: [tokens][heads], written where there is a gain. `interleaved`: pairs are 2 i, 2 i + 1, else i, i + head_dim / 2.
//
// Thread l of a head has values l, l + 8, ...: so it adds its squares in the processor's order, and both values of a pair that lies
// half a head apart are its own.
extern "C" __global__ void __launch_bounds__(256)
    norm_rope(const float *x, const float *__restrict__ gain, const float *__restrict__ cos, const float *__restrict__ sin, float *y, float *__restrict__ inv_rms,
              int tokens, int heads, int head_dim, int seq, float eps, int interleaved, int store_f16) {
    constexpr int STEPS = HEAD_DIM_MAX / 16;
    int l = threadIdx.x & 7, half = head_dim / 2, rows = tokens * heads;
    int row = blockIdx.x * HEADS_A_BLOCK + (threadIdx.x >> 3);
    bool there = row < rows;
    row = min(row, rows - 1);
    const float *from = x + (size_t)row * head_dim + l;
    float low[STEPS], high[STEPS];
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        if (8 * k >= half) break;
        // A team behind the last row reads nothing: the row's own team may be writing it.
        low[k] = there ? from[8 * k] : 0.0f;
        high[k] = there ? from[half + 8 * k] : 0.0f;
    }
    if (gain) {
        float sum = 0.0f;
#pragma unroll
        for (int k = 0; k < STEPS; k++) {
            if (8 * k < half) sum += low[k] * low[k];
        }
#pragma unroll
        for (int k = 0; k < STEPS; k++) {
            if (8 * k < half) sum += high[k] * high[k];
        }
        float r = 1.0f / sqrtf(fold_lanes(sum) / (float)head_dim + eps);
        if (there && l == 0) inv_rms[row] = r;
#pragma unroll
        for (int k = 0; k < STEPS; k++) {
            if (8 * k >= half) break;
            low[k] = low[k] * r * gain[8 * k + l];
            high[k] = high[k] * r * gain[half + 8 * k + l];
        }
    }
    size_t angles = (size_t)(row / heads % seq) * half;
    // A neighbour's value of the pair: the first loses, the second gains.
    float sign = (l & 1) ? 1.0f : -1.0f;
    float *to = y + (size_t)row * head_dim + l;
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        if (8 * k >= half) break;
        float a = low[k], b = high[k];
        if (interleaved) {
            size_t i = angles + 4 * k + l / 2, j = i + half / 2;
            low[k] = a * cos[i] + sign * (__shfl_xor_sync(0xffffffffu, a, 1) * sin[i]);
            high[k] = b * cos[j] + sign * (__shfl_xor_sync(0xffffffffu, b, 1) * sin[j]);
        } else {
            float c = cos[angles + 8 * k + l], s = sin[angles + 8 * k + l];
            low[k] = a * c - b * s;
            high[k] = a * s + b * c;
        }
        if (there) {
            to[8 * k] = store_f16 ? stored_f16(low[k]) : low[k];
            to[half + 8 * k] = store_f16 ? stored_f16(high[k]) : high[k];
        }
    }
}

// Gradient of `norm_rope`: d_y becomes that of x. x, d_y: [tokens][heads * head_dim]; d_gain_parts: [gridDim.x][head_dim], or null without
// a gain. Blocks walk rows 32 * blockIdx.x, + 32 * gridDim.x ...
//
// Here a thread has neighbours, 16 k + 2 l and the next, of both halves of the head: pairs of either kind are its own, and a team reads
// 64 bytes in a row.
extern "C" __global__ void __launch_bounds__(256)
    norm_rope_backward(const float *__restrict__ x, const float *__restrict__ gain, const float *__restrict__ cos, const float *__restrict__ sin,
                       const float *__restrict__ inv_rms, grad_t *__restrict__ d_y, float *__restrict__ d_gain_parts, int tokens, int heads, int head_dim, int seq,
                       int interleaved) {
    constexpr int STEPS = HEAD_DIM_MAX / 32;
    __shared__ float parts[HEADS_A_BLOCK][HEAD_DIM_MAX];
    int team = threadIdx.x >> 3, half = head_dim / 2, rows = tokens * heads;
    int first = 2 * (threadIdx.x & 7);
    float2 d_low[STEPS], d_high[STEPS];
#pragma unroll
    for (int k = 0; k < STEPS; k++) d_low[k] = d_high[k] = make_float2(0.0f, 0.0f);
    for (int block = blockIdx.x * HEADS_A_BLOCK; block < rows; block += gridDim.x * HEADS_A_BLOCK) {
        bool there = block + team < rows;
        int row = min(block + team, rows - 1);
        size_t at = (size_t)row * head_dim, angles = (size_t)(row / heads % seq) * half;
        float2 low[STEPS], high[STEPS];
#pragma unroll
        for (int k = 0; k < STEPS; k++) {
            int column = 16 * k + first;
            if (column >= half) break;
            float2 a = make_float2(0.0f, 0.0f), b = a;
            if (there) a = load2(d_y + at + column), b = load2(d_y + at + half + column);
            if (interleaved) {
                size_t i = angles + column / 2, j = i + half / 2;
                float c = cos[i], s = sin[i];
                low[k] = make_float2(a.x * c + a.y * s, a.y * c - a.x * s);
                c = cos[j], s = sin[j];
                high[k] = make_float2(b.x * c + b.y * s, b.y * c - b.x * s);
            } else {
                float2 c = load2(cos + angles + column), s = load2(sin + angles + column);
                low[k] = make_float2(a.x * c.x + b.x * s.x, a.y * c.y + b.y * s.y);
                high[k] = make_float2(b.x * c.x - a.x * s.x, b.y * c.y - a.y * s.y);
            }
        }
        if (gain) {
            float2 x_low[STEPS], x_high[STEPS];
            float r = inv_rms[row], sum = 0.0f;
#pragma unroll
            for (int k = 0; k < STEPS; k++) {
                int column = 16 * k + first;
                if (column >= half) break;
                x_low[k] = load2(x + at + column), x_high[k] = load2(x + at + half + column);
                if (there) {
                    d_low[k].x += low[k].x * x_low[k].x * r, d_low[k].y += low[k].y * x_low[k].y * r;
                    d_high[k].x += high[k].x * x_high[k].x * r, d_high[k].y += high[k].y * x_high[k].y * r;
                }
                float2 g = load2(gain + column);
                low[k].x *= g.x, low[k].y *= g.y;
                g = load2(gain + half + column);
                high[k].x *= g.x, high[k].y *= g.y;
                sum += low[k].x * x_low[k].x + low[k].y * x_low[k].y + high[k].x * x_high[k].x + high[k].y * x_high[k].y;
            }
            float c = fold_lanes(sum) * r * r * r / (float)head_dim;
#pragma unroll
            for (int k = 0; k < STEPS; k++) {
                if (16 * k + first >= half) break;
                low[k].x = low[k].x * r - x_low[k].x * c, low[k].y = low[k].y * r - x_low[k].y * c;
                high[k].x = high[k].x * r - x_high[k].x * c, high[k].y = high[k].y * r - x_high[k].y * c;
            }
        }
        if (!there) continue;
#pragma unroll
        for (int k = 0; k < STEPS; k++) {
            int column = 16 * k + first;
            if (column >= half) break;
            store2(d_y + at + column, low[k]);
            store2(d_y + at + half + column, high[k]);
        }
    }
    if (!gain) return;
#pragma unroll
    for (int k = 0; k < STEPS; k++) {
        int column = 16 * k + first;
        if (column >= half) break;
        store2(&parts[team][column], d_low[k]);
        store2(&parts[team][half + column], d_high[k]);
    }
    __syncthreads();
    if ((int)threadIdx.x < head_dim) {
        float sum = 0.0f;
        for (int t = 0; t < HEADS_A_BLOCK; t++) sum += parts[t][threadIdx.x];
        d_gain_parts[(size_t)blockIdx.x * head_dim + threadIdx.x] = sum;
    }
}

// Rounds values in place, as the cache stores them. Blocks of 256 threads, four values a thread; values is a multiple of 4.
extern "C" __global__ void __launch_bounds__(256) store_f16(float *x, uint64_t values) {
    size_t at = 4 * ((size_t)blockIdx.x * 256 + threadIdx.x);
    if (at >= values) return;
    float4 v = load4(x + at);
    store4(x + at, make_float4(stored_f16(v.x), stored_f16(v.y), stored_f16(v.z), stored_f16(v.w)));
}
