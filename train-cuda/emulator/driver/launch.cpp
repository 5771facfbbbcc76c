// Functions and their launches: what a real driver refuses, and what it cannot know but we can.
#include "work.h"

#include <algorithm>
#include <cstring>

using namespace emulator;

namespace {

constexpr unsigned SHARED_OPT_IN = 101376;

std::string named(const Function &f) { return f.module->name + ":" + f.kernel->name; }

// A launch with its arguments, which outlive the call when they are captured.
struct Prepared {
    Function *function;
    Index grid, block;
    unsigned shared;
    std::vector<unsigned char> bytes;
    std::vector<size_t> offsets;
};

Error check_shape(const Function &f, const Index &grid, const Index &block, unsigned shared) {
    uint64_t threads = (uint64_t)block.x * block.y * block.z;
    if (!grid.x || !grid.y || !grid.z || !threads) return report(INVALID_VALUE, "launch of " + named(f) + " with an empty grid or block");
    if (threads > f.entry.max_threads || block.z > 64)
        return report(INVALID_VALUE, "launch of " + named(f) + " with " + std::to_string(threads) + " threads a block; it can have " +
                                         std::to_string(f.entry.max_threads));
    if (grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535) return report(INVALID_VALUE, "launch of " + named(f) + " with a grid that is too large");
    if (shared > f.max_dynamic_shared)
        return report(INVALID_VALUE, "launch of " + named(f) + " with " + std::to_string(shared) + " bytes of dynamic shared memory; it may have " +
                                         std::to_string(f.max_dynamic_shared) +
                                         " (cuFuncSetAttribute MAX_DYNAMIC_SHARED_SIZE_BYTES allows more)");
    return SUCCESS;
}

// A pointer must be null or lead to memory that the device may touch. The end of an allocation is allowed: the slice may be empty.
Error check_pointers(const Prepared &p) {
    const Kernel &kernel = *p.function->kernel;
    Device &device = *p.function->module->device;
    for (int i = 0; i < kernel.parameter_count; i++) {
        if (!kernel.parameters[i].pointer) continue;
        uint64_t address;
        memcpy(&address, &p.bytes[p.offsets[(size_t)i]], 8);
        bool fine = !address || device.memory.holds(address, 0);
        for (int peer : device.peers) fine |= state().devices[(size_t)peer]->memory.holds(address, 0);
        for (auto &[begin, end] : state().pinned) fine |= address >= begin && address < end;
        if (!fine)
            return report(ILLEGAL_ADDRESS, "argument " + std::to_string(i) + " of " + named(*p.function) + " on device " +
                                               std::to_string(device.ordinal) + " points to " + describe_address(address));
    }
    return SUCCESS;
}

Error execute(Prepared &p) {
    if (!state().functions.count(p.function)) return report(INVALID_HANDLE, "a graph launches a kernel whose module was unloaded");
    Device &device = *p.function->module->device;
    if (device.broken) return device.broken;
    if (++device.launches == device.fail_launch)
        return device.broken = report(ILLEGAL_ADDRESS, "launch " + std::to_string(device.launches) + " (" + named(*p.function) + ") on device " +
                                                           std::to_string(device.ordinal) + " fails as was wished");
    if (Error e = check_pointers(p)) return device.broken = e;
    std::vector<void *> arguments;
    std::vector<unsigned char> copy = p.bytes;
    for (size_t offset : p.offsets) arguments.push_back(copy.data() + offset);
    Launch launch = {p.function->module->name.c_str(), p.function->module->module, p.function->kernel, arguments.data(), p.grid, p.block, p.shared};
    if (Error e = run(launch)) return device.broken = e;
    for (auto &each : state().devices) {
        std::string damage = each->memory.damage();
        if (!damage.empty()) return device.broken = report(ILLEGAL_ADDRESS, "after kernel " + named(*p.function) + ": " + damage);
    }
    return SUCCESS;
}

}  // namespace

EXPORT Result cuFuncSetAttribute(void *handle, int which, int value) {
    ENTER();
    if (!state().functions.count(handle)) return INVALID_HANDLE;
    auto *f = (Function *)handle;
    if (which == 9) return SUCCESS;  // preferred carve-out
    if (which != 8) return INVALID_VALUE;
    if (value < 0 || (unsigned)value + f->entry.shared_bytes > SHARED_OPT_IN)
        return report(INVALID_VALUE, named(*f) + " asks for " + std::to_string(value) + " bytes of dynamic shared memory beside " +
                                         std::to_string(f->entry.shared_bytes) + " static ones; a block of this device has " +
                                         std::to_string(SHARED_OPT_IN));
    f->max_dynamic_shared = (unsigned)value;
    return SUCCESS;
}

EXPORT Result cuFuncGetAttribute(int *value, int which, void *handle) {
    ENTER();
    if (!state().functions.count(handle)) return INVALID_HANDLE;
    auto *f = (Function *)handle;
    switch (which) {
    case 0: *value = (int)f->entry.max_threads; break;
    case 1: *value = (int)f->entry.shared_bytes; break;
    case 4: *value = 32; break;
    case 8: *value = (int)f->max_dynamic_shared; break;
    default: *value = 0;
    }
    return SUCCESS;
}

EXPORT Result cuFuncSetCacheConfig(void *, int) { return SUCCESS; }

EXPORT Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *handle, int threads, size_t dynamic) {
    ENTER();
    if (!state().functions.count(handle) || threads <= 0) return INVALID_VALUE;
    size_t shared = ((Function *)handle)->entry.shared_bytes + dynamic + 1024;
    *blocks = (int)std::min<size_t>({24, 1536 / (size_t)threads, 102400 / shared});
    return SUCCESS;
}

EXPORT Result cuLaunchKernel(void *handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                             void *stream, void **parameters, void **extra) {
    ENTER();
    Stream *s = find_stream(stream);
    if (!s || !state().functions.count(handle)) return INVALID_HANDLE;
    auto *f = (Function *)handle;
    if (f->module->device != s->device)
        return report(INVALID_HANDLE, "launch of " + named(*f) + ", which is loaded on another device than the stream's");
    if (extra) return NOT_SUPPORTED;
    Index grid = {gx, gy, gz}, block = {bx, by, bz};
    if (Error e = check_shape(*f, grid, block, shared)) return e;
    Prepared p = {f, grid, block, shared, {}, {}};
    for (int i = 0; i < f->kernel->parameter_count; i++) {
        size_t offset = (p.bytes.size() + 15) / 16 * 16, bytes = f->kernel->parameters[i].bytes;
        p.bytes.resize(offset + bytes);
        memcpy(p.bytes.data() + offset, parameters[i], bytes);
        p.offsets.push_back(offset);
    }
    return submit(s, {[p]() mutable { return execute(p); }});
}
EXPORT Result cuLaunchCooperativeKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **) {
    return NOT_SUPPORTED;
}
