// Collectives over several devices, one thread each: what they compute, and as parts of groups and of graphs.
#include "ranks.h"

#include <cmath>

namespace {

// Longer than a chunk of 256 KiB in every type, and odd.
constexpr size_t LONG = 300001;

template <class T> std::vector<T> values(int rank, size_t n) {
    std::vector<T> v(n);
    // Sums of floats depend on their order.
    for (size_t i = 0; i < n; i++) v[i] = (T)((double)((i * 7919 + (size_t)rank * 104729) % 100003) * (rank == 1 ? 1e-3 : 3.0) + rank);
    return v;
}

template <class T> std::vector<T> summed(int ranks, size_t n) {
    std::vector<T> sum = values<T>(0, n);
    for (int r = 1; r < ranks; r++) {
        auto v = values<T>(r, n);
        for (size_t i = 0; i < n; i++) sum[i] = (T)(sum[i] + v[i]);
    }
    return sum;
}

template <class T> void test_sums(ncclDataType_t type, const std::string &name) {
    for (int ranks : {1, 2, 3})
        for (size_t n : {(size_t)1, LONG})
            for (bool in_place : {false, true}) {
                auto results = on_ranks<std::vector<T>>(ranks, [&](Rank &rank) {
                    Buffer send(values<T>(rank.rank, n)), other(n * sizeof(T));
                    const Buffer &receive = in_place ? send : other;
                    int error = ncclAllReduce((void *)send.address, (void *)receive.address, n, type, ncclSum, rank.comm, rank.stream);
                    if (error || rank.async_error() || cuStreamSynchronize(rank.stream)) return std::vector<T>();
                    if (!in_place && send.read<T>() != values<T>(rank.rank, n)) return std::vector<T>();
                    return receive.read<T>();
                });
                check(all_equal(results, summed<T>(ranks, n)),
                      "the sum of " + std::to_string(n) + " " + name + " over " + std::to_string(ranks) + (in_place ? " in place" : ""));
            }
}

// One value a rank; the result as the ranks have it, or nothing where they differ.
template <class T> std::vector<T> of_one(ncclDataType_t type, ncclRedOp_t operation, const std::vector<T> &each) {
    auto results = on_ranks<std::vector<T>>((int)each.size(), [&](Rank &rank) {
        Buffer x(std::vector<T>{each[(size_t)rank.rank]});
        ncclAllReduce((void *)x.address, (void *)x.address, 1, type, operation, rank.comm, rank.stream);
        return x.read<T>();
    });
    return all_equal(results, results[0]) ? results[0] : std::vector<T>();
}

void test_operations() {
    typedef std::vector<float> F;
    check(of_one<float>(ncclFloat32, ncclProd, {2, 3, -4}) == F{-24} && of_one<float>(ncclFloat32, ncclMax, {2, 3, -4}) == F{3} &&
              of_one<float>(ncclFloat32, ncclMin, {2, 3, -4}) == F{-4} && of_one<float>(ncclFloat32, ncclAvg, {2, 7}) == F{4.5f},
          "product, maximum, minimum and average of floats");
    auto nan = of_one<float>(ncclFloat32, ncclMax, {NAN, 1});
    check(nan.size() == 1 && std::isnan(nan[0]), "a NaN is no smaller than anything");
    typedef std::vector<int8_t> I;
    check(of_one<int8_t>(ncclInt8, ncclSum, {100, 100}) == I{-56} && of_one<int8_t>(ncclInt8, ncclAvg, {-3, -4}) == I{-3}, "small integers wrap");
    check(of_one<int64_t>(ncclInt64, ncclProd, {1ll << 40, 3}) == std::vector<int64_t>{3ll << 40}, "large integers");
    typedef std::vector<uint16_t> U;
    // 1 + 2^-8 in bf16 is 1, and 2048 + 1 in f16 is 2048, twice.
    check(of_one<uint16_t>(ncclBfloat16, ncclSum, {0x3f80, 0x3b80, 0x3b80}) == U{0x3f80}, "bf16 is rounded after each rank");
    check(of_one<uint16_t>(ncclFloat16, ncclSum, {0x6800, 0x3c00, 0x3c00}) == U{0x6800}, "f16 is rounded after each rank");
}

void test_broadcasts() {
    for (int root : {0, 2}) {
        auto results = on_ranks<std::vector<double>>(3, [&](Rank &rank) {
            Buffer send(values<double>(rank.rank, LONG)), receive(LONG * 8);
            // The others need nothing to send.
            void *from = rank.rank == root ? (void *)send.address : nullptr;
            int error = ncclBroadcast(from, (void *)receive.address, LONG, ncclFloat64, root, rank.comm, rank.stream);
            return error ? std::vector<double>() : receive.read<double>();
        });
        check(all_equal(results, values<double>(root, LONG)), "a broadcast from rank " + std::to_string(root));
    }
    auto results = on_ranks<std::vector<float>>(2, [](Rank &rank) {
        Buffer x(values<float>(rank.rank, LONG));
        ncclBroadcast((void *)x.address, (void *)x.address, LONG, ncclFloat32, 1, rank.comm, rank.stream);
        return x.read<float>();
    });
    check(all_equal(results, values<float>(1, LONG)), "a broadcast in place");
}

void test_groups() {
    auto results = on_ranks<std::vector<float>>(2, [](Rank &rank) {
        Buffer x(values<float>(rank.rank, 1001)), y(values<float>(rank.rank, 3)), z(1001 * 4), none(4);
        int fine = ncclGroupStart() + ncclGroupStart();
        fine += ncclAllReduce((void *)x.address, (void *)z.address, 1001, ncclFloat32, ncclSum, rank.comm, rank.stream);
        fine += ncclBroadcast((void *)y.address, (void *)y.address, 3, ncclFloat32, 1, rank.comm, rank.stream);
        fine += ncclAllReduce((void *)none.address, (void *)none.address, 0, ncclFloat32, ncclSum, rank.comm, rank.stream);
        fine += ncclGroupEnd();
        // Nothing is done before the outermost end.
        bool early = !std::isnan(z.read<float>()[0]);
        // What comes later in the group works on what came before.
        fine += ncclAllReduce((void *)z.address, (void *)z.address, 1001, ncclFloat32, ncclSum, rank.comm, rank.stream);
        fine += ncclGroupEnd();
        auto all = z.read<float>(), sent = y.read<float>();
        all.insert(all.end(), sent.begin(), sent.end());
        all.push_back((float)(fine + early));
        return all;
    });
    auto wanted = summed<float>(2, 1001), sent = values<float>(1, 3);
    for (float &x : wanted) x += x;
    wanted.insert(wanted.end(), sent.begin(), sent.end());
    wanted.push_back(0);
    check(all_equal(results, wanted), "a group of four");
}

struct Step {
    void *other, *fork, *join, *executable = nullptr;
    Step() { cuStreamCreate(&other, 1), cuEventCreate(&fork, 2), cuEventCreate(&join, 2); }
    ~Step() { cuGraphExecDestroy(executable), cuStreamDestroy_v2(other); }
};

// x is summed over the ranks on a stream of its own while y is tripled; then x goes into y. Replayed three times.
std::vector<float> replayed(Rank &rank, bool joined) {
    std::vector<float> begin(LONG / 3, (float)(rank.rank + 1));
    Buffer x(begin), y(begin);
    const int n = (int)begin.size();
    const Shape here = {((unsigned)n + 255) / 256, 256, 0, rank.stream};
    void *scale = rank.kernel("bounds", "scale"), *add = rank.kernel("bounds", "add"), *graph = nullptr;
    Step s;
    cuStreamBeginCapture_v2(rank.stream, 1);
    launch(scale, here, x, n, 2.0f);
    cuEventRecord(s.fork, rank.stream), cuStreamWaitEvent(s.other, s.fork, 0);
    ncclAllReduce((void *)x.address, (void *)x.address, (size_t)n, ncclFloat32, ncclSum, rank.comm, s.other);
    cuEventRecord(s.join, s.other);
    launch(scale, here, y, n, 3.0f);
    if (joined) cuStreamWaitEvent(rank.stream, s.join, 0);
    launch(add, here, x, y, n);
    cuStreamWaitEvent(rank.stream, s.join, 0);
    cuStreamEndCapture(rank.stream, &graph);
    cuGraphInstantiateWithFlags(&s.executable, graph, 0);
    cuGraphDestroy(graph);
    if (x.read<float>() != begin) return {};
    for (int step = 0; step < 3; step++)
        if (cuGraphLaunch(s.executable, rank.stream) || rank.async_error()) return {};
    auto sum = x.read<float>(), all = y.read<float>();
    all.insert(all.end(), sum.begin(), sum.end());
    return all;
}

void test_graphs() {
    for (bool joined : {true, false}) {
        bool right = true;
        auto results = in_orders<float>([&] {
            auto ranks = on_ranks<std::vector<float>>(2, [&](Rank &rank) { return replayed(rank, joined); });
            // x: 1 and 2, summed after doubling: 6, 24, 96. y: r, tripled and added to: 3r + 6, 9r + 42, 27r + 222.
            for (int r : {0, 1}) {
                std::vector<float> wanted(LONG / 3, 27.0f * (float)(r + 1) + 222.0f), sum(LONG / 3, 96.0f);
                wanted.insert(wanted.end(), sum.begin(), sum.end());
                right &= ranks[(size_t)r] == wanted;
            }
            return ranks[0];
        });
        if (joined) check(right, "a sum beside other work, captured and replayed in all orders");
        else check(!right, "caught: a sum that nobody waits for");
    }

    // A rank may replay what another gives anew each time.
    auto mixed = on_ranks<std::vector<float>>(2, [](Rank &rank) {
        Buffer x(std::vector<float>{1});
        void *graph = nullptr, *executable = nullptr;
        if (rank.rank) {
            cuStreamBeginCapture_v2(rank.stream, 1);
            rank.sum(x, x);
            cuStreamEndCapture(rank.stream, &graph);
            cuGraphInstantiateWithFlags(&executable, graph, 0);
        }
        for (int step = 0; step < 3; step++) executable ? cuGraphLaunch(executable, rank.stream) : rank.sum(x, x);
        return x.read<float>();
    });
    check(all_equal(mixed, {8.0f}), "a capture on one rank alone");

    // Two streams of a capture that nothing joins: the order is still the same on all ranks.
    auto ordered = in_orders<float>([] {
        return on_ranks<std::vector<float>>(2, [](Rank &rank) {
            Buffer x(std::vector<float>{1}), y(std::vector<float>{10});
            Step s;
            void *graph = nullptr;
            cuStreamBeginCapture_v2(rank.stream, 1);
            cuEventRecord(s.fork, rank.stream), cuStreamWaitEvent(s.other, s.fork, 0);
            rank.sum(x, x);
            ncclAllReduce((void *)y.address, (void *)y.address, 1, ncclFloat32, ncclSum, rank.comm, s.other);
            cuEventRecord(s.join, s.other), cuStreamWaitEvent(rank.stream, s.join, 0);
            cuStreamEndCapture(rank.stream, &graph);
            cuGraphInstantiateWithFlags(&s.executable, graph, 0);
            cuGraphLaunch(s.executable, rank.stream);
            return std::vector<float>{x.read<float>()[0], y.read<float>()[0]};
        })[0];
    });
    check(all_equal(ordered, {2.0f, 20.0f}), "two streams of a capture");
}

}  // namespace

void test_nccl() {
    int version = 0;
    check(ncclGetVersion(&version) == 0 && version == 22304, "a version");
    auto told = on_ranks<std::vector<int>>(3, [](Rank &rank) {
        int ranks = 0, device = -1, as = -1;
        ncclCommCount(rank.comm, &ranks), ncclCommCuDevice(rank.comm, &device), ncclCommUserRank(rank.comm, &as);
        return std::vector<int>{rank.joined, ranks, device - rank.device, as - rank.rank};
    });
    check(all_equal(told, {0, 3, 0, 0}), "what a communicator tells");
    // A rank that is kept from running finds the others come, served and gone.
    int lost = 0;
    for (int round = 0; round < 300; round++) lost += on_ranks<int>(3, [](Rank &rank) { return rank.joined; }) != std::vector<int>(3);
    check(lost == 0, "ranks that leave at once were there: " + std::to_string(lost) + " of 300 rounds failed");
    test_sums<float>(ncclFloat32, "f32");
    test_sums<double>(ncclFloat64, "f64");
    test_sums<uint32_t>(ncclUint32, "u32");
    test_operations();
    test_broadcasts();
    test_groups();
    test_graphs();
}

// With modules that are watched: a sum is work of the graph like any other.
void test_nccl_races() {
    std::vector<std::string> reports;
    for (bool joined : {true, false}) {
        on_ranks<int>(2, [&](Rank &rank) { return (int)replayed(rank, joined).size(); });
        reports.push_back(emulator_last_report());
        emulator_reset();
    }
    check(reports[0].empty() && reports[1].find("race:") != std::string::npos, "caught: a race with a sum: " + reports[1]);
}
