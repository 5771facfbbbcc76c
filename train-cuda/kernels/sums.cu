// Sums that belong to no op in particular.
#include "parts.cuh"
#include "vector.cuh"

// out[c] = sum over blocks of parts[b][c], added to what is there if `accumulate`. parts: [blocks][width]; out: [width].
// A block of 512 threads for 32 columns.
extern "C" __global__ void __launch_bounds__(PARTS_WARPS * 32)
    sum_parts(const float *__restrict__ parts, float *__restrict__ out, int blocks, int width, int accumulate) {
    int column = blockIdx.x * 32 + (threadIdx.x & 31);
    float sum = sum_column(parts, blocks, width, column, column < width);
    if (threadIdx.x < 32 && column < width) out[column] = accumulate ? out[column] + sum : sum;
}

// delta = <out, d_out> of every head, which the softmax's gradient subtracts. out, d_out: [tokens][heads * head_dim]; delta: [tokens][heads].
// Eight threads a head, 32 heads a block of 256; head_dim is a multiple of 4.
extern "C" __global__ void __launch_bounds__(256)
    attention_delta(const float *__restrict__ out, const float *__restrict__ d_out, float *__restrict__ delta, int tokens, int heads, int head_dim) {
    int l = threadIdx.x & 7, row = blockIdx.x * 32 + (threadIdx.x >> 3), rows = tokens * heads;
    size_t at = (size_t)min(row, rows - 1) * head_dim;
    float sum = 0.0f;
    for (int column = 4 * l; column < head_dim; column += 32) sum += dot4(load4(out + at + column), load4(d_out + at + column));
    sum = fold_lanes(sum);
    if (l == 0 && row < rows) delta[row] = sum;
}
