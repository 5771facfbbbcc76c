// The ordinary residual: a connection of one stream. Blocks of 256 threads, four values a thread.
#include "vector.cuh"

// out = x + dropout(f). x, f, out: [tokens][width].
extern "C" __global__ void __launch_bounds__(256)
    residual_write(const float *__restrict__ x, const float *__restrict__ f, const StepWords *__restrict__ words, float *__restrict__ out, int tokens, int width,
                   uint64_t seed, uint32_t site, uint32_t threshold, float keep_scale, int first_token) {
    size_t at = 4 * ((size_t)blockIdx.x * 256 + threadIdx.x);
    if (at >= (size_t)tokens * width) return;
    Mask mask(seed, words->step, site, threshold, keep_scale);
    store4(out + at, load4(x + at) + apply4(mask, load4(f + at), (uint32_t)first_token * width + (uint32_t)at));
}

// d_f = dropout(d_x), with the mask of the write. d_x, d_f: [tokens][width].
extern "C" __global__ void __launch_bounds__(256)
    residual_write_backward(const StepWords *__restrict__ words, const float *__restrict__ d_x, grad_t *__restrict__ d_f, int tokens, int width, uint64_t seed,
                            uint32_t site, uint32_t threshold, float keep_scale, int first_token) {
    size_t at = 4 * ((size_t)blockIdx.x * 256 + threadIdx.x);
    if (at >= (size_t)tokens * width) return;
    Mask mask(seed, words->step, site, threshold, keep_scale);
    store4(d_f + at, apply4(mask, load4(d_x + at), (uint32_t)first_token * width + (uint32_t)at));
}

// d_x += d_y. Both: [values], a multiple of 4.
extern "C" __global__ void __launch_bounds__(256) residual_read_backward(const float *__restrict__ d_y, float *__restrict__ d_x, uint64_t values) {
    size_t at = 4 * ((size_t)blockIdx.x * 256 + threadIdx.x);
    if (at >= values) return;
    store4(d_x + at, load4(d_x + at) + load4(d_y + at));
}
