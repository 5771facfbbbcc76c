#include "call.h"

namespace emulator {
namespace {

struct Type {
    const char *name;
    size_t bytes;
};
const Type TYPES[] = {{"int8", 1},   {"uint8", 1},   {"int32", 4},   {"uint32", 4},  {"int64", 8},
                      {"uint64", 8}, {"float16", 2}, {"float32", 4}, {"float64", 8}, {"bfloat16", 2}};
const char *const OPERATIONS[] = {"sum", "product", "maximum", "minimum", "average"};

}  // namespace

bool Call::operator==(const Call &other) const {
    return kind == other.kind && type == other.type && operation == other.operation && root == other.root && count == other.count;
}

uint64_t Call::bytes() const { return count * bytes_of(type); }

std::string Call::name() const {
    std::string what = " of " + std::to_string(count) + " " + TYPES[type].name;
    if (kind == BROADCAST) return "ncclBroadcast" + what + " from rank " + std::to_string(root);
    return "ncclAllReduce" + what + " (" + OPERATIONS[operation] + ")";
}

size_t bytes_of(uint32_t type) { return TYPES[type].bytes; }

}  // namespace emulator
