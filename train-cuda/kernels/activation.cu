// The feed-forward non-linearities and their gradients. kind 0: swiglu, 1: relu2 (gate and d_gate are null), 2: relu2_gated.
// All arrays are [values], a multiple of 4. Blocks of 256 threads, four values a thread.
#include "exp.cuh"
#include "vector.cuh"

enum Kind { SWIGLU, RELU2, RELU2_GATED };

__device__ __forceinline__ float forward(int kind, float g, float u) {
    if (kind == SWIGLU) return g * sigmoid(g) * u;
    float r = fmaxf(kind == RELU2 ? u : g, 0.0f);
    return kind == RELU2 ? r * r : r * r * u;
}

extern "C" __global__ void __launch_bounds__(256)
    activation(const float *__restrict__ gate, const float *__restrict__ up, float *__restrict__ out, uint64_t values, int kind) {
    size_t at = 4 * ((size_t)blockIdx.x * 256 + threadIdx.x);
    if (at >= values) return;
    float4 u = load4(up + at), g = kind == RELU2 ? u : load4(gate + at);
    store4(out + at, make_float4(forward(kind, g.x, u.x), forward(kind, g.y, u.y), forward(kind, g.z, u.z), forward(kind, g.w, u.w)));
}

// The gradients of gate and up.
__device__ __forceinline__ float2 backward(int kind, float g, float u, float d) {
    if (kind == SWIGLU) {
        float s = sigmoid(g);
        return make_float2(d * u * (s + g * s * (1.0f - s)), d * g * s);
    }
    if (kind == RELU2) return make_float2(0.0f, d * 2.0f * fmaxf(u, 0.0f));
    float r = fmaxf(g, 0.0f);
    return make_float2(d * u * 2.0f * r, d * r * r);
}

extern "C" __global__ void __launch_bounds__(256)
    activation_backward(const float *__restrict__ gate, const float *__restrict__ up, const float *__restrict__ d_out, grad_t *__restrict__ d_gate,
                        grad_t *__restrict__ d_up, uint64_t values, int kind) {
    size_t at = 4 * ((size_t)blockIdx.x * 256 + threadIdx.x);
    if (at >= values) return;
    float4 u = load4(up + at), d = load4(d_out + at), g = kind == RELU2 ? u : load4(gate + at);
    float2 x = backward(kind, g.x, u.x, d.x), y = backward(kind, g.y, u.y, d.y);
    float2 z = backward(kind, g.z, u.z, d.z), w = backward(kind, g.w, u.w, d.w);
    if (kind != RELU2) store4(d_gate + at, make_float4(x.x, y.x, z.x, w.x));
    store4(d_up + at, make_float4(x.y, y.y, z.y, w.y));
}
