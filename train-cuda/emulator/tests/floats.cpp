// Conversions of 16-bit floating-point numbers, against the compiler's own type and against plain arithmetic.
#include "../device/floats.h"
#include "check.h"

#include <cmath>

using namespace emulator;

static bool is_nan16(unsigned short h) { return (h & 0x7c00) == 0x7c00 && (h & 0x3ff); }

// Nearest bf16 by looking at both neighbours.
static unsigned short nearest_bf16(float x) {
    unsigned u = bits_of_float(x);
    unsigned short below = (unsigned short)(u >> 16), above = (unsigned short)(below + 1);
    double d = std::fabs((double)x - float_of_bf16(below));
    // The one above may be infinity, which counts as the next power of two here.
    double up = (above & 0x7fff) == 0x7f80 ? std::copysign(std::ldexp(1.0, 128), x) : (double)float_of_bf16(above);
    double e = std::fabs(up - x);
    return d < e || (d == e && below % 2 == 0) ? below : above;
}

void test_floats() {
    bool widened = true, back = true;
    for (unsigned h = 0; h < 65536; h++) {
        unsigned short bits = (unsigned short)h;
        _Float16 native;
        memcpy(&native, &bits, 2);
        float x = float_of_half(bits);
        if (is_nan16(bits)) {
            widened &= std::isnan(x);
            back &= half_of_float(x) == 0x7fff;
        } else {
            widened &= bits_of_float(x) == bits_of_float((float)native);
            back &= half_of_float(x) == bits;
        }
    }
    check(widened, "all f16 to f32");
    check(back, "all f16 to f32 and back");

    // All exponents, with mantissas around every rounding edge.
    bool halves = true, bf16s = true;
    for (unsigned sign_exponent = 0; sign_exponent < 512; sign_exponent++)
        for (unsigned high = 0; high < 128; high++)
            for (unsigned low : {0x0000u, 0x0001u, 0x0fffu, 0x1000u, 0x1001u, 0x2fffu, 0x3000u, 0x3001u, 0x7fffu, 0x8000u, 0x8001u, 0xefffu, 0xf000u, 0xffffu}) {
                float x = float_of_bits(sign_exponent << 23 | high << 16 | low);
                _Float16 native = (_Float16)x;
                unsigned short bits;
                memcpy(&bits, &native, 2);
                if (std::isnan(x)) {
                    halves &= half_of_float(x) == 0x7fff;
                    bf16s &= bf16_of_float(x) == 0x7fff;
                } else {
                    halves &= half_of_float(x) == bits;
                    bf16s &= std::isinf(x) ? bf16_of_float(x) == bits_of_float(x) >> 16 : bf16_of_float(x) == nearest_bf16(x);
                }
            }
    check(halves, "f32 to f16, nearest even");
    check(bf16s, "f32 to bf16, nearest even");
}
