// Barriers, shared memory, shapes of launches.
#include "check.h"

void test_threads() {
    const size_t n = 256;
    auto x = counted(2 * n);
    std::vector<float> reversed(n), rounds(2 * n);
    for (size_t i = 0; i < n; i++) {
        reversed[i] = x[n - 1 - i];
        rounds[i] = x[n - 1 - i];
        rounds[n + i] = x[2 * n - 1 - i];
    }
    auto results = [&](const char *name, size_t values) {
        return in_orders<float>([&] {
            Buffer in(x), out(values * 4);
            int e = launch(kernel("threads", name), {1, (unsigned)n}, in, out);
            check(e == 0, std::string(name) + " runs");
            return out.read<float>();
        });
    };
    check(all_equal(results("reverse", n), reversed), "a barrier between writing and reading");
    check(!all_equal(results("reverse_unsynced", n), reversed), "caught: no barrier between writing and reading");
    check(all_equal(results("rounds", 2 * n), rounds), "a barrier between reading and writing again");
    check(!all_equal(results("rounds_unsynced", 2 * n), rounds), "caught: no barrier between reading and writing again");

    Buffer y(1024 * 4);
    auto run = [&](const char *name, Shape shape, auto... rest) { return launch(kernel("threads", name), shape, y, rest...); };
    check_caught(run("barrier_in_branch", {1, 64}), 719, {"threads:barrier_in_branch", "divergent barrier", "has returned", "thread ("}, "a barrier in a branch");
    check(run("barrier_after_return", {1, 64}, 64) == 0, "a barrier that all reach");
    check_caught(run("barrier_after_return", {1, 64}, 40), 719, {"divergent barrier"}, "a barrier behind an early return");
    check_caught(run("barrier_on_two_lines", {1, 64}), 719, {"divergent barrier", "threads.cu:"}, "a barrier on two lines");
    check_caught(run("full_stack", {1, 32}, 5), 719, {"stack is full"}, "an endless stack");

    // Orders of blocks.
    Buffer last(4);
    std::vector<float> winners;
    for (int order : {FORWARD, REVERSE}) {
        emulator_set_order(order, 0);
        launch(kernel("threads", "last_block_wins"), {7, 32}, last);
        winners.push_back(last.read<float>()[0]);
    }
    check(winners == std::vector<float>{6.0f, 0.0f}, "caught: blocks that write the same place");
    for (uint64_t seed = 0; seed < 2; seed++) {
        std::vector<float> again[2];
        for (auto &a : again) {
            emulator_set_order(SHUFFLE, 5);
            for (int i = 0; i < 8; i++) {
                launch(kernel("threads", "last_block_wins"), {7, 32}, last);
                a.push_back(last.read<float>()[0]);
            }
        }
        check(again[0] == again[1], "a seed gives the same orders again");
    }
    emulator_set_order(FORWARD, 0);

    check(run("read_fresh_shared", {3, 32}) == 0, "read_fresh_shared runs");
    check(y.read<float>()[5] != y.read<float>()[5], "caught: shared memory that nobody wrote");

    // Dynamic shared memory.
    check(run("dynamic_touch", {1, 32, 384}, 383) == 0, "the last byte asked for");
    check_caught(run("dynamic_touch", {1, 32, 384}, 384), 700, {"byte 384", "asked for 384"}, "a byte more than asked for, at the page");
    check_caught(run("dynamic_touch", {1, 32, 300}, 300), 700, {"byte 300", "asked for 300"}, "a byte more than asked for, within the alignment");
    check_caught(run("dynamic_touch", {1, 32, 384}, -1), 700, {"in front of"}, "a byte in front");
    void *touch = kernel("threads", "dynamic_touch");
    check(launch(touch, {1, 32, 49152}, y, 0) == 0, "48 KiB without asking");
    check_caught(launch(touch, {1, 32, 49153}, y, 0), 1, {"dynamic shared memory", "may have 49152"}, "more than 48 KiB without asking");
    check(cuFuncSetAttribute(touch, 8, 101376) == 0 && launch(touch, {1, 32, 101376}, y, 101375) == 0, "99 KiB after asking");
    check_caught(cuFuncSetAttribute(touch, 8, 101377), 1, {"a block of this device has 101376"}, "asking for more than there is");

    check(run("bounded", {1, 64}) == 0, "as many threads as bounded");
    check_caught(run("bounded", {1, 96}), 1, {"96 threads a block"}, "more threads than bounded");
    check_caught(run("read_fresh_shared", {1, 1025}), 1, {"1025 threads a block"}, "more threads than a block has");
    check_caught(run("read_fresh_shared", {0, 32}), 1, {"empty grid"}, "an empty grid");
}
