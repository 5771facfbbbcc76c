// Global memory: accesses that are right, beside those that are not.
#include "primitives.cuh"

extern "C" __global__ void fill(float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = (float)i;
}
extern "C" __global__ void fill_one_more(float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) y[i] = (float)i;
}
extern "C" __global__ void fill_from(float *y, int first) { y[(int)threadIdx.x + first] = 1.0f; }
extern "C" __global__ void read_at(const float *x, float *y, int at) { y[threadIdx.x] = x[at]; }

extern "C" __global__ void add(const float *x, float *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) sum[i] += x[i];
}
extern "C" __global__ void scale(float *x, int n, float by) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] *= by;
}

extern "C" __global__ void read_vector(const float *x, float *y, int at) {
    float4 v = *(const float4 *)(x + at);
    y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

extern "C" __global__ void many(const float *a, int b, uint64_t c, float d, float *y) {
    y[threadIdx.x] = a[b] + (float)c + d;
}

extern "C" __global__ void register_array(float *y, int at) {
    float own[8];
    for (int i = 0; i < 8; i++) own[i] = (float)i;
    y[threadIdx.x] = own[at];
}
extern "C" __global__ void shared_array(float *y, int at) {
    __shared__ float a[32], b[32];
    b[threadIdx.x] = 1.0f;
    a[threadIdx.x] = 2.0f;
    __syncthreads();
    y[threadIdx.x] = a[at] + b[threadIdx.x];
}
