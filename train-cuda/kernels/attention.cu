// Attention, forward. See attention.cuh.
#include "attention.cuh"

// How a width is split; the host gives BYTES of dynamic shared memory.
template <int HD> struct Plan {
    static constexpr int BLOCKS = HD <= 64 ? 3 : 2;    // of an SM, by registers
    static constexpr int COLUMNS = HD <= 32 ? 64 : 32; // keys of a tile: what registers are left for
    static constexpr int TILE = COLUMNS * HD * 2, STAGE = 2 * TILE, BYTES = 2 * STAGE;
    static_assert(BYTES >= ROWS * HD * 2, "own rows pass through the room of the stages");
};
static_assert(Plan<32>::BYTES == 16384 && Plan<64>::BYTES == 16384 && Plan<96>::BYTES == 24576 && Plan<128>::BYTES == 32768, "the host's figures");

// Largest and sum over the four lanes that share a row.
__device__ __forceinline__ float row_max(float v) {
    v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
    return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}

__device__ __forceinline__ float row_sum(float v) {
    v += __shfl_xor_sync(0xffffffffu, v, 1);
    return v + __shfl_xor_sync(0xffffffffu, v, 2);
}

template <int HD>
__device__ __forceinline__ void run(const float *q, const float *k, const float *v, float *out, float *lse, int seq, int heads,
                                    int kv_heads, float scale) {
    extern __shared__ __align__(128) unsigned char shared[];
    using P = Plan<HD>;
    constexpr int N = P::COLUMNS / 8;
    const int head = blockIdx.x, kv_head = head / (heads / kv_heads), sequence = blockIdx.y, from = (gridDim.z - 1 - blockIdx.z) * ROWS;
    const auto keys = HeadRows<const float>::of<HD>(k, sequence, seq, kv_head, kv_heads);
    const auto values = HeadRows<const float>::of<HD>(v, sequence, seq, kv_head, kv_heads);
    auto key_tile = [&](int j) { return Tile<HD>{shared + j % 2 * P::STAGE}; };
    auto value_tile = [&](int j) { return Tile<HD>{shared + j % 2 * P::STAGE + P::TILE}; };
    const Lane at;

    // All that is needed first is asked for at once.
    Staged<ROWS, HD> own;
    Staged<P::COLUMNS, HD> staged, staged_values;
    own.load(HeadRows<const float>::of<HD>(q, sequence, seq, head, heads), from);
    staged.load(keys, 0);
    staged_values.load(values, 0);
    own.template store<F16>(Tile<HD>{shared});
    __syncthreads();
    const Own<HD, true> query(Tile<HD>{shared});
    __syncthreads();
    staged.template store<F16>(key_tile(0));
    staged_values.template store<F16>(value_tile(0));
    __syncthreads();

    float sum[HD / 8][4] = {}, most[2] = {-infinity(), -infinity()}, total[2] = {};
    const float scale2 = scale * LOG2_E; // powers of two instead of e
    const int tiles = (min(from + ROWS, seq) + P::COLUMNS - 1) / P::COLUMNS;
#pragma unroll 1
    for (int j = 0; j < tiles; j++) {
        const int first_key = j * P::COLUMNS, next_key = first_key + P::COLUMNS;
        const bool more = j + 1 < tiles;
        float s[N][4];
        if (more) staged.load(keys, next_key);
        multiply_transposed<F16>(s, query, key_tile(j));
        if (more) {
            staged.template store<F16>(key_tile(j + 1));
            staged.load(values, next_key);
        }

        if (next_key - 1 > from) {
            const int visible = from + at.row - first_key - at.column; // the last column that the lane's first row sees
#pragma unroll
            for (int n = 0; n < N; n++)
#pragma unroll
                for (int i = 0; i < 4; i++)
                    if (n * 8 + i % 2 > visible + i / 2 * 8) s[n][i] = -infinity();
        }
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float m = most[h];
#pragma unroll
            for (int n = 0; n < N; n++) m = fmaxf(m, fmaxf(s[n][2 * h], s[n][2 * h + 1]));
            m = row_max(m);
            const float shrink = exp2_approx((most[h] - m) * scale2), offset = -m * scale2;
            most[h] = m;
            total[h] *= shrink;
#pragma unroll
            for (int n = 0; n < HD / 8; n++) sum[n][2 * h] *= shrink, sum[n][2 * h + 1] *= shrink;
#pragma unroll
            for (int n = 0; n < N; n++)
#pragma unroll
                for (int i = 2 * h; i < 2 * h + 2; i++) {
                    s[n][i] = exp2_approx(fmaf(s[n][i], scale2, offset));
                    total[h] += s[n][i];
                }
        }
        multiply<F16>(sum, s, value_tile(j));
        if (more) staged.template store<F16>(value_tile(j + 1));
        __syncthreads();
    }

    const auto rows = HeadRows<float>::of<HD>(out, sequence, seq, head, heads);
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int row = from + at.row + 8 * h;
        const float all = row_sum(total[h]), inverse = 1.0f / all;
        if (row >= seq) continue;
        if (at.column == 0) lse[((size_t)sequence * seq + row) * heads + head] = fmaf(most[h], scale, logf(all));
        float *to = rows.row(row) + at.column;
#pragma unroll
        for (int n = 0; n < HD / 8; n++) *(float2 *)(to + n * 8) = make_float2(sum[n][2 * h] * inverse, sum[n][2 * h + 1] * inverse);
    }
}

#define ATTENTION(HD)                                                                          \
    extern "C" __global__ void __launch_bounds__(THREADS, Plan<HD>::BLOCKS)                    \
        attention_##HD(const float *q, const float *k, const float *v, float *out, float *lse, \
                       int sequences, int seq, int heads, int kv_heads, float scale) {         \
        run<HD>(q, k, v, out, lse, seq, heads, kv_heads, scale);                               \
    }

ATTENTION(32)
ATTENTION(64)
ATTENTION(96)
ATTENTION(128)
