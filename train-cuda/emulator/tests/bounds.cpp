// Global memory: its ends, what was freed, what nobody wrote.
#include "check.h"

#include <memory>

void test_bounds() {
    auto run = [&](const char *name, const auto &...rest) { return launch(kernel("bounds", name), {4, 32}, rest...); };
    void *fill = kernel("bounds", "fill"), *more = kernel("bounds", "fill_one_more");
    // 100 floats leave a gap that is watched, 64 end at the page.
    for (int n : {100, 64}) {
        Buffer y((size_t)n * 4);
        check(y.address % 256 == 0, "allocations are aligned to 256 bytes");
        check(launch(fill, {4, 32}, y, n) == 0, "fill within bounds");
        check(y.read<float>()[(size_t)n - 1] == (float)(n - 1), "fill fills");
        check_caught(launch(more, {4, 32}, y, n), 700, {"bounds:fill_one_more", "0 bytes behind the end of an allocation of " + std::to_string(n * 4) + " bytes"},
                     "one value more than there is room");
    }
    {
        Buffer y(400), x(400);
        void *from = kernel("bounds", "fill_from");
        check_caught(launch(from, {1, 32}, y, -1), 700, {"in front of an allocation"}, "a value in front");
        Buffer whole(4096);
        check_caught(launch(from, {1, 32}, whole, -1), 700, {"in front of an allocation"}, "a value in front, at the page");
        check_caught(launch(kernel("bounds", "read_at"), {1, 32}, whole, y, 1024), 700, {"reads 0 bytes behind the end"}, "reading behind the end");
    }
    emulator_reset();
    uint64_t freed;
    {
        Buffer gone(400), y(400);
        freed = gone.address;
    }
    Buffer y(400);
    check_caught(launch(fill, {4, 32}, freed, 4), 700, {"argument 0 of bounds:fill", "that was freed"}, "a pointer to what was freed");
    int host[4];
    check_caught(launch(fill, {4, 32}, (uint64_t)host, 4), 700, {"argument 0", "in no device's memory"}, "a pointer of the host");
    check(launch(fill, {4, 32}, (uint64_t)0, 0) == 0, "null that nobody follows");
    check_caught(launch(fill, {4, 32}, (uint64_t)0, 1), 700, {"null"}, "null that somebody follows");
    check(cuMemFree_v2(freed) == 1, "freeing twice");
    check_caught(cuMemsetD8Async(y.address, 0, 401, nullptr), 1, {"cuMemsetD8Async of 401 bytes"}, "a fill that is too long");
    check_caught(cuMemcpyDtoH_v2(host, y.address + 396, 8), 1, {"cuMemcpyDtoH of 8 bytes"}, "a copy that is too long");

    // What nobody wrote is not a number.
    auto x = counted(100);
    Buffer in(x);
    {
        Buffer sum(400);
        check(run("add", in, sum, 100) == 0, "add runs");
        float s = sum.read<float>()[3];
        check(s != s, "caught: a sum that nobody zeroed");
        cuMemsetD8Async(sum.address, 0, 400, nullptr);
        check(run("add", in, sum, 100) == 0 && sum.read<float>() == x, "a sum that was zeroed");
    }

    Buffer out(32 * 4);
    void *vector = kernel("bounds", "read_vector");
    check(launch(vector, {1, 32}, in, out, 4) == 0 && out.read<float>()[0] == 5.0f + 6.0f + 7.0f + 8.0f, "an aligned vector");
    check_caught(launch(vector, {1, 32}, in, out, 3), 716, {"not aligned"}, "a vector that is not aligned");
    void *own = kernel("bounds", "register_array"), *shared = kernel("bounds", "shared_array");
    check(launch(own, {1, 32}, out, 7) == 0 && out.read<float>()[0] == 7.0f, "an array of the thread");
    check_caught(launch(own, {1, 32}, out, 8), 700, {"index 8", "bounds.cu:"}, "behind an array of the thread");
    check(launch(shared, {1, 32}, out, 31) == 0 && out.read<float>()[0] == 3.0f, "an array of the block");
    check_caught(launch(shared, {1, 32}, out, 32), 700, {"index 32", "bounds.cu:"}, "behind an array of the block");

    Buffer many(32 * 4);
    check(launch(kernel("bounds", "many"), {1, 32}, in, 2, (uint64_t)5000000000ull, 0.5f, many) == 0, "arguments of all kinds");
    check(many.read<float>()[0] == x[2] + 5000000000.0f + 0.5f, "arguments arrive");
}
