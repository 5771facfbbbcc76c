// In which order threads, blocks and branches of a graph run where a real device leaves it open.
#pragma once

namespace emulator {

// Starts over from the seed, so that the same launches after this get the same orders.
enum class Order { forward, reverse, shuffle };
void set_order(Order order, unsigned long long seed);
Order order();
unsigned random_below(unsigned bound);

// The index of one of the bits set in `candidates`, which are not none.
unsigned pick(unsigned candidates);

}  // namespace emulator
