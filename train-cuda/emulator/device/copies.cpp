// A copy may happen at any moment between its issue and the wait for its group. Both ends are made to show: at the issue the destination is
// poisoned, for somebody may still read what was there; the bytes come at the wait, for somebody may read them before.
#include "copies.h"

#include "fibers.h"
#include "machine.h"
#include "races.h"
#include "report.h"
#include "shared.h"

#include <cstdint>
#include <cstring>
#include <deque>
#include <string>

namespace emulator {
namespace {

struct Copy {
    void *shared;
    const void *global;
    bool there;
    unsigned group;
};
struct Queue {
    std::deque<Copy> copies;
    unsigned groups = 0;  // ended ones
};
Queue queues[MAX_THREADS];
unsigned used;  // queues below this may hold something

Queue &mine() {
    unsigned number = machine.current->number;
    if (number >= used) used = number + 1;
    return queues[number];
}

}  // namespace

void copies_clear() {
    for (; used; used--) {
        queues[used - 1].copies.clear();
        queues[used - 1].groups = 0;
    }
}

void async_copy_16(void *shared, const void *global, bool there, Place place) {
    auto refuse = [&](Error error, const char *why) {
        fail(error, std::string("copy_async_16 at ") + place.file + ":" + std::to_string(place.line) + why);
    };
    if ((uintptr_t)shared % 16 || (there && (uintptr_t)global % 16))
        refuse(MISALIGNED_ADDRESS, " of addresses that are not aligned to 16 bytes");
    if (!is_shared(shared, 16)) refuse(ILLEGAL_ADDRESS, " to an address that is not in shared memory");
    if (there && is_shared(global, 1)) refuse(ILLEGAL_ADDRESS, " from an address that is not in global memory");
    races_write(machine.current->lane, shared, 16, "copy_async_16");
    if (there) races_read(machine.current->lane, global, 16, "copy_async_16");
    memset(shared, 0xFF, 16);
    Queue &queue = mine();
    queue.copies.push_back({shared, global, there, queue.groups});
}

void async_copy_commit() { mine().groups++; }

void async_copy_wait(int left) {
    Queue &queue = mine();
    while (!queue.copies.empty() && queue.copies.front().group + (unsigned)left < queue.groups) {
        Copy copy = queue.copies.front();
        queue.copies.pop_front();
        races_write(machine.current->lane, copy.shared, 16, "copy_async_wait");
        if (copy.there)
            memcpy(copy.shared, copy.global, 16);
        else
            memset(copy.shared, 0, 16);
    }
}

}  // namespace emulator
