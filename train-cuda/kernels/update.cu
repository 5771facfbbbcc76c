// The end of a step: what it reports, whether it counts, and AdamW.
#include "moments.cuh"

// The sum of a double a thread over a block, in a fixed order, known to all. `room` is one double a thread.
__device__ __forceinline__ double block_sum_f64(double v, double *room) {
    room[threadIdx.x] = v;
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half) room[threadIdx.x] += room[threadIdx.x + half];
    }
    __syncthreads();
    double sum = room[0];
    __syncthreads();
    return sum;
}

// Sums of squares, one a block. gradients: [values]; parts: [gridDim.x]. Blocks of 256 threads; the order depends on `values` and the grid
// alone. Sixteen squares at a time are summed in f32, as many as cost nothing in digits, so that f64 is cheap where it is slow.
extern "C" __global__ void __launch_bounds__(256) norm_parts(const float *__restrict__ gradients, double *__restrict__ parts, uint64_t values) {
    __shared__ double room[256];
    uint64_t vectors = values / 4, stride = (uint64_t)gridDim.x * 256, me = (uint64_t)blockIdx.x * 256 + threadIdx.x;
    double sum = 0.0;
    for (uint64_t from = me; from < vectors; from += 4 * stride) {
        float4 v[4];
#pragma unroll
        for (int i = 0; i < 4; i++) v[i] = from + i * stride < vectors ? load4(gradients + 4 * (from + i * stride)) : splat4(0.0f);
        float squares = 0.0f;
#pragma unroll
        for (int i = 0; i < 4; i++) squares += dot4(v[i], v[i]);
        sum += squares;
    }
    if (me < values % 4) {
        float v = gradients[4 * vectors + me];
        sum += v * v;
    }
    sum = block_sum_f64(sum, room);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// Loss, norm, clip and skip of a step. nats: [tokens], 0 where not scored; targets: [tokens], 0xffffffff where not scored;
// parts: [n_parts], sums of squares. One block of 1024 threads.
extern "C" __global__ void __launch_bounds__(1024)
    finish_step(const float *__restrict__ nats, const uint32_t *__restrict__ targets, const double *__restrict__ parts, StepWords *__restrict__ words, int tokens,
                int n_parts, float clip_norm) {
    __shared__ double room[1024];
    double sum = 0.0, scored = 0.0, squares = 0.0;
    for (int t = threadIdx.x; t < tokens; t += blockDim.x) {
        sum += nats[t];
        scored += targets[t] != 0xffffffffu ? 1.0 : 0.0;
    }
    for (int i = threadIdx.x; i < n_parts; i += blockDim.x) squares += parts[i];
    sum = block_sum_f64(sum, room);
    scored = block_sum_f64(scored, room);
    squares = block_sum_f64(squares, room);
    if (threadIdx.x > 0) return;
    double loss = sum / (scored > 1.0 ? scored : 1.0), norm = sqrt(squares), limit = clip_norm;
    words->loss = loss;
    words->grad_norm = norm;
    words->clip = limit > 0.0 && norm > limit ? (float)(limit / norm) : 1.0f;
    // Of a finite number nothing is left.
    words->skip = loss - loss == 0.0 && norm - norm == 0.0 ? 0 : 1;
}

// One value, as train/src/optim/adamw.rs has it.
struct AdamW {
    float beta1, beta2, eps, weight_decay, rate, c1, c2, clip;

    __device__ __forceinline__ void update(float &w, float g, float &m, float &v) const {
        g = g * clip;
        m = beta1 * m + (1.0f - beta1) * g;
        v = beta2 * v + (1.0f - beta2) * g * g;
        w -= rate * (m * c1 / (sqrtf(v * c2) + eps) + weight_decay * w);
    }
};

// w, g, m, v: [values], g read times words->clip. Blocks of 256 threads, four values a thread; what is left over, or all of it where an array
// does not begin at a multiple of four values' bytes, is taken one by one. Moments move w as they are computed, and are kept as `kept` says.
template <class Kept>
__device__ __forceinline__ void update_values(float *__restrict__ w, const float *__restrict__ g, typename Kept::moment_t *__restrict__ m,
                                              typename Kept::moment_t *__restrict__ v, uint64_t values, const AdamW adam, const Kept kept) {
    uint64_t me = (uint64_t)blockIdx.x * 256 + threadIdx.x, threads = (uint64_t)gridDim.x * 256;
    bool aligned = (((size_t)w | (size_t)g) & 15) == 0 && (((size_t)m | (size_t)v) & (4 * sizeof(*m) - 1)) == 0;
    uint64_t vectors = aligned ? values / 4 : 0;
    for (uint64_t i = me; i < vectors; i += threads) {
        float4 w4 = load4(w + 4 * i), g4 = load4(g + 4 * i), m4 = moment4(m + 4 * i), v4 = moment4(v + 4 * i);
        adam.update(w4.x, g4.x, m4.x, v4.x);
        adam.update(w4.y, g4.y, m4.y, v4.y);
        adam.update(w4.z, g4.z, m4.z, v4.z);
        adam.update(w4.w, g4.w, m4.w, v4.w);
        store4(w + 4 * i, w4);
        kept.first4(m + 4 * i, m4, 4 * i);
        kept.second4(v + 4 * i, v4, 4 * i);
    }
    for (uint64_t i = 4 * vectors + me; i < values; i += threads) {
        float m1 = moment(m + i), v1 = moment(v + i);
        adam.update(w[i], g[i], m1, v1);
        kept.first(m + i, m1, i);
        kept.second(v + i, v1, i);
    }
}

__device__ __forceinline__ AdamW adam_of(const StepWords *words, float beta1, float beta2, float eps, float weight_decay) {
    return {beta1, beta2, eps, weight_decay, words->rate_adam, words->adam_c1, words->adam_c2, words->clip};
}

extern "C" __global__ void __launch_bounds__(256)
    adamw(float *__restrict__ w, const float *__restrict__ g, float *__restrict__ m, float *__restrict__ v, const StepWords *__restrict__ words, uint64_t values,
          float beta1, float beta2, float eps, float weight_decay) {
    if (words->skip) return;
    update_values(w, g, m, v, values, adam_of(words, beta1, beta2, eps, weight_decay), KeptF32{});
}

// With moments in bf16, rounded at random; `place` is that of the first value in its array.
extern "C" __global__ void __launch_bounds__(256)
    adamw_bf16(float *__restrict__ w, const float *__restrict__ g, bf16_t *__restrict__ m, bf16_t *__restrict__ v, const StepWords *__restrict__ words,
               uint64_t values, float beta1, float beta2, float eps, float weight_decay, uint64_t seed, uint32_t site, uint64_t place) {
    if (words->skip) return;
    KeptBf16 kept = {Draws(seed, words->step, site), place};
    update_values(w, g, m, v, values, adam_of(words, beta1, beta2, eps, weight_decay), kept);
}
