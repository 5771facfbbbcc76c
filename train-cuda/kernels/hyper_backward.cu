// Gradients of hyper-connections, in four steps: through the write; from the gradient of coefficients to that of the logits that decided
// them; from those to the streams and the weights at once; and the sum of the weights' parts.
#include "hyper.cuh"
#include "parts.cuh"

// Sums W values over the 32 lanes of a warp at once: at each step a lane keeps half of its values and hands the other half over, so it takes
// W - 1 shuffles and a few instead of 5 W. Lane l returns the sum of value l / (32 / W).
template <int W> __device__ __forceinline__ float warp_sums(float (&v)[W]) {
    int lane = threadIdx.x & 31, distance = 16;
#pragma unroll
    for (int half = W / 2; half > 0; half /= 2, distance /= 2) {
        bool upper = lane & distance;
#pragma unroll
        for (int i = 0; i < half; i++) {
            float keep = upper ? v[i + half] : v[i], give = upper ? v[i] : v[i + half];
            v[i] = keep + __shfl_xor_sync(0xffffffffu, give, distance);
        }
    }
#pragma unroll
    for (int d = 16 / W; d > 0; d /= 2) v[0] += __shfl_xor_sync(0xffffffffu, v[0], d);
    return v[0];
}

// One token, by one warp. x and d_x are its rows; f's dropout starts at `index`.
template <int N>
__device__ __forceinline__ void write_token_backward(const float *x, const float *record, const float *f, const Mask &mask, uint32_t index, float *d_x, grad_t *d_f,
                                               float *gradients, int width) {
    // As many as a power of two, laid out as `gradients` is; those beyond are always zero.
    constexpr int SUMS = N == 2 ? 8 : 32;
    int lane = threadIdx.x & 31;
    float sums[SUMS] = {}, post[N], mix[N * N];
#pragma unroll
    for (int i = 0; i < N; i++) post[i] = record[POST + i];
#pragma unroll
    for (int i = 0; i < N * N; i++) mix[i] = record[MIX + i];
    for (int column = 4 * lane; column < width; column += 128) {
        float4 d[N], input = apply4(mask, load4(f + column), index + column), d_input = splat4(0.0f);
#pragma unroll
        for (int i = 0; i < N; i++) {
            d[i] = load4(d_x + i * width + column);
            sums[D_POST + i] += dot4(d[i], input);
            d_input = d_input + post[i] * d[i];
        }
        store4(d_f + column, apply4(mask, d_input, index + column));
#pragma unroll
        for (int j = 0; j < N; j++) {
            float4 stream = load4(x + j * width + column), before = splat4(0.0f);
#pragma unroll
            for (int i = 0; i < N; i++) {
                sums[D_MIX + i * N + j] += dot4(d[i], stream);
                before = before + mix[i * N + j] * d[i];
            }
            store4(d_x + j * width + column, before);
        }
    }
    float sum = warp_sums(sums);
    int value = lane / (32 / SUMS);
    if (lane % (32 / SUMS) == 0 && value < D_MIX + N * N) gradients[value] = sum;
}

// Gradient of `hyper_write` of N streams: d_f = dropout(sum of post_i d_x_i), the gradients of post and of R, and d_x from after the write to
// before it. x, d_x: [tokens][N * width]; coefs: [tokens][128]; f, d_f: [tokens][width]; coef_gradients: [tokens][20].
// Blocks of 256 threads, a warp a token. A kernel for each N, as two streams need far fewer registers than four.
template <int N>
__device__ __forceinline__ void write_backward(const float *x, const float *coefs, const float *f, const StepWords *words, float *d_x, grad_t *d_f,
                                               float *coef_gradients, int tokens, int width, uint64_t seed, uint32_t site, uint32_t threshold,
                                               float keep_scale, int first_token) {
    size_t token = blockIdx.x * 8 + (threadIdx.x >> 5);
    if (token >= tokens) return;
    Mask mask(seed, words->step, site, threshold, keep_scale);
    uint32_t index = (uint32_t)(first_token + token) * width;
    write_token_backward<N>(x + token * N * width, coefs + token * HYPER_COEFS, f + token * width, mask, index, d_x + token * N * width, d_f + token * width,
                      coef_gradients + token * COEF_GRADIENTS, width);
}

extern "C" __global__ void __launch_bounds__(256)
    hyper_write_backward_2(const float *__restrict__ x, const float *__restrict__ coefs, const float *__restrict__ f, const StepWords *__restrict__ words,
                           float *__restrict__ d_x, grad_t *__restrict__ d_f, float *__restrict__ coef_gradients, int tokens, int width, uint64_t seed,
                           uint32_t site, uint32_t threshold, float keep_scale, int first_token) {
    write_backward<2>(x, coefs, f, words, d_x, d_f, coef_gradients, tokens, width, seed, site, threshold, keep_scale, first_token);
}

extern "C" __global__ void __launch_bounds__(256)
    hyper_write_backward_4(const float *__restrict__ x, const float *__restrict__ coefs, const float *__restrict__ f, const StepWords *__restrict__ words,
                           float *__restrict__ d_x, grad_t *__restrict__ d_f, float *__restrict__ coef_gradients, int tokens, int width, uint64_t seed,
                           uint32_t site, uint32_t threshold, float keep_scale, int first_token) {
    write_backward<4>(x, coefs, f, words, d_x, d_f, coef_gradients, tokens, width, seed, site, threshold, keep_scale, first_token);
}

// One token, by one warp: lane j has output j.
template <int N>
__device__ __forceinline__ void logits_backward(const float *x, const float *d_y, const float *gradients, float a_pre, float a_post, float a_res, float *record,
                                                int width) {
    int lane = threadIdx.x & 31, kind = kind_of<N>(lane);
    float mean_of = 1.0f / (float)(N * width);
    float sums[N] = {};
#pragma unroll 2
    for (int column = 4 * lane; column < width; column += 128) {
        float4 d = load4(d_y + column);
#pragma unroll
        for (int i = 0; i < N; i++) sums[i] += dot4(d, load4(x + i * width + column));
    }
    // Lane i gets the gradient of pre_i.
    float d_pre = __shfl_sync(0xffffffffu, warp_sums(sums), lane % N * (32 / N));
    // Along a permutation, measured from the identity's: training starts with nearly all the share there, and `share * (d - mean)` of values
    // near the mean would lose all its digits.
    int k = lane - 2 * N;
    bool is_res = k >= 0 && k < PERMUTATIONS<N>;
    float along = 0.0f, identity = 0.0f;
#pragma unroll
    for (int i = 0; i < N; i++) {
        along += gradients[D_MIX + i * N + (is_res ? permutation<N>(k, i) : i)];
        identity += gradients[D_MIX + i * N + i];
    }
    along -= identity;
    float share = is_res ? record[SHARE + k] : 0.0f;
    float mean = warp_sum(share * along);
    float d = share * (along - mean);
    if (kind == 0) {
        float pre = record[PRE + lane];
        d = d_pre * pre * (1.0f - pre);
    } else if (kind == 1) {
        float post = record[POST + lane - N];
        d = gradients[D_POST + lane - N] * post * (1.0f - 0.5f * post);
    }
    // The norm takes back x times <d_u, x> r^3 / columns, where d_u = sum of alpha d W; and W x is known, it is projected / r.
    bool is_output = lane < OUTPUTS<N>;
    float alpha = kind == 0 ? a_pre : kind == 1 ? a_post : a_res;
    float through = warp_sum(is_output ? alpha * d * record[projected_at<N>(lane)] : 0.0f);
    float r = record[INV_RMS];
    if (lane == 0) record[THROUGH] = through * r * r * mean_of;
    if (is_output) record[D_LOGITS + lane] = d;
}

// From the gradients of y and of the coefficients to that of the logits, kept in the record for `hyper_read_backward`.
// x: [tokens][n * width]; coefs: [tokens][128]; coef_gradients: [tokens][20]; d_y: [tokens][width]; alphas: one each.
// Blocks of 256 threads, a warp a token.
extern "C" __global__ void __launch_bounds__(256)
    hyper_logits_backward(const float *__restrict__ x, float *__restrict__ coefs, const float *__restrict__ coef_gradients, const float *__restrict__ d_y,
                          const float *__restrict__ a_pre, const float *__restrict__ a_post, const float *__restrict__ a_res, int tokens, int width, int streams) {
    int token = blockIdx.x * 8 + (threadIdx.x >> 5);
    if (token >= tokens) return;
    const float *row = x + (size_t)token * streams * width, *d = d_y + (size_t)token * width, *gradients = coef_gradients + (size_t)token * COEF_GRADIENTS;
    float *record = coefs + (size_t)token * HYPER_COEFS;
    if (streams == 2) logits_backward<2>(row, d, gradients, *a_pre, *a_post, *a_res, record, width);
    if (streams == 4) logits_backward<4>(row, d, gradients, *a_pre, *a_post, *a_res, record, width);
}

constexpr int BLOCK_COLUMNS = 256; // divides n * width
constexpr int STAGE = 32;          // tokens whose logits' gradients are in shared memory at a time

// Floats of a part: gradients of weights pre, post, res, then of their biases, then of the alphas, padded to a multiple of 4.
template <int N> __device__ __forceinline__ size_t part_length(int width) { return (size_t)OUTPUTS<N> * N * width + (OUTPUTS<N> + 3 + 3) / 4 * 4; }

// Gradient of `hyper_read` of N streams, added to d_x, and parts of the parameters' gradient.
// x, d_x: [tokens][N * width]; coefs: [tokens][128], after `hyper_logits_backward`; d_y: [tokens][width]; w_pre, w_post: [N][N * width];
// w_res: [N!][N * width]; alphas: one each; parts: [gridDim.y][part_length].
// Blocks of 128 threads; gridDim.x = N * width / 256, gridDim.y cuts the tokens into as many ranges. A kernel for each N.
//
// A thread has two columns of the streams: their weights and the gradient of these are in registers while the block's tokens go by, so
// every x and d_x is read once, for both the gradient of the streams and that of the weights. AHEAD tokens are loaded together.
template <int N, int AHEAD>
__device__ __forceinline__ void read_backward(const float *x, const float *coefs, const float *d_y, const float *w_pre, const float *w_post, const float *w_res,
                                              const float *a_pre, const float *a_post, const float *a_res, float *d_x, float *parts, int tokens, int width) {
    constexpr int OUT = OUTPUTS<N>;
    // d_logits, then what else of the record is read here: at ROWS: 1 / rms and the norm's share of x, at ROWS + 4: pre.
    __shared__ __align__(16) float stage[STAGE][ROWS<N> + 8];
    __shared__ float totals[32];
    int lane = threadIdx.x, columns = N * width, column = blockIdx.x * BLOCK_COLUMNS + 2 * lane;
    int stream = column / width;
    float alpha[3] = {*a_pre, *a_post, *a_res};
    float2 w[OUT], d_w[OUT];
#pragma unroll
    for (int j = 0; j < OUT; j++) {
        const float *row = j < N ? w_pre + (size_t)j * columns : j < 2 * N ? w_post + (size_t)(j - N) * columns : w_res + (size_t)(j - 2 * N) * columns;
        float a = alpha[j < N ? 0 : j < 2 * N ? 1 : 2];
        w[j] = load2(row + column);
        w[j].x *= a, w[j].y *= a;
        d_w[j] = make_float2(0.0f, 0.0f);
    }
    int range = (tokens + gridDim.y - 1) / gridDim.y, begin = min(tokens, range * (int)blockIdx.y), end = min(tokens, begin + range);
    float d_bias = 0.0f, d_alpha = 0.0f;
    for (int first = begin; first < end; first += STAGE) {
        int count = min(STAGE, end - first);
        __syncthreads();
        for (int i = threadIdx.x; i < count * (ROWS<N> + 8); i += BLOCK_COLUMNS / 2) {
            int t = i / (ROWS<N> + 8), j = i % (ROWS<N> + 8);
            const float *record = coefs + (size_t)(first + t) * HYPER_COEFS;
            stage[t][j] = j < OUT ? record[D_LOGITS + j] : j >= ROWS<N> + 4 ? record[PRE + j - ROWS<N> - 4] : j >= ROWS<N> ? record[INV_RMS + j - ROWS<N>] : 0.0f;
        }
        __syncthreads();
        for (int t = 0; t < count; t += AHEAD) {
            float2 row[AHEAD], d[AHEAD], y[AHEAD];
#pragma unroll
            for (int i = 0; i < AHEAD; i++) {
                if (t + i >= count) break;
                size_t token = first + t + i;
                row[i] = load2(x + token * columns + column);
                d[i] = load2(d_x + token * columns + column);
                y[i] = load2(d_y + token * width + column - stream * width);
            }
#pragma unroll
            for (int i = 0; i < AHEAD; i++) {
                if (t + i >= count) break;
                const float *known = stage[t + i];
                float2 scalars = load2(known + ROWS<N>);
                float r = scalars.x, through = scalars.y, pre = known[ROWS<N> + 4 + stream];
                float2 u = make_float2(row[i].x * r, row[i].y * r), d_u = make_float2(0.0f, 0.0f);
#pragma unroll
                for (int j = 0; j < OUT; j++) {
                    float g = known[j];
                    d_u = make_float2(fmaf(g, w[j].x, d_u.x), fmaf(g, w[j].y, d_u.y));
                    d_w[j] = make_float2(fmaf(g, u.x, d_w[j].x), fmaf(g, u.y, d_w[j].y));
                }
                d[i].x += pre * y[i].x + d_u.x * r - row[i].x * through;
                d[i].y += pre * y[i].y + d_u.y * r - row[i].y * through;
                store2(d_x + (size_t)(first + t + i) * columns + column, d[i]);
            }
        }
        // Biases and alphas have no columns: the first block of a row of blocks sums them, a thread an output.
        if (blockIdx.x == 0 && lane < OUT) {
            for (int t = 0; t < count; t++) {
                d_bias += stage[t][lane];
                d_alpha += stage[t][lane] * coefs[(size_t)(first + t) * HYPER_COEFS + projected_at<N>(lane)];
            }
        }
    }
    float *part = parts + blockIdx.y * part_length<N>(width);
#pragma unroll
    for (int j = 0; j < OUT; j++) {
        float a = alpha[j < N ? 0 : j < 2 * N ? 1 : 2];
        store2(part + (size_t)j * columns + column, make_float2(d_w[j].x * a, d_w[j].y * a));
    }
    if (blockIdx.x > 0) return;
    part += (size_t)OUT * columns;
    if (lane < OUT) part[lane] = d_bias, totals[lane] = d_alpha;
    __syncthreads();
    if (lane < 3) {
        float sum = 0.0f;
        for (int j = 0; j < OUT; j++) sum += kind_of<N>(j) == lane ? totals[j] : 0.0f;
        part[OUT + lane] = sum;
    }
}

extern "C" __global__ void __launch_bounds__(BLOCK_COLUMNS / 2)
    hyper_read_backward_2(const float *__restrict__ x, const float *__restrict__ coefs, const float *__restrict__ d_y, const float *__restrict__ w_pre,
                          const float *__restrict__ w_post, const float *__restrict__ w_res, const float *__restrict__ a_pre,
                          const float *__restrict__ a_post, const float *__restrict__ a_res, float *__restrict__ d_x, float *__restrict__ parts, int tokens,
                          int width) {
    read_backward<2, 4>(x, coefs, d_y, w_pre, w_post, w_res, a_pre, a_post, a_res, d_x, parts, tokens, width);
}

extern "C" __global__ void __launch_bounds__(BLOCK_COLUMNS / 2)
    hyper_read_backward_4(const float *__restrict__ x, const float *__restrict__ coefs, const float *__restrict__ d_y, const float *__restrict__ w_pre,
                          const float *__restrict__ w_post, const float *__restrict__ w_res, const float *__restrict__ a_pre,
                          const float *__restrict__ a_post, const float *__restrict__ a_res, float *__restrict__ d_x, float *__restrict__ parts, int tokens,
                          int width) {
    read_backward<4, 2>(x, coefs, d_y, w_pre, w_post, w_res, a_pre, a_post, a_res, d_x, parts, tokens, width);
}

// Nine arrays that a part's floats belong to, in order.
struct Gradients {
    float *of[9];
};

template <int N> __device__ __forceinline__ void sum_hyper_parts(const float *parts, const Gradients &d, int blocks, int width, int accumulate) {
    constexpr int SIZES[3] = {N, N, PERMUTATIONS<N>};
    int column = blockIdx.x * 32 + (threadIdx.x & 31), length = OUTPUTS<N> * N * width + OUTPUTS<N> + 3;
    float sum = sum_column(parts, blocks, part_length<N>(width), column, column < length);
    if (threadIdx.x >= 32) return;
#pragma unroll
    for (int i = 0; i < 9; i++) {
        int size = i < 3 ? SIZES[i] * N * width : i < 6 ? SIZES[i - 3] : 1;
        if (column >= 0 && column < size) d.of[i][column] = accumulate ? d.of[i][column] + sum : sum;
        column -= size;
    }
}

// The parameters' gradient from parts: [blocks][part_length], added to what is there if `accumulate`; shapes are the parameters'.
// A block of 512 threads for 32 floats: ceil((n! + 2 n) (n width + 1) + 3, 32) blocks.
extern "C" __global__ void __launch_bounds__(PARTS_WARPS * 32)
    hyper_parts(const float *__restrict__ parts, float *__restrict__ d_w_pre, float *__restrict__ d_w_post, float *__restrict__ d_w_res, float *__restrict__ d_b_pre,
                float *__restrict__ d_b_post, float *__restrict__ d_b_res, float *__restrict__ d_a_pre, float *__restrict__ d_a_post, float *__restrict__ d_a_res,
                int blocks, int width, int streams, int accumulate) {
    Gradients d = {{d_w_pre, d_w_post, d_w_res, d_b_pre, d_b_post, d_b_res, d_a_pre, d_a_post, d_a_res}};
    if (streams == 2) sum_hyper_parts<2>(parts, d, blocks, width, accumulate);
    if (streams == 4) sum_hyper_parts<4>(parts, d, blocks, width, accumulate);
}
