// C[m][n] = alpha A B + beta C in f32, for the build that is exact: all dense products of the backward pass and of the head.
// A's element (i, p) is a[i * a_row + p * a_col], B's (p, j) is b[p * b_row + j * b_col]: any strides, in elements, those of a batch too
// (`blockIdx.z`). C's rows are `ldc` apart, and C is not read where beta is 0. One of the two strides of each operand should be 1.
// Grid: (n / 64, m / 64, batch) rounded up, 128 threads. Dynamic shared memory: 8,704 bytes.
#include "product_f32.cuh"

static_assert(ProductF32::SHARED_BYTES == 8704, "the host's figure");

extern "C" __global__ void __launch_bounds__(128, 3)
    gemm_f32(const float *a, const float *b, float *c, int m, int n, int k, uint64_t a_row, uint64_t a_col, uint64_t b_row, uint64_t b_col, int ldc,
             uint64_t stride_a, uint64_t stride_b, uint64_t stride_c, float alpha, float beta) {
    extern __shared__ __align__(128) unsigned char shared[];
    const int row = blockIdx.y * ProductF32::TILE, column = blockIdx.x * ProductF32::TILE;
    const uint64_t z = blockIdx.z;
    ProductF32 product;
    product.run(a + z * stride_a + row * a_row, a_row, a_col, b + z * stride_b + column * b_col, b_col, b_row, m - row, n - column, k, shared);

    // n may be odd, so every value has its own edge.
    const Window<float> to({c + z * stride_c, ldc, row, column, m, n}, ProductF32::row(), ProductF32::column());
    product.each([&](int i, int j, float &v, float &w) {
        const float left = beta != 0.0f && to.has(i, j) ? beta * *to.at(i, j) : 0.0f;
        const float right = beta != 0.0f && to.has(i, j + 1) ? beta * *to.at(i, j + 1) : 0.0f;
        v = fmaf(alpha, v, left), w = fmaf(alpha, w, right);
    });
    product.each([&](int i, int j, float v, float w) {
        if (to.has(i, j)) *to.at(i, j) = v;
        if (to.has(i, j + 1)) *to.at(i, j + 1) = w;
    });
}
