#include "fibers.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

// Floating-point modes are not saved: no kernel changes them.
asm(R"(
    .text
    .globl emulator_switch
    .hidden emulator_switch
    .type emulator_switch, @function
emulator_switch:
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size emulator_switch, . - emulator_switch
)");

namespace emulator {
namespace {

constexpr size_t STACK = 128 << 10, PAGE = 4096;

unsigned char *stacks() {
    static unsigned char *base = [] {
        void *all = mmap(nullptr, STACK * MAX_THREADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED) {
            perror("emulator: stacks");
            abort();
        }
        for (unsigned i = 0; i < MAX_THREADS; i++) mprotect((unsigned char *)all + i * STACK, PAGE, PROT_NONE);
        return (unsigned char *)all;
    }();
    return base;
}

}  // namespace

void *fiber_start(unsigned number, void (*entry)()) {
    // Tops at the same place of every page would fight for the same few lines of the cache.
    size_t stagger = number % 32 * 192;
    void **top = (void **)(stacks() + (number + 1) * STACK - 64 - stagger);
    *--top = nullptr;  // where `entry` would return to; keeps the stack aligned as after a call
    *--top = (void *)entry;
    for (int i = 0; i < 6; i++) *--top = nullptr;
    return top;
}

bool is_stack_overflow(const void *address) {
    size_t offset = (uintptr_t)address - (uintptr_t)stacks();
    return offset < STACK * MAX_THREADS && offset % STACK < PAGE;
}

}  // namespace emulator
