// Shared memory of the block that runs: the module's `__shared__` variables, and what the launch asked for besides, which ends at a page
// that nobody may touch.
#pragma once

#include "machine.h"

#include <string>

namespace emulator {

constexpr unsigned long SHARED_MAX = 232448;  // of any card that exists

// Lays out the dynamic part for a launch.
void shared_begin(const Module &module, unsigned long dynamic_bytes);
// Nothing is there yet when a block begins.
void shared_poison();
// What a block wrote past the end or in front of the beginning: a sentence, or nothing.
std::string shared_damage();

// Which part an address lies in (0: variables, 1: dynamic; -1: neither), and how far into it.
int shared_part(const unsigned char *address, long &offset);
bool is_shared(const void *address, unsigned long bytes);
// "4 bytes behind the dynamic shared memory ..." for an address near it, or nothing.
std::string shared_describe(const void *address);

}  // namespace emulator
