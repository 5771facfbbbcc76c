// The product of two 16-bit matrices on tensor cores, summed in f32: one tile of the output for each block.
#pragma once

#include "output.cuh"
#include "tile.cuh"

// sum = A B for a tile of TILE x TILE. A is [m][k] (ALONG_K) or [k][m] (ACROSS_K), B is [n][k] (ALONG_K) or [k][n] (ACROSS_K).
//
// Each output is summed by one thread over k in order, 16 at a time, so results do not depend on TILE. Rows begin at multiples of 16 bytes.
// Any m, n and k, except that rows along k are read 8 values at a time: where k is no multiple of 8, what follows is multiplied with zeros
// if the other operand lies across k, and must be finite.
template <class Type, int TILE, Order A, Order B> struct Product {
    typedef typename Type::value value;
    typedef WarpGrid<TILE> Grid;
    static constexpr int THREADS = Grid::THREADS, STAGES = 3, SLAB = SLAB_BYTES / 2, STEPS = SLAB / 16;
    static constexpr int OPERAND_BYTES = TILE * SLAB_BYTES, STAGE_BYTES = 2 * OPERAND_BYTES, SHARED_BYTES = STAGES * STAGE_BYTES;
    static constexpr int MIN_BLOCKS = TILE == 64 ? 4 : 2; // of an SM: 128 registers a thread
    static constexpr int BLOCKS_M = Grid::BLOCKS_M, BLOCKS_N = Grid::BLOCKS_N;

    float sum[BLOCKS_M][BLOCKS_N][4];

    // `a` and `b` are at the tile's first row or column, of which `m` and `n` are left.
    __device__ __forceinline__ void run(const value *a, int lda, const value *b, int ldb, int m, int n, int k, unsigned char *stages) {
        run(a, lda, b, ldb, m, n, k, stages, [&] { clear(*this); });
    }

    // The same on top of sums that `begin` sets.
    template <class Begin>
    __device__ __forceinline__ void run(const value *a, int lda, const value *b, int ldb, int m, int n, int k, unsigned char *stages, Begin begin) {
        const auto reader_a = FragmentReader<A, chunks(A)>::a(Grid::row());
        const auto reader_b = FragmentReader<B, chunks(B)>::b(Grid::column());
        pipeline<STAGES, STAGE_BYTES>(
            stages, (k + SLAB - 1) / SLAB,
            [&](int slab, unsigned char *stage) {
                fetch<A>(stage, a, lda, m, k, slab);
                fetch<B>(stage + OPERAND_BYTES, b, ldb, n, k, slab);
            },
            begin,
            [&](int, const unsigned char *stage) {
#pragma unroll
                for (int step = 0; step < STEPS; step++) {
                    uint32_t fa[BLOCKS_M][4], fb[BLOCKS_N / 2][4];
                    read(fa, reader_a, stage, step);
                    read(fb, reader_b, stage + OPERAND_BYTES, step);
#pragma unroll
                    for (int i = 0; i < BLOCKS_M; i++)
#pragma unroll
                        for (int j = 0; j < BLOCKS_N; j++) {
                            const uint32_t pair[2] = {fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]};
                            Type::mma(sum[i][j], fa[i], pair);
                        }
                }
            });
    }

    // A thread's first output in the tile and its pairs, as output.cuh has them.
    template <bool TURNED = false> static __device__ __forceinline__ int row() {
        const int lane = threadIdx.x & 31;
        return TURNED ? Grid::column() + lane % 4 * 2 + lane / 4 % 2 : Grid::row() + lane / 4;
    }

    template <bool TURNED = false> static __device__ __forceinline__ int column() {
        const int lane = threadIdx.x & 31;
        return TURNED ? Grid::row() + lane / 4 - lane / 4 % 2 : Grid::column() + lane % 4 * 2;
    }

    static constexpr int PARTS = BLOCKS_M;

    template <bool TURNED = false, class F> __device__ __forceinline__ void each_of(int part, F f) {
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
            for (int j = 0; j < BLOCKS_N; j++) {
                const int row = 16 * part + 8 * half, column = 8 * j;
                f(TURNED ? column : row, TURNED ? row : column, sum[part][j][2 * half], sum[part][j][2 * half + 1]);
            }
    }

    template <bool TURNED = false, class F> __device__ __forceinline__ void each(F f) {
#pragma unroll
        for (int part = 0; part < PARTS; part++) each_of<TURNED>(part, f);
    }

    // Lanes of neighbouring rows exchange a value: the one of the even row then has both of the left column, the other both of the right.
    // All threads come here.
    __device__ __forceinline__ void turn() {
        const bool odd = threadIdx.x / 4 % 2;
        each([&](int, int, float &left, float &right) {
            const float other = __shfl_xor_sync(0xffffffffu, odd ? left : right, 4);
            (odd ? left : right) = other;
        });
    }

  private:
    static __device__ constexpr int chunks(Order order) { return order == ALONG_K ? SLAB_BYTES / CHUNK : TILE * 2 / CHUNK; }

    template <Order ORDER>
    static __device__ __forceinline__ void fetch(unsigned char *tile, const value *source, int ld, int left, int k, int slab) {
        const int k_left = k - slab * SLAB;
        if (ORDER == ALONG_K)
            fetch_tile<TILE, chunks(ALONG_K), THREADS>(tile, source + slab * SLAB, size_t(ld) * 2, left, (k_left + 7) / 8);
        else
            fetch_tile<SLAB, chunks(ACROSS_K), THREADS>(tile, source + size_t(slab) * SLAB * ld, size_t(ld) * 2, k_left, (left + 7) / 8);
    }

    template <int N, class Reader>
    static __device__ __forceinline__ void read(uint32_t (&fragments)[N][4], const Reader &reader, const unsigned char *tile, int step) {
#pragma unroll
        for (int i = 0; i < N; i++) reader.read(fragments[i], tile, i, step);
    }
};
