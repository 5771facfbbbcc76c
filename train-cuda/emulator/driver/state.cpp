#include "../device/order.h"
#include "work.h"

#include <cstdio>
#include <cstdlib>

namespace emulator {

const Settings &settings() {
    static const Settings read = [] {
        Settings s;
        auto number = [](const char *name, uint64_t otherwise) {
            const char *text = getenv(name);
            return text && *text ? strtoull(text, nullptr, 10) : otherwise;
        };
        s.devices = (int)number("TERCET_EMULATOR_DEVICES", 1);
        s.driver_version = (int)number("TERCET_EMULATOR_DRIVER_VERSION", (uint64_t)s.driver_version);
        s.capability = (int)number("TERCET_EMULATOR_CAPABILITY", (uint64_t)s.capability);
        s.memory = number("TERCET_EMULATOR_MEMORY", s.memory);
        s.peers = number("TERCET_EMULATOR_PEERS", 0);
        s.fail_launch = number("TERCET_EMULATOR_FAIL_LAUNCH", 0);
        return s;
    }();
    return read;
}

State &state() {
    // Never destroyed: a program may call the driver while it ends.
    static State *all = [] {
        auto *s = new State;
        for (int i = 0; i < settings().devices; i++) s->devices.emplace_back(new Device(i));
        s->memory_limit = settings().memory;
        if (!s->devices.empty()) s->devices[0]->fail_launch = settings().fail_launch;
        return s;
    }();
    return *all;
}

std::recursive_mutex &lock() {
    static auto *one = new std::recursive_mutex;
    return *one;
}

Device *&current_device() {
    thread_local Device *current = nullptr;
    return current;
}

Error report(Error error, const std::string &sentence) {
    Locked locked(lock());
    state().last_report = sentence;
    fprintf(stderr, "emulator: %s\n", sentence.c_str());
    return error;
}

bool arena_of(uint64_t address, uint64_t &begin, uint64_t &end) {
    for (auto &device : state().devices)
        if (device->memory.owns(address)) {
            device->memory.arena(begin, end);
            return true;
        }
    return false;
}

std::string describe_address(uint64_t address) {
    for (auto &device : state().devices)
        if (device->memory.owns(address)) return device->memory.describe(address);
    char text[80];
    snprintf(text, sizeof text, "address 0x%llx, which is in no device's memory", (unsigned long long)address);
    return text;
}

}  // namespace emulator

using namespace emulator;

// For tests: what a real driver has no words for.
EXPORT void emulator_set_order(int kind, uint64_t seed) {
    Locked locked(lock());
    set_order((Order)kind, seed);
}

EXPORT const char *emulator_last_report() {
    Locked locked(lock());
    thread_local std::string copy;
    copy = state().last_report;
    return copy.c_str();
}

// What a library above the driver has to say in the same way.
EXPORT void emulator_report(const char *sentence) { report(UNKNOWN, sentence); }

// The `n`-th launch of a device from now on fails, as when a card falls off the bus; 0: none.
EXPORT void emulator_fail_launch(int ordinal, uint64_t n) {
    Locked locked(lock());
    Device &device = *state().devices.at((size_t)ordinal);
    device.fail_launch = n ? device.launches + n : 0;
}

EXPORT void emulator_set_memory(uint64_t bytes) {
    Locked locked(lock());
    state().memory_limit = bytes;
}

EXPORT uint64_t emulator_launches() {
    Locked locked(lock());
    uint64_t all = 0;
    for (auto &device : state().devices) all += device->launches;
    return all;
}

// Devices that broke work again, and there is no report.
EXPORT void emulator_reset() {
    Locked locked(lock());
    for (auto &device : state().devices) device->broken = SUCCESS, device->fail_launch = 0;
    state().last_report.clear();
}
