// Copies that go on beside the threads.
#include "check.h"

void test_copies() {
    const int tiles = 5;
    auto x = counted(128 * tiles);
    std::vector<float> wanted(x.size());
    for (size_t i = 0; i < x.size(); i++) wanted[i] = x[i / 128 * 128 + 127 - i % 128];
    auto results = [&](const char *name) {
        return in_orders<float>([&] {
            Buffer in(x), out(x.size() * 4);
            check(launch(kernel("copies", name), {1, 32}, in, out, tiles) == 0, std::string(name) + " runs");
            return out.read<float>();
        });
    };
    check(all_equal(results("copies"), wanted), "a pipeline of copies");
    check(!all_equal(results("copies_no_wait"), wanted), "caught: no wait for a copy");
    check(!all_equal(results("copies_wait_too_weak"), wanted), "caught: a wait that leaves one copy too many");
    check(!all_equal(results("copies_no_barrier"), wanted), "caught: a wait without the barrier");
    check(!all_equal(results("copies_reused_early"), wanted), "caught: a stage that is filled again too early");

    Buffer in(std::vector<float>(x.begin(), x.begin() + 40)), out(128 * 4);
    check(launch(kernel("copies", "copies_ragged"), {1, 32}, in, out, 40) == 0, "a ragged copy reads nothing behind the end");
    auto ragged = out.read<float>();
    check(ragged[39] == x[39] && ragged[40] == 0.0f && ragged[127] == 0.0f, "a ragged copy fills up with zeros");
    Buffer whole(x);
    check_caught(launch(kernel("copies", "copies_unaligned"), {1, 32}, whole, out), 716, {"copy_async_16 at", "not aligned"}, "a copy that is not aligned");
    check_caught(launch(kernel("copies", "copies_to_global"), {1, 32}, whole, out), 700, {"not in shared memory"}, "a copy to global memory");
}
