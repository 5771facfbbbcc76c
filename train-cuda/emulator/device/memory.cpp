#include "memory.h"

#include "races.h"

#include <cstring>
#include <sys/mman.h>

namespace emulator {
namespace {

constexpr uint64_t PAGE = 4096, ALIGN = 256, ARENA = 1ull << 40;

// Reads as NaN in every floating-point type, and is not what fresh memory holds.
struct Canary {
    unsigned char bytes[PAGE];
    Canary() {
        for (uint64_t i = 0; i < PAGE; i++) bytes[i] = i % 2 ? 0xFF : 0xE1;
    }
};
const Canary canary;

uint64_t up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

std::string named(int device, uint64_t bytes) { return "an allocation of " + std::to_string(bytes) + " bytes on device " + std::to_string(device); }

}  // namespace

void Memory::surround(uint64_t start, const Allocation &a) {
    uint64_t behind = start + a.bytes;
    memcpy((void *)a.pages_begin, canary.bytes, start - a.pages_begin);
    memcpy((void *)behind, canary.bytes + behind % 2, a.pages_end - behind);
}

uint64_t Memory::allocate(uint64_t bytes, uint64_t limit) {
    uint64_t pages = up(bytes, PAGE);
    if (used + bytes > limit || pages > ARENA / 4) return 0;
    if (!begin || next + pages + PAGE > end) {
        // Reserved once and nearly without end; only what is allocated is ever backed.
        void *arena = mmap(nullptr, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (arena == MAP_FAILED) return 0;
        begin = next = (uint64_t)arena;
        end = begin + ARENA;
    }
    uint64_t pages_begin = next + PAGE, start = pages_begin + pages - up(bytes, ALIGN);
    if (mprotect((void *)pages_begin, pages, PROT_READ | PROT_WRITE)) return 0;
    next = pages_begin + pages;
    Allocation a = {bytes, pages_begin, pages_begin + pages};
    memset((void *)start, 0xFF, bytes);
    surround(start, a);
    races_forget(start, bytes);
    live[start] = a;
    used += bytes;
    return start;
}

void Memory::close(const Allocation &a) {
    madvise((void *)a.pages_begin, a.pages_end - a.pages_begin, MADV_DONTNEED);
    mprotect((void *)a.pages_begin, a.pages_end - a.pages_begin, PROT_NONE);
}

bool Memory::release(uint64_t start, std::string &damage) {
    auto found = live.find(start);
    if (found == live.end()) return false;
    damage = damage_of(start, found->second);
    close(found->second);
    used -= found->second.bytes;
    freed[start] = found->second.bytes;
    live.erase(found);
    return true;
}

void Memory::release_all() {
    for (auto &[start, a] : live) {
        close(a);
        freed[start] = a.bytes;
    }
    live.clear();
    used = 0;
}

bool Memory::owns(uint64_t address) const { return address >= begin && address < end; }

bool Memory::holds(uint64_t address, uint64_t bytes) const {
    auto found = live.upper_bound(address);
    if (found == live.begin()) return false;
    --found;
    return address + bytes <= found->first + found->second.bytes;
}

bool Memory::range(uint64_t address, uint64_t &start, uint64_t &bytes) const {
    auto found = live.upper_bound(address);
    if (found == live.begin()) return false;
    --found;
    start = found->first;
    bytes = found->second.bytes;
    return address < start + bytes;
}

std::string Memory::damage_of(uint64_t start, const Allocation &a) const {
    uint64_t behind = start + a.bytes;
    if (memcmp((void *)behind, canary.bytes + behind % 2, a.pages_end - behind)) {
        while (*(unsigned char *)behind == canary.bytes[behind % 2]) behind++;
        return std::to_string(behind - start - a.bytes) + " bytes behind the end of " + named(device, a.bytes) + " something was written";
    }
    if (memcmp((void *)a.pages_begin, canary.bytes, start - a.pages_begin)) {
        uint64_t front = start - 1;
        while (*(unsigned char *)front == canary.bytes[front % 2]) front--;
        return std::to_string(start - front) + " bytes in front of " + named(device, a.bytes) + " something was written";
    }
    return "";
}

std::string Memory::damage() {
    for (auto &[start, a] : live) {
        std::string found = damage_of(start, a);
        if (found.empty()) continue;
        surround(start, a);
        return found;
    }
    return "";
}

std::string Memory::describe(uint64_t address) const {
    auto after = live.upper_bound(address);
    auto gone = freed.upper_bound(address);
    if (gone != freed.begin()) {
        --gone;
        if (address < gone->first + gone->second)
            return "byte " + std::to_string(address - gone->first) + " of " + named(device, gone->second) + " that was freed";
    }
    std::string text;
    if (after != live.begin()) {
        auto before = std::prev(after);
        uint64_t behind = before->first + before->second.bytes;
        if (address < behind) return "byte " + std::to_string(address - before->first) + " of " + named(device, before->second.bytes);
        if (after == live.end() || address - behind <= after->first - address)
            return std::to_string(address - behind) + " bytes behind the end of " + named(device, before->second.bytes);
    }
    if (after != live.end()) return std::to_string(after->first - address) + " bytes in front of " + named(device, after->second.bytes);
    return "device " + std::to_string(device) + "'s memory, where nothing is allocated";
}

}  // namespace emulator
