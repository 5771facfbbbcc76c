#include "reduce.h"

#include "../device/floats.h"

#include <cstdint>
#include <type_traits>

namespace emulator {
namespace {

// How a type is kept and computed with. Sums and products of integers wrap.
template <class T> struct Plain {
    typedef T Stored, Value;
    static Value load(Stored s) { return s; }
    static Stored store(Value v) { return v; }
};
struct Half {
    typedef unsigned short Stored;
    typedef float Value;
    static Value load(Stored s) { return float_of_half(s); }
    static Stored store(Value v) { return half_of_float(v); }
};
struct Bf16 {
    typedef unsigned short Stored;
    typedef float Value;
    static Value load(Stored s) { return float_of_bf16(s); }
    static Stored store(Value v) { return bf16_of_float(v); }
};

template <class T, bool = std::is_integral<T>::value> struct Wrapping { typedef T Type; };
template <class T> struct Wrapping<T, true> { typedef typename std::make_unsigned<T>::type Type; };

template <class Type> void reduce_as(ncclRedOp_t operation, const std::vector<const void *> &parts, size_t count, void *result) {
    typedef typename Type::Stored Stored;
    typedef typename Type::Value Value;
    typedef typename Wrapping<Value>::Type Wide;
    constexpr bool integral = std::is_integral<Value>::value;
    auto ranks = (Value)parts.size();
    auto fold = [&](auto first, auto combine, auto last) {
        for (size_t i = 0; i < count; i++) {
            auto value = [&](size_t rank) { return Type::load(Type::store(first(Type::load(((const Stored *)parts[rank])[i])))); };
            Value all = value(0);
            for (size_t rank = 1; rank < parts.size(); rank++) all = Type::load(Type::store((Value)combine(all, value(rank))));
            ((Stored *)result)[i] = Type::store(last(all));
        }
    };
    auto same = [](Value v) { return v; };
    auto sum = [](Value a, Value b) { return (Value)((Wide)a + (Wide)b); };
    // A NaN stays one.
    auto largest = [](Value a, Value b) { return a < b || b != b ? b : a; };
    auto smallest = [](Value a, Value b) { return b < a || b != b ? b : a; };
    switch (operation) {
    case ncclSum: return fold(same, sum, same);
    case ncclProd: return fold(same, [](Value a, Value b) { return (Value)((Wide)a * (Wide)b); }, same);
    case ncclMax: return fold(same, largest, same);
    case ncclMin: return fold(same, smallest, same);
    case ncclAvg:
        if constexpr (integral) return fold(same, sum, [&](Value v) { return (Value)(v / ranks); });
        else return fold([&](Value v) { return (Value)(v * (1 / ranks)); }, sum, same);
    }
}

}  // namespace

void reduce(ncclDataType_t type, ncclRedOp_t operation, const std::vector<const void *> &parts, size_t count, void *result) {
    switch (type) {
    case ncclInt8: return reduce_as<Plain<int8_t>>(operation, parts, count, result);
    case ncclUint8: return reduce_as<Plain<uint8_t>>(operation, parts, count, result);
    case ncclInt32: return reduce_as<Plain<int32_t>>(operation, parts, count, result);
    case ncclUint32: return reduce_as<Plain<uint32_t>>(operation, parts, count, result);
    case ncclInt64: return reduce_as<Plain<int64_t>>(operation, parts, count, result);
    case ncclUint64: return reduce_as<Plain<uint64_t>>(operation, parts, count, result);
    case ncclFloat16: return reduce_as<Half>(operation, parts, count, result);
    case ncclFloat32: return reduce_as<Plain<float>>(operation, parts, count, result);
    case ncclFloat64: return reduce_as<Plain<double>>(operation, parts, count, result);
    case ncclBfloat16: return reduce_as<Bf16>(operation, parts, count, result);
    }
}

}  // namespace emulator
