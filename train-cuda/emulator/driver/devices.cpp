// Devices and their primary contexts. A context's handle is its device.
#include "state.h"

#include <cstdio>
#include <cstring>

using namespace emulator;

namespace {

Device *find_device(int ordinal) {
    auto &all = state().devices;
    return ordinal >= 0 && ordinal < (int)all.size() ? all[(size_t)ordinal].get() : nullptr;
}

// As a GeForce RTX 4090 answers, but for memory pools: without them cudarc allocates by cuMemAlloc, which can be watched more closely.
int attribute(int which) {
    switch (which) {
    case 1: return 1024;     // threads a block
    case 2: return 1024;     // block x, y, z
    case 3: return 1024;
    case 4: return 64;
    case 5: return 2147483647;  // grid x, y, z
    case 6: return 65535;
    case 7: return 65535;
    case 8: return 49152;    // shared memory a block
    case 9: return 65536;    // constant memory
    case 10: return 32;      // warp
    case 12: return 65536;   // registers a block
    case 13: return 2520000; // kHz
    case 15: return 1;
    case 16: return 128;     // multiprocessors
    case 19: return 1;       // can map host memory
    case 31: return 1;       // concurrent kernels
    case 36: return 10501000;
    case 37: return 384;
    case 38: return 75497472;  // L2
    case 39: return 1536;    // threads a multiprocessor
    case 40: return 2;       // copy engines
    case 41: return 1;       // unified addressing
    case 75: return settings().capability / 10;
    case 76: return settings().capability % 10;
    case 78: return 1;       // stream priorities
    case 81: return 102400;  // shared memory a multiprocessor
    case 82: return 65536;
    case 97: return 101376;  // shared memory a block may ask for
    case 106: return 24;     // blocks a multiprocessor
    case 111: return 1024;   // shared memory the system takes of each block
    default: return 0;
    }
}

}  // namespace

EXPORT Result cuInit(unsigned) {
    Locked locked(lock());
    state().initialised = true;
    return state().devices.empty() ? 100 : SUCCESS;
}

// For tests: so many devices from now on, at least.
EXPORT void emulator_set_devices(int count) {
    Locked locked(lock());
    auto &all = state().devices;
    while ((int)all.size() < count) all.emplace_back(new Device((int)all.size()));
}

EXPORT Result cuDriverGetVersion(int *version) {
    *version = settings().driver_version;
    return SUCCESS;
}

EXPORT Result cuDeviceGetCount(int *count) {
    Locked locked(lock());
    *count = (int)state().devices.size();
    return state().initialised ? SUCCESS : NOT_INITIALIZED;
}

EXPORT Result cuDeviceGet(int *device, int ordinal) {
    if (!state().initialised) return NOT_INITIALIZED;
    if (!find_device(ordinal)) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

EXPORT Result cuDeviceGetName(char *name, int bytes, int ordinal) {
    if (!find_device(ordinal)) return INVALID_DEVICE;
    snprintf(name, (size_t)bytes, "Emulated device %d", ordinal);
    return SUCCESS;
}

EXPORT Result cuDeviceGetUuid_v2(unsigned char *uuid, int ordinal) {
    if (!find_device(ordinal)) return INVALID_DEVICE;
    memcpy(uuid, "tercet-emulator", 15);
    uuid[15] = (unsigned char)ordinal;
    return SUCCESS;
}
EXPORT Result cuDeviceGetUuid(unsigned char *uuid, int ordinal) { return cuDeviceGetUuid_v2(uuid, ordinal); }

EXPORT Result cuDeviceTotalMem_v2(size_t *bytes, int ordinal) {
    if (!find_device(ordinal)) return INVALID_DEVICE;
    *bytes = state().memory_limit;
    return SUCCESS;
}

EXPORT Result cuDeviceGetAttribute(int *value, int which, int ordinal) {
    if (!find_device(ordinal)) return INVALID_DEVICE;
    *value = attribute(which);
    if (which == 33) *value = ordinal + 1;  // PCI bus
    return SUCCESS;
}

EXPORT Result cuDeviceGetPCIBusId(char *id, int bytes, int ordinal) {
    if (!find_device(ordinal)) return INVALID_DEVICE;
    snprintf(id, (size_t)bytes, "0000:%02x:00.0", ordinal + 1);
    return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxRetain(void **context, int ordinal) {
    Locked locked(lock());
    Device *device = find_device(ordinal);
    if (!device) return INVALID_DEVICE;
    device->retained++;
    *context = device;
    return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxReset_v2(int ordinal) {
    Locked locked(lock());
    Device *device = find_device(ordinal);
    if (!device) return INVALID_DEVICE;
    device->memory.release_all();
    device->broken = SUCCESS;
    device->peers.clear();
    return SUCCESS;
}

// With the last holder the context goes, and what it had, and with it the mark of a launch that went wrong.
EXPORT Result cuDevicePrimaryCtxRelease_v2(int ordinal) {
    Locked locked(lock());
    Device *device = find_device(ordinal);
    if (!device) return INVALID_DEVICE;
    if (!device->retained) return INVALID_CONTEXT;
    if (--device->retained == 0) return cuDevicePrimaryCtxReset_v2(ordinal);
    return SUCCESS;
}

EXPORT Result cuDevicePrimaryCtxGetState(int ordinal, unsigned *flags, int *active) {
    Locked locked(lock());
    Device *device = find_device(ordinal);
    if (!device) return INVALID_DEVICE;
    *flags = 0;
    *active = device->retained > 0;
    return SUCCESS;
}

EXPORT Result cuCtxGetCurrent(void **context) {
    *context = current_device();
    return SUCCESS;
}

EXPORT Result cuCtxSetCurrent(void *context) {
    Locked locked(lock());
    for (auto &device : state().devices)
        if (device.get() == context || !context) {
            current_device() = (Device *)context;
            return SUCCESS;
        }
    return INVALID_CONTEXT;
}

EXPORT Result cuCtxGetDevice(int *ordinal) {
    if (!current_device()) return INVALID_CONTEXT;
    *ordinal = current_device()->ordinal;
    return SUCCESS;
}

EXPORT Result cuCtxSetFlags(unsigned) { return current_device() ? SUCCESS : INVALID_CONTEXT; }

EXPORT Result cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    *least = 0;
    *greatest = -5;
    return SUCCESS;
}

// Two cards of this kind do not see each other's memory; copies between them go through the host.
EXPORT Result cuDeviceCanAccessPeer(int *can, int a, int b) {
    if (!find_device(a) || !find_device(b)) return INVALID_DEVICE;
    *can = a != b && settings().peers;
    return SUCCESS;
}

EXPORT Result cuDeviceGetP2PAttribute(int *value, int which, int a, int b) {
    if (!find_device(a) || !find_device(b)) return INVALID_DEVICE;
    *value = which == 2 && a != b && settings().peers;  // access supported
    return SUCCESS;
}

EXPORT Result cuCtxEnablePeerAccess(void *context, unsigned) {
    ENTER();
    auto *other = (Device *)context;
    if (!settings().peers || other == device) return PEER_ACCESS_UNSUPPORTED;
    return device->peers.insert(other->ordinal).second ? SUCCESS : PEER_ACCESS_ALREADY_ENABLED;
}

EXPORT Result cuCtxDisablePeerAccess(void *context) {
    ENTER();
    return device->peers.erase(((Device *)context)->ordinal) ? SUCCESS : PEER_ACCESS_NOT_ENABLED;
}
