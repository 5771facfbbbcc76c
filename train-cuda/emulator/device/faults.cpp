#include "faults.h"

#include "fibers.h"
#include "memory.h"
#include "report.h"
#include "shared.h"

#include <csignal>
#include <cstdint>
#include <sys/mman.h>
#include <ucontext.h>

namespace emulator {
namespace {

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
constexpr size_t STACK = 256 << 10;

struct Fault {
    int signal;
    const void *address;
    bool write;
};

thread_local bool guarded;
thread_local Fault fault;
struct sigaction before[4];

// Two stacks: the handler's, and the one on which the report is written afterwards, when the fault may have been the end of a stack.
unsigned char *handler_stack() {
    static auto *stack = (unsigned char *)mmap(nullptr, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return stack;
}

[[noreturn]] void land() {
    const char *does = fault.write ? "writes " : "reads ";
    if (fault.signal == SIGILL) fail(ILLEGAL_INSTRUCTION, "an instruction that ends the program (__trap, or code that cannot be reached)");
    if (fault.signal == SIGFPE) fail(LAUNCH_FAILED, "an integer division by zero");
    if (is_stack_overflow(fault.address)) fail(LAUNCH_FAILED, "the thread's stack is full");
    std::string shared = shared_describe(fault.address);
    if (!shared.empty()) fail(ILLEGAL_ADDRESS, does + shared);
    // The processor does not say the address when a wide access is not aligned.
    if (!fault.address) fail(ILLEGAL_ADDRESS, std::string(does) + "a null pointer, or an address that is not aligned for the access");
    fail(ILLEGAL_ADDRESS, does + describe_address((uint64_t)fault.address));
}

void handle(int signal, siginfo_t *info, void *context) {
    if (!guarded) {
        // Not ours: as if we had never been here.
        for (int i = 0; i < 4; i++)
            if (SIGNALS[i] == signal) sigaction(signal, &before[i], nullptr);
        return;
    }
    auto &registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    fault = {signal, info->si_addr, (registers[REG_ERR] & 2) != 0};
    registers[REG_RIP] = (greg_t)land;
    registers[REG_RSP] = (greg_t)(handler_stack() + 2 * STACK - 8);
}

}  // namespace

struct FaultGuard::State {
    stack_t stack;
};

FaultGuard::FaultGuard() : state(new State) {
    static bool installed = [] {
        struct sigaction action = {};
        action.sa_sigaction = handle;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK;
        for (int i = 0; i < 4; i++) sigaction(SIGNALS[i], &action, &before[i]);
        return true;
    }();
    (void)installed;
    stack_t ours = {};
    ours.ss_sp = handler_stack();
    ours.ss_size = STACK;
    sigaltstack(&ours, &state->stack);
    guarded = true;
}

FaultGuard::~FaultGuard() {
    guarded = false;
    sigaltstack(&state->stack, nullptr);
    delete state;
}

}  // namespace emulator
