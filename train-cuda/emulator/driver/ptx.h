// The little of PTX that a driver must know here: who it is for, and what its kernels take.
#pragma once

#include "state.h"

namespace emulator {

struct Ptx {
    std::string module;           // of the first line, `// tercet module NAME`
    int version = 0, target = 0;  // 88 of `.version 8.8`, 80 of `.target sm_80`
    std::vector<PtxEntry> entries;
};

// A sentence where it is not PTX of ours.
std::string parse(const char *text, Ptx &ptx);

// The newest PTX that a driver of this version takes: 12090 gives 88.
int newest_ptx(int driver_version);

}  // namespace emulator
