// The product of two f32 matrices without tensor cores: one tile of 64 x 64 outputs for each block, and `Product`'s face. It is the
// arithmetic that the fast build is checked against: each output is one chain of fused multiply-adds over k in order.
#pragma once

#include "output.cuh"
#include "tile.cuh"

struct ProductF32 {
    static constexpr int TILE = 64, THREADS = 128, SLAB = 16;
    static constexpr int ROWS = 8, COLUMNS = 4, ACROSS = TILE / COLUMNS; // of a thread, and threads beside each other
    static constexpr int PITCH = TILE + 4;                               // floats from one k to the next: float4 stays aligned
    static constexpr int EACH = TILE * SLAB / THREADS;                   // values of a slab that a thread brings
    static constexpr int SHARED_BYTES = 2 * SLAB * PITCH * 4;

    float sum[ROWS][COLUMNS];

    // `a` and `b` are at the tile's first row or column, of which `m` and `n` are left. Element (i, p) of A is a[i * a_row + p * a_k], (p, j)
    // of B is b[p * b_k + j * b_column].
    __device__ __forceinline__ void run(const float *a, uint64_t a_row, uint64_t a_k, const float *b, uint64_t b_column, uint64_t b_k, int m, int n,
                                        int k, unsigned char *shared) {
        run(a, a_row, a_k, b, b_column, b_k, m, n, k, shared, [&] { clear(*this); });
    }

    // The same on top of sums that `begin` sets.
    template <class Begin>
    __device__ __forceinline__ void run(const float *a, uint64_t a_row, uint64_t a_k, const float *b, uint64_t b_column, uint64_t b_k, int m, int n,
                                        int k, unsigned char *shared, Begin begin) {
        float *slab_a = (float *)shared, *slab_b = slab_a + SLAB * PITCH;
        // While one slab is multiplied from shared memory, the next is on its way to registers.
        float next_a[EACH], next_b[EACH];
        load(next_a, a, a_row, a_k, m, k);
        load(next_b, b, b_column, b_k, n, k);
        begin();
        for (int first = 0; first < k; first += SLAB) {
            __syncthreads();
            put(slab_a, next_a, a_k);
            put(slab_b, next_b, b_k);
            __syncthreads();
            load(next_a, a + (first + SLAB) * a_k, a_row, a_k, m, k - first - SLAB);
            load(next_b, b + (first + SLAB) * b_k, b_column, b_k, n, k - first - SLAB);
#pragma unroll 4
            for (int p = 0; p < SLAB; p++) {
                const float4 *left = (const float4 *)(slab_a + p * PITCH + row()), right = *(const float4 *)(slab_b + p * PITCH + column());
                const float4 top = left[0], bottom = left[1];
                const float va[ROWS] = {top.x, top.y, top.z, top.w, bottom.x, bottom.y, bottom.z, bottom.w};
                const float vb[COLUMNS] = {right.x, right.y, right.z, right.w};
#pragma unroll
                for (int i = 0; i < ROWS; i++)
#pragma unroll
                    for (int j = 0; j < COLUMNS; j++) sum[i][j] = fmaf(va[i], vb[j], sum[i][j]);
            }
        }
    }

    // A thread's first output in the tile and its pairs, as output.cuh has them.
    template <bool TURNED = false> static __device__ __forceinline__ int row() {
        return TURNED ? int(threadIdx.x) % ACROSS * COLUMNS : int(threadIdx.x) / ACROSS * ROWS;
    }

    template <bool TURNED = false> static __device__ __forceinline__ int column() { return row<!TURNED>(); }

    static constexpr int PARTS = ROWS / 2;

    template <bool TURNED = false, class F> __device__ __forceinline__ void each_of(int part, F f) {
        float *upper = sum[2 * part], *lower = sum[2 * part + 1];
#pragma unroll
        for (int j = 0; j < COLUMNS; j += 2)
            if (TURNED) {
                f(j, 2 * part, upper[j], lower[j]);
                f(j + 1, 2 * part, upper[j + 1], lower[j + 1]);
            } else {
                f(2 * part, j, upper[j], upper[j + 1]);
                f(2 * part + 1, j, lower[j], lower[j + 1]);
            }
    }

    template <bool TURNED = false, class F> __device__ __forceinline__ void each(F f) {
#pragma unroll
        for (int part = 0; part < PARTS; part++) each_of<TURNED>(part, f);
    }

    // A thread has neighbours of both kinds.
    __device__ __forceinline__ void turn() {}

  private:
    // Which of a slab's values this thread brings: neighbouring threads read neighbouring addresses, so it depends on what lies side by side.
    static __device__ __forceinline__ void place(int i, bool along_k, int &index, int &p) {
        const int at = i * THREADS + threadIdx.x;
        index = along_k ? at / SLAB : at % TILE;
        p = along_k ? at % SLAB : at / TILE;
    }

    static __device__ __forceinline__ void load(float (&next)[EACH], const float *source, uint64_t stride, uint64_t stride_k, int left, int k_left) {
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int index, p;
            place(i, stride_k == 1, index, p);
            next[i] = index < left && p < k_left ? source[index * stride + p * stride_k] : 0.0f;
        }
    }

    static __device__ __forceinline__ void put(float *slab, const float (&next)[EACH], uint64_t stride_k) {
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int index, p;
            place(i, stride_k == 1, index, p);
            slab[p * PITCH + index] = next[i];
        }
    }
};
