// The driver's entry points as the tests call them, and the little around them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

extern "C" {
int cuInit(unsigned);
int cuDeviceGet(int *, int);
int cuDeviceGetCount(int *);
int cuDeviceCanAccessPeer(int *, int, int);
int cuDevicePrimaryCtxRetain(void **, int);
int cuDevicePrimaryCtxRelease_v2(int);
int cuCtxSetCurrent(void *);
int cuCtxSynchronize();
int cuMemAlloc_v2(uint64_t *, size_t);
int cuMemFree_v2(uint64_t);
int cuMemGetInfo_v2(size_t *, size_t *);
int cuMemHostAlloc(void **, size_t, unsigned);
int cuMemFreeHost(void *);
int cuMemcpyHtoD_v2(uint64_t, const void *, size_t);
int cuMemcpyDtoH_v2(void *, uint64_t, size_t);
int cuMemcpyDtoDAsync_v2(uint64_t, uint64_t, size_t, void *);
int cuMemcpyDtoHAsync_v2(void *, uint64_t, size_t, void *);
int cuMemcpyPeerAsync(uint64_t, void *, uint64_t, void *, size_t, void *);
int cuMemsetD8Async(uint64_t, unsigned char, size_t, void *);
int cuMemsetD32Async(uint64_t, unsigned, size_t, void *);
int cuModuleLoadData(void **, const void *);
int cuModuleUnload(void *);
int cuModuleGetFunction(void **, void *, const char *);
int cuFuncSetAttribute(void *, int, int);
int cuFuncGetAttribute(int *, int, void *);
int cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
int cuStreamCreate(void **, unsigned);
int cuStreamDestroy_v2(void *);
int cuStreamSynchronize(void *);
int cuStreamWaitEvent(void *, void *, unsigned);
int cuStreamBeginCapture_v2(void *, int);
int cuStreamEndCapture(void *, void **);
int cuStreamIsCapturing(void *, int *);
int cuEventCreate(void **, unsigned);
int cuEventRecord(void *, void *);
int cuEventSynchronize(void *);
int cuEventElapsedTime(float *, void *, void *);
int cuLaunchHostFunc(void *, void (*)(void *), void *);
int cuGraphInstantiateWithFlags(void **, void *, unsigned long long);
int cuGraphLaunch(void *, void *);
int cuGraphDestroy(void *);
int cuGraphExecDestroy(void *);
int cuGetErrorName(int, const char **);
void emulator_set_order(int, uint64_t);
const char *emulator_last_report();
void emulator_reset();
void emulator_fail_launch(int, uint64_t);
void emulator_set_memory(uint64_t);
}

// A buffer on the device.
struct Buffer {
    uint64_t address = 0;
    size_t bytes;

    explicit Buffer(size_t bytes) : bytes(bytes) { cuMemAlloc_v2(&address, bytes); }
    template <class T> explicit Buffer(const std::vector<T> &v) : Buffer(v.size() * sizeof(T)) { cuMemcpyHtoD_v2(address, v.data(), bytes); }
    ~Buffer() { cuMemFree_v2(address); }
    Buffer(const Buffer &) = delete;

    template <class T> std::vector<T> read() const {
        std::vector<T> v(bytes / sizeof(T));
        cuMemcpyDtoH_v2(v.data(), address, bytes);
        return v;
    }
};

struct Shape {
    unsigned grid = 1, block = 32, shared = 0;
    void *stream = nullptr;
};

inline uint64_t argument(const Buffer &b) { return b.address; }
inline int argument(int i) { return i; }
inline uint64_t argument(uint64_t i) { return i; }
inline float argument(float x) { return x; }

template <class... A> int launch(void *function, Shape shape, const A &...a) {
    auto values = [](auto... v) { return std::vector<std::vector<unsigned char>>{{(unsigned char *)&v, (unsigned char *)&v + sizeof v}...}; }(argument(a)...);
    std::vector<void *> pointers;
    for (auto &v : values) pointers.push_back(v.data());
    return cuLaunchKernel(function, shape.grid, 1, 1, shape.block, 1, 1, shape.shared, shape.stream, pointers.data(), nullptr);
}
