// Tiles of matrices in shared memory, how they come there and how tensor cores read them: what all products share.
//
// A tile is rows of 16-byte chunks, 8 chunks (128 bytes) or a multiple of 8. Chunk c of row r lies at place c ^ (r % 8) of its row, so that
// eight rows' chunks of one column, which is what `ldmatrix` reads at once, lie in eight different groups of banks:
//
//   row 0   0 1 2 3 4 5 6 7
//   row 1   1 0 3 2 5 4 7 6
//   row 2   2 3 0 1 6 7 4 5
//   ...
#pragma once

#include "primitives.cuh"

constexpr int CHUNK = 16;       // bytes of one copy
constexpr int SLAB_BYTES = 128; // of k that a tile holds: 64 values of 16 bits, 128 of 8

// How an operand lies in memory: a row of it runs along the summed dimension k, or holds everything that belongs to one k.
enum Order { ALONG_K, ACROSS_K };

// The two types of 16 bits that tensor cores multiply.
struct F16 {
    typedef half_t value;
    static __device__ __forceinline__ uint32_t pack(float low, float high) { return pack_half(low, high); }
    static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_f16(d, a, b); }
};

struct Bf16 {
    typedef bf16_t value;
    static __device__ __forceinline__ uint32_t pack(float low, float high) { return pack_bf16(low, high); }
    static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) { mma_bf16(d, a, b); }
};

template <int CHUNKS> __device__ __forceinline__ int tile_offset(int row, int chunk) {
    static_assert(CHUNKS % 8 == 0, "the swizzle permutes eight chunks");
    return (row * CHUNKS + (chunk ^ (row & 7))) * CHUNK;
}

// Begins to copy a tile of ROWS x CHUNKS from rows that are `stride` bytes apart. Only the first `rows` rows and `chunks` chunks are there:
// the rest of the tile becomes zero and is not read.
template <int ROWS, int CHUNKS, int THREADS>
__device__ __forceinline__ void fetch_tile(unsigned char *tile, const void *source, size_t stride, int rows, int chunks) {
    constexpr int STEP = THREADS / CHUNKS;
    static_assert(STEP % 8 == 0 && ROWS % STEP == 0, "a thread's chunks all have one place in their rows");
    const int row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
    const unsigned char *from = (const unsigned char *)source + row * stride + chunk * CHUNK;
    unsigned char *to = tile + tile_offset<CHUNKS>(row, chunk);
    const int left = chunk < chunks ? rows - row : 0;
#pragma unroll
    for (int i = 0; i < ROWS; i += STEP) copy_async_16(to + i * CHUNKS * CHUNK, from + i * stride, i < left);
}

// A warp's view of one operand: 16 rows of A or 16 columns of B at a time (`block`), 32 bytes of k at a time (`step`).
//   A: r = a[0..4] of `mma`.       B: r = b[0], b[1] of the first 8 columns, then of the other 8.
// `ORDER` is that of the tile; 8-bit values cannot be transposed and are always ALONG_K.
template <Order ORDER, int CHUNKS> struct FragmentReader {
    int offset, chunk;

    static __device__ __forceinline__ FragmentReader a(int first) {
        const int lane = threadIdx.x & 31, low = lane & 7, middle = (lane >> 3) & 1, high = lane >> 4;
        return ORDER == ALONG_K ? FragmentReader{first + 8 * middle + low, high, low} : FragmentReader{8 * high + low, first / 8 + middle, low};
    }

    static __device__ __forceinline__ FragmentReader b(int first) {
        const int lane = threadIdx.x & 31, low = lane & 7, middle = (lane >> 3) & 1, high = lane >> 4;
        return ORDER == ALONG_K ? FragmentReader{first + 8 * high + low, middle, low} : FragmentReader{8 * middle + low, first / 8 + high, low};
    }

    __device__ __forceinline__ FragmentReader(int row, int chunk, int low) : offset(row * CHUNKS * CHUNK), chunk(chunk ^ low) {}

    // Both the block's and the step's even chunk number is combined by exclusive or: neither shares a bit with `chunk` before its swizzle.
    __device__ __forceinline__ void read(uint32_t (&r)[4], const unsigned char *tile, int block, int step) const {
        if (ORDER == ALONG_K)
            ldmatrix_x4(r, tile + offset + 16 * block * CHUNKS * CHUNK + ((2 * step) ^ chunk) * CHUNK);
        else
            ldmatrix_x4_trans(r, tile + offset + 16 * step * CHUNKS * CHUNK + ((2 * block) ^ chunk) * CHUNK);
    }
};

// Runs `use(slab, stage)` for every slab in order while `fetch(slab, stage)` is STAGES - 1 slabs ahead. `fetch` begins copies; a stage is
// STAGE_BYTES of shared memory. `begin()` runs once, while the first copies are under way. Threads are not in step at the end: a barrier must
// follow before the stages are used for anything else.
template <int STAGES, int STAGE_BYTES, class Fetch, class Begin, class Use>
__device__ __forceinline__ void pipeline(unsigned char *stages, int slabs, Fetch fetch, Begin begin, Use use) {
#pragma unroll 1
    for (int slab = 0; slab < STAGES - 1; slab++) {
        if (slab < slabs) fetch(slab, stages + slab * STAGE_BYTES);
        copy_async_commit();
    }
    begin();
    int reading = 0, writing = STAGES - 1;
#pragma unroll 1
    for (int slab = 0; slab < slabs; slab++) {
        // This slab is there for all threads, and all have left the one before, whose stage is written next.
        copy_async_wait<STAGES - 2>();
        __syncthreads();
        const int next = slab + STAGES - 1;
        if (next < slabs) fetch(next, stages + writing * STAGE_BYTES);
        copy_async_commit(); // a group without copies at the end keeps the count
        use(slab, stages + reading * STAGE_BYTES);
        reading = reading + 1 == STAGES ? 0 : reading + 1;
        writing = writing + 1 == STAGES ? 0 : writing + 1;
    }
}

// The warps of a block over a square tile: 64 x 64 has 2 x 2 warps of 32 x 32 outputs, 128 x 128 has 2 x 4 warps of 64 x 32. A warp's
// outputs are BLOCKS_M x BLOCKS_N results of `mma`, 16 x 8 each.
template <int TILE> struct WarpGrid {
    static_assert(TILE == 64 || TILE == 128, "the tiles that are tuned");
    static constexpr int THREADS = TILE == 64 ? 128 : 256;
    static constexpr int WARP_M = TILE / 2, WARP_N = 32, ACROSS = TILE / WARP_N;
    static constexpr int BLOCKS_M = WARP_M / 16, BLOCKS_N = WARP_N / 8;

    // The warp's first row and column in the tile.
    static __device__ __forceinline__ int row() { return int(threadIdx.x / 32) / ACROSS * WARP_M; }
    static __device__ __forceinline__ int column() { return int(threadIdx.x / 32) % ACROSS * WARP_N; }
};
