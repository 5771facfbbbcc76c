// Shuffles, votes, and warps that fall apart.
#include "check.h"

void test_warps() {
    auto x = counted(64);
    Buffer in(x), out(6 * 64 * 4);
    auto run = [&](const char *name, unsigned threads) { return launch(kernel("warps", name), {1, threads}, in, out); };
    float total = 0;
    for (int i = 0; i < 32; i++) total += x[(size_t)i];
    check(run("sum", 32) == 0 && out.read<float>()[7] == total, "a sum over a warp");
    check_caught(run("sum", 48), 719, {"warps:sum", "names the lanes 0xffffffff", "0x0000ffff are there"}, "a warp that is not full");

    std::vector<float> wanted;
    for (int i = 0; i < 64; i++) wanted.push_back(x[(size_t)(i % 32 + 3 < 32 ? i + 3 : i)]);
    for (int i = 0; i < 64; i++) wanted.push_back(x[(size_t)(i % 8 >= 3 ? i - 3 : i)]);
    for (int i = 0; i < 64; i++) wanted.push_back(x[(size_t)(i / 16 * 16 + i % 32 * 7 % 16)]);
    // 12 leads to another segment of 8; one may look at lower segments only.
    for (int i = 0; i < 64; i++) wanted.push_back(x[(size_t)((i % 32 ^ 12) / 8 <= i % 32 / 8 ? i ^ 12 : i)]);
    for (int i = 0; i < 64; i++) wanted.push_back(11.0f);
    for (int i = 0; i < 64; i++) wanted.push_back(x[(size_t)(i % 32 < 16 ? i ^ 1 : i ^ 2)]);
    check(all_equal(in_orders<float>([&] {
                        check(run("shuffles", 64) == 0, "shuffles run");
                        return out.read<float>();
                    }),
                    wanted),
          "shuffles and votes");

    check_caught(run("sum_in_branch", 32), 719, {"divergent warp", "__shfl_xor_sync", "has returned"}, "a shuffle in a branch");
    check_caught(run("sum_in_two_branches", 32), 719, {"divergent warp", "warps.cu:"}, "a shuffle in two branches");
    check_caught(run("foreign_mask", 32), 719, {"names the lanes 0x0000ffff; this is lane 16"}, "a mask without the own lane");
    check_caught(run("unnamed_source", 32), 719, {"shuffles from lane 20, which the mask does not name"}, "a source that the mask does not name");

    std::vector<float> neighbours(32);
    for (size_t i = 0; i < 32; i++) neighbours[i] = x[i ^ 1];
    auto talk = [&](const char *name) {
        return in_orders<float>([&] {
            run(name, 32);
            auto all = out.read<float>();
            return std::vector<float>(all.begin(), all.begin() + 32);
        });
    };
    check(all_equal(talk("neighbours"), neighbours), "lanes that wait for each other");
    check(!all_equal(talk("neighbours_unsynced"), neighbours), "caught: lanes that do not wait for each other");
}
