// The gradient of the queries of attention. See attention.cuh.
#include "attention.cuh"

// How a width is split; the host gives BYTES of dynamic shared memory.
template <int HD> struct Plan {
    static constexpr int BLOCKS = HD <= 64 ? 3 : 2; // of an SM, by registers
    static constexpr int COLUMNS = HD <= 32 ? 64 : HD <= 96 ? 32 : 16; // keys of a tile: what registers are left for
    static constexpr int OWN = ROWS * HD * 2, TILE = COLUMNS * HD * 2, STAGE = 3 * TILE;
    static constexpr int BYTES = 2 * (STAGE > OWN ? STAGE : OWN); // own rows pass through the room of the stages
};
static_assert(Plan<32>::BYTES == 24576 && Plan<64>::BYTES == 24576 && Plan<96>::BYTES == 36864 && Plan<128>::BYTES == 32768, "the host's figures");

template <int HD>
__device__ __forceinline__ void run(const float *q, const float *k, const float *v, const float *lse, const float *delta,
                                    const float *d_out, bf16_t *d_q, int seq, int heads, int kv_heads, float scale) {
    extern __shared__ __align__(128) unsigned char shared[];
    using P = Plan<HD>;
    constexpr int N = P::COLUMNS / 8;
    const int head = blockIdx.x, kv_head = head / (heads / kv_heads), sequence = blockIdx.y, from = (gridDim.z - 1 - blockIdx.z) * ROWS;
    const auto keys = HeadRows<const float>::of<HD>(k, sequence, seq, kv_head, kv_heads);
    const auto values = HeadRows<const float>::of<HD>(v, sequence, seq, kv_head, kv_heads);
    auto key_tile = [&](int j) { return Tile<HD>{shared + j % 2 * P::STAGE}; }; // f16, for s
    auto key_bf16_tile = [&](int j) { return Tile<HD>{shared + j % 2 * P::STAGE + P::TILE}; };
    auto value_tile = [&](int j) { return Tile<HD>{shared + j % 2 * P::STAGE + 2 * P::TILE}; };
    const Lane at;

    // All that is needed first is asked for at once.
    Staged<ROWS, HD> own_query, own_d_row;
    Staged<P::COLUMNS, HD> staged, staged_values;
    own_query.load(HeadRows<const float>::of<HD>(q, sequence, seq, head, heads), from);
    own_d_row.load(HeadRows<const float>::of<HD>(d_out, sequence, seq, head, heads), from);
    staged.load(keys, 0);
    staged_values.load(values, 0);
    float lse2[2], inner[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const size_t i = ((size_t)sequence * seq + min(from + at.row + 8 * h, seq - 1)) * heads + head;
        lse2[h] = lse[i] * LOG2_E;
        inner[h] = delta[i];
    }
    own_query.template store<F16>(Tile<HD>{shared});
    own_d_row.template store<Bf16>(Tile<HD>{shared + P::OWN});
    __syncthreads();
    const Own<HD, true> query(Tile<HD>{shared});
    const Own<HD, true> d_row(Tile<HD>{shared + P::OWN});
    __syncthreads();
    staged.template store<F16>(key_tile(0));
    staged.template store<Bf16>(key_bf16_tile(0));
    staged_values.template store<Bf16>(value_tile(0));
    __syncthreads();

    float sum[HD / 8][4] = {};
    const float scale2 = scale * LOG2_E;
    const int tiles = (min(from + ROWS, seq) + P::COLUMNS - 1) / P::COLUMNS;
#pragma unroll 1
    for (int j = 0; j < tiles; j++) {
        const int first_key = j * P::COLUMNS, next_key = first_key + P::COLUMNS;
        const bool more = j + 1 < tiles, masked = next_key - 1 > from;
        const int visible = from + at.row - first_key - at.column; // the last column that the lane's first row sees
        float s[N][4], dp[N][4];
        if (more) staged.load(keys, next_key);
        multiply_transposed<F16>(s, query, key_tile(j));
        if (more) {
            staged.template store<F16>(key_tile(j + 1));
            staged.template store<Bf16>(key_bf16_tile(j + 1));
            staged.load(values, next_key);
        }
        multiply_transposed<Bf16>(dp, d_row, value_tile(j));
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float p = exp2_approx(fmaf(s[n][i], scale2, -lse2[i / 2]));
                if (masked && n * 8 + i % 2 > visible + i / 2 * 8) p = 0.0f;
                s[n][i] = p * (dp[n][i] - inner[i / 2]);
            }
        multiply<Bf16>(sum, s, key_bf16_tile(j));
        if (more) staged.template store<Bf16>(value_tile(j + 1));
        __syncthreads();
    }
    write_rows(sum, scale, Tile<HD>{shared}, HeadRows<bf16_t>::of<HD>(d_q, sequence, seq, head, heads), from);
}

#define ATTENTION(HD)                                                                                                               \
    extern "C" __global__ void __launch_bounds__(THREADS, Plan<HD>::BLOCKS)                                                         \
        attention_dq_##HD(const float *q, const float *k, const float *v, const float *lse, const float *delta, const float *d_out, \
                          bf16_t *d_q, int sequences, int seq, int heads, int kv_heads, float scale) {                              \
        run<HD>(q, k, v, lse, delta, d_out, d_q, seq, heads, kv_heads, scale);                                                      \
    }

ATTENTION(32)
ATTENTION(64)
ATTENTION(96)
ATTENTION(128)
