// RMS norm of rows, alone or together with what always follows it: int8 codes for a ternary product, or the head's input. And gradients.
//
// Forward, a warp a token: the row comes to shared memory once, by asynchronous copies, and eight lanes sum its squares in the processor's
// order, so that 1 / rms and the codes have its bits. That is width / 8 dependent adds; other warps hide them.
#include "vector.cuh"

// The warp's row in shared memory, `width` floats.
__device__ __forceinline__ float *warp_row(unsigned char *shared, int width) { return (float *)shared + (threadIdx.x >> 5) * width; }

// The token of this warp.
__device__ __forceinline__ int warp_token() { return blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5); }

// 1 / sqrt(mean of squares + eps) of a row in shared memory. All four teams of eight lanes do the same, so all lanes know it.
__device__ __forceinline__ float row_inv_rms(const float *row, int width, float eps) {
    const float *mine = row + (threadIdx.x & 7);
    float sum = 0.0f;
    for (int from = 0; from < width; from += 128) {
#pragma unroll
        for (int k = 0; k < 128; k += 8) sum += mine[from + k] * mine[from + k];
    }
    return 1.0f / sqrtf(fold_lanes(sum) / (float)width + eps);
}

// `cpu::ops::quantise` of a row in shared memory whose largest |v| is `most`: returns the scale, hands out four codes at a time, also as
// floats. A lane reads only what it wrote.
template <class Take> __device__ __forceinline__ float quantise_row(float *row, float most, int width, Take take) {
    float scale = most / 127.0f;
    // A subnormal scale could divide to infinity; such a row is zero for every purpose, and by 1 it rounds to that.
    if (scale < 1.17549435e-38f) scale = 0.0f;
    float divisor = scale == 0.0f ? 1.0f : scale;
    // Four divisions at a time are enough in flight; unrolled further, their rare slow path costs registers.
#pragma unroll 1
    for (int column = 4 * (threadIdx.x & 31); column < width; column += 128) {
        float4 rounded = round_quotient4(load4(row + column), divisor, 127.0f);
        take(column, rounded, scale * (rounded - splat4(ROUND)));
    }
    return scale;
}

// q, a = quantise(rms_norm(x) * gain), dequantised = a q; without a gain there is no norm either, and inv_rms is not written.
// x, q, dequantised: [tokens][width]; gain: [width] or null; a, inv_rms: [tokens].
// A warp a token, up to 8 a block; shared: 4 * width bytes a warp. Reads 4 and writes 1 + sizeof(grad_t) bytes a value.
extern "C" __global__ void __launch_bounds__(256)
    norm_quantise(const float *__restrict__ x, const float *__restrict__ gain, int8_t *__restrict__ q, float *__restrict__ a, grad_t *__restrict__ dequantised,
                  float *__restrict__ inv_rms, int tokens, int width, float eps) {
    extern __shared__ __align__(128) unsigned char shared[];
    int token = warp_token(), lane = threadIdx.x & 31;
    if (token >= tokens) return;
    float *row = warp_row(shared, width);
    size_t at = (size_t)token * width;
    for (int column = 4 * lane; column < width; column += 128) copy_async_16(row + column, x + at + column);
    copy_async_commit();
    copy_async_wait<0>();
    __syncwarp();
    float most = 0.0f;
    if (gain) {
        float r = row_inv_rms(row, width, eps);
        __syncwarp();
        for (int column = 4 * lane; column < width; column += 128) {
            float4 y = load4(row + column) * r * load4(gain + column);
            store4(row + column, y);
            most = fmaxf(most, most4(abs4(y)));
        }
        if (lane == 0) inv_rms[token] = r;
    } else {
        for (int column = 4 * lane; column < width; column += 128) most = fmaxf(most, most4(abs4(load4(row + column))));
    }
    float scale = quantise_row(row, warp_max(most), width, [&](int column, float4 rounded, float4 value) {
        *(uint32_t *)(q + at + column) = bytes4(rounded);
        store4(dequantised + at + column, value);
    });
    if (lane == 0) a[token] = scale;
}

// h = sum of the streams, y = rms_norm(h) * gain; with `int8` y is what int8 codes of it stand for.
// x: [tokens][streams * width]; gain: [width]; h, y, y_operand: [tokens][width]; y_operand is y in f16, or null; inv_rms: [tokens].
// A warp a token, up to 8 a block; shared: 4 * width bytes a warp.
// Four blocks a multiprocessor: left to itself the compiler takes fewer registers than it needs.
extern "C" __global__ void __launch_bounds__(256, 4)
    final_norm(const float *__restrict__ x, const float *__restrict__ gain, float *__restrict__ h, float *__restrict__ y, half_t *__restrict__ y_operand,
               float *__restrict__ inv_rms, int tokens, int width, int streams, float eps, int int8) {
    extern __shared__ __align__(128) unsigned char shared[];
    int token = warp_token(), lane = threadIdx.x & 31;
    if (token >= tokens) return;
    float *row = warp_row(shared, width);
    size_t at = (size_t)token * width;
    for (int column = 4 * lane; column < width; column += 128) {
        const float *from = x + at * streams + column;
        float4 sum = load4(from);
        for (int s = 1; s < streams; s++) sum = sum + load4(from + (size_t)s * width);
        store4(row + column, sum);
        store4(h + at + column, sum);
    }
    __syncwarp();
    float r = row_inv_rms(row, width, eps);
    if (lane == 0) inv_rms[token] = r;
    __syncwarp();
    float most = 0.0f;
    for (int column = 4 * lane; column < width; column += 128) {
        float4 v = load4(row + column) * r * load4(gain + column);
        store4(row + column, v);
        most = fmaxf(most, most4(abs4(v)));
    }
    if (int8) quantise_row(row, warp_max(most), width, [&](int column, float4, float4 value) { store4(row + column, value); });
    for (int column = 4 * lane; column < width; column += 128) {
        float4 v = load4(row + column);
        store4(y + at + column, v);
        if (y_operand) store4(y_operand + at + column, v);
    }
}

// A thread has four columns, or eight that are blockDim.x * 4 apart, for all of its block's tokens.
constexpr int PIECES = 2;

// d_x = r (g d_y) - x r^3 / width <g d_y, x>, written `copies` times; part of d_gain = sum of d_y x r.
// Rows stay in registers: everything is read once. The sum over a row is the block's, with one barrier: two rooms take turns.
__device__ __forceinline__ void rows_backward(const float *__restrict__ x, const float *__restrict__ gain, const float *__restrict__ inv_rms,
                                              const float *__restrict__ d_y, float *__restrict__ d_x, float *__restrict__ d_gain_parts, int tokens, int width,
                                              int copies) {
    __shared__ float room[2][32];
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, warps = blockDim.x >> 5;
    float4 g[PIECES], d_gain[PIECES];
#pragma unroll
    for (int i = 0; i < PIECES; i++) {
        int column = 4 * (threadIdx.x + i * blockDim.x);
        g[i] = column < width ? load4(gain + column) : splat4(0.0f);
        d_gain[i] = splat4(0.0f);
    }
    for (int token = blockIdx.x, turn = 0; token < tokens; token += gridDim.x, turn ^= 1) {
        float4 row[PIECES], d[PIECES];
        float r = inv_rms[token], sum = 0.0f;
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            int column = 4 * (threadIdx.x + i * blockDim.x);
            if (column >= width) continue;
            row[i] = load4(x + (size_t)token * width + column);
            d[i] = load4(d_y + (size_t)token * width + column);
            d_gain[i] = d_gain[i] + d[i] * row[i] * r;
            d[i] = d[i] * g[i];
            sum += dot4(d[i], row[i]);
        }
        sum = warp_sum(sum);
        if (lane == 0) room[turn][warp] = sum;
        __syncthreads();
        sum = warp_sum(lane < warps ? room[turn][lane] : 0.0f);
        float c = sum * r * r * r / (float)width;
#pragma unroll
        for (int i = 0; i < PIECES; i++) {
            int column = 4 * (threadIdx.x + i * blockDim.x);
            if (column >= width) continue;
            float4 v = d[i] * r - row[i] * c;
            float *to = d_x + (size_t)token * copies * width + column;
            for (int s = 0; s < copies; s++) store4(to + (size_t)s * width, v);
        }
    }
#pragma unroll
    for (int i = 0; i < PIECES; i++) {
        int column = 4 * (threadIdx.x + i * blockDim.x);
        if (column < width) store4(d_gain_parts + (size_t)blockIdx.x * width + column, d_gain[i]);
    }
}

// Gradient of `norm_quantise` with a gain, straight through the rounding. x, d_y, d_x: [tokens][width]; gain: [width]; inv_rms: [tokens];
// d_gain_parts: [gridDim.x][width]. Blocks of min(width / 4, 1024) threads walk tokens blockIdx.x, + gridDim.x ...; width up to 8192.
extern "C" __global__ void __launch_bounds__(1024)
    norm_backward(const float *__restrict__ x, const float *__restrict__ gain, const float *__restrict__ inv_rms, const float *__restrict__ d_y,
                  float *__restrict__ d_x, float *__restrict__ d_gain_parts, int tokens, int width) {
    rows_backward(x, gain, inv_rms, d_y, d_x, d_gain_parts, tokens, width, 1);
}

// The same for `final_norm`, straight through int8: h, d_y: [tokens][width]; d_x: [tokens][streams * width], the same for every stream.
extern "C" __global__ void __launch_bounds__(1024)
    final_norm_backward(const float *__restrict__ h, const float *__restrict__ gain, const float *__restrict__ inv_rms, const float *__restrict__ d_y,
                        float *__restrict__ d_x, float *__restrict__ d_gain_parts, int tokens, int width, int streams) {
    rows_backward(h, gain, inv_rms, d_y, d_x, d_gain_parts, tokens, width, streams);
}
