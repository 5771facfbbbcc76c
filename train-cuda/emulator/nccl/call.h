// What a rank asks of a communicator. It must be the same on all.
#pragma once

#include "nccl.h"

#include <cstdint>
#include <string>

namespace emulator {

struct Call {
    enum Kind : uint32_t { ALL_REDUCE, BROADCAST };
    uint32_t kind, type, operation, root;
    uint64_t count;

    bool operator==(const Call &other) const;
    uint64_t bytes() const;
    // "ncclAllReduce of 5 float32 (sum)".
    std::string name() const;
};

size_t bytes_of(uint32_t type);

}  // namespace emulator
