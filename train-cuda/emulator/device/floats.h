// The 16-bit floating-point types by integer arithmetic alone, so that neither the compiler's flags nor the processor has a say.
// Includes nothing: kernels and the device both use it.
#pragma once

namespace emulator {

inline unsigned bits_of_float(float x) {
    unsigned u;
    __builtin_memcpy(&u, &x, 4);
    return u;
}
inline float float_of_bits(unsigned u) {
    float x;
    __builtin_memcpy(&x, &u, 4);
    return x;
}

// To nearest, ties to even. NaN becomes the canonical one of `cvt.rn.f16.f32`.
inline unsigned short half_of_float(float x) {
    unsigned u = bits_of_float(x), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
    if (magnitude > 0x7f800000) return 0x7fff;
    if (magnitude >= 0x477ff000) return (unsigned short)(sign | 0x7c00);  // 65520 and above round to infinity
    if (magnitude < 0x38800000) {
        // Below 2^-14 the result counts units of 2^-24.
        if (magnitude < 0x33000000) return (unsigned short)sign;  // below half a unit
        unsigned shift = 126 - (magnitude >> 23), whole = (magnitude & 0x7fffff) | 0x800000;
        unsigned kept = whole >> shift, rest = whole & ((1u << shift) - 1), tie = 1u << (shift - 1);
        kept += rest > tie || (rest == tie && (kept & 1));
        return (unsigned short)(sign | kept);
    }
    unsigned rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (unsigned short)(sign | ((rounded - 0x38000000) >> 13));
}

inline float float_of_half(unsigned short h) {
    unsigned sign = (unsigned)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude > 0x7c00) return float_of_bits(0x7fffffff);
    // 2^112 moves the exponent's bias, subnormals included; infinity needs its exponent filled up.
    float scaled = float_of_bits(magnitude << 13) * 5192296858534827628530496329220096.0f;
    unsigned u = bits_of_float(scaled);
    if (magnitude == 0x7c00) u |= 0x7f800000;
    return float_of_bits(sign | u);
}

// To nearest, ties to even. NaN becomes the canonical one of `cvt.rn.bf16.f32`.
inline unsigned short bf16_of_float(float x) {
    unsigned u = bits_of_float(x);
    if ((u & 0x7fffffff) > 0x7f800000) return 0x7fff;
    return (unsigned short)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

inline float float_of_bf16(unsigned short b) { return float_of_bits((unsigned)b << 16); }

}  // namespace emulator
