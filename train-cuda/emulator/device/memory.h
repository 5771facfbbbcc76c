// Memory of the emulated devices. An allocation starts at a multiple of 256 bytes and lies between two pages that nobody may touch; what is
// left of its own pages holds a pattern that is looked at after every launch. Addresses are never given out twice.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace emulator {

class Memory {
public:
    explicit Memory(int device) : device(device) {}

    // 0 when there is no room.
    uint64_t allocate(uint64_t bytes, uint64_t limit);
    // False: not the start of a live allocation. `damage` says what was written beside it.
    bool release(uint64_t start, std::string &damage);
    void release_all();

    // Whether the bytes lie in one live allocation.
    bool holds(uint64_t address, uint64_t bytes) const;
    // The live allocation in which the address lies, if it lies in one.
    bool range(uint64_t address, uint64_t &start, uint64_t &bytes) const;
    // Whether the address is in this device's memory, live or not.
    bool owns(uint64_t address) const;
    void arena(uint64_t &first, uint64_t &last) const { first = begin, last = end; }
    // What was written beside any allocation, or nothing. It is said once.
    std::string damage();
    std::string describe(uint64_t address) const;

    uint64_t used = 0;

private:
    struct Allocation {
        uint64_t bytes, pages_begin, pages_end;  // without the guards
    };
    std::string damage_of(uint64_t start, const Allocation &a) const;
    void surround(uint64_t start, const Allocation &a);
    void close(const Allocation &a);

    int device;
    uint64_t begin = 0, end = 0, next = 0;
    std::map<uint64_t, Allocation> live;
    std::map<uint64_t, uint64_t> freed;  // start, bytes
};

// "4 bytes behind the end of ...", over all devices.
std::string describe_address(uint64_t address);
// The whole range of addresses of the device that owns this one, if any does.
bool arena_of(uint64_t address, uint64_t &begin, uint64_t &end);

}  // namespace emulator
