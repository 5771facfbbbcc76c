// Device memory and pinned host memory: allocation, copies, fills.
#include "../device/races.h"
#include "work.h"

#include <cstdlib>
#include <cstring>

using namespace emulator;

namespace {

// Bytes of one live allocation of any device: copies may go between devices.
bool on_a_device(uint64_t address, uint64_t bytes) {
    for (auto &device : state().devices)
        if (device->memory.holds(address, bytes)) return true;
    return false;
}

Error check(const char *call, uint64_t address, uint64_t bytes) {
    if (on_a_device(address, bytes)) return SUCCESS;
    return report(INVALID_VALUE, std::string(call) + " of " + std::to_string(bytes) + " bytes at " + describe_address(address));
}

Error check_race(const char *call, uint64_t address, uint64_t bytes, bool write) {
    std::string race = races_device_access(address, bytes, write);
    return race.empty() ? SUCCESS : report(LAUNCH_FAILED, std::string(call) + ": " + race);
}

Error copy(const char *call, void *stream, void *to, const void *from, uint64_t bytes, bool to_device, bool from_device) {
    Stream *s = find_stream(stream);
    if (!s) return INVALID_HANDLE;
    auto run = [=]() -> Error {
        if (to_device)
            if (Error e = check(call, (uint64_t)to, bytes)) return e;
        if (from_device)
            if (Error e = check(call, (uint64_t)from, bytes)) return e;
        races_work_begins(call);
        races_block_begins();
        if (from_device)
            if (Error e = check_race(call, (uint64_t)from, bytes, false)) return e;
        if (to_device)
            if (Error e = check_race(call, (uint64_t)to, bytes, true)) return e;
        memcpy(to, from, bytes);
        return SUCCESS;
    };
    return bytes ? submit(s, {run}) : SUCCESS;
}

template <class T> Error fill(const char *call, void *stream, uint64_t to, T value, uint64_t count) {
    Stream *s = find_stream(stream);
    if (!s) return INVALID_HANDLE;
    if (to % sizeof(T)) return report(INVALID_VALUE, std::string(call) + " of an address that is not aligned");
    auto run = [=]() -> Error {
        if (Error e = check(call, to, count * sizeof(T))) return e;
        races_work_begins(call);
        races_block_begins();
        if (Error e = check_race(call, to, count * sizeof(T), true)) return e;
        for (uint64_t i = 0; i < count; i++) ((T *)to)[i] = value;
        return SUCCESS;
    };
    return count ? submit(s, {run}) : SUCCESS;
}

}  // namespace

EXPORT Result cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    ENTER();
    if (Error e = refuse_in_capture("cuMemAlloc")) return e;
    if (!bytes) return INVALID_VALUE;
    *address = device->memory.allocate(bytes, state().memory_limit);
    return *address ? SUCCESS : OUT_OF_MEMORY;
}

EXPORT Result cuMemFree_v2(uint64_t address) {
    ENTER();
    if (Error e = refuse_in_capture("cuMemFree")) return e;
    if (!address) return SUCCESS;
    for (auto &owner : state().devices) {
        std::string damage;
        if (!owner->memory.release(address, damage)) continue;
        return damage.empty() ? SUCCESS : owner->broken = report(ILLEGAL_ADDRESS, "at cuMemFree: " + damage);
    }
    return report(INVALID_VALUE, "cuMemFree of " + describe_address(address));
}

EXPORT Result cuMemAllocAsync(uint64_t *address, size_t bytes, void *stream) {
    ENTER();
    Stream *s = find_stream(stream);
    if (s && s->capture) return NOT_SUPPORTED;
    return cuMemAlloc_v2(address, bytes);
}
EXPORT Result cuMemFreeAsync(uint64_t address, void *) { return cuMemFree_v2(address); }

EXPORT Result cuMemGetAddressRange_v2(uint64_t *start, size_t *bytes, uint64_t address) {
    ENTER();
    for (auto &owner : state().devices)
        if (owner->memory.range(address, *start, *bytes)) return SUCCESS;
    return NOT_FOUND;
}

// Of a pointer's attributes the device's ordinal alone.
EXPORT Result cuPointerGetAttribute(void *value, int which, uint64_t address) {
    ENTER();
    if (which != 9) return NOT_SUPPORTED;
    uint64_t start, bytes;
    for (auto &owner : state().devices)
        if (owner->memory.range(address, start, bytes)) {
            *(int *)value = owner->ordinal;
            return SUCCESS;
        }
    return INVALID_VALUE;
}

EXPORT Result cuMemGetInfo_v2(size_t *free, size_t *total) {
    ENTER();
    *total = state().memory_limit;
    *free = *total > device->memory.used ? *total - device->memory.used : 0;
    return SUCCESS;
}

EXPORT Result cuMemHostAlloc(void **address, size_t bytes, unsigned) {
    ENTER();
    if (posix_memalign(address, 4096, bytes ? bytes : 1)) return OUT_OF_MEMORY;
    memset(*address, 0xFF, bytes);
    state().pinned.insert({(uint64_t)*address, (uint64_t)*address + bytes});
    return SUCCESS;
}
EXPORT Result cuMemAllocHost_v2(void **address, size_t bytes) { return cuMemHostAlloc(address, bytes, 0); }

// Without a context too: a program that gives up frees what it has.
EXPORT Result cuMemFreeHost(void *address) {
    Locked locked(lock());
    auto &pinned = state().pinned;
    auto found = pinned.lower_bound({(uint64_t)address, 0});
    if (found == pinned.end() || found->first != (uint64_t)address) return INVALID_VALUE;
    pinned.erase(found);
    free(address);
    return SUCCESS;
}

EXPORT Result cuMemHostGetDevicePointer_v2(uint64_t *device_address, void *address, unsigned) {
    ENTER();
    *device_address = (uint64_t)address;
    return SUCCESS;
}

EXPORT Result cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
    ENTER();
    if (Error e = refuse_in_capture("cuMemcpyHtoD")) return e;
    return copy("cuMemcpyHtoD", nullptr, (void *)to, from, bytes, true, false);
}
EXPORT Result cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
    ENTER();
    if (Error e = refuse_in_capture("cuMemcpyDtoH")) return e;
    return copy("cuMemcpyDtoH", nullptr, to, (void *)from, bytes, false, true);
}
EXPORT Result cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) {
    ENTER();
    if (Error e = refuse_in_capture("cuMemcpyDtoD")) return e;
    return copy("cuMemcpyDtoD", nullptr, (void *)to, (void *)from, bytes, true, true);
}
EXPORT Result cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    ENTER();
    return copy("cuMemcpyHtoDAsync", stream, (void *)to, from, bytes, true, false);
}
EXPORT Result cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    ENTER();
    return copy("cuMemcpyDtoHAsync", stream, to, (void *)from, bytes, false, true);
}
EXPORT Result cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
    ENTER();
    return copy("cuMemcpyDtoDAsync", stream, (void *)to, (void *)from, bytes, true, true);
}
EXPORT Result cuMemcpyPeerAsync(uint64_t to, void *, uint64_t from, void *, size_t bytes, void *stream) {
    ENTER();
    return copy("cuMemcpyPeerAsync", stream, (void *)to, (void *)from, bytes, true, true);
}
EXPORT Result cuMemcpyPeer(uint64_t to, void *, uint64_t from, void *, size_t bytes) {
    ENTER();
    return copy("cuMemcpyPeer", nullptr, (void *)to, (void *)from, bytes, true, true);
}

EXPORT Result cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, void *stream) {
    ENTER();
    return fill("cuMemsetD8Async", stream, to, value, count);
}
EXPORT Result cuMemsetD16Async(uint64_t to, unsigned short value, size_t count, void *stream) {
    ENTER();
    return fill("cuMemsetD16Async", stream, to, value, count);
}
EXPORT Result cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void *stream) {
    ENTER();
    return fill("cuMemsetD32Async", stream, to, value, count);
}
EXPORT Result cuMemsetD8_v2(uint64_t to, unsigned char value, size_t count) {
    ENTER();
    if (Error e = refuse_in_capture("cuMemsetD8")) return e;
    return fill("cuMemsetD8", nullptr, to, value, count);
}
EXPORT Result cuMemsetD32_v2(uint64_t to, unsigned value, size_t count) {
    ENTER();
    if (Error e = refuse_in_capture("cuMemsetD32")) return e;
    return fill("cuMemsetD32", nullptr, to, value, count);
}
