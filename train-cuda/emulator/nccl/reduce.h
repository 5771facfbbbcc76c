// The ranks' values put together, in the order of the ranks: the same bits on each of them, and others than NCCL's, whose order is its own.
#pragma once

#include "nccl.h"

#include <vector>

namespace emulator {

// `count` values of each of `parts`, one a rank, to `result`. A 16-bit type is rounded after every rank.
void reduce(ncclDataType_t type, ncclRedOp_t operation, const std::vector<const void *> &parts, size_t count, void *result);

}  // namespace emulator
