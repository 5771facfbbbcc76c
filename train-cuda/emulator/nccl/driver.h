// What is used of the driver: its own entry points, and one of the emulator's for sentences.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
int cuCtxGetCurrent(void **);
int cuCtxSetCurrent(void *);
int cuCtxGetDevice(int *);
int cuDeviceGetPCIBusId(char *, int, int);
int cuStreamCreate(void **, unsigned);
int cuStreamDestroy_v2(void *);
int cuStreamGetCtx(void *, void **);
int cuStreamGetCaptureInfo_v2(void *, int *, unsigned long long *, void **, const void **, size_t *);
int cuStreamWaitEvent(void *, void *, unsigned);
int cuEventCreate(void **, unsigned);
int cuEventDestroy_v2(void *);
int cuEventRecord(void *, void *);
int cuLaunchHostFunc(void *, void (*)(void *), void *);
int cuMemGetAddressRange_v2(uint64_t *, size_t *, uint64_t);
int cuPointerGetAttribute(void *, int, uint64_t);
int cuMemcpyDtoHAsync_v2(void *, uint64_t, size_t, void *);
int cuMemcpyHtoDAsync_v2(uint64_t, const void *, size_t, void *);
int cuMemsetD8Async(uint64_t, unsigned char, size_t, void *);
void emulator_report(const char *);
}
