// What the driver keeps: devices, their memory, streams, events, modules, functions. One lock guards it all; one launch runs at a time, and
// only functions of the host run beside it.
#pragma once

#include "../device/block.h"
#include "../device/memory.h"
#include "../device/report.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace emulator {

typedef int Result;

struct Device {
    explicit Device(int ordinal) : ordinal(ordinal), memory(ordinal) {}
    int ordinal;
    Memory memory;
    int retained = 0;        // times its primary context is held
    uint64_t launches = 0, fail_launch = 0;  // which one fails, counted from 1; 0: none
    Error broken = SUCCESS;  // after a launch went wrong every call gives this again
    std::set<int> peers;     // devices whose memory it may touch
};

// Settings from the environment.
struct Settings {
    int devices = 1;
    int driver_version = 13030;
    int capability = 89;
    uint64_t memory = 24ull << 30;
    bool peers = false;        // devices may touch each other's memory
    uint64_t fail_launch = 0;  // which launch of the first device fails, counted from 1; 0: none
};
const Settings &settings();

struct Capture;

struct Stream {
    Device *device;
    std::shared_ptr<Capture> capture;
    std::vector<int> last;  // nodes of the capture that its next work waits for
};

struct Event {
    Device *device;
    unsigned flags;
    bool recorded = false;
    double milliseconds = 0;
    std::shared_ptr<Capture> capture;  // recorded in a capturing stream
    std::vector<int> nodes;
};

struct PtxEntry {
    std::string name;
    std::vector<unsigned> parameter_bytes;
    unsigned shared_bytes = 0, max_threads = 1024;
};

struct LoadedModule;
struct Function {
    LoadedModule *module;
    const Kernel *kernel;
    PtxEntry entry;
    unsigned max_dynamic_shared;
};

struct LoadedModule {
    Device *device;
    std::string name;
    const Module *module;
    std::vector<std::unique_ptr<Function>> functions;
};

// Handles that a program may still use.
template <class T> class Handles {
public:
    T *add(T *t) {
        known.emplace(t, t);
        return t;
    }
    bool has(const void *t) const { return known.count(t); }
    // It lives for as long as this is held, whoever gives the handle back meanwhile.
    std::shared_ptr<T> hold(const void *t) const { return known.at(t); }
    bool remove(T *t) { return known.erase(t); }

private:
    std::unordered_map<const void *, std::shared_ptr<T>> known;
};

struct Graph;
struct State {
    std::vector<std::unique_ptr<Device>> devices;
    bool initialised = false;
    Handles<Stream> streams;
    Handles<Event> events;
    Handles<LoadedModule> modules;
    Handles<Graph> graphs;
    std::unordered_set<const void *> functions;
    std::set<std::pair<uint64_t, uint64_t>> pinned;  // host memory: begin, end
    uint64_t memory_limit = 0;
    std::vector<std::weak_ptr<Capture>> captures;
    uint64_t capture_count = 0;
    std::string last_report;
};
State &state();

// Held by every entry point.
std::recursive_mutex &lock();
typedef std::lock_guard<std::recursive_mutex> Locked;

// Gives the lock up for a while. Entry points do not give work through other entry points, so it is held once then.
struct Unlocked {
    Unlocked() { lock().unlock(); }
    ~Unlocked() { lock().lock(); }
};

// The calling thread's device, or null without a context.
Device *&current_device();

// The usual beginning of an entry point: the lock, a context, and a device that still works.
#define ENTER()                                   \
    Locked locked(lock());                        \
    Device *device = current_device();            \
    if (!device) return INVALID_CONTEXT;          \
    if (device->broken) return device->broken;

// A stream by its handle; null and the two reserved handles are streams of the current device.
Stream *find_stream(void *handle);

// Runs or captures. `arguments` as cuLaunchKernel has them.
struct Work;
Error submit(Stream *stream, Work work);

}  // namespace emulator
