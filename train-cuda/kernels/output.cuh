// What becomes of a product's sums: where a thread's outputs lie, and the usual way to write them.
//
// A thread of a product P has pairs of neighbours in a row of the output, the first at row `P::row()`, column `P::column()` of the block's tile,
// the others at offsets that are known when the kernel is compiled. `each(f)` calls `f(i, j, v, w)` with these offsets and the two
// sums, which `f` may change; `each_of(part, f)` does it for one of P::PARTS parts. After `turn()`, `each<true>` and the like are about the
// transposed tile, with `P::row<true>()` and `P::column<true>()`.
//
// Whoever reads a matrix and writes one first reads many pairs, then writes them: no read overtakes a write, so one after another they
// would take as many trips to memory as there are pairs.
#pragma once

#include "primitives.cuh"

// The tile whose first output is (row, column) of a matrix of `rows` x `columns`. `ld` is from row to row; it and `columns` are even.
template <class T> struct Place {
    T *matrix;
    int ld, row, column, rows, columns;

    __device__ __forceinline__ Place<T> turned() const { return {matrix, ld, column, row, rows, columns}; }
};

// A matrix from a thread's first output on.
template <class T> struct Window {
    T *first;
    size_t ld;
    int rows, columns; // that there are from the first output on: none or less if the thread is beyond the edge

    __device__ __forceinline__ Window(const Place<T> &p, int row, int column)
        : first(p.matrix + size_t(p.row + row) * p.ld + p.column + column), ld(p.ld), rows(p.rows - p.row - row),
          columns(p.columns - p.column - column) {}

    __device__ __forceinline__ bool has(int i, int j) const { return i < rows && j < columns; }
    __device__ __forceinline__ T *at(int i, int j) const { return first + i * ld + j; }
};

__device__ __forceinline__ float2 load_pair(const float *from) { return *(const float2 *)from; }
__device__ __forceinline__ float2 load_pair(const bf16_t *from) {
    const uint32_t both = *(const uint32_t *)from;
    return make_float2(to_float(bf16_t{uint16_t(both)}), to_float(bf16_t{uint16_t(both >> 16)}));
}

__device__ __forceinline__ void store_pair(float *to, float v, float w) { *(float2 *)to = make_float2(v, w); }
__device__ __forceinline__ void store_pair(bf16_t *to, float v, float w) { *(uint32_t *)to = pack_bf16(v, w); }

// sum = 0
template <class P> __device__ __forceinline__ void clear(P &product) {
    product.each([](int, int, float &v, float &w) { v = w = 0.0f; });
}

// sum = alpha C
template <class P, class T> __device__ __forceinline__ void load(P &product, float alpha, const Place<const T> &c) {
    const Window<const T> from(c, P::row(), P::column());
    product.each([&](int i, int j, float &v, float &w) {
        const float2 old = from.has(i, j) ? load_pair(from.at(i, j)) : make_float2(0.0f, 0.0f);
        v = alpha * old.x, w = alpha * old.y;
    });
}

// sum = alpha sum
template <class P> __device__ __forceinline__ void scale(P &product, float alpha) {
    product.each([&](int, int, float &v, float &w) { v *= alpha, w *= alpha; });
}

// C = sum
template <bool TURNED = false, class P, class T> __device__ __forceinline__ void store(P &product, const Place<T> &c) {
    const Window<T> to(c, P::template row<TURNED>(), P::template column<TURNED>());
    product.template each<TURNED>([&](int i, int j, float v, float w) {
        if (to.has(i, j)) store_pair(to.at(i, j), v, w);
    });
}

// C = alpha sum + beta C, with one rounding if beta is 1. `load` before the product is faster, but then tensor cores add to C, and they cut.
template <bool TURNED = false, class P> __device__ __forceinline__ void accumulate(P &product, float alpha, float beta, const Place<float> &c) {
    const Window<float> to(c, P::template row<TURNED>(), P::template column<TURNED>());
#pragma unroll
    for (int part = 0; part < P::PARTS; part++) {
        product.template each_of<TURNED>(part, [&](int i, int j, float &v, float &w) {
            const float2 old = to.has(i, j) ? load_pair(to.at(i, j)) : make_float2(0.0f, 0.0f);
            v = fmaf(alpha, v, beta * old.x), w = fmaf(alpha, w, beta * old.y);
        });
        product.template each_of<TURNED>(part, [&](int i, int j, float v, float w) {
            if (to.has(i, j)) store_pair(to.at(i, j), v, w);
        });
    }
}
