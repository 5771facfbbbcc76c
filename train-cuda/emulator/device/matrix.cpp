// Products of small matrices by a warp (`mma`). Registers of the 32 lanes are gathered into plain matrices, multiplied, and handed back.
//
// Products of 16-bit numbers are exact in f32. They are added to `c` one after another, k from 0 to 15, rounded to nearest at each step. A
// real tensor core adds several at once and cuts instead of rounding, so the last bits differ, and no test may rest on them.
#include "floats.h"
#include "machine.h"

#include <cstring>

namespace emulator {
namespace {

struct Bf16 {
    static float value(unsigned short b) { return float_of_bf16(b); }
};
struct F16 {
    static float value(unsigned short h) { return float_of_half(h); }
};

typedef float Row __attribute__((vector_size(32)));

template <class T> void product_16(void *const (&operands)[32]) {
    unsigned short a[16][16], b[16][8];
    float af[16][16], bf[16][8], d[16][8];
    for (int lane = 0; lane < 32; lane++) {
        auto *own = (MatrixProduct *)operands[lane];
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++) memcpy(&a[g + i % 2 * 8][2 * t + i / 2 * 8], own->a + i, 4);
        for (int i = 0; i < 2; i++) {
            b[2 * t + i * 8][g] = (unsigned short)own->b[i];
            b[2 * t + i * 8 + 1][g] = (unsigned short)(own->b[i] >> 16);
        }
        memcpy(&d[g][2 * t], own->c, 8);
        memcpy(&d[g + 8][2 * t], (const float *)own->c + 2, 8);
    }
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++) af[m][k] = T::value(a[m][k]);
    for (int k = 0; k < 16; k++)
        for (int n = 0; n < 8; n++) bf[k][n] = T::value(b[k][n]);
    // Eight rows at a time: sums that do not wait for each other.
    for (int first = 0; first < 16; first += 8) {
        Row sum[8], b_row;
        memcpy(sum, d[first], sizeof sum);
        for (int k = 0; k < 16; k++) {
            memcpy(&b_row, bf[k], sizeof b_row);
            for (int m = 0; m < 8; m++) sum[m] += af[first + m][k] * b_row;
        }
        memcpy(d[first], sum, sizeof sum);
    }
    for (int lane = 0; lane < 32; lane++) {
        auto *own = (MatrixProduct *)operands[lane];
        int g = lane / 4, t = lane % 4;
        memcpy(own->d, &d[g][2 * t], 8);
        memcpy((float *)own->d + 2, &d[g + 8][2 * t], 8);
    }
}

}  // namespace

void matrix_product_bf16(void *const (&operands)[32], unsigned) { product_16<Bf16>(operands); }
void matrix_product_f16(void *const (&operands)[32], unsigned) { product_16<F16>(operands); }

void matrix_product_s8(void *const (&operands)[32], unsigned) {
    signed char a[16][32], b[8][32];  // b by columns, as its registers have it
    short aw[16][32], bw[8][32];
    int d[16][8];
    for (int lane = 0; lane < 32; lane++) {
        auto *own = (MatrixProduct *)operands[lane];
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++) memcpy(&a[g + i % 2 * 8][4 * t + i / 2 * 16], own->a + i, 4);
        for (int i = 0; i < 2; i++) memcpy(&b[g][4 * t + i * 16], own->b + i, 4);
        memcpy(&d[g][2 * t], own->c, 8);
        memcpy(&d[g + 8][2 * t], (const int *)own->c + 2, 8);
    }
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 32; k++) aw[m][k] = a[m][k];
    for (int n = 0; n < 8; n++)
        for (int k = 0; k < 32; k++) bw[n][k] = b[n][k];
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 8; n++) {
            int sum = 0;
            for (int k = 0; k < 32; k++) sum += aw[m][k] * bw[n][k];
            d[m][n] = (int)((unsigned)d[m][n] + (unsigned)sum);
        }
    for (int lane = 0; lane < 32; lane++) {
        auto *own = (MatrixProduct *)operands[lane];
        int g = lane / 4, t = lane % 4;
        memcpy(own->d, &d[g][2 * t], 8);
        memcpy((int *)own->d + 2, &d[g + 8][2 * t], 8);
    }
}

}  // namespace emulator
