// The head with its cross-entropy on tensor cores. The logits, tokens x vocabulary, never exist as a whole:
//
//   head_stats      of every 128 of the vocabulary, each token's largest logit and the sum of exp(logit - largest)
//   head_loss       lse and nats from those
//   then for one chunk of the vocabulary after the other, the chunks small enough for the L2 cache:
//   head_gradient   the chunk's logits again, turned into D = 1024 (softmax - one_hot) in f16
//   head_dy         D table: a gradient of y, summed over chunks in as many parts as a long sum is split into
//   head_dtable     D^T y: the chunk's rows of the table's gradient
//   head_dy_sum     d_y = the sum of the parts
//
// y [tokens][width] and table [vocab][width] are f16; the same products in the same order give the same logits both times. 1024 keeps
// probabilities down to 6e-11 in f16; it and 1 / scored tokens are multiplied in f32 where results leave.
// `width` is a multiple of 8; tokens and vocab are any numbers; a chunk is a multiple of TILE, and chunks begin at multiples of it.
//
// 256 threads, SHARED bytes of dynamic shared memory where there is a product. Tiles of the token dimension are neighbours in the grid, so
// that a tile of the table is read once from memory. Two blocks share an SM where it has the memory.
#include "common.cuh"
#include "product.cuh"

constexpr int TILE = 128;
constexpr int THREADS = WarpGrid<TILE>::THREADS;
constexpr uint32_t IGNORED = 0xffffffff;
constexpr float GRADIENT_SCALE = 1024.0f;
constexpr float GRADIENT_SCALE_LOG2 = 10.0f;
constexpr float LOG2_E = 1.44269504f;

using Logits = Product<F16, TILE, ALONG_K, ALONG_K>;
using Dy = Product<F16, TILE, ALONG_K, ACROSS_K>;
using Dtable = Product<F16, TILE, ACROSS_K, ACROSS_K>;

constexpr int SHARED = Logits::SHARED_BYTES, BLOCKS = Logits::MIN_BLOCKS;
static_assert(Dy::SHARED_BYTES == SHARED && Dtable::SHARED_BYTES == SHARED, "one size for the host");
static_assert(SHARED == 98304, "the host's figure");
static_assert(SHARED >= TILE * TILE * 2, "a tile of gradients passes through the room of the stages");

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

// e^(x - offset / LOG2_E).
__device__ __forceinline__ float exp_of(float x, float offset) { return exp2_approx(fmaf(x, LOG2_E, -offset)); }

// Largest value and sum of exp(value - largest), over values that may be split in any way.
struct Stats {
    float most, sum;

    __device__ __forceinline__ void add(Stats other) {
        const float m = fmaxf(most, other.most);
        // Nothing yet on both sides: whatever is added to nothing stays nothing.
        const float offset = m == -infinity() ? 0.0f : m * LOG2_E;
        sum = sum * exp_of(most, offset) + other.sum * exp_of(other.most, offset);
        most = m;
    }
};

// parts[token][tile]; at_target[token] is written where the target is one. Blocks: (tokens / TILE, vocab / TILE), rounded up.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    head_stats(const half_t *y, const half_t *table, const uint32_t *targets, float2 *parts, float *at_target, int tokens, int vocab, int width) {
    extern __shared__ __align__(128) unsigned char shared[];
    const int first_token = blockIdx.x * TILE, first_column = blockIdx.y * TILE, lane = threadIdx.x & 31;
    Logits logits;
    logits.run(y + (size_t)first_token * width, width, table + (size_t)first_column * width, width, tokens - first_token, vocab - first_column,
               width, shared);
    __syncthreads();

    // A warp has 32 columns of a row, eight in each of four lanes; four warps together have the tile's.
    constexpr int ACROSS = WarpGrid<TILE>::ACROSS;
    Stats *of_warps = (Stats *)shared; // [TILE][ACROSS]
#pragma unroll
    for (int i = 0; i < Logits::BLOCKS_M; i++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = Logits::row() + 16 * i + 8 * half, token = first_token + row;
            const uint32_t target = token < tokens ? targets[token] : IGNORED;
            Stats stats = {-infinity(), 0.0f};
#pragma unroll
            for (int j = 0; j < Logits::BLOCKS_N; j++)
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    const int column = first_column + Logits::column() + 8 * j + c;
                    float &v = logits.sum[i][j][2 * half + c];
                    if ((uint32_t)column == target) at_target[token] = v;
                    if (column >= vocab) v = -infinity();
                    stats.most = fmaxf(stats.most, v);
                }
            const float offset = stats.most == -infinity() ? 0.0f : stats.most * LOG2_E;
#pragma unroll
            for (int j = 0; j < Logits::BLOCKS_N; j++)
#pragma unroll
                for (int c = 0; c < 2; c++) stats.sum += exp_of(logits.sum[i][j][2 * half + c], offset);
#pragma unroll
            for (int d = 1; d < 4; d *= 2)
                stats.add({__shfl_xor_sync(0xffffffffu, stats.most, d), __shfl_xor_sync(0xffffffffu, stats.sum, d)});
            if (lane % 4 == 0) of_warps[row * ACROSS + threadIdx.x / 32 % ACROSS] = stats;
        }
    __syncthreads();
    const int token = first_token + threadIdx.x;
    if (threadIdx.x < TILE && token < tokens) {
        Stats stats = of_warps[threadIdx.x * ACROSS];
        for (int w = 1; w < ACROSS; w++) stats.add(of_warps[threadIdx.x * ACROSS + w]);
        parts[(size_t)token * gridDim.y + blockIdx.y] = make_float2(stats.most, stats.sum);
    }
}

// lse[token] = ln sum exp(logits), nats[token] = lse - the target's logit. A warp is a token; blocks: tokens / 8, rounded up.
extern "C" __global__ void __launch_bounds__(THREADS) head_loss(const float2 *parts, const float *at_target, const uint32_t *targets, float *lse,
                                                                float *nats, int tokens, int tiles) {
    const int token = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x & 31;
    if (token >= tokens) return;
    Stats stats = {-infinity(), 0.0f};
    for (int i = lane; i < tiles; i += 32) {
        const float2 part = parts[(size_t)token * tiles + i];
        stats.add({part.x, part.y});
    }
#pragma unroll
    for (int d = 16; d > 0; d /= 2) stats.add({__shfl_xor_sync(0xffffffffu, stats.most, d), __shfl_xor_sync(0xffffffffu, stats.sum, d)});
    if (lane == 0) {
        const float all = stats.most + logf(stats.sum);
        lse[token] = all;
        nats[token] = targets[token] == IGNORED ? 0.0f : all - at_target[token];
    }
}

// d_logits[token][column - first] for the chunk's columns: GRADIENT_SCALE (softmax - one_hot), 0 for an IGNORED target and beyond the
// vocabulary. Blocks: (tokens / TILE rounded up, chunk / TILE).
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    head_gradient(const half_t *y, const half_t *table, const uint32_t *targets, const float *lse, half_t *d_logits, int tokens, int vocab,
                  int width, int first, int chunk) {
    extern __shared__ __align__(128) unsigned char shared[];
    const int first_token = blockIdx.x * TILE, first_column = first + blockIdx.y * TILE;
    Logits logits;
    logits.run(y + (size_t)first_token * width, width, table + (size_t)first_column * width, width, tokens - first_token, vocab - first_column,
               width, shared);
    __syncthreads();

    constexpr int CHUNKS = TILE * 2 / CHUNK;
#pragma unroll
    for (int i = 0; i < Logits::BLOCKS_M; i++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int row = Logits::row() + 16 * i + 8 * half, token = first_token + row;
            const uint32_t target = token < tokens ? targets[token] : IGNORED;
            const float offset = target == IGNORED ? infinity() : fmaf(lse[token], LOG2_E, -GRADIENT_SCALE_LOG2);
#pragma unroll
            for (int j = 0; j < Logits::BLOCKS_N; j++) {
                const int column = Logits::column() + 8 * j;
                float d[2];
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    const int of_vocab = first_column + column + c;
                    d[c] = of_vocab < vocab ? exp_of(logits.sum[i][j][2 * half + c], offset) : 0.0f;
                    if ((uint32_t)of_vocab == target) d[c] -= GRADIENT_SCALE;
                }
                *(uint32_t *)(shared + tile_offset<CHUNKS>(row, column / 8) + column % 8 * 2) = pack_half(d[0], d[1]);
            }
        }
    __syncthreads();
    for (int n = threadIdx.x; n < TILE * CHUNKS; n += THREADS) {
        const int row = n / CHUNKS, place = n % CHUNKS;
        if (first_token + row < tokens)
            *(uint4 *)(d_logits + (size_t)(first_token + row) * chunk + blockIdx.y * TILE + place * 8) =
                *(const uint4 *)(shared + tile_offset<CHUNKS>(row, place));
    }
}

// C = factor sum, or with `add` C += factor sum.
template <class P> __device__ __forceinline__ void write(P &product, float factor, bool add, const Place<float> &c) {
    if (add) {
        accumulate(product, factor, 1.0f, c);
    } else {
        scale(product, factor);
        store(product, c);
    }
}

// parts[split][token][width] (+)= d_logits table, over the `slice` columns of the chunk that are this split's.
// Blocks: (tokens / TILE rounded up, width / TILE rounded up, chunk / slice rounded up); slice is a multiple of 64.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    head_dy(const half_t *d_logits, const half_t *table, float *parts, int tokens, int vocab, int width, int first, int chunk, int slice,
            int add) {
    extern __shared__ __align__(128) unsigned char shared[];
    const int first_token = blockIdx.x * TILE, first_column = blockIdx.y * TILE, begin = blockIdx.z * slice;
    const int length = min(min(slice, chunk - begin), vocab - first - begin);
    Dy product;
    product.run(d_logits + (size_t)first_token * chunk + begin, chunk, table + (size_t)(first + begin) * width + first_column, width,
                tokens - first_token, width - first_column, length, shared);
    write(product, 1.0f, add, {parts + (size_t)blockIdx.z * tokens * width, width, first_token, first_column, tokens, width});
}

// d_y = the sum of `splits` parts in order, for tokens * width `values`, a multiple of 4. Any number of blocks.
extern "C" __global__ void __launch_bounds__(THREADS)
    head_dy_sum(const float *parts, const StepWords *words, float *d_y, uint64_t values, int splits) {
    const float factor = words->scored_inv / GRADIENT_SCALE;
    const uint64_t quads = values / 4, step = (uint64_t)gridDim.x * THREADS;
    for (uint64_t i = (uint64_t)blockIdx.x * THREADS + threadIdx.x; i < quads; i += step) {
        float4 sum = ((const float4 *)parts)[i];
        for (int split = 1; split < splits; split++) {
            const float4 v = ((const float4 *)parts)[split * quads + i];
            sum.x += v.x, sum.y += v.y, sum.z += v.z, sum.w += v.w;
        }
        ((float4 *)d_y)[i] = make_float4(sum.x * factor, sum.y * factor, sum.z * factor, sum.w * factor);
    }
}

// d_table[first ..] (+)= d_logits^T y. Blocks: (width / TILE rounded up, chunk / TILE).
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    head_dtable(const half_t *d_logits, const half_t *y, const StepWords *words, float *d_table, int tokens, int vocab, int width, int first,
                int chunk, int add) {
    extern __shared__ __align__(128) unsigned char shared[];
    const int first_row = blockIdx.y * TILE, first_column = blockIdx.x * TILE;
    Dtable product;
    product.run(d_logits + first_row, chunk, y + first_column, width, chunk - first_row, width - first_column, tokens, shared);
    write(product, words->scored_inv / GRADIENT_SCALE, add, {d_table, width, first + first_row, first_column, vocab, width});
}
