// What compiled kernels and the emulated device know of each other. Both include it, and it includes nothing: kernels are compiled without
// a single system header, as NVRTC compiles them.
#pragma once

#pragma GCC visibility push(default)

namespace emulator {

struct Index {
    unsigned x, y, z;
};

// A place in a kernel's source, for reports and to tell whether lanes execute the same instruction.
struct Place {
    const char *file;
    int line;
};

struct Warp;

// One thread of the block that runs.
struct Thread {
    Index index;
    unsigned number;  // x fastest
    unsigned lane;
    Warp *warp;
    void *stack_pointer;
    Place waits_at;
};

// What the running thread sees of its launch. One block runs at a time in the whole process.
struct Machine {
    Thread *current;
    Index block_index, block_dim, grid_dim;
    unsigned char *dynamic_shared;
    unsigned long dynamic_shared_bytes;
};
extern Machine machine;

// Computes what an instruction of the whole warp gives: each named lane's operands in, its results out through the same pointer.
typedef void (*WarpInstruction)(void *const (&operands)[32], unsigned mask);

// Waits until all lanes of `mask` are here with the same instruction at the same place; the last one to come executes it for all.
void warp_execute(WarpInstruction instruction, const char *name, unsigned mask, void *operands, Place place);
void block_barrier(Place place);

// Ends the launch with a report.
[[noreturn]] void trap(const char *what, Place place);

struct Shuffle {
    unsigned long long value, result;
    int source;  // lane
};
void shuffle(void *const (&operands)[32], unsigned mask);

struct Ballot {
    bool predicate;
    unsigned result;
};
void ballot(void *const (&operands)[32], unsigned mask);
void warp_sync(void *const (&operands)[32], unsigned mask);

struct MatrixProduct {
    void *d;
    const unsigned *a, *b;
    const void *c;
};
void matrix_product_s8(void *const (&operands)[32], unsigned mask);
void matrix_product_bf16(void *const (&operands)[32], unsigned mask);
void matrix_product_f16(void *const (&operands)[32], unsigned mask);

struct MatrixLoad {
    unsigned *registers;
    const void *row;
};
void matrix_load(void *const (&operands)[32], unsigned mask);
void matrix_load_transposed(void *const (&operands)[32], unsigned mask);

// Copies from global to shared memory that are really made as late as the program allows.
void async_copy_16(void *shared, const void *global, bool there, Place place);
void async_copy_commit();
void async_copy_wait(int left);

// Of a compiled module.
struct Parameter {
    unsigned bytes;
    bool pointer;
};
struct Kernel {
    const char *name;
    void (*call)(void **arguments);
    const Parameter *parameters;
    int parameter_count;
};
struct Module {
    const Kernel *kernels;
    int kernel_count;
    unsigned char *shared_begin, *shared_end;  // its `__shared__` variables
};

}  // namespace emulator

#pragma GCC visibility pop
