#include "races.h"

#include "block.h"
#include "memory.h"
#include "shared.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>

namespace emulator {
namespace {

// Who touched a byte last. `epoch` counts the barriers of the block, `warp_epoch` those of the warp since.
struct Touch {
    uint32_t block;  // counted over all launches, from 1; 0: nobody
    uint32_t epoch;
    uint32_t site;   // where: an index of `sites`
    uint16_t warp_epoch;
    uint16_t thread;
};
// Readers may be several.
constexpr uint16_t MANY_LANES = 0x4000, MANY_WARPS = 0x8000, MANY_BLOCKS = 0xC000, MANY = 0xC000;

struct Cell {
    Touch write, read;
};
static_assert(sizeof(Cell) == 32, "the shadow is 32 times the memory");

struct Site {
    const void *code;  // or null, and a name
    const char *name;
};

struct Work {
    uint32_t first_block;
    int node;
    std::string name;
};

// A write where another thread wrote, unordered: a race if it changes what is there. The store itself comes after we are called.
struct Doubtful {
    const void *address = nullptr;
    uint64_t bytes;
    unsigned char old[16];
    // What to say then.
    bool found = false;
    Touch other, now;
    std::string who;
    const void *first;
};
Doubtful doubtful;

struct GraphRun {
    uint32_t first_block;
    std::vector<std::vector<bool>> before;
    std::vector<Work> works;
    int node = -1;
};

bool watched;
uint32_t block_now, launch_first;
// A thread's own: while a function of the host runs in one graph, another thread may run another.
thread_local GraphRun *graph_run;
std::vector<Site> sites;

// Shadows of the shared memory and of the devices' memory; pages of them exist as they are touched.
std::vector<Cell> shared_cells[2];
struct Shadow {
    uint64_t begin, end;
    Cell *cells;
};
std::vector<Shadow> shadows;

Cell *global_cell(uint64_t address) {
    for (Shadow &s : shadows)
        if (address >= s.begin && address < s.end) return s.cells + (address - s.begin);
    uint64_t begin, end;
    if (!arena_of(address, begin, end)) return nullptr;
    void *all = mmap(nullptr, (end - begin) * sizeof(Cell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return nullptr;
    shadows.push_back({begin, end, (Cell *)all});
    return global_cell(address);
}

Cell *shared_cell(const unsigned char *p) {
    long offset;
    int part = shared_part(p, offset);
    if (part < 0) return nullptr;
    if (shared_cells[part].empty()) shared_cells[part].resize(SHARED_MAX);
    return (unsigned long)offset < SHARED_MAX ? &shared_cells[part][(size_t)offset] : nullptr;
}

uint32_t site_of(const void *code, const char *name) {
    // The same few places all the time: a small table by the address.
    static uint32_t recent[4096];
    uint32_t &slot = recent[((uintptr_t)code ^ (uintptr_t)name >> 3) % 4096];
    if (slot < sites.size() && sites[slot].code == code && sites[slot].name == name) return slot;
    sites.push_back({code, name});
    return slot = (uint32_t)sites.size() - 1;
}

std::string name_of(uint32_t site) {
    const Site &s = sites[site];
    if (!s.code) return s.name;
    Dl_info info;
    if (!dladdr(s.code, &info)) return "?";
    char command[600], line[512] = "";
    snprintf(command, sizeof command, "addr2line -e '%s' 0x%lx 2>/dev/null", info.dli_fname, (unsigned long)s.code - (unsigned long)info.dli_fbase - 1);
    if (FILE *pipe = popen(command, "r")) {
        if (fgets(line, sizeof line, pipe)) line[strcspn(line, " \n")] = 0;
        pclose(pipe);
    }
    // The file's name is relative already, and addr2line put a folder before it.
    std::string place = line;
    size_t relative = place.rfind("train-cuda/");
    return relative == std::string::npos ? place : place.substr(relative);
}

uint32_t current_epoch() { return block_epoch() + 1; }

// Whether the running thread's access comes after that one, which the same block made.
bool ordered(const Touch &t, const Touch &now) {
    if (t.epoch < now.epoch) return true;
    if ((t.thread & MANY) == MANY_WARPS) return false;
    bool same_warp = (t.thread & 0x3ff) / 32 == now.thread / 32;
    if (same_warp && t.warp_epoch < now.warp_epoch) return true;
    return t.thread == now.thread;
}

const Work *work_of(uint32_t block) {
    const Work *found = nullptr;
    for (const Work &w : graph_run->works)
        if (w.first_block <= block) found = &w;
    return found;
}

// How an earlier access by somebody else conflicts, or nothing.
std::string conflict(const Touch &t, const Touch &now, bool global) {
    if (!t.block) return "";
    if (t.block == now.block && (t.thread & MANY) != MANY_BLOCKS) {
        if (ordered(t, now)) return "";
        if ((t.thread & MANY) == MANY_WARPS) return "threads of other warps";
        if ((t.thread & MANY) == MANY_LANES) return "other lanes of warp " + std::to_string((t.thread & 0x3ff) / 32);
        return "thread " + std::to_string(t.thread);
    }
    if (!global) return "";
    if (t.block >= launch_first) return "another block";
    if (!graph_run || t.block < graph_run->first_block || graph_run->node < 0) return "";
    const Work *work = work_of(t.block);
    if (!work || work->node < 0 || work->node == graph_run->node || graph_run->before[(size_t)graph_run->node][(size_t)work->node]) return "";
    return work->name + ", a node of the graph that this one does not wait for,";
}

std::string race(const Touch &other, const std::string &who, const Touch &now, bool writes, bool wrote, const std::string &what) {
    return std::string("race: ") + (writes ? "writes " : "reads ") + what + " at " + name_of(now.site) + ", and " + who + (wrote ? " wrote" : " read") +
           " it at " + name_of(other.site) + " with nothing in between that orders the two";
}

const std::string &describe(const void *address) {
    static std::string text;
    text = shared_describe(address);
    if (text.empty()) text = is_shared(address, 1) ? "a shared variable" : describe_address((uint64_t)address);
    return text;
}

// Notes an access; a sentence if it races. `settled`: nobody can tell later what the write did.
std::string touch(Cell *cells, uint64_t bytes, const Touch &now, bool write, bool global, bool settled, const void *address) {
    for (uint64_t i = 0; i < bytes; i++) {
        Cell &c = cells[i];
        std::string who = conflict(c.write, now, global);
        if (!who.empty() && write && !settled) {
            if (!doubtful.found) doubtful = {nullptr, 0, {}, true, c.write, now, who, (const char *)address + i};
        } else if (!who.empty()) {
            return race(c.write, who, now, write, true, describe((const char *)address + i));
        }
        if (write) {
            who = conflict(c.read, now, global);
            if (!who.empty()) return race(c.read, who, now, true, false, describe((const char *)address + i));
            c.write = now;
            c.read.block = 0;
            continue;
        }
        Touch merged = now;
        if (global && (c.read.thread & MANY) == MANY_BLOCKS && c.read.block >= launch_first) {
            merged.thread = MANY_BLOCKS;
        } else if (c.read.block == now.block && c.read.epoch == now.epoch && c.read.thread != now.thread) {
            if ((c.read.thread & MANY) == MANY_WARPS)
                merged.thread = c.read.thread;
            else if ((c.read.thread & 0x3ff) / 32 != now.thread / 32)
                merged.thread = MANY_WARPS;
            else if (c.read.warp_epoch == now.warp_epoch)
                merged.thread = MANY_LANES | (now.thread & 0x3e0);
        } else if (global && c.read.block != now.block && c.read.block >= launch_first) {
            merged.thread = MANY_BLOCKS;
        }
        c.read = merged;
    }
    return "";
}

void settle() {
    if (!doubtful.address) return;
    Doubtful d = std::move(doubtful);
    doubtful = Doubtful();
    if (memcmp(d.address, d.old, d.bytes)) fail(LAUNCH_FAILED, race(d.other, d.who, d.now, true, true, describe(d.first)));
}

void access(unsigned thread, unsigned warp_epoch, const void *address, uint64_t bytes, bool write, const void *code, const char *name) {
    settle();
    auto *p = (const unsigned char *)address;
    Cell *cells = shared_cell(p);
    bool global = !cells;
    if (global) cells = global_cell((uint64_t)address);
    if (!cells) return;
    Touch now = {block_now, current_epoch(), site_of(code, name), (uint16_t)warp_epoch, (uint16_t)thread};
    std::string found = touch(cells, bytes, now, write, global, code == nullptr, address);
    if (!found.empty()) {
        doubtful = Doubtful();
        fail(LAUNCH_FAILED, found);
    }
    if (doubtful.found) {
        // Ranges are longer, and written by nothing that sets a flag.
        if (bytes > sizeof doubtful.old) {
            Doubtful d = std::move(doubtful);
            doubtful = Doubtful();
            fail(LAUNCH_FAILED, race(d.other, d.who, d.now, true, true, describe(d.first)));
        }
        doubtful.address = address;
        doubtful.bytes = bytes;
        memcpy(doubtful.old, address, bytes);
    }
}

inline void by_code(const void *address, uint64_t bytes, bool write, const void *code) {
    const Thread &me = *machine.current;
    access(me.number, me.warp->epoch, address, bytes, write, code, nullptr);
}

}  // namespace

bool races_watched() { return watched; }

void races_work_begins(const std::string &name) {
    launch_first = block_now + 1;
    if (graph_run) graph_run->works.push_back({launch_first, graph_run->node, name});
}
void races_block_begins() {
    block_now++;
    doubtful = Doubtful();
}
void races_settle() { settle(); }

void races_graph_begins(std::vector<std::vector<bool>> ended) {
    graph_run = new GraphRun{block_now + 1, std::move(ended), {}};
}
void races_node_begins(int node) {
    if (graph_run) graph_run->node = node;
}
void races_graph_ends() {
    delete graph_run;
    graph_run = nullptr;
}

void races_read(unsigned lane, const void *address, uint64_t bytes, const char *what) {
    if (!watched) return;
    const Warp &warp = *machine.current->warp;
    access(warp.threads[lane].number, warp.epoch, address, bytes, false, nullptr, what);
}
void races_write(unsigned lane, const void *address, uint64_t bytes, const char *what) {
    if (!watched) return;
    const Warp &warp = *machine.current->warp;
    access(warp.threads[lane].number, warp.epoch, address, bytes, true, nullptr, what);
}

std::string races_device_access(uint64_t address, uint64_t bytes, bool write) {
    if (!watched || !graph_run) return "";
    Cell *cells = global_cell(address);
    if (!cells) return "";
    Touch now = {block_now, 1, site_of(nullptr, write ? "a copy or fill" : "a copy"), 0, 0};
    return touch(cells, bytes, now, write, true, true, (const void *)address);
}

void races_forget(uint64_t address, uint64_t bytes) {
    if (!watched) return;
    if (Cell *cells = global_cell(address)) {
        // Whole pages go back to the system, and come again as zeros.
        uint64_t begin = ((uint64_t)cells + 4095) / 4096 * 4096, end = (uint64_t)(cells + bytes) / 4096 * 4096;
        if (begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
}

}  // namespace emulator

// What GCC calls in code compiled with -fsanitize=thread.
using namespace emulator;
#define HOOK extern "C" __attribute__((visibility("default"))) void
#define HOOKS(BYTES)                                                                                                    \
    HOOK __tsan_read##BYTES(void *p) { by_code(p, BYTES, false, __builtin_return_address(0)); }                         \
    HOOK __tsan_write##BYTES(void *p) { by_code(p, BYTES, true, __builtin_return_address(0)); }                         \
    HOOK __tsan_unaligned_read##BYTES(void *p) { by_code(p, BYTES, false, __builtin_return_address(0)); }               \
    HOOK __tsan_unaligned_write##BYTES(void *p) { by_code(p, BYTES, true, __builtin_return_address(0)); }               \
    HOOK __tsan_volatile_read##BYTES(void *p) { by_code(p, BYTES, false, __builtin_return_address(0)); }                \
    HOOK __tsan_volatile_write##BYTES(void *p) { by_code(p, BYTES, true, __builtin_return_address(0)); }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
HOOK __tsan_read_range(void *p, unsigned long n) { by_code(p, n, false, __builtin_return_address(0)); }
HOOK __tsan_write_range(void *p, unsigned long n) { by_code(p, n, true, __builtin_return_address(0)); }
HOOK __tsan_func_entry(void *) {}
HOOK __tsan_func_exit() {}
HOOK __tsan_init() { watched = true; }
