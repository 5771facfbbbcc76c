// Products of the tensor cores, against plain loops.
#include "check.h"

#include "../device/floats.h"

using namespace emulator;

static uint32_t next_random() {
    static uint32_t state = 12345;
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
}

void test_matrices() {
    // Small integers: every order of summation gives the same.
    std::vector<float> a(256), b(128), c(128), wanted(128);
    for (float &v : a) v = (float)(int)(next_random() % 17) - 8;
    for (float &v : b) v = (float)(int)(next_random() % 17) - 8;
    for (float &v : c) v = (float)(int)(next_random() % 100);
    for (size_t m = 0; m < 16; m++)
        for (size_t n = 0; n < 8; n++) {
            wanted[m * 8 + n] = c[m * 8 + n];
            for (size_t k = 0; k < 16; k++) wanted[m * 8 + n] += a[m * 16 + k] * b[n * 16 + k];
        }
    auto converted = [](const std::vector<float> &v, unsigned short (*to)(float)) {
        std::vector<unsigned short> r;
        for (float x : v) r.push_back(to(x));
        return r;
    };
    auto product = [&](const char *name, unsigned short (*to)(float)) {
        return in_orders<float>([&] {
            Buffer da(converted(a, to)), db(converted(b, to)), dc(c);
            check(launch(kernel("matrices", name), {1, 32}, da, db, dc) == 0, std::string(name) + " runs");
            return dc.read<float>();
        });
    };
    check(all_equal(product("product_bf16", bf16_of_float), wanted), "a product of bf16");
    check(all_equal(product("product_f16", half_of_float), wanted), "a product of f16");
    check(!all_equal(product("product_bf16_swapped", bf16_of_float), wanted), "caught: a fragment with two registers swapped");

    std::vector<signed char> a8(512), b8(256);
    std::vector<int> c8(128, 1000), wanted8(128, 1000);
    for (auto &v : a8) v = (signed char)next_random();
    for (auto &v : b8) v = (signed char)next_random();
    for (size_t m = 0; m < 16; m++)
        for (size_t n = 0; n < 8; n++)
            for (size_t k = 0; k < 32; k++) wanted8[m * 8 + n] += a8[m * 32 + k] * b8[n * 32 + k];
    Buffer da8(a8), db8(b8), dc8(c8);
    check(launch(kernel("matrices", "product_s8"), {1, 32}, da8, db8, dc8) == 0 && dc8.read<int>() == wanted8, "a product of s8");

    std::vector<float> b_rows(128), without_c(128);
    for (size_t k = 0; k < 16; k++)
        for (size_t n = 0; n < 8; n++) b_rows[k * 8 + n] = b[n * 16 + k];
    for (size_t i = 0; i < 128; i++) without_c[i] = wanted[i] - c[i];
    Buffer da(converted(a, bf16_of_float)), db(converted(b_rows, bf16_of_float)), dc(c);
    void *loaded = kernel("matrices", "product_loaded");
    check(launch(loaded, {1, 32}, da, db, dc, 0) == 0 && dc.read<float>() == without_c, "fragments by ldmatrix");
    check_caught(launch(loaded, {1, 32}, da, db, dc, 1), 716, {"ldmatrix", "not aligned"}, "rows that are not aligned");
    check_caught(launch(kernel("matrices", "load_from_global"), {1, 32}, da, dc), 700, {"ldmatrix", "not in shared memory"}, "rows in global memory");
}
