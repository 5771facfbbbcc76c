#include "order.h"

#include <cstdlib>
#include <cstring>

namespace emulator {
namespace {

struct Chooser {
    Order order = Order::forward;
    unsigned long long state = 1;

    Chooser() {
        const char *wanted = getenv("TERCET_EMULATOR_ORDER");
        if (!wanted) return;
        if (!strcmp(wanted, "reverse")) order = Order::reverse;
        if (!strncmp(wanted, "shuffle", 7)) {
            order = Order::shuffle;
            if (wanted[7] == ':') seed(strtoull(wanted + 8, nullptr, 10));
        }
    }

    void seed(unsigned long long s) { state = (s * 0x9E3779B97F4A7C15ull + 0x2545F4914F6CDD1Dull) | 1; }

    unsigned long long random() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state * 0x2545F4914F6CDD1Dull >> 32;
    }
};

Chooser chooser;

}  // namespace

void set_order(Order order, unsigned long long seed) {
    chooser.order = order;
    chooser.seed(seed);
}

Order order() { return chooser.order; }

unsigned random_below(unsigned bound) { return (unsigned)(chooser.random() * bound >> 32); }

unsigned pick(unsigned candidates) {
    if (chooser.order == Order::forward) return (unsigned)__builtin_ctz(candidates);
    if (chooser.order == Order::reverse) return 31 - (unsigned)__builtin_clz(candidates);
    for (unsigned skip = random_below((unsigned)__builtin_popcount(candidates)); skip; skip--) candidates &= candidates - 1;
    return (unsigned)__builtin_ctz(candidates);
}

}  // namespace emulator
