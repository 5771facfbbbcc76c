// Turns what the processor refuses while a kernel runs (an address behind an allocation, a stack that is too small, an instruction that
// ends the program) into the failure of that launch.
#pragma once

namespace emulator {

// Catches faults of this thread while it lives.
class FaultGuard {
public:
    FaultGuard();
    ~FaultGuard();

private:
    struct State;
    State *state;
};

}  // namespace emulator
