// Muon for all ternary matrices of a model at once, whatever their shapes: momentum, Newton-Schulz steps, update. As
// `train/src/optim/muon.rs` has it, but the iteration runs on X itself, which bf16 bears better than a polynomial of one Gram matrix.
//
// X is the matrix with its shorter side first (m x n, m <= n): a tall W is transposed on the way in and on the way out, so that there is
// one kind of product. A and Q are symmetric (m x m): tiles on and above the diagonal are computed and mirrored.
//
//   muon_momentum      b = mu b + g, X = g + mu b                  grid: all.tiles of 64   or muon_momentum_bf16
//   muon_norms         scales = 1 / (|X| + 1e-7)                    grid: matrices
//   ns_steps times, X alternating between two buffers:
//     muon_symmetric   A = X X^T, times scale^2 in the first       grid: upper.tiles     square = 0
//     muon_symmetric   Q = b A + c A A                             grid: upper.tiles     square = 1
//     muon_step        X' = a X + Q X, times scale in the first    grid: all.tiles       w null, but in the last
//                      W -= rate (shape X' + decay W)                                    the last: w given, next not used
//
// `scales` is null from the second step on. The host makes the table of matrices and two lists of tiles for each size of tile it uses, matrix
// after matrix: `all` has those of X, `upper` those of A whose column is not left of their row. X, A and Q are grad_t.
// Threads and dynamic shared memory: momentum and norms 256 and none; _64 kernels 128 and 49,152 bytes (f32: 8,704); _128 kernels 256 and
// 98,304 bytes (bf16 alone).
#include "moments.cuh"

#if defined(GRADIENTS_F32)
#include "product_f32.cuh"
#else
#include "product.cuh"
#endif

#if defined(GRADIENTS_F32)
template <int TILE, Order A, Order B> struct MuonProduct : ProductF32 {
    static_assert(TILE == ProductF32::TILE, "f32 has one size of tile");

    template <class Begin>
    __device__ __forceinline__ void run(const float *a, int lda, const float *b, int ldb, int m, int n, int k, unsigned char *shared, Begin begin) {
        ProductF32::run(a, A == ALONG_K ? lda : 1, A == ALONG_K ? 1 : lda, b, B == ALONG_K ? ldb : 1, B == ALONG_K ? 1 : ldb, m, n, k, shared, begin);
    }
};

__device__ __forceinline__ void store_quad(float *to, const float (&v)[4]) { *(float4 *)to = make_float4(v[0], v[1], v[2], v[3]); }
#else
template <int TILE, Order A, Order B> using MuonProduct = Product<Bf16, TILE, A, B>;

__device__ __forceinline__ void store_quad(bf16_t *to, const float (&v)[4]) {
    *(uint2 *)to = make_uint2(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]));
}
#endif

// As `src/record/muon.rs` has it.
struct MuonMatrix {
    uint64_t at;     // of W, its gradient, its momentum and X, in elements: a multiple of 8
    uint64_t square; // of A and Q, a multiple of 8
    int rows, cols;  // of W: multiples of 8
    int first_tile;  // in `all` of TILE 64
    int tiles;
};

struct MuonTile {
    uint32_t matrix;
    uint16_t row, column; // in tiles
};

// The quintic whose iteration takes singular values from (0, 1] to near 1, as in muon.rs.
constexpr float QUINTIC_A = 3.4445f, QUINTIC_B = -4.7750f, QUINTIC_C = 2.0315f;
// Keeps the division by the norm finite for a gradient of zeros, which then gives no update.
constexpr float NORM_EPS = 1e-7f;

constexpr int SIDE = 64; // of the tiles of momentum

// The momentum moves the matrix as it is computed, and is kept as `kept` says.
template <class Kept>
__device__ __forceinline__ void momentum_of(const float *g, typename Kept::moment_t *b, grad_t *x, float *parts, const MuonMatrix *matrices,
                                            const MuonTile *tiles, float momentum, const Kept kept) {
    constexpr int LANES = SIDE / 4, STEP = 256 / LANES; // float4s of a row, and rows at a time
    __shared__ float turned[SIDE][SIDE + 1];
    __shared__ float room[32];
    const MuonTile tile = tiles[blockIdx.x];
    const MuonMatrix matrix = matrices[tile.matrix];
    const bool tall = matrix.rows > matrix.cols;
    // Of W.
    const int first_row = (tall ? tile.column : tile.row) * SIDE, first_column = (tall ? tile.row : tile.column) * SIDE;
    const int row = threadIdx.x / LANES, column = threadIdx.x % LANES * 4;
    g += matrix.at, b += matrix.at, x += matrix.at;

    float squares = 0.0f;
#pragma unroll
    for (int i = row; i < SIDE; i += STEP) {
        if (first_row + i >= matrix.rows || first_column + column >= matrix.cols) continue;
        const size_t at = size_t(first_row + i) * matrix.cols + first_column + column;
        const float4 gradient = *(const float4 *)(g + at);
        const float4 old = moment4(b + at);
        float u[4] = {gradient.x, gradient.y, gradient.z, gradient.w}, moment[4] = {old.x, old.y, old.z, old.w};
#pragma unroll
        for (int c = 0; c < 4; c++) {
            moment[c] = momentum * moment[c] + u[c];
            u[c] = u[c] + momentum * moment[c];
            squares = fmaf(u[c], u[c], squares);
            if (tall) turned[column + c][i] = u[c];
        }
        if (!tall) store_quad(x + at, u);
        kept.first4(b + at, make_float4(moment[0], moment[1], moment[2], moment[3]), matrix.at + at);
    }
    const float part = block_sum(squares, room); // and the barrier that `turned` needs
    if (threadIdx.x == 0) parts[blockIdx.x] = part;
    if (!tall) return;
#pragma unroll
    for (int i = row; i < SIDE; i += STEP) {
        if (first_column + i >= matrix.cols || first_row + column >= matrix.rows) continue;
        const float u[4] = {turned[i][column], turned[i][column + 1], turned[i][column + 2], turned[i][column + 3]};
        store_quad(x + size_t(first_column + i) * matrix.rows + first_row + column, u);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    muon_momentum(const float *g, float *b, grad_t *x, float *parts, const MuonMatrix *matrices, const MuonTile *tiles, const StepWords *words,
                  float momentum) {
    if (words->skip) return;
    momentum_of(g, b, x, parts, matrices, tiles, momentum, KeptF32{});
}

// With momentum in bf16, rounded at random.
extern "C" __global__ void __launch_bounds__(256)
    muon_momentum_bf16(const float *g, bf16_t *b, grad_t *x, float *parts, const MuonMatrix *matrices, const MuonTile *tiles, const StepWords *words,
                       float momentum, uint64_t seed, uint32_t site) {
    if (words->skip) return;
    momentum_of(g, b, x, parts, matrices, tiles, momentum, KeptBf16{Draws(seed, words->step, site), 0});
}

extern "C" __global__ void __launch_bounds__(256) muon_norms(const float *parts, float *scales, const MuonMatrix *matrices) {
    __shared__ float room[32];
    const MuonMatrix matrix = matrices[blockIdx.x];
    float sum = 0.0f;
    for (int i = threadIdx.x; i < matrix.tiles; i += blockDim.x) sum += parts[matrix.first_tile + i];
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) scales[blockIdx.x] = 1.0f / (sqrtf(sum) + NORM_EPS);
}

// The tile of a block. Sides are even, so pairs of outputs are there or not as one.
template <int TILE> struct Job {
    MuonMatrix matrix;
    int index, m, n;
    int row, column; // of the tile's first output

    __device__ __forceinline__ Job(const MuonMatrix *matrices, const MuonTile *tiles) {
        const MuonTile tile = tiles[blockIdx.x];
        index = tile.matrix, row = tile.row * TILE, column = tile.column * TILE;
        matrix = matrices[index];
        m = min(matrix.rows, matrix.cols), n = max(matrix.rows, matrix.cols);
    }
};

// What X is multiplied with: nothing after the first step.
__device__ __forceinline__ float first_scale(const float *scales, int index) { return scales ? scales[index] : 1.0f; }

template <int TILE>
__device__ __forceinline__ void symmetric(const grad_t *from, grad_t *to, const float *scales, const MuonMatrix *matrices, const MuonTile *tiles,
                                          int square, unsigned char *shared) {
    const Job<TILE> job(matrices, tiles);
    const int m = job.m, k = square ? m : job.n, row = job.row, column = job.column;
    from += square ? job.matrix.square : job.matrix.at;
    to += job.matrix.square;
    const Place<grad_t> out = {to, m, row, column, m, m};
    MuonProduct<TILE, ALONG_K, ALONG_K> product;
    product.run(from + size_t(row) * k, k, from + size_t(column) * k, k, m - row, m - column, k, shared, [&] {
        if (square)
            load(product, QUINTIC_B / QUINTIC_C, Place<const grad_t>{from, m, row, column, m, m});
        else
            clear(product);
    });

    const float times = first_scale(scales, job.index);
    scale(product, square ? QUINTIC_C : times * times);
    store(product, out);
    if (row == column) return;
    product.turn();
    store<true>(product, out.turned());
}

template <int TILE>
__device__ __forceinline__ void step(const grad_t *q, const grad_t *x, grad_t *next, float *w, const float *scales, const MuonMatrix *matrices,
                                     const MuonTile *tiles, const StepWords *words, float weight_decay, unsigned char *shared) {
    if (w && words->skip) return;
    MuonProduct<TILE, ALONG_K, ACROSS_K> product;
    {
        const Job<TILE> job(matrices, tiles);
        const int m = job.m, n = job.n, row = job.row, column = job.column;
        q += job.matrix.square, x += job.matrix.at;
        product.run(q + size_t(row) * m, m, x + column, n, m - row, n - column, m, shared,
                    [&] { load(product, QUINTIC_A, Place<const grad_t>{x, n, row, column, m, n}); });
    }
    // Looked up again, so that no address is kept in registers over the product.
    const Job<TILE> job(matrices, tiles);
    const int m = job.m, n = job.n, row = job.row, column = job.column;
    scale(product, first_scale(scales, job.index));
    if (!w) {
        store(product, Place<grad_t>{next + job.matrix.at, n, row, column, m, n});
        return;
    }
    const int rows = job.matrix.rows, cols = job.matrix.cols;
    const float rate = words->rate_muon * sqrtf(fmaxf(float(rows) / float(cols), 1.0f)), kept = 1.0f - words->rate_muon * weight_decay;
    const Place<float> to = {w + job.matrix.at, cols, row, column, rows, cols};
    if (rows <= cols) {
        accumulate(product, -rate, kept, to);
    } else {
        product.turn();
        accumulate<true>(product, -rate, kept, to.turned());
    }
}

#define MUON(TILE, THREADS, MIN_BLOCKS)                                                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS) muon_symmetric_##TILE(                                                       \
        const grad_t *from, grad_t *to, const float *scales, const MuonMatrix *matrices, const MuonTile *tiles, int square) {                      \
        extern __shared__ __align__(128) unsigned char shared[];                                                                                   \
        symmetric<TILE>(from, to, scales, matrices, tiles, square, shared);                                                                        \
    }                                                                                                                                              \
    extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)                                                                              \
        muon_step_##TILE(const grad_t *q, const grad_t *x, grad_t *next, float *w, const float *scales, const MuonMatrix *matrices,                \
                         const MuonTile *tiles, const StepWords *words, float weight_decay) {                                                      \
        extern __shared__ __align__(128) unsigned char shared[];                                                                                   \
        step<TILE>(q, x, next, w, scales, matrices, tiles, words, weight_decay, shared);                                                           \
    }

#if defined(GRADIENTS_F32)
MUON(64, 128, 3)
#else
MUON(64, 128, 4)
MUON(128, 256, 2)
#endif
