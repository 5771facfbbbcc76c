#include "block.h"

#include "copies.h"
#include "faults.h"
#include "fibers.h"
#include "order.h"
#include "races.h"
#include "shared.h"

#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

namespace emulator {

Machine machine;

namespace {

struct Block {
    Thread threads[MAX_THREADS];
    Warp warps[MAX_THREADS / 32];
    unsigned count, warp_count;
    unsigned alive, exited, at_barrier;
    unsigned epoch;
    unsigned runnable_warps;  // have ready lanes
    void *main_stack;
    Error error;
};
Block block;
const Launch *launch;

std::string name(const Index &i) {
    return "(" + std::to_string(i.x) + "," + std::to_string(i.y) + "," + std::to_string(i.z) + ")";
}
std::string name(const Place &p) { return std::string(p.file) + ":" + std::to_string(p.line); }
std::string hex(unsigned v) {
    char text[16];
    snprintf(text, sizeof text, "0x%08x", v);
    return text;
}
bool same(const Place &a, const Place &b) { return a.line == b.line && (a.file == b.file || !strcmp(a.file, b.file)); }

std::string doing(const Thread &t) {
    unsigned bit = 1u << t.lane;
    std::string who = "thread " + name(t.index);
    if (t.warp->exited & bit) return who + " has returned";
    if (t.warp->at_barrier & bit) return who + " waits at the barrier of " + name(t.waits_at);
    if (t.warp->waiting & bit)
        return who + " waits at " + t.warp->names[t.lane] + " of " + name(t.waits_at) + " for the lanes " + hex(t.warp->masks[t.lane]);
    return who + " runs";
}

void set_ready(Warp &warp, unsigned lanes) {
    warp.ready |= lanes;
    if (lanes) block.runnable_warps |= 1u << (&warp - block.warps);
}

// Lets everybody go on if all wait at the barrier.
bool barrier_opens() {
    if (block.at_barrier != block.alive || !block.alive) return false;
    if (block.exited) {
        for (unsigned i = 0; i < block.count; i++)
            for (unsigned j = 0; j < block.count; j++)
                if (block.threads[i].warp->exited >> block.threads[i].lane & 1 && block.threads[j].warp->at_barrier >> block.threads[j].lane & 1)
                    fail(LAUNCH_FAILED, "divergent barrier: " + doing(block.threads[j]) + " and " + doing(block.threads[i]));
    }
    block.at_barrier = 0;
    block.epoch++;
    for (unsigned w = 0; w < block.warp_count; w++) {
        set_ready(block.warps[w], block.warps[w].at_barrier);
        block.warps[w].at_barrier = 0;
        block.warps[w].epoch = 0;
    }
    return true;
}

Thread *next_thread() {
    Warp *warp = machine.current->warp;
    if (!warp->ready) {
        if (!block.runnable_warps && !barrier_opens()) return nullptr;
        unsigned w = pick(block.runnable_warps);
        warp = &block.warps[w];
    }
    unsigned lane = pick(warp->ready);
    warp->ready &= ~(1u << lane);
    if (!warp->ready) block.runnable_warps &= ~(1u << (warp - block.warps));
    return &warp->threads[lane];
}

[[noreturn]] void deadlock() {
    // One thread of each kind of waiting says enough.
    std::string all;
    std::vector<const Thread *> shown;
    for (unsigned i = 0; i < block.count && shown.size() < 4; i++) {
        const Thread &t = block.threads[i];
        bool known = false;
        for (const Thread *s : shown) {
            bool kind = (s->warp->exited >> s->lane & 1) == (t.warp->exited >> t.lane & 1) && (s->warp->at_barrier >> s->lane & 1) == (t.warp->at_barrier >> t.lane & 1);
            known |= kind && ((t.warp->exited >> t.lane & 1) || same(s->waits_at, t.waits_at));
        }
        if (known) continue;
        shown.push_back(&t);
        all += (all.empty() ? "" : "; ") + doing(t);
    }
    fail(LAUNCH_FAILED, "divergent threads wait for each other for ever: " + all);
}

void switch_to(Thread *next) {
    Thread *from = machine.current;
    if (next == from) return;
    machine.current = next;
    emulator_switch(&from->stack_pointer, next->stack_pointer);
}

void give_way() {
    Thread *next = next_thread();
    if (!next) deadlock();
    switch_to(next);
}

[[noreturn]] void back_to_main() {
    void *never;
    emulator_switch(&never, block.main_stack);
    __builtin_unreachable();
}

void thread_entry() {
    launch->kernel->call(launch->arguments);
    races_settle();
    Thread &me = *machine.current;
    Warp &warp = *me.warp;
    unsigned bit = 1u << me.lane;
    warp.exited |= bit;
    block.exited++;
    block.alive--;
    for (unsigned waiting = warp.waiting; waiting; waiting &= waiting - 1) {
        unsigned lane = (unsigned)__builtin_ctz(waiting);
        if (warp.masks[lane] & bit)
            fail(LAUNCH_FAILED, "divergent warp: " + doing(warp.threads[lane]) + ", and " + doing(me));
    }
    if (!block.alive) back_to_main();
    give_way();
    __builtin_unreachable();
}

void prepare_block() {
    const Index &dim = launch->block;
    block.count = dim.x * dim.y * dim.z;
    block.warp_count = (block.count + 31) / 32;
    block.alive = block.count;
    block.exited = block.at_barrier = block.runnable_warps = block.epoch = 0;
    for (unsigned w = 0; w < block.warp_count; w++) {
        Warp &warp = block.warps[w];
        unsigned lanes = block.count - w * 32;
        warp.threads = &block.threads[w * 32];
        warp.present = lanes >= 32 ? 0xffffffffu : (1u << lanes) - 1;
        warp.ready = warp.waiting = warp.at_barrier = warp.exited = warp.epoch = 0;
        set_ready(warp, warp.present);
    }
    Index at = {0, 0, 0};
    for (unsigned i = 0; i < block.count; i++) {
        Thread &t = block.threads[i];
        t = {at, i, i % 32, &block.warps[i / 32], fiber_start(i, thread_entry), {"", 0}};
        if (++at.x == dim.x) at.x = 0, at.y++;
        if (at.y == dim.y) at.y = 0, at.z++;
    }
    machine.current = &block.threads[0];
}

void run_block(const Index &index) {
    machine.block_index = index;
    prepare_block();
    shared_poison();
    copies_clear();
    races_block_begins();
    Warp &warp = block.warps[pick(block.runnable_warps)];
    unsigned lane = pick(warp.ready);
    warp.ready &= ~(1u << lane);
    if (!warp.ready) block.runnable_warps &= ~(1u << (&warp - block.warps));
    machine.current = &warp.threads[lane];
    emulator_switch(&block.main_stack, machine.current->stack_pointer);
    if (block.error) return;
    std::string damage = shared_damage();
    if (!damage.empty())
        block.error = report(ILLEGAL_ADDRESS, "kernel " + running_kernel() + ", block " + name(index) + ": " + damage);
}

}  // namespace

unsigned block_epoch() { return block.epoch; }

std::string running_kernel() {
    if (!launch) return "";
    return std::string(launch->module_name) + ":" + launch->kernel->name;
}

void fail(Error error, const std::string &what) {
    block.error = report(error, "kernel " + running_kernel() + ", block " + name(machine.block_index) + ", thread " +
                                    name(machine.current->index) + ": " + what);
    back_to_main();
}

void trap(const char *what, Place place) { fail(LAUNCH_FAILED, std::string(what) + " at " + name(place)); }

void warp_execute(WarpInstruction instruction, const char *what, unsigned mask, void *operands, Place place) {
    races_settle();
    Thread &me = *machine.current;
    Warp &warp = *me.warp;
    unsigned bit = 1u << me.lane;
    me.waits_at = place;
    if (!(mask & bit) || mask & ~(warp.present & ~warp.exited))
        fail(LAUNCH_FAILED, std::string(what) + " at " + name(place) + " names the lanes " + hex(mask) + "; this is lane " +
                                std::to_string(me.lane) + ", and lanes " + hex(warp.present & ~warp.exited) + " are there");
    unsigned here = warp.waiting & mask;
    if (here) {
        unsigned other = (unsigned)__builtin_ctz(here);
        if (warp.instructions[other] != instruction || warp.masks[other] != mask || !same(warp.threads[other].waits_at, place))
            fail(LAUNCH_FAILED, "divergent warp: " + std::string(what) + " at " + name(place) + " for the lanes " + hex(mask) + ", but " +
                                    doing(warp.threads[other]));
    }
    warp.operands[me.lane] = operands;
    if ((here | bit) == mask) {
        instruction(warp.operands, mask);
        if (instruction == warp_sync && mask == warp.present) warp.epoch++;
        warp.waiting &= ~mask;
        set_ready(warp, mask & ~bit);
        return;
    }
    warp.instructions[me.lane] = instruction;
    warp.names[me.lane] = what;
    warp.masks[me.lane] = mask;
    warp.waiting |= bit;
    give_way();
}

void block_barrier(Place place) {
    races_settle();
    Thread &me = *machine.current;
    Warp &warp = *me.warp;
    me.waits_at = place;
    if (warp.at_barrier) {
        const Thread &other = warp.threads[__builtin_ctz(warp.at_barrier)];
        if (!same(other.waits_at, place))
            fail(LAUNCH_FAILED, "divergent barrier: this thread is at the barrier of " + name(place) + ", and " + doing(other));
    }
    warp.at_barrier |= 1u << me.lane;
    block.at_barrier++;
    give_way();
}

Error run(const Launch &wanted) {
    launch = &wanted;
    block.error = SUCCESS;
    machine.grid_dim = wanted.grid;
    machine.block_dim = wanted.block;
    shared_begin(*wanted.module, wanted.dynamic_shared);
    FaultGuard guard;
    races_work_begins(running_kernel());

    auto index = [&](uint64_t i) {
        return Index{(unsigned)(i % wanted.grid.x), (unsigned)(i / wanted.grid.x % wanted.grid.y), (unsigned)(i / wanted.grid.x / wanted.grid.y)};
    };
    uint64_t blocks = (uint64_t)wanted.grid.x * wanted.grid.y * wanted.grid.z;
    std::vector<unsigned> shuffled;
    if (order() == Order::shuffle) {
        shuffled.resize(blocks);
        std::iota(shuffled.begin(), shuffled.end(), 0u);
        for (unsigned i = (unsigned)blocks; i > 1; i--) std::swap(shuffled[i - 1], shuffled[random_below(i)]);
    }
    for (uint64_t i = 0; i < blocks && !block.error; i++)
        run_block(index(order() == Order::shuffle ? shuffled[i] : order() == Order::reverse ? blocks - 1 - i : i));
    launch = nullptr;
    return block.error;
}

}  // namespace emulator
