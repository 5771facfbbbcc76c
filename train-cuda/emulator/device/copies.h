// Copies from global to shared memory that go on beside a thread (`cp.async`).
#pragma once

namespace emulator {

// Forgets what the threads of the last block left.
void copies_clear();

}  // namespace emulator
