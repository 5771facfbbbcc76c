// Cross-entropy of logits that are there as a whole, in f32. The logits, and the products of their gradient, are made by `gemm_f32`.
#include "common.cuh"
#include "exp.cuh"

constexpr int THREADS = 256;
constexpr uint32_t IGNORED = 0xffffffff;

// A block is a token: nats[token] = -ln softmax(logits)[target]. With `gradient` the logits become scored_inv * (softmax - one_hot). Both are
// 0 where the target is IGNORED.
extern "C" __global__ void __launch_bounds__(THREADS) softmax_rows(float *logits, const uint32_t *targets, const StepWords *words, float *nats,
                                                                   int tokens, int vocab, int gradient) {
    __shared__ float room[32];
    const uint32_t target = targets[blockIdx.x];
    float *row = logits + (size_t)blockIdx.x * vocab;
    if (target == IGNORED) {
        if (threadIdx.x == 0) nats[blockIdx.x] = 0.0f;
        if (gradient)
            for (int i = threadIdx.x; i < vocab; i += THREADS) row[i] = 0.0f;
        return;
    }
    float most = -__int_as_float(0x7f800000), sum = 0.0f;
    for (int i = threadIdx.x; i < vocab; i += THREADS) most = fmaxf(most, row[i]);
    most = block_max(most, room);
    for (int i = threadIdx.x; i < vocab; i += THREADS) sum += exp_f32(row[i] - most);
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) nats[blockIdx.x] = logf(sum) - (row[target] - most);
    if (!gradient) return;

    __syncthreads(); // the target's logit has been read
    const float one = words->scored_inv, factor = one / sum;
    for (int i = threadIdx.x; i < vocab; i += THREADS) {
        const float p = exp_f32(row[i] - most) * factor;
        row[i] = (uint32_t)i == target ? p - one : p;
    }
}
