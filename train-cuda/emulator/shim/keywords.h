// The words that CUDA C++ adds to C++.
//
// `__shared__` is a static variable: one block runs at a time. A module has no other writable statics, so its .bss is its shared memory.
// `extern __shared__ T name[]` has no C++ that means it, so the build's stage turns that one line into a pointer.
#pragma once

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__
#define __CUDA_ARCH__ 800

typedef decltype(sizeof(0)) size_t;
