// Attention and its gradients in plain f32, for any head up to HEAD_MAX wide: what the tensor-core kernels are checked against.
//
//   q, out, d_out, d_q  [sequences * seq][heads][head_dim]      k, v, d_k, d_v  [sequences * seq][kv_heads][head_dim]
//   lse (natural logarithm), delta  [sequences * seq][heads]
//
// A block owns one query of one head, or one key of one key-value head. It takes the rows of the other side TILE at a time: first a thread
// is a row and has its dot products, then a thread is a column and adds the tile's rows in order. Rows are read again where they are
// needed twice, so the length of a sequence is not limited by memory.
// Blocks: (heads, for dkv kv_heads; sequences; seq).
#include "common.cuh"
#include "exp.cuh"

constexpr int TILE = 128; // threads of a block
constexpr int HEAD_MAX = 256;
constexpr int COLUMNS = HEAD_MAX / TILE; // of a thread

// One head's rows of one sequence.
struct Rows {
    const float *first;
    int stride;

    __device__ __forceinline__ Rows(const float *rows, int seq, int head, int heads, int head_dim)
        : first(rows + ((size_t)blockIdx.y * seq * heads + head) * head_dim), stride(heads * head_dim) {}
    __device__ __forceinline__ const float *row(int i) const { return first + (size_t)i * stride; }
};

__device__ __forceinline__ float dot(const float *a, const float *b, int n) {
    float sum = 0.0f;
    for (int i = 0; i < n; i++) sum = fmaf(a[i], b[i], sum);
    return sum;
}

// Copies a row for the whole block to read. A barrier must follow.
__device__ __forceinline__ void keep(float *to, const float *row, int n) {
    for (int i = threadIdx.x; i < n; i += TILE) to[i] = row[i];
}

// sum[c] += weights[i] * row(first + i)[column c] over `count` rows, in order.
__device__ __forceinline__ void add_rows(float (&sum)[COLUMNS], const float *weights, const Rows &rows, int first, int count, int head_dim) {
    for (int i = 0; i < count; i++)
        for (int c = 0; c < COLUMNS; c++) {
            int column = threadIdx.x + c * TILE;
            if (column < head_dim) sum[c] = fmaf(weights[i], rows.row(first + i)[column], sum[c]);
        }
}

__device__ __forceinline__ void write(float *to, const float (&sum)[COLUMNS], float factor, int head_dim) {
    for (int c = 0; c < COLUMNS; c++) {
        int column = threadIdx.x + c * TILE;
        if (column < head_dim) to[column] = sum[c] * factor;
    }
}

extern "C" __global__ void __launch_bounds__(TILE) attention_f32(const float *q, const float *k, const float *v, float *out, float *lse,
                                                                 int sequences, int seq, int heads, int kv_heads, int head_dim, float scale) {
    __shared__ float query_row[HEAD_MAX], weights[TILE], room[32];
    const int head = blockIdx.x, kv_head = head / (heads / kv_heads), query = blockIdx.z, thread = threadIdx.x;
    const Rows keys(k, seq, kv_head, kv_heads, head_dim), values(v, seq, kv_head, kv_heads, head_dim);
    keep(query_row, Rows(q, seq, head, heads, head_dim).row(query), head_dim);
    __syncthreads();

    float most = -__int_as_float(0x7f800000);
    for (int key = thread; key <= query; key += TILE) most = fmaxf(most, scale * dot(query_row, keys.row(key), head_dim));
    most = block_max(most, room);

    float total = 0.0f, sum[COLUMNS] = {};
    for (int first = 0; first <= query; first += TILE) {
        const int count = min(TILE, query + 1 - first);
        if (thread < count) {
            weights[thread] = exp_f32(fmaf(scale, dot(query_row, keys.row(first + thread), head_dim), -most));
            total += weights[thread];
        }
        __syncthreads();
        add_rows(sum, weights, values, first, count, head_dim);
        __syncthreads();
    }
    total = block_sum(total, room);

    const size_t row = ((size_t)blockIdx.y * seq + query) * heads + head;
    write(out + row * head_dim, sum, 1.0f / total, head_dim);
    if (thread == 0) lse[row] = most + logf(total);
}

extern "C" __global__ void __launch_bounds__(TILE)
    attention_dq_f32(const float *q, const float *k, const float *v, const float *lse, const float *delta, const float *d_out, float *d_q,
                     int sequences, int seq, int heads, int kv_heads, int head_dim, float scale) {
    __shared__ float query_row[HEAD_MAX], d_row[HEAD_MAX], ds[TILE];
    const int head = blockIdx.x, kv_head = head / (heads / kv_heads), query = blockIdx.z, thread = threadIdx.x;
    const Rows keys(k, seq, kv_head, kv_heads, head_dim), values(v, seq, kv_head, kv_heads, head_dim);
    const size_t row = ((size_t)blockIdx.y * seq + query) * heads + head;
    keep(query_row, q + row * head_dim, head_dim);
    keep(d_row, d_out + row * head_dim, head_dim);
    __syncthreads();

    float sum[COLUMNS] = {};
    for (int first = 0; first <= query; first += TILE) {
        const int count = min(TILE, query + 1 - first);
        if (thread < count) {
            const float p = exp_f32(fmaf(scale, dot(query_row, keys.row(first + thread), head_dim), -lse[row]));
            ds[thread] = p * (dot(d_row, values.row(first + thread), head_dim) - delta[row]);
        }
        __syncthreads();
        add_rows(sum, ds, keys, first, count, head_dim);
        __syncthreads();
    }
    write(d_q + row * head_dim, sum, scale, head_dim);
}

extern "C" __global__ void __launch_bounds__(TILE)
    attention_dkv_f32(const float *q, const float *k, const float *v, const float *lse, const float *delta, const float *d_out, float *d_k,
                      float *d_v, int sequences, int seq, int heads, int kv_heads, int head_dim, float scale) {
    __shared__ float key_row[HEAD_MAX], value_row[HEAD_MAX], p[TILE], ds[TILE];
    const int kv_head = blockIdx.x, group = heads / kv_heads, key = blockIdx.z, thread = threadIdx.x;
    const size_t row = ((size_t)blockIdx.y * seq + key) * kv_heads + kv_head;
    keep(key_row, k + row * head_dim, head_dim);
    keep(value_row, v + row * head_dim, head_dim);
    __syncthreads();

    float sum_k[COLUMNS] = {}, sum_v[COLUMNS] = {};
    for (int head = kv_head * group; head < (kv_head + 1) * group; head++) {
        const Rows queries(q, seq, head, heads, head_dim), d_rows(d_out, seq, head, heads, head_dim);
        for (int first = key; first < seq; first += TILE) {
            const int count = min(TILE, seq - first);
            if (thread < count) {
                const size_t at = ((size_t)blockIdx.y * seq + first + thread) * heads + head;
                p[thread] = exp_f32(fmaf(scale, dot(queries.row(first + thread), key_row, head_dim), -lse[at]));
                ds[thread] = p[thread] * (dot(d_rows.row(first + thread), value_row, head_dim) - delta[at]);
            }
            __syncthreads();
            add_rows(sum_k, ds, queries, first, count, head_dim);
            add_rows(sum_v, p, d_rows, first, count, head_dim);
            __syncthreads();
        }
    }
    write(d_k + row * head_dim, sum_k, scale, head_dim);
    write(d_v + row * head_dim, sum_v, 1.0f, head_dim);
}
