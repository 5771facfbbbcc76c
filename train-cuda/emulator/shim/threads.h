// What a thread knows of itself, and what threads say to each other: barriers, shuffles, votes.
#pragma once

#include "../device/machine.h"

#define threadIdx (::emulator::machine.current->index)
#define blockIdx (::emulator::machine.block_index)
#define blockDim (::emulator::machine.block_dim)
#define gridDim (::emulator::machine.grid_dim)
#define warpSize 32

// Where the caller stands.
#define EMULATOR_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()

inline void __syncthreads(EMULATOR_HERE) { emulator::block_barrier({file, line}); }

inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATOR_HERE) {
    emulator::warp_execute(emulator::warp_sync, "__syncwarp", mask, nullptr, {file, line});
}

inline void __trap(EMULATOR_HERE) { emulator::trap("__trap", {file, line}); }
inline void __threadfence() {}
inline void __threadfence_block() {}

namespace emulator {
template <class T> inline T shuffled(const char *name, unsigned mask, T value, int source, Place place) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
    Shuffle operands = {0, 0, source};
    __builtin_memcpy(&operands.value, &value, sizeof value);
    warp_execute(shuffle, name, mask, &operands, place);
    __builtin_memcpy(&value, &operands.result, sizeof value);
    return value;
}
inline int lane() { return (int)machine.current->lane; }
// A warp is cut into segments of `width` lanes; a source outside of the own one means the own value.
inline int within(int source, int width, bool there) { return there && source / width == lane() / width ? source : lane(); }
inline unsigned voted(const char *name, unsigned mask, bool predicate, Place place) {
    Ballot operands = {predicate, 0};
    warp_execute(ballot, name, mask, &operands, place);
    return operands.result;
}
}  // namespace emulator

template <class T> inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMULATOR_HERE) {
    source = (emulator::lane() & ~(width - 1)) | (source & (width - 1));
    return emulator::shuffled("__shfl_sync", mask, value, source, {file, line});
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, EMULATOR_HERE) {
    int source = emulator::lane() ^ lanes;
    // A lower segment may be read, a higher one may not.
    bool there = source >= 0 && source < 32 && source / width <= emulator::lane() / width;
    return emulator::shuffled("__shfl_xor_sync", mask, value, there ? source : emulator::lane(), {file, line});
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32, EMULATOR_HERE) {
    int source = emulator::lane() + (int)lanes;
    return emulator::shuffled("__shfl_down_sync", mask, value, emulator::within(source, width, source < 32), {file, line});
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32, EMULATOR_HERE) {
    int source = emulator::lane() - (int)lanes;
    return emulator::shuffled("__shfl_up_sync", mask, value, emulator::within(source, width, source >= 0), {file, line});
}

inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATOR_HERE) {
    return emulator::voted("__ballot_sync", mask, predicate != 0, {file, line});
}
inline int __any_sync(unsigned mask, int predicate, EMULATOR_HERE) {
    return emulator::voted("__any_sync", mask, predicate != 0, {file, line}) != 0;
}
inline int __all_sync(unsigned mask, int predicate, EMULATOR_HERE) {
    return emulator::voted("__all_sync", mask, predicate != 0, {file, line}) == mask;
}

// Hints to caches are none here.
template <class T> inline T __ldg(const T *p) { return *p; }
template <class T> inline T __ldca(const T *p) { return *p; }
template <class T> inline T __ldcg(const T *p) { return *p; }
template <class T> inline T __ldcs(const T *p) { return *p; }
template <class T> inline void __stcg(T *p, T v) { *p = v; }
template <class T> inline void __stcs(T *p, T v) { *p = v; }
template <class T> inline void __stwt(T *p, T v) { *p = v; }
