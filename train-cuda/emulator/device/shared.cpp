#include "shared.h"

#include <cstdint>
#include <cstring>
#include <sys/mman.h>

namespace emulator {
namespace {

constexpr unsigned long PAGE = 4096, ALIGN = 128, FRONT = 256;
// Two of it are a NaN in any of the floating-point types.
constexpr unsigned short CANARY = 0xFFE1;

struct Room {
    unsigned char *begin = nullptr, *end = nullptr;
    const Module *module = nullptr;

    unsigned char *dynamic() { return machine.dynamic_shared; }
    unsigned char *dynamic_end() { return machine.dynamic_shared + machine.dynamic_shared_bytes; }
};
Room room;

void reserve() {
    if (room.begin) return;
    unsigned long bytes = (SHARED_MAX + FRONT + PAGE - 1) / PAGE * PAGE;
    auto *all = (unsigned char *)mmap(nullptr, bytes + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(all, PAGE, PROT_NONE);
    mprotect(all + PAGE + bytes, PAGE, PROT_NONE);
    room.begin = all + PAGE;
    room.end = room.begin + bytes;
}

unsigned char canary_at(const unsigned char *p) { return (uintptr_t)p % 2 ? CANARY >> 8 : CANARY & 0xff; }

}  // namespace

void shared_begin(const Module &module, unsigned long dynamic_bytes) {
    reserve();
    room.module = &module;
    machine.dynamic_shared_bytes = dynamic_bytes;
    machine.dynamic_shared = room.end - (dynamic_bytes + ALIGN - 1) / ALIGN * ALIGN;
    for (unsigned char *p = room.dynamic() - FRONT; p < room.dynamic(); p++) *p = canary_at(p);
    for (unsigned char *p = room.dynamic_end(); p < room.end; p++) *p = canary_at(p);
}

void shared_poison() {
    memset(room.module->shared_begin, 0xFF, room.module->shared_end - room.module->shared_begin);
    memset(room.dynamic(), 0xFF, machine.dynamic_shared_bytes);
}

std::string shared_damage() {
    for (unsigned char *p = room.dynamic_end(); p < room.end; p++)
        if (*p != canary_at(p))
            return "the block wrote byte " + std::to_string(p - room.dynamic()) + " of its dynamic shared memory, and the launch asked for " +
                   std::to_string(machine.dynamic_shared_bytes);
    for (unsigned char *p = room.dynamic() - FRONT; p < room.dynamic(); p++)
        if (*p != canary_at(p)) return "the block wrote " + std::to_string(room.dynamic() - p) + " bytes in front of its dynamic shared memory";
    return "";
}

int shared_part(const unsigned char *p, long &offset) {
    if (p >= room.module->shared_begin && p < room.module->shared_end) {
        offset = p - room.module->shared_begin;
        return 0;
    }
    offset = p - room.dynamic();
    return p >= room.dynamic() && p < room.dynamic_end() ? 1 : -1;
}

bool is_shared(const void *address, unsigned long bytes) {
    auto *p = (const unsigned char *)address;
    return (p >= room.dynamic() && p + bytes <= room.dynamic_end()) ||
           (p >= room.module->shared_begin && p + bytes <= room.module->shared_end);
}

std::string shared_describe(const void *address) {
    auto *p = (const unsigned char *)address;
    if (!room.begin || p < room.begin - PAGE || p >= room.end + PAGE) return "";
    if (p >= room.dynamic())
        return "byte " + std::to_string(p - room.dynamic()) + " of dynamic shared memory, and the launch asked for " +
               std::to_string(machine.dynamic_shared_bytes);
    return std::to_string(room.dynamic() - p) + " bytes in front of dynamic shared memory";
}

}  // namespace emulator
