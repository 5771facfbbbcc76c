// Hyper-connections forward: how every token's streams are read, mixed and written. `cpu::ops::hyper` in its order of summation, so that
// coefficients and streams have the processor's bits.
#include "exp.cuh"
#include "hyper.cuh"

constexpr int TOKENS = 8;         // of a block, a warp each at the end
constexpr int CHUNK = 128;        // columns in shared memory at a time
constexpr int STRIDE = CHUNK + 8; // so that eight lanes of four rows are in 32 banks

// Weights of output j, biases and alphas, by kind.
struct Connection {
    const float *w[3], *b[3], *a[3];
};

// Row r of a stage: first the weights' rows, then the tokens'. One warp copies one row, 16 bytes a lane.
template <int N>
__device__ __forceinline__ void copy_chunk(float *stage, const Connection &p, const float *x, int tokens, int columns, int chunk) {
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
#pragma unroll
    for (int r = warp; r < ROWS<N> + TOKENS; r += 8) {
        int token = blockIdx.x * TOKENS + r - ROWS<N>;
        bool there = r < ROWS<N> ? r < OUTPUTS<N> : token < tokens;
        const float *row = x;
        if (there && r < ROWS<N>) row = r < N ? p.w[0] + (size_t)r * columns : r < 2 * N ? p.w[1] + (size_t)(r - N) * columns : p.w[2] + (size_t)(r - 2 * N) * columns;
        if (there && r >= ROWS<N>) row = x + (size_t)token * columns;
        copy_async_16(stage + r * STRIDE + 4 * lane, row + chunk * CHUNK + 4 * lane, there);
    }
    copy_async_commit();
}

// The decisions of one token by one warp: lane j has output j. Returns the read weight on lanes below N.
template <int N> __device__ __forceinline__ float decide(const Connection &p, float projected, float inv_rms, float *record) {
    int lane = threadIdx.x & 31, kind = kind_of<N>(lane);
    bool is_output = lane < OUTPUTS<N>, is_res = is_output && kind == 2;
    float logit = 0.0f;
    if (is_output) {
        record[projected_at<N>(lane)] = projected;
        logit = *p.a[kind] * projected + p.b[kind][lane - (kind == 0 ? 0 : kind == 1 ? N : 2 * N)];
    }
    if (lane == 0) record[INV_RMS] = inv_rms;
    float gate = sigmoid(logit);
    if (kind == 1) gate = 2.0f * gate;
    if (is_output && kind < 2) record[kind == 0 ? PRE + lane : POST + lane - N] = gate;
    float most = warp_max(is_res ? logit : -__int_as_float(0x7f800000));
    float share = is_res ? exp_f32(logit - most) : 0.0f, sum = 0.0f;
#pragma unroll
    for (int k = 0; k < PERMUTATIONS<N>; k++) sum += __shfl_sync(0xffffffffu, share, 2 * N + k);
    share /= sum;
    if (is_res) record[SHARE + lane - 2 * N] = share;
    // Lane i N + j has that place of R.
    float mix = 0.0f;
#pragma unroll
    for (int k = 0; k < PERMUTATIONS<N>; k++) {
        float s = __shfl_sync(0xffffffffu, share, 2 * N + k);
        if (permutation<N>(k, lane / N) == lane % N) mix += s;
    }
    if (lane < N * N) record[MIX + lane] = mix;
    return gate;
}

// Eight lanes a row and token sum every eighth product, in order; a thread has ROWS / 8 rows and two tokens, so that what it reads from
// shared memory is used more than once. Weights are read once for eight tokens.
template <int N>
__device__ __forceinline__ void read_streams(float *stages, const Connection &p, const float *x, float *coefs, float *y, int tokens, int width, float eps) {
    constexpr int MINE = ROWS<N> / 8, STAGE = (ROWS<N> + TOKENS) * STRIDE;
    __shared__ float projected[TOKENS][ROWS<N>];
    __shared__ float inv_rms[TOKENS];
    int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    int l = threadIdx.x & 7, row = threadIdx.x >> 3 & 7, pair = threadIdx.x >> 6;
    int columns = N * width, chunks = columns / CHUNK;
    float sum[MINE][2] = {}, squares[2] = {};
    copy_chunk<N>(stages, p, x, tokens, columns, 0);
    for (int chunk = 0; chunk < chunks; chunk++) {
        copy_async_wait<0>();
        // All have their copies of this chunk and are done with the one before, whose place the next takes.
        __syncthreads();
        if (chunk + 1 < chunks) copy_chunk<N>(stages + (chunk + 1) % 2 * STAGE, p, x, tokens, columns, chunk + 1);
        const float *w = stages + chunk % 2 * STAGE + row * STRIDE + l, *u = stages + chunk % 2 * STAGE + (ROWS<N> + pair) * STRIDE + l;
#pragma unroll
        for (int k = 0; k < CHUNK; k += 8) {
#pragma unroll
            for (int t = 0; t < 2; t++) {
                float v = u[4 * t * STRIDE + k];
                squares[t] += v * v;
#pragma unroll
                for (int i = 0; i < MINE; i++) sum[i][t] += v * w[8 * i * STRIDE + k];
            }
        }
    }
#pragma unroll
    for (int t = 0; t < 2; t++) {
        float r = 1.0f / sqrtf(fold_lanes(squares[t]) / (float)columns + eps);
        if (row == 0 && l == 0) inv_rms[pair + 4 * t] = r;
#pragma unroll
        for (int i = 0; i < MINE; i++) {
            float z = fold_lanes(sum[i][t]) * r;
            if (l == 0) projected[pair + 4 * t][row + 8 * i] = z;
        }
    }
    __syncthreads();
    int token = blockIdx.x * TOKENS + warp;
    if (token >= tokens) return;
    float pre = decide<N>(p, lane < OUTPUTS<N> ? projected[warp][lane] : 0.0f, inv_rms[warp], coefs + (size_t)token * HYPER_COEFS);
    float weight[N];
#pragma unroll
    for (int s = 0; s < N; s++) weight[s] = __shfl_sync(0xffffffffu, pre, s);
    const float *from = x + (size_t)token * columns;
    for (int column = 4 * lane; column < width; column += 128) {
        float4 v = weight[0] * load4(from + column);
#pragma unroll
        for (int s = 1; s < N; s++) v = v + weight[s] * load4(from + s * width + column);
        store4(y + (size_t)token * width + column, v);
    }
}

// Coefficients of every token from its streams, and the sub-layer's input y = sum of pre_i x_i.
// x: [tokens][n * width]; w_pre, w_post: [n][n * width]; w_res: [n!][n * width]; biases: [n], [n], [n!]; alphas: one each;
// coefs: [tokens][128]; y: [tokens][width]; n = streams, 2 or 4. Blocks of 256 threads, 8 tokens each;
// shared: 17,408 bytes for two streams, 43,520 for four.
extern "C" __global__ void __launch_bounds__(256)
    hyper_read(const float *__restrict__ x, const float *__restrict__ w_pre, const float *__restrict__ w_post, const float *__restrict__ w_res,
               const float *__restrict__ b_pre, const float *__restrict__ b_post, const float *__restrict__ b_res, const float *__restrict__ a_pre,
               const float *__restrict__ a_post, const float *__restrict__ a_res, float *__restrict__ coefs, float *__restrict__ y, int tokens, int width,
               int streams, float eps) {
    extern __shared__ __align__(128) unsigned char shared[];
    Connection p = {{w_pre, w_post, w_res}, {b_pre, b_post, b_res}, {a_pre, a_post, a_res}};
    if (streams == 2) read_streams<2>((float *)shared, p, x, coefs, y, tokens, width, eps);
    if (streams == 4) read_streams<4>((float *)shared, p, x, coefs, y, tokens, width, eps);
}

// Four columns of a token.
template <int N>
__device__ __forceinline__ void write_streams(const float *x, const float *record, float4 f, float *out, int width) {
    float4 streams[N];
#pragma unroll
    for (int j = 0; j < N; j++) streams[j] = load4(x + j * width);
#pragma unroll
    for (int i = 0; i < N; i++) {
        float4 v = record[POST + i] * f;
#pragma unroll
        for (int j = 0; j < N; j++) v = v + record[MIX + i * N + j] * streams[j];
        store4(out + i * width, v);
    }
}

// out = R x + post (outer) dropout(f). x, out: [tokens][n * width]; coefs: [tokens][128]; f: [tokens][width]; n = streams, 2 or 4.
// Blocks of 256 threads, four columns of a token a thread; a warp has one token, so coefficients are read by all its lanes at once.
extern "C" __global__ void __launch_bounds__(256)
    hyper_write(const float *__restrict__ x, const float *__restrict__ coefs, const float *__restrict__ f, const StepWords *__restrict__ words,
                float *__restrict__ out, int tokens, int width, int streams, uint64_t seed, uint32_t site, uint32_t threshold, float keep_scale,
                int first_token) {
    uint32_t index = blockIdx.x * 256 + threadIdx.x, pieces = width / 4;
    int token = index / pieces, column = 4 * (index % pieces);
    if (token >= tokens) return;
    Mask mask(seed, words->step, site, threshold, keep_scale);
    float4 dropped = apply4(mask, load4(f + (size_t)token * width + column), (uint32_t)(first_token + token) * width + column);
    size_t at = (size_t)token * streams * width + column;
    const float *record = coefs + (size_t)token * HYPER_COEFS;
    if (streams == 2) write_streams<2>(x + at, record, dropped, out + at, width);
    if (streams == 4) write_streams<4>(x + at, record, dropped, out + at, width);
}
