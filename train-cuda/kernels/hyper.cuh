// Hyper-connections (`cpu::ops::hyper`) of two or four streams: what is kept of every token, and the permutations that mix its streams.
#pragma once

#include "vector.cuh"

// A token's record, in floats. Three kinds of outputs are decided by the streams: pre (n), post (n) and res (n!).
constexpr int HYPER_COEFS = 128;
constexpr int INV_RMS = 0;    // 1 / rms of all its streams
constexpr int THROUGH = 1;    // times x: what the norm takes back from the gradient of x
constexpr int PRE = 4;        // how streams are read, n
constexpr int POST = 8;       // how they are written, n
constexpr int MIX = 12;       // R, n x n: how they are mixed
constexpr int SHARE = 28;     // softmax over the permutations, n!
constexpr int PROJECTED = 52; // u W of pre (4 places), post (4), res (24)
constexpr int D_LOGITS = 84;  // gradient of alpha u W + b: pre, post, res without gaps
// The gradient of post and of R, n x n behind it.
constexpr int COEF_GRADIENTS = 20;
constexpr int D_POST = 0, D_MIX = 4;

// Outputs of N streams, and the same as rows of a tile.
template <int N> constexpr int PERMUTATIONS = N == 2 ? 2 : 24;
template <int N> constexpr int OUTPUTS = 2 * N + PERMUTATIONS<N>;
template <int N> constexpr int ROWS = (OUTPUTS<N> + 7) / 8 * 8;

// The stream that row i takes in permutation k, in lexicographic order: the digits of k say which of those left. Streams are 0 .. 3, two
// bits each in `left`.
template <int N> __device__ __forceinline__ int permutation(int k, int i) {
    if (N == 2) return k ^ i;
    uint32_t left = 0b11100100, taken = 0;
    int digits[4] = {k / 6, k % 6 / 2, k % 2, 0};
#pragma unroll
    for (int row = 0; row < 4; row++) {
        int shift = 2 * digits[row];
        if (row <= i) taken = left >> shift & 3;
        left = (left & ((1u << shift) - 1)) | (left >> (shift + 2) << shift);
    }
    return taken;
}

// Which of the three kinds output j is: 0 pre, 1 post, 2 res.
template <int N> __device__ __forceinline__ int kind_of(int j) { return j < N ? 0 : j < 2 * N ? 1 : 2; }

// Where its projection is kept.
template <int N> __device__ __forceinline__ int projected_at(int j) {
    return PROJECTED + (j < N ? j : j < 2 * N ? 4 + j - N : 8 + j - 2 * N);
}
