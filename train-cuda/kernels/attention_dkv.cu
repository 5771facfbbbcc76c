// The gradients of the keys and values of attention. See attention.cuh.
#include "attention.cuh"

// How a width is split; the host gives BYTES of dynamic shared memory.
template <int HD> struct Plan {
    static constexpr int BLOCKS = HD <= 32 ? 3 : 2; // of an SM, by registers
    static constexpr int COLUMNS = HD <= 32 ? 64 : HD <= 96 ? 32 : 16; // queries of a tile: what registers are left for
    static constexpr bool HELD = HD <= 64;             // whether keys and values stay in registers, next to two accumulators
    static constexpr int OWN = ROWS * HD * 2, TILE = COLUMNS * HD * 2, STAGE = 3 * TILE + 2 * COLUMNS * 4;
    static constexpr int BYTES = 2 * STAGE + (HELD ? 0 : 2 * OWN);
    static_assert(!HELD || STAGE >= OWN, "own rows that are held pass through the room of the stages");
    static_assert(2 * COLUMNS <= THREADS, "a thread stages one number of lse or delta");
};
static_assert(Plan<32>::BYTES == 25600 && Plan<64>::BYTES == 25088 && Plan<96>::BYTES == 61952 && Plan<128>::BYTES == 57600, "the host's figures");

template <int HD>
__device__ __forceinline__ void run(const float *q, const float *k, const float *v, const float *lse, const float *delta,
                                    const float *d_out, bf16_t *d_k, bf16_t *d_v, int seq, int heads, int kv_heads, float scale) {
    extern __shared__ __align__(128) unsigned char shared[];
    using P = Plan<HD>;
    constexpr int N = P::COLUMNS / 8;
    const int kv_head = blockIdx.x, sequence = blockIdx.y, from = blockIdx.z * ROWS;
    unsigned char *own_bytes = shared + (P::HELD ? 0 : 2 * P::STAGE);
    auto query_tile = [&](int j) { return Tile<HD>{shared + j % 2 * P::STAGE}; }; // f16, for s
    auto query_bf16_tile = [&](int j) { return Tile<HD>{shared + j % 2 * P::STAGE + P::TILE}; };
    auto d_out_tile = [&](int j) { return Tile<HD>{shared + j % 2 * P::STAGE + 2 * P::TILE}; };
    auto lse_and_delta = [&](int j) { return (float *)(shared + j % 2 * P::STAGE + 3 * P::TILE); };
    const Lane at;

    // The walk: `head`s of the group one after the other, and of each the tiles of queries from the diagonal on.
    const int last_head = (kv_head + 1) * (heads / kv_heads) - 1;
    int head = kv_head * (heads / kv_heads), query = from;
    float staged_number = 0.0f;
    auto load_numbers = [&](int of_head, int first) {
        const int row = first + threadIdx.x % P::COLUMNS;
        const size_t i = ((size_t)sequence * seq + min(row, seq - 1)) * heads + of_head;
        if (threadIdx.x < P::COLUMNS)
            staged_number = row < seq ? lse[i] * LOG2_E : infinity(); // beyond the sequence p = exp(-infinity) = 0
        else if (threadIdx.x < 2 * P::COLUMNS)
            staged_number = delta[i];
    };
    Staged<P::COLUMNS, HD> staged;
    auto load_queries = [&](int of_head, int first) {
        staged.load(HeadRows<const float>::of<HD>(q, sequence, seq, of_head, heads), first);
        load_numbers(of_head, first);
    };
    auto store_queries = [&](int j) {
        staged.template store<F16>(query_tile(j));
        staged.template store<Bf16>(query_bf16_tile(j));
        if (threadIdx.x < 2 * P::COLUMNS) lse_and_delta(j)[threadIdx.x] = staged_number;
    };

    // All that is needed first is asked for at once.
    Staged<ROWS, HD> own_key, own_value;
    Staged<P::COLUMNS, HD> staged_d_out;
    own_key.load(HeadRows<const float>::of<HD>(k, sequence, seq, kv_head, kv_heads), from);
    own_value.load(HeadRows<const float>::of<HD>(v, sequence, seq, kv_head, kv_heads), from);
    load_queries(head, query);
    staged_d_out.load(HeadRows<const float>::of<HD>(d_out, sequence, seq, head, heads), query);
    own_key.template store<F16>(Tile<HD>{own_bytes});
    own_value.template store<Bf16>(Tile<HD>{own_bytes + P::OWN});
    __syncthreads();
    const Own<HD, P::HELD> key(Tile<HD>{own_bytes});
    const Own<HD, P::HELD> value(Tile<HD>{own_bytes + P::OWN});
    __syncthreads();
    store_queries(0);
    staged_d_out.template store<Bf16>(d_out_tile(0));
    __syncthreads();

    float sum_k[HD / 8][4] = {}, sum_v[HD / 8][4] = {};
    const float scale2 = scale * LOG2_E;
#pragma unroll 1
    for (int j = 0; head <= last_head; j++) {
        const bool ends_head = query + P::COLUMNS >= seq;
        const int next_query = ends_head ? from : query + P::COLUMNS, next_head = ends_head ? head + 1 : head;
        const bool more = next_head <= last_head, masked = query < from + ROWS - 1;
        const int visible = from + at.row - query - at.column; // the first column that sees the lane's first row
        float p[N][4], ds[N][4]; // transposed: a row is a key
        if (more) load_queries(next_head, next_query);
        multiply_transposed<F16>(p, key, query_tile(j));
        if (more) {
            store_queries(j + 1);
            staged.load(HeadRows<const float>::of<HD>(d_out, sequence, seq, next_head, heads), next_query);
        }
#pragma unroll
        for (int n = 0; n < N; n++) {
            const float2 lse2 = *(const float2 *)(lse_and_delta(j) + n * 8 + at.column);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                p[n][i] = exp2_approx(fmaf(p[n][i], scale2, -(i % 2 ? lse2.y : lse2.x)));
                if (masked && n * 8 + i % 2 < visible + i / 2 * 8) p[n][i] = 0.0f;
            }
        }
        multiply<Bf16>(sum_v, p, d_out_tile(j));
        multiply_transposed<Bf16>(ds, value, d_out_tile(j));
#pragma unroll
        for (int n = 0; n < N; n++) {
            const float2 inner = *(const float2 *)(lse_and_delta(j) + P::COLUMNS + n * 8 + at.column);
#pragma unroll
            for (int i = 0; i < 4; i++) ds[n][i] = p[n][i] * (ds[n][i] - (i % 2 ? inner.y : inner.x));
        }
        multiply<Bf16>(sum_k, ds, query_bf16_tile(j));
        if (more) staged.template store<Bf16>(d_out_tile(j + 1));
        __syncthreads();
        query = next_query;
        head = next_head;
    }
    write_rows(sum_k, scale, Tile<HD>{own_bytes}, HeadRows<bf16_t>::of<HD>(d_k, sequence, seq, kv_head, kv_heads), from);
    write_rows(sum_v, 1.0f, Tile<HD>{own_bytes + P::OWN}, HeadRows<bf16_t>::of<HD>(d_v, sequence, seq, kv_head, kv_heads), from);
}

#define ATTENTION(HD)                                                                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS, Plan<HD>::BLOCKS)                                                          \
        attention_dkv_##HD(const float *q, const float *k, const float *v, const float *lse, const float *delta, const float *d_out, \
                           bf16_t *d_k, bf16_t *d_v, int sequences, int seq, int heads, int kv_heads, float scale) {                 \
        run<HD>(q, k, v, lse, delta, d_out, d_k, d_v, seq, heads, kv_heads, scale);                                                  \
    }

ATTENTION(32)
ATTENTION(64)
ATTENTION(96)
ATTENTION(128)
