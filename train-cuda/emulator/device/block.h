// Runs the blocks of a grid, one after another, their threads as fibers in turns.
#pragma once

#include "machine.h"
#include "report.h"

namespace emulator {

struct Warp {
    Thread *threads;
    unsigned present;     // lanes that the block has here
    unsigned ready;       // may run, and do not right now
    unsigned waiting;     // at an instruction of the warp
    unsigned at_barrier;
    unsigned exited;
    unsigned epoch;       // times that it synchronised since the block did
    void *operands[32];
    WarpInstruction instructions[32];
    const char *names[32];
    unsigned masks[32];
};

struct Launch {
    const char *module_name;
    const Module *module;
    const Kernel *kernel;
    void **arguments;
    Index grid, block;
    unsigned long dynamic_shared;
};

// All of the grid, or the error of its first thread that did wrong.
Error run(const Launch &launch);

// Barriers that the running block has passed.
unsigned block_epoch();

// "rows.bf16:embed", or nothing when no launch runs.
std::string running_kernel();

}  // namespace emulator
