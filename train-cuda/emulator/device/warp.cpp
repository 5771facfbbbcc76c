// Instructions that a warp executes together and that move values: shuffles, votes, loads of matrices.
#include "machine.h"
#include "races.h"
#include "report.h"
#include "shared.h"

#include <cstdint>
#include <cstring>
#include <string>

namespace emulator {

void warp_sync(void *const (&)[32], unsigned) {}

void shuffle(void *const (&operands)[32], unsigned mask) {
    for (unsigned lanes = mask; lanes; lanes &= lanes - 1) {
        auto *own = (Shuffle *)operands[__builtin_ctz(lanes)];
        if (!(mask >> own->source & 1))
            fail(LAUNCH_FAILED, "lane " + std::to_string(__builtin_ctz(lanes)) + " shuffles from lane " + std::to_string(own->source) +
                                    ", which the mask does not name");
        own->result = ((Shuffle *)operands[own->source])->value;
    }
}

void ballot(void *const (&operands)[32], unsigned mask) {
    unsigned votes = 0;
    for (unsigned lanes = mask; lanes; lanes &= lanes - 1) {
        unsigned lane = (unsigned)__builtin_ctz(lanes);
        votes |= (unsigned)((Ballot *)operands[lane])->predicate << lane;
    }
    for (unsigned lanes = mask; lanes; lanes &= lanes - 1) ((Ballot *)operands[__builtin_ctz(lanes)])->result = votes;
}

static const unsigned char *matrix_row(void *operands, int lane) {
    auto *row = (const unsigned char *)((MatrixLoad *)operands)->row;
    if ((uintptr_t)row % 16) fail(MISALIGNED_ADDRESS, "ldmatrix: the row of lane " + std::to_string(lane) + " is not aligned to 16 bytes");
    if (!is_shared(row, 16)) fail(ILLEGAL_ADDRESS, "ldmatrix: the row of lane " + std::to_string(lane) + " is not in shared memory");
    races_read((unsigned)lane, row, 16, "ldmatrix");
    return row;
}

void matrix_load(void *const (&operands)[32], unsigned) {
    const unsigned char *rows[32];
    for (int lane = 0; lane < 32; lane++) rows[lane] = matrix_row(operands[lane], lane);
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) memcpy(((MatrixLoad *)operands[lane])->registers + i, rows[8 * i + lane / 4] + lane % 4 * 4, 4);
}

void matrix_load_transposed(void *const (&operands)[32], unsigned) {
    const unsigned char *rows[32];
    for (int lane = 0; lane < 32; lane++) rows[lane] = matrix_row(operands[lane], lane);
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) {
            unsigned short low, high;
            memcpy(&low, rows[8 * i + lane % 4 * 2] + lane / 4 * 2, 2);
            memcpy(&high, rows[8 * i + lane % 4 * 2 + 1] + lane / 4 * 2, 2);
            ((MatrixLoad *)operands[lane])->registers[i] = low | (unsigned)high << 16;
        }
}

}  // namespace emulator
