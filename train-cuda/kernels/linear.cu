// y = W q: int8 activations times ternary weights, exact. The forward pass of every BitLinear.
//
//   y[token][row] = a[token] * sum over groups G, in order, of (scales[row][G] * sum_k codes[row][k] q[token][k])
//
//   q      int8 [tokens][cols]        codes  int8 [rows][cols]           cols is a multiple of 128, a group
//   a      f32  [tokens]              scales f16  [rows][cols / 128]     rows is even
//   y      f32  [tokens][rows]
//
// A slab of the pipeline is one group: 128 bytes of k. Its integer sums come from tensor cores; then each is multiplied with its scale and
// added, two roundings that are never fused, so the bits are the CPU's (docs/numerics.md) whatever the tile.
// Grid: (rows / TILE, tokens / TILE) rounded up. Dynamic shared memory: linear_64 50,176 bytes, linear_128 100,352.
#include "common.cuh"
#include "tile.cuh"

constexpr int GROUP = 128;
static_assert(GROUP == SLAB_BYTES, "a slab is a group");

// 1.5 * 2^23. An integer sum below 2^22 that starts from these bits is, read as f32, that number plus the sum: one subtraction converts it.
constexpr int MAGIC_BITS = 0x4B400000;
constexpr float MAGIC = 12582912.0f;

// Scales of some groups for the tile's rows, as [group][row]. They lie group by group in memory, so they pass through registers: what a
// window needs is loaded when the one before begins to be used.
template <int TILE, int THREADS> struct ScaleWindow {
    static constexpr int GROUPS = 8, BYTES = GROUPS * TILE * 2, SHARE = THREADS / TILE, EACH = GROUPS / SHARE;
    static_assert(THREADS % TILE == 0 && EACH % 2 == 0, "a thread brings pairs of groups of one row");

    half_t *window;
    const half_t *source; // this thread's groups
    int left;             // of them
    uint32_t next[EACH / 2];

    __device__ __forceinline__ ScaleWindow(unsigned char *room, const half_t *scales, int groups, int rows) : window((half_t *)room) {
        source = scales + size_t(row()) * groups + first();
        left = row() < rows ? groups - first() : 0;
    }

    // What the next window needs.
    __device__ __forceinline__ void load() {
#pragma unroll
        for (int i = 0; i < EACH; i += 2) {
            const uint32_t low = i < left ? source[i].bits : 0, high = i + 1 < left ? source[i + 1].bits : 0;
            next[i / 2] = low | high << 16;
        }
    }

    // All threads come here before group `group` is used, with a barrier since the last use of the group before.
    __device__ __forceinline__ void advance(int group) {
        if (group % GROUPS != 0) return;
#pragma unroll
        for (int i = 0; i < EACH; i++) window[(first() + i) * TILE + row()].bits = uint16_t(next[i / 2] >> (i % 2 * 16));
        __syncthreads();
        source += GROUPS;
        left -= GROUPS;
        load();
    }

    // Of two neighbouring rows of the tile.
    __device__ __forceinline__ float2 pair(int group, int row) const {
        const uint32_t both = *(const uint32_t *)(window + group % GROUPS * TILE + row);
        return make_float2(to_float(half_t{uint16_t(both)}), to_float(half_t{uint16_t(both >> 16)}));
    }

  private:
    static __device__ __forceinline__ int row() { return int(threadIdx.x) / SHARE; }
    static __device__ __forceinline__ int first() { return int(threadIdx.x) % SHARE * EACH; }
};

template <int TILE>
__device__ __forceinline__ void linear(const int8_t *q, const float *a, const int8_t *codes, const half_t *scales, float *y, int tokens, int rows,
                                       int cols, unsigned char *shared) {
    typedef WarpGrid<TILE> Grid;
    typedef ScaleWindow<TILE, Grid::THREADS> Scales;
    constexpr int BLOCKS_M = Grid::BLOCKS_M, BLOCKS_N = Grid::BLOCKS_N, CHUNKS = SLAB_BYTES / CHUNK, STEPS = GROUP / 32;
    constexpr int STAGES = 3, OPERAND_BYTES = TILE * SLAB_BYTES, STAGE_BYTES = 2 * OPERAND_BYTES;
    static_assert(STAGES * STAGE_BYTES + Scales::BYTES == (TILE == 64 ? 50176 : 100352), "the host's figures");

    const int first_token = blockIdx.y * TILE, first_row = blockIdx.x * TILE, groups = cols / GROUP;
    const int lane = threadIdx.x & 31, token = first_token + Grid::row() + lane / 4, column = Grid::column() + lane % 4 * 2;
    q += size_t(first_token) * cols;
    codes += size_t(first_row) * cols;

    float factor[BLOCKS_M][2];
    float sum[BLOCKS_M][BLOCKS_N][4];
    Scales window(shared + STAGES * STAGE_BYTES, scales + size_t(first_row) * groups, groups, rows - first_row);
    const auto reader_q = FragmentReader<ALONG_K, CHUNKS>::a(Grid::row());
    const auto reader_codes = FragmentReader<ALONG_K, CHUNKS>::b(Grid::column());
    pipeline<STAGES, STAGE_BYTES>(
        shared, groups,
        [&](int group, unsigned char *stage) {
            fetch_tile<TILE, CHUNKS, Grid::THREADS>(stage, q + group * GROUP, cols, tokens - first_token, CHUNKS);
            fetch_tile<TILE, CHUNKS, Grid::THREADS>(stage + OPERAND_BYTES, codes + group * GROUP, cols, rows - first_row, CHUNKS);
        },
        [&] {
            window.load();
#pragma unroll
            for (int i = 0; i < BLOCKS_M; i++) {
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const int t = token + 16 * i + 8 * half;
                    factor[i][half] = t < tokens ? a[t] : 0.0f;
                }
#pragma unroll
                for (int j = 0; j < BLOCKS_N; j++)
#pragma unroll
                    for (int c = 0; c < 4; c++) sum[i][j][c] = 0.0f;
            }
        },
        [&](int group, const unsigned char *stage) {
            window.advance(group);
            const int start[4] = {MAGIC_BITS, MAGIC_BITS, MAGIC_BITS, MAGIC_BITS};
            int dot[BLOCKS_M][BLOCKS_N][4];
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                uint32_t fq[BLOCKS_M][4], fcodes[BLOCKS_N / 2][4];
#pragma unroll
                for (int i = 0; i < BLOCKS_M; i++) reader_q.read(fq[i], stage, i, step);
#pragma unroll
                for (int j = 0; j < BLOCKS_N / 2; j++) reader_codes.read(fcodes[j], stage + OPERAND_BYTES, j, step);
#pragma unroll
                for (int i = 0; i < BLOCKS_M; i++)
#pragma unroll
                    for (int j = 0; j < BLOCKS_N; j++) {
                        const uint32_t pair[2] = {fcodes[j / 2][j % 2 * 2], fcodes[j / 2][j % 2 * 2 + 1]};
                        if (step == 0)
                            mma_s8(dot[i][j], fq[i], pair, start);
                        else
                            mma_s8(dot[i][j], fq[i], pair, dot[i][j]);
                    }
            }
#pragma unroll
            for (int j = 0; j < BLOCKS_N; j++) {
                const float2 scale = window.pair(group, column + 8 * j);
#pragma unroll
                for (int i = 0; i < BLOCKS_M; i++)
#pragma unroll
                    for (int c = 0; c < 4; c++) {
                        const float exact = __fadd_rn(__int_as_float(dot[i][j][c]), -MAGIC);
                        sum[i][j][c] = __fadd_rn(sum[i][j][c], __fmul_rn(c % 2 == 0 ? scale.x : scale.y, exact));
                    }
            }
        });

#pragma unroll
    for (int i = 0; i < BLOCKS_M; i++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int t = token + 16 * i + 8 * half;
            if (t >= tokens) continue;
            const float times = factor[i][half];
            float *out = y + size_t(t) * rows;
#pragma unroll
            for (int j = 0; j < BLOCKS_N; j++) {
                const int row = first_row + column + 8 * j;
                if (row < rows)
                    *(float2 *)(out + row) = make_float2(__fmul_rn(times, sum[i][j][2 * half]), __fmul_rn(times, sum[i][j][2 * half + 1]));
            }
        }
}

extern "C" __global__ void __launch_bounds__(128, 3) linear_64(const int8_t *q, const float *a, const int8_t *codes, const half_t *scales, float *y,
                                                               int tokens, int rows, int cols) {
    extern __shared__ __align__(128) unsigned char shared[];
    linear<64>(q, a, codes, scales, y, tokens, rows, cols, shared);
}

extern "C" __global__ void __launch_bounds__(256, 1) linear_128(const int8_t *q, const float *a, const int8_t *codes, const half_t *scales, float *y,
                                                                int tokens, int rows, int cols) {
    extern __shared__ __align__(128) unsigned char shared[];
    linear<128>(q, a, codes, scales, y, tokens, rows, cols, shared);
}
