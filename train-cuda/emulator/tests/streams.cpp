// Streams, events and captured graphs with branches.
#include "check.h"

namespace {

struct Streams {
    void *a, *b, *fork, *join;
    Streams() {
        cuStreamCreate(&a, 1), cuStreamCreate(&b, 1);
        cuEventCreate(&fork, 2), cuEventCreate(&join, 2);
    }
    ~Streams() { cuStreamDestroy_v2(a), cuStreamDestroy_v2(b); }
};

// x is doubled on one branch and y tripled on the other; then x goes into y. Without the inner wait the last two may change places.
std::vector<float> branches(bool joined) {
    Streams s;
    std::vector<float> ones(100, 1.0f);
    Buffer x(ones), y(ones);
    void *scale = kernel("bounds", "scale"), *add = kernel("bounds", "add");
    void *graph = nullptr, *executable = nullptr;
    check(cuStreamBeginCapture_v2(s.a, 1) == 0, "a capture begins");
    cuEventRecord(s.fork, s.a);
    cuStreamWaitEvent(s.b, s.fork, 0);
    launch(scale, {4, 32, 0, s.a}, x, 100, 2.0f);
    launch(scale, {4, 32, 0, s.b}, y, 100, 3.0f);
    void *early, *late;
    cuEventCreate(&early, 2), cuEventCreate(&late, 2);
    cuEventRecord(early, s.b);
    if (joined) cuStreamWaitEvent(s.a, early, 0);
    launch(add, {4, 32, 0, s.a}, x, y, 100);
    cuEventRecord(late, s.b);
    cuStreamWaitEvent(s.a, late, 0);
    check(cuStreamEndCapture(s.a, &graph) == 0, "a capture ends");
    check(x.read<float>()[0] == 1.0f, "nothing runs while it is captured");
    check(cuGraphInstantiateWithFlags(&executable, graph, 0) == 0 && cuGraphDestroy(graph) == 0, "a graph is made");
    check(cuGraphLaunch(executable, s.a) == 0 && cuStreamSynchronize(s.a) == 0, "a graph runs");
    auto once = y.read<float>();
    check(cuGraphExecDestroy(executable) == 0 && cuGraphLaunch(executable, s.a) == 400, "a graph goes");
    return once;
}

}  // namespace

void test_streams() {
    std::vector<float> wanted(100, 5.0f);
    check(all_equal(in_orders<float>([] { return branches(true); }), wanted), "branches that are joined");
    check(!all_equal(in_orders<float>([] { return branches(false); }), wanted), "caught: branches that are not joined");

    Streams s;
    Buffer x(counted(64)), y(64 * 4);
    void *graph = nullptr, *executable = nullptr;

    // Copies and fills in a graph, replayed twice.
    std::vector<float> out(64);
    cuStreamBeginCapture_v2(s.a, 0);
    cuMemsetD32Async(y.address, 0x40000000, 64, s.a);
    launch(kernel("bounds", "add"), {2, 32, 0, s.a}, x, y, 64);
    cuMemcpyDtoDAsync_v2(x.address, y.address, 256, s.a);
    cuMemcpyDtoHAsync_v2(out.data(), x.address, 256, s.a);
    check(cuStreamEndCapture(s.a, &graph) == 0, "copies and fills are captured");
    cuGraphInstantiateWithFlags(&executable, graph, 0);
    cuGraphLaunch(executable, s.a), cuGraphLaunch(executable, s.a);
    check(out[3] == 4.0f + 2.0f + 2.0f, "copies and fills of a graph run again");

    // What a real driver refuses.
    cuStreamBeginCapture_v2(s.a, 0);
    cuEventRecord(s.fork, s.a), cuStreamWaitEvent(s.b, s.fork, 0);
    launch(kernel("bounds", "scale"), {2, 32, 0, s.b}, x, 64, 2.0f);
    check_caught(cuStreamEndCapture(s.a, &graph), 904, {"not waited for"}, "a branch that is never joined");
    cuStreamBeginCapture_v2(s.a, 0);
    check_caught(cuStreamSynchronize(s.a), 900, {"cuStreamSynchronize"}, "waiting for a stream that captures");
    check(cuStreamEndCapture(s.a, &graph) == 901, "the capture is spoilt by it");
    cuStreamBeginCapture_v2(s.a, 0);
    uint64_t address;
    check_caught(cuMemAlloc_v2(&address, 64), 900, {"cuMemAlloc"}, "an allocation while a stream captures");
    cuStreamEndCapture(s.a, &graph);
    cuEventRecord(s.join, s.b);
    cuStreamBeginCapture_v2(s.a, 0);
    check_caught(cuStreamWaitEvent(s.a, s.join, 0), 905, {"outside of the capture"}, "an event from outside");
    cuStreamEndCapture(s.a, &graph);
    cuStreamBeginCapture_v2(s.a, 2);
    cuEventRecord(s.fork, s.a), cuStreamWaitEvent(s.b, s.fork, 0);
    check_caught(cuEventSynchronize(s.fork), 907, {"waited for by the host"}, "the host waits for a captured event");
    check(cuStreamEndCapture(s.a, &graph) == 901, "the capture is spoilt by that too");
    check_caught(cuStreamBeginCapture_v2(nullptr, 0), 900, {"default stream"}, "a capture on the default stream");

    void *begin, *end;
    float ms = -1;
    cuEventCreate(&begin, 0), cuEventCreate(&end, 0);
    cuEventRecord(begin, s.a);
    launch(kernel("bounds", "scale"), {2, 32, 0, s.a}, x, 64, 2.0f);
    cuEventRecord(end, s.a);
    check(cuEventElapsedTime(&ms, begin, end) == 0 && ms > 0 && ms < 1000, "time between events");
    check(cuEventElapsedTime(&ms, begin, s.join) == 400, "events without time");
}
