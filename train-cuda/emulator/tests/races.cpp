// Modules that are built with --races: what another order of running would show is reported at once, with both places.
#include "check.h"

void test_races() {
    Buffer x(counted(640)), y(640 * 4);
    auto run = [&](const char *module, const char *name, Shape shape, const auto &...rest) { return launch(kernel(module, name), shape, x, y, rest...); };
    check(run("threads", "reverse", {1, 256}) == 0, "a barrier between writing and reading");
    check_caught(run("threads", "reverse_unsynced", {1, 256}), 719, {"race:", "threads.cu:6", "threads.cu:8", "a shared variable"}, "no barrier between writing and reading");
    check(run("threads", "rounds", {1, 256}) == 0, "a barrier between reading and writing again");
    check_caught(run("threads", "rounds_unsynced", {1, 256}), 719, {"race:", "threads.cu:17", "threads.cu:19"}, "no barrier between reading and writing again");
    check(run("threads", "flag", {1, 64}) == 0, "a flag that many threads set");
    check_caught(run("threads", "flag_of_many", {1, 64}), 719, {"race: writes"}, "a variable that many threads set differently");
    check(run("warps", "neighbours", {1, 32}) == 0, "lanes that wait for each other");
    check_caught(run("warps", "neighbours_unsynced", {1, 32}), 719, {"race:", "warps.cu:42", "warps.cu:44"}, "lanes that do not wait for each other");
    check(run("warps", "shuffles", {1, 64}) == 0, "shuffles race with nobody");
    check(run("copies", "copies", {1, 32}, 5) == 0, "a pipeline of copies");
    check_caught(run("copies", "copies_no_barrier", {1, 32}, 5), 719, {"race:", "copy_async_16", "copies.cu:17"}, "a wait without the barrier");
    check_caught(run("copies", "copies_reused_early", {1, 32}, 5), 719, {"race:", "copy_async_16", "copies.cu:17"}, "a stage that is filled again too early");
    check(launch(kernel("bounds", "fill"), {4, 32}, y, 100) == 0, "blocks that write different places");
    check_caught(launch(kernel("threads", "last_block_wins"), {7, 32}, y), 719, {"race: writes byte 0", "another block"}, "blocks that write the same place");
    // Blocks may all read a place that none writes.
    check(launch(kernel("bounds", "read_at"), {1, 32}, x, y, 3) == 0 && launch(kernel("bounds", "fill"), {4, 32}, y, 100) == 0, "one launch after another");
    std::vector<unsigned short> ones(256, 0x3f80);
    Buffer a(ones), b(ones), c(128 * 4);
    check(launch(kernel("matrices", "product_loaded"), {1, 32}, a, b, c, 0) == 0, "ldmatrix behind a barrier of the warp");

    void *s, *t, *graph, *executable, *fork, *join;
    cuStreamCreate(&s, 1), cuStreamCreate(&t, 1), cuEventCreate(&fork, 2), cuEventCreate(&join, 2);
    for (bool joined : {true, false}) {
        cuStreamBeginCapture_v2(s, 1);
        cuEventRecord(fork, s), cuStreamWaitEvent(t, fork, 0);
        launch(kernel("bounds", "scale"), {4, 32, 0, s}, x, 100, 2.0f);
        launch(kernel("bounds", "scale"), {4, 32, 0, t}, y, 100, 2.0f);
        cuEventRecord(join, t);
        if (joined) cuStreamWaitEvent(s, join, 0);
        launch(kernel("bounds", "add"), {4, 32, 0, s}, x, y, 100);
        cuStreamWaitEvent(s, join, 0);
        cuStreamEndCapture(s, &graph);
        cuGraphInstantiateWithFlags(&executable, graph, 0);
        int error = cuGraphLaunch(executable, s);
        if (joined) check(error == 0 && cuGraphLaunch(executable, s) == 0, "branches that are joined");
        else check_caught(error, 719, {"race:", "bounds:scale, a node of the graph that this one does not wait for"}, "branches that are not joined");
    }
}
