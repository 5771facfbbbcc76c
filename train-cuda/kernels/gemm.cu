// Products of bf16 matrices, summed in f32: the backward pass of every BitLinear.
//
//   C[m][n] = alpha A B + beta C       C is f32 and is not read where beta is 0
//
//   nn   A[m][k], B[k][n]   the input's gradient     d_q[tokens][cols] = d_y[tokens][rows] W[rows][cols]     k a multiple of 8
//   tn   A[k][m], B[k][n]   the weights' gradient    dW[rows][cols]    = d_y[tokens][rows]^T x[tokens][cols]     any k
//
// Leading dimensions are multiples of 8 and base pointers of 16 bytes; m is any, n is even. `blockIdx.z` is the matrix of a batch, whose strides
// are in elements. A result does not depend on the size of the tile.
// Grid: (n / TILE, m / TILE, batch) rounded up. Dynamic shared memory: 49,152 bytes for tiles of 64, 98,304 for tiles of 128.
//
// `gemm_tn_64_split` cuts a long k into gridDim.z pieces, for outputs that have too few tiles to fill a device: each piece is written to its
// own parts[piece][m][n], and `sum_splits` adds them in order.
#include "product.cuh"

template <int TILE, Order A>
__device__ __forceinline__ void gemm(const bf16_t *a, const bf16_t *b, float *c, int m, int n, int k, int lda, int ldb, int ldc, float alpha,
                                     float beta, unsigned char *shared) {
    const int row = blockIdx.y * TILE, column = blockIdx.x * TILE;
    const Place<float> to = {c, ldc, row, column, m, n};
    Product<Bf16, TILE, A, ACROSS_K> product;
    product.run(a + (A == ALONG_K ? size_t(row) * lda : size_t(row)), lda, b + column, ldb, m - row, n - column, k, shared);
    if (beta == 0.0f) {
        scale(product, alpha);
        store(product, to);
    } else {
        accumulate(product, alpha, beta, to);
    }
}

#define GEMM(NAME, TILE, A)                                                                                                                        \
    extern "C" __global__ void __launch_bounds__(Product<Bf16, TILE, A, ACROSS_K>::THREADS, Product<Bf16, TILE, A, ACROSS_K>::MIN_BLOCKS)          \
        NAME(const bf16_t *a, const bf16_t *b, float *c, int m, int n, int k, int lda, int ldb, int ldc, uint64_t stride_a, uint64_t stride_b,     \
             uint64_t stride_c, float alpha, float beta) {                                                                                         \
        extern __shared__ __align__(128) unsigned char shared[];                                                                                   \
        const uint64_t z = blockIdx.z;                                                                                                             \
        gemm<TILE, A>(a + z * stride_a, b + z * stride_b, c + z * stride_c, m, n, k, lda, ldb, ldc, alpha, beta, shared);                          \
    }

GEMM(gemm_nn_64, 64, ALONG_K)
GEMM(gemm_nn_128, 128, ALONG_K)
GEMM(gemm_tn_64, 64, ACROSS_K)
GEMM(gemm_tn_128, 128, ACROSS_K)

extern "C" __global__ void __launch_bounds__(128, 4)
    gemm_tn_64_split(const bf16_t *a, const bf16_t *b, float *parts, int m, int n, int k, int lda, int ldb) {
    extern __shared__ __align__(128) unsigned char shared[];
    constexpr int SLAB = Product<Bf16, 64, ACROSS_K, ACROSS_K>::SLAB;
    const int pieces = gridDim.z, piece = (k + pieces * SLAB - 1) / (pieces * SLAB) * SLAB, first = blockIdx.z * piece;
    const int length = max(0, min(piece, k - first));
    gemm<64, ACROSS_K>(a + size_t(first) * lda, b + size_t(first) * ldb, parts + size_t(blockIdx.z) * m * n, m, n, length, lda, ldb, n, 1.0f, 0.0f,
                       shared);
}

// c = beta c + sum of `pieces` parts of `values` values each, a multiple of 4, in order. Any grid of one dimension.
extern "C" __global__ void __launch_bounds__(256) sum_splits(const float *parts, float *c, uint64_t values, int pieces, float beta) {
    const uint64_t quads = values / 4, step = uint64_t(gridDim.x) * blockDim.x;
    for (uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < quads; i += step) {
        const float4 *part = (const float4 *)parts + i;
        float4 sum = *part;
        for (int piece = 1; piece < pieces; piece++) {
            part += quads;
            const float4 v = *part;
            sum.x += v.x, sum.y += v.y, sum.z += v.z, sum.w += v.w;
        }
        if (beta != 0.0f) {
            const float4 old = ((const float4 *)c)[i];
            sum = make_float4(fmaf(beta, old.x, sum.x), fmaf(beta, old.y, sum.y), fmaf(beta, old.z, sum.z), fmaf(beta, old.w, sum.w));
        }
        ((float4 *)c)[i] = sum;
    }
}
