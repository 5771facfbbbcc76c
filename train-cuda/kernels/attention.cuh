// Causal attention with grouped queries on tensor cores, forward (`attention`) and backward (`attention_dq`, `attention_dkv`): the
// probabilities never leave the registers. Here is what the three are made of: swizzled tiles as wide as a head, rows that become 16 bits
// on their way into them, and the products that a warp forms of its 16 rows with a tile. Norms, rotation, rounding of k and v, and the
// sums out . d_out (`attention_delta`) are others' work.
//
//   q, out, d_out, d_q  [sequences * seq][heads][HD]        k, v, d_k, d_v  [sequences * seq][kv_heads][HD]
//   lse (natural logarithm), delta  [sequences * seq][heads]
//
// A block of four warps owns ROWS rows of one head of one sequence, 16 a warp, and walks over tiles of rows of the other side:
//   attention      owns queries, walks over keys    s = q k^T               out += softmax(s) v
//   attention_dq   owns queries, walks over keys    s, dp = d_out v^T       d_q += ds k
//   attention_dkv  owns keys, walks over queries    s^T, dp^T = v d_out^T   d_v += p^T d_out, d_k += ds^T q
// with p = exp(scale s - lse) and ds = p (dp - delta). Whoever owns a row sums all of it, so nothing is atomic and the order is always
// the same; a key-value head walks over the queries of its group's heads, one head after the other. Tiles that the mask hides as a whole
// are not visited, and only those on the diagonal are masked.
//
// Rows in memory are f32. A tile is read into registers while the tile before it is multiplied, rounded, and stored into the other one of
// two stages, so that one barrier a tile is enough. Forward is in f16, in which k and v are exact already. Backward recomputes s from the
// same f16, because p = exp(scale s - lse) has to meet its own lse; what meets gradients is in bf16, which has their range, so k (or q)
// lies in shared memory twice.
//
// Blocks: (heads, for dkv kv_heads; sequences; seq / ROWS rounded up), those with the longest walks first.
#pragma once

#include "tile.cuh"

constexpr int THREADS = 128;
constexpr int WARP_ROWS = 16;
constexpr int ROWS = THREADS / 32 * WARP_ROWS; // a block's own
constexpr float LOG2_E = 1.44269504f;

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

// Rows of HD values of 16 bits in shared memory, swizzled as in tile.cuh where a row is a multiple of eight chunks. Where it is four or
// twelve, every second row begins in the other half of the banks, and four places, the same for two rows, do.
template <int HD> struct Tile {
    static_assert(HD % 32 == 0, "the swizzle permutes four chunks at least");
    static constexpr int ROW_BYTES = HD * 2;

    unsigned char *bytes;

    __device__ __forceinline__ unsigned char *at(int row, int chunk) const {
        const int swizzle = HD % 64 == 0 ? row & 7 : (row >> 1) & 3;
        return bytes + row * ROW_BYTES + (chunk ^ swizzle) * CHUNK;
    }
};

// One head's rows of one sequence, which are `stride` values apart.
template <class T> struct HeadRows {
    T *first;
    int stride, seq;

    // Of [tokens][heads][HD].
    template <int HD> static __device__ __forceinline__ HeadRows of(T *rows, int sequence, int seq, int head, int heads) {
        return {rows + ((size_t)sequence * seq * heads + head) * HD, heads * HD, seq};
    }

    __device__ __forceinline__ T *row(int i) const { return first + (size_t)i * stride; }
};

// COUNT rows of f32 on their way into a tile: `load` asks for them, `store` rounds and stores them, once for each type that is needed.
// Lanes that share a row write half of the banks or all of them in one turn, as the tile's swizzle wants it.
template <int COUNT, int HD> struct Staged {
    static constexpr int LANES = HD % 64 == 0 ? 16 : 8, STEP = THREADS / LANES, ACROSS = HD / (4 * LANES);
    static_assert(COUNT % STEP == 0);

    float4 quads[COUNT / STEP][ACROSS];

    // Rows from `from` on. Beyond the sequence its last row comes again: whoever uses it gives it no weight.
    __device__ __forceinline__ void load(const HeadRows<const float> &rows, int from) {
        const int row = from + threadIdx.x / LANES, column = threadIdx.x % LANES * 4;
#pragma unroll
        for (int i = 0; i < COUNT / STEP; i++) {
            const float *v = rows.row(min(row + i * STEP, rows.seq - 1)) + column;
#pragma unroll
            for (int c = 0; c < ACROSS; c++) quads[i][c] = *(const float4 *)(v + c * 4 * LANES);
        }
    }

    template <class T> __device__ __forceinline__ void store(Tile<HD> tile) const {
        const int lane = threadIdx.x % LANES;
        unsigned char *to = tile.at(threadIdx.x / LANES, lane / 2) + lane % 2 * 8;
#pragma unroll
        for (int i = 0; i < COUNT / STEP; i++)
#pragma unroll
            for (int c = 0; c < ACROSS; c++) {
                const float4 v = quads[i][c];
                *(uint2 *)(to + i * STEP * Tile<HD>::ROW_BYTES + c * LANES * 8) = make_uint2(T::pack(v.x, v.y), T::pack(v.z, v.w));
            }
    }
};

// A warp's 16 rows of an own tile as the first operand: held in registers, or read again for every tile that they meet.
template <int HD, bool HELD> struct Own;

template <int HD> __device__ __forceinline__ void load_own(uint32_t (&a)[4], Tile<HD> tile, int k) {
    const int lane = threadIdx.x % 32;
    ldmatrix_x4(a, tile.at(threadIdx.x / 32 * WARP_ROWS + lane % 16, k / 8 + lane / 16));
}

template <int HD> struct Own<HD, true> {
    uint32_t fragments[HD / 16][4];

    __device__ __forceinline__ Own(Tile<HD> tile) {
#pragma unroll
        for (int k = 0; k < HD; k += 16) load_own(fragments[k / 16], tile, k);
    }
    __device__ __forceinline__ void get(uint32_t (&a)[4], int k) const {
#pragma unroll
        for (int i = 0; i < 4; i++) a[i] = fragments[k / 16][i];
    }
};

template <int HD> struct Own<HD, false> {
    Tile<HD> tile;

    __device__ __forceinline__ Own(Tile<HD> tile) : tile(tile) {}
    __device__ __forceinline__ void get(uint32_t (&a)[4], int k) const { load_own(a, tile, k); }
};

// d (16 x 8 N) = own (16 x HD) times the transposed tile (8 N x HD).
template <class T, int HD, bool HELD, int N>
__device__ __forceinline__ void multiply_transposed(float (&d)[N][4], const Own<HD, HELD> &own, Tile<HD> tile) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) d[n][i] = 0.0f;
#pragma unroll
    for (int k = 0; k < HD; k += 16) {
        uint32_t a[4], b[4];
        own.get(a, k);
        const unsigned char *row = tile.at(lane / 16 * 8 + lane % 8, k / 8 + lane / 8 % 2);
#pragma unroll
        for (int n = 0; n < N; n += 2) {
            ldmatrix_x4(b, row + n * 8 * Tile<HD>::ROW_BYTES);
            const uint32_t left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
            T::mma(d[n], a, left);
            T::mma(d[n + 1], a, right);
        }
    }
}

// d (16 x HD) += x (16 x 8 N) times the tile (8 N x HD). The sums of one product, rounded in pairs, are the first operand of this one.
template <class T, int HD, int N> __device__ __forceinline__ void multiply(float (&d)[HD / 8][4], const float (&x)[N][4], Tile<HD> tile) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int k = 0; k < N; k += 2) {
        const uint32_t a[4] = {T::pack(x[k][0], x[k][1]), T::pack(x[k][2], x[k][3]), T::pack(x[k + 1][0], x[k + 1][1]),
                               T::pack(x[k + 1][2], x[k + 1][3])};
#pragma unroll
        for (int n = 0; n < HD / 8; n += 2) {
            uint32_t b[4];
            ldmatrix_x4_trans(b, tile.at(lane % 16, n + lane / 16) + k * 8 * Tile<HD>::ROW_BYTES);
            const uint32_t left[2] = {b[0], b[1]}, right[2] = {b[2], b[3]};
            T::mma(d[n], a, left);
            T::mma(d[n + 1], a, right);
        }
    }
}

// Where a lane's four sums of the n-th 16 x 8 product lie: rows `row` and `row + 8`, columns `column + 8 n` and the next.
struct Lane {
    int row, column;

    __device__ __forceinline__ Lane() {
        row = threadIdx.x / 32 * WARP_ROWS + threadIdx.x % 32 / 4;
        column = threadIdx.x % 4 * 2;
    }
};

// Writes a warp's rows times `factor` as bf16. They pass through the warp's own part of a tile, so that 16 bytes are stored at once.
template <int HD>
__device__ __forceinline__ void write_rows(const float (&x)[HD / 8][4], float factor, Tile<HD> tile, const HeadRows<bf16_t> &out, int from) {
    const Lane at;
#pragma unroll
    for (int n = 0; n < HD / 8; n++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const uint32_t pair = pack_bf16(x[n][2 * h] * factor, x[n][2 * h + 1] * factor);
            *(uint32_t *)(tile.at(at.row + 8 * h, n) + at.column * 2) = pair;
        }
    __syncwarp();
    constexpr int CHUNKS = HD / 8;
#pragma unroll 1
    for (int n = threadIdx.x % 32; n < WARP_ROWS * CHUNKS; n += 32) {
        const int row = threadIdx.x / 32 * WARP_ROWS + n / CHUNKS, chunk = n % CHUNKS;
        if (from + row < out.seq) *(uint4 *)(out.row(from + row) + chunk * 8) = *(const uint4 *)tile.at(row, chunk);
    }
}
