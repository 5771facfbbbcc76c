// Threads of a block as fibers: a stack each, and a switch from one to the other that saves what a function call must keep.
#pragma once

#include <cstddef>

#if !defined(__x86_64__)
#error "the emulator's fibers are written for x86-64 only; fibers.cpp and faults.cpp are what another processor needs"
#endif

// Keeps the running stack in `*from` and goes on with `to`.
extern "C" void emulator_switch(void **from, void *to);

namespace emulator {

constexpr unsigned MAX_THREADS = 1024;

// A fresh stack pointer of fiber `number` that will start in `entry`, which must not return.
void *fiber_start(unsigned number, void (*entry)());

// Whether an address lies in the guard page below some fiber's stack.
bool is_stack_overflow(const void *address);

}  // namespace emulator
