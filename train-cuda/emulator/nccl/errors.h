// Refusals and failures: NCCL's number, and a sentence on stderr, for `emulator_last_report` and for `ncclGetLastError`.
#pragma once

#include "nccl.h"

#include <string>

namespace emulator {

ncclResult_t refuse(ncclResult_t result, const std::string &sentence);

}  // namespace emulator
