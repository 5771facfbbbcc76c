// Where the compiler's checks of kernels end (-fsanitize): alignment of every access, indices of arrays whose size is known, divisions and
// shifts. The layouts are those that GCC hands to its own run-time library, which is not used.
#include "report.h"

#include <cstdint>

namespace emulator {
namespace {

struct Source {
    const char *file;
    unsigned line, column;
};
struct Mismatch {
    Source source;
    const void *type;
    unsigned char log_alignment, kind;
};
struct Located {
    Source source;
    const void *type;
};

std::string name(const Source &s) { return std::string(s.file) + ":" + std::to_string(s.line) + ":" + std::to_string(s.column); }

}  // namespace
}  // namespace emulator

using namespace emulator;
#define CHECK extern "C" [[noreturn]] __attribute__((visibility("default"))) void

CHECK __ubsan_handle_type_mismatch_v1_abort(Mismatch *m, uintptr_t address) {
    if (!address) fail(ILLEGAL_ADDRESS, "a null pointer at " + name(m->source));
    fail(MISALIGNED_ADDRESS, "an address that is not aligned to " + std::to_string(1u << m->log_alignment) + " bytes at " + name(m->source));
}

CHECK __ubsan_handle_out_of_bounds_abort(Located *l, uintptr_t index) {
    fail(ILLEGAL_ADDRESS, "index " + std::to_string((long)(int)index) + " is outside of its array at " + name(l->source));
}

CHECK __ubsan_handle_divrem_overflow_abort(Located *l, uintptr_t, uintptr_t) { fail(LAUNCH_FAILED, "an integer division by zero at " + name(l->source)); }

CHECK __ubsan_handle_shift_out_of_bounds_abort(Located *l, uintptr_t, uintptr_t by) {
    fail(LAUNCH_FAILED, "a shift by " + std::to_string((long)(int)by) + " bits at " + name(l->source));
}

CHECK __ubsan_handle_add_overflow_abort(Located *l, uintptr_t, uintptr_t) { fail(LAUNCH_FAILED, "a sum that is too large for its type at " + name(l->source)); }
CHECK __ubsan_handle_sub_overflow_abort(Located *l, uintptr_t, uintptr_t) { fail(LAUNCH_FAILED, "a difference that is too large for its type at " + name(l->source)); }
CHECK __ubsan_handle_mul_overflow_abort(Located *l, uintptr_t, uintptr_t) { fail(LAUNCH_FAILED, "a product that is too large for its type at " + name(l->source)); }
CHECK __ubsan_handle_negate_overflow_abort(Located *l, uintptr_t) { fail(LAUNCH_FAILED, "a negation that is too large for its type at " + name(l->source)); }
