// Ranks that do not fit together, and ranks that give up while another waits for them.
#include "ranks.h"

#include <atomic>
#include <cmath>

namespace {

// What `wrong` gives on a communicator of one rank, and what is reported.
void refused(int wanted, const std::vector<std::string> &words, const std::string &what, const std::function<int(Rank &, Buffer &)> &wrong) {
    ncclUniqueId id = new_id();
    Rank rank(id, 1, 0);
    Buffer x(64 * 4);
    int error = wrong(rank, x);
    check(ncclGetLastError(nullptr) == std::string(emulator_last_report()), "the last error of " + what);
    check_caught(error, wanted, words, what);
    check(rank.async_error() == 0 && rank.sum(x, x) == 0, "the communicator works on after " + what);
}

int reduce(const Rank &rank, uint64_t send, uint64_t receive, size_t count) {
    return ncclAllReduce((void *)send, (void *)receive, count, ncclFloat32, ncclSum, rank.comm, rank.stream);
}

// A graph of one sum in place.
void *captured_sum(Rank &rank, Buffer &x) {
    void *graph, *executable;
    cuStreamBeginCapture_v2(rank.stream, 1);
    rank.sum(x, x);
    cuStreamEndCapture(rank.stream, &graph);
    cuGraphInstantiateWithFlags(&executable, graph, 0);
    return executable;
}

void test_arguments() {
    refused(4, {"ncclAllReduce of 65 float32 (sum) on device 0 sends", "256 bytes; it takes 260"}, "a send that is too long",
            [](Rank &rank, Buffer &x) { return reduce(rank, x.address, x.address, 65); });
    refused(4, {"receives at", "in no allocation"}, "a pointer of the host", [](Rank &rank, Buffer &x) { return reduce(rank, x.address, (uint64_t)&rank, 4); });
    refused(4, {"overlap"}, "a send and a receive that overlap", [](Rank &rank, Buffer &x) { return reduce(rank, x.address, x.address + 64, 32); });
    refused(4, {"not aligned"}, "a pointer that is not aligned", [](Rank &rank, Buffer &x) { return reduce(rank, x.address + 2, x.address + 2, 4); });
    refused(4, {"type 10"}, "a type that there is not", [](Rank &rank, Buffer &x) {
        return ncclAllReduce((void *)x.address, (void *)x.address, 4, (ncclDataType_t)10, ncclSum, rank.comm, rank.stream);
    });
    refused(4, {"root 1"}, "a root that there is not", [](Rank &rank, Buffer &x) {
        return ncclBroadcast((void *)x.address, (void *)x.address, 4, ncclFloat32, 1, rank.comm, rank.stream);
    });
    refused(4, {"which is on device 1"}, "memory of another device", [](Rank &rank, Buffer &) {
        OnDevice other(1);
        Buffer y(256);
        int error = reduce(rank, y.address, y.address, 4);
        cuCtxSetCurrent(rank.context);
        return error;
    });
    refused(5, {"on a stream of another device"}, "a stream of another device", [](Rank &rank, Buffer &x) {
        OnDevice other(1);
        int error = ncclAllReduce((void *)x.address, (void *)x.address, 4, ncclFloat32, ncclSum, rank.comm, other.stream);
        cuCtxSetCurrent(rank.context);
        return error;
    });
    // An error in a group is given at once and at the end, and nothing of the group is done.
    refused(4, {"overlap"}, "a group with an error", [](Rank &rank, Buffer &x) {
        std::vector<float> before(64, 5.0f);
        cuMemcpyHtoD_v2(x.address, before.data(), 256);
        Buffer y(256);
        ncclGroupStart();
        int fine = rank.sum(x, y), wrong = reduce(rank, x.address, x.address + 64, 32), end = ncclGroupEnd();
        return !fine && wrong == end && std::isnan(y.read<float>()[0]) ? end : -1;
    });
    refused(5, {"ncclGroupEnd without"}, "an end without a start", [](Rank &, Buffer &) { return (int)ncclGroupEnd(); });
    refused(5, {"in a group"}, "joining in a group", [](Rank &, Buffer &) {
        ncclComm_t comm;
        ncclGroupStart();
        int error = ncclCommInitRank(&comm, 1, new_id(), 0);
        ncclGroupEnd();
        return error;
    });
    refused(4, {"no such communicator"}, "a communicator that was destroyed", [](Rank &rank, Buffer &x) {
        ncclComm_t first = rank.comm;
        ncclCommInitRank(&rank.comm, 1, new_id(), 0);
        ncclCommDestroy(first);
        return (int)ncclAllReduce((void *)x.address, (void *)x.address, 4, ncclFloat32, ncclSum, first, rank.stream);
    });

    // Replayed when its memory or its communicator is gone.
    ncclUniqueId id = new_id();
    Rank rank(id, 1, 0);
    void *executable;
    {
        Buffer x(256);
        executable = captured_sum(rank, x);
        check(cuGraphLaunch(executable, rank.stream) == 0 && rank.async_error() == 0, "a replay");
    }
    cuGraphLaunch(executable, rank.stream);
    check_caught(rank.async_error(), 1, {"what it sends cannot be read"}, "a replay whose memory was freed");
    rank.leave(ncclCommDestroy);
    cuGraphLaunch(executable, rank.stream);
    check_caught(0, 0, {"is replayed, and its communicator was destroyed"}, "a replay without a communicator");
}

void test_joining() {
    ncclUniqueId id = new_id();
    auto join = [&](int ranks, const std::vector<int> &as, const std::vector<int> &devices, const std::vector<int> &of) {
        id = new_id();
        return on_threads<int>(ranks, [&](int r) { return Rank(id, of[(size_t)r], as[(size_t)r], devices[(size_t)r]).joined; });
    };
    check(join(3, {0, 1, 2}, {1, 0, 1}, {3, 3, 3}) == std::vector<int>(3, 5), "two ranks on a device");
    check_caught(0, 0, {"ranks 0 and 2 of 3 are both on the device"}, "two ranks on a device");
    check(!left_behind(id), "nothing is left behind of ranks on one device");
    check(join(2, {0, 0}, {0, 1}, {2, 2}) == std::vector<int>(2, 5) && !left_behind(id), "a rank twice");
    check(join(2, {0, 1}, {0, 1}, {2, 3}) == std::vector<int>(2, 5) && !left_behind(id), "numbers of ranks that differ");
    check(join(1, {2}, {0}, {2}) == std::vector<int>(1, 4) && join(1, {0}, {0}, {0}) == std::vector<int>(1, 4), "a rank that there is not");
    ncclUniqueId other = {};
    ncclComm_t comm;
    check(ncclCommInitRank(&comm, 1, other, 0) == 4, "a unique id that nobody made");
    emulator_reset();
}

// One collective that fits, then one that does not.
void mismatch(const std::string &what, const std::vector<std::string> &words, const std::function<int(Rank &, Buffer &)> &call) {
    auto ends = on_ranks<std::vector<int>>(2, [&](Rank &rank) {
        Buffer x(std::vector<float>(64, 1.0f));
        rank.sum(x, x);
        int before = rank.async_error(), called = call(rank, x), after = rank.async_error();
        // What did not come is NaN, and so is all that comes later; who asks for more is told.
        int later = rank.sum(x, x);
        return std::vector<int>{before, called, after, later, std::isnan(x.read<float>()[0])};
    });
    check(all_equal(ends, {0, 0, 5, 5, 1}), "the ends of " + what);
    check_caught(0, 0, words, what);
}

void test_mismatches() {
    mismatch("other counts", {"rank 0 calls ncclAllReduce of 64 float32 (sum) and rank 1 ncclAllReduce of 63 float32 (sum)"},
             [](Rank &rank, Buffer &x) { return reduce(rank, x.address, x.address, 64 - (size_t)rank.rank); });
    mismatch("other types", {"of 4 float32 (sum)", "of 4 uint32 (sum)"}, [](Rank &rank, Buffer &x) {
        return (int)ncclAllReduce((void *)x.address, (void *)x.address, 4, rank.rank ? ncclUint32 : ncclFloat32, ncclSum, rank.comm, rank.stream);
    });
    mismatch("other operations", {"(sum)", "(maximum)"}, [](Rank &rank, Buffer &x) {
        return (int)ncclAllReduce((void *)x.address, (void *)x.address, 4, ncclFloat32, rank.rank ? ncclMax : ncclSum, rank.comm, rank.stream);
    });
    mismatch("other roots", {"from rank 0", "from rank 1"}, [](Rank &rank, Buffer &x) {
        return (int)ncclBroadcast((void *)x.address, (void *)x.address, 4, ncclFloat32, rank.rank, rank.comm, rank.stream);
    });
    mismatch("another order", {"ncclAllReduce", "ncclBroadcast"}, [](Rank &rank, Buffer &x) {
        ncclGroupStart();
        for (int i : {0, 1}) {
            if (i == rank.rank) reduce(rank, x.address, x.address, 4);
            else ncclBroadcast((void *)x.address, (void *)x.address, 4, ncclFloat32, 0, rank.comm, rank.stream);
        }
        return (int)ncclGroupEnd();
    });
}

// Rank 0 waits; the others do something else.
void gives_up(const std::string &what, const std::string &words, const std::function<int(Rank &)> &otherwise) {
    double began = 0;
    std::atomic<int> told{0};
    auto ends = on_ranks<std::vector<int>>(3, [&](Rank &rank) {
        Buffer x(std::vector<float>(100000, 1.0f)), y(x.bytes);
        rank.sum(x, y);
        if (rank.rank == 2) {
            pause_ms(200);
            began = seconds();
            std::vector<int> end = {otherwise(rank)};
            // What it still holds it holds until the others were told.
            while (told < 2 && seconds() - began < 2 * GONE_SECONDS) pause_ms(10);
            return end;
        }
        int pending = -1;
        std::thread watcher([&] { pause_ms(100), pending = rank.async_error(); });
        int called = rank.sum(x, y), in_time = seconds() - began < GONE_SECONDS;
        told++;
        watcher.join();
        return std::vector<int>{pending, called, rank.async_error(), in_time, std::isnan(y.read<float>()[99999])};
    });
    std::vector<int> wanted = {0, 0, 6, 1, 1};
    check(ends[0] == wanted && ends[1] == wanted && ends[2] == std::vector<int>{1}, "the wait for a rank that " + what);
    // The last to report may be the one that gave up, and of the two that wait one may have heard of the other.
    check_caught(0, 0, {words}, "a rank that " + what);
}

void test_giving_up() {
    gives_up("aborts", "gave up", [](Rank &rank) {
        rank.leave(ncclCommAbort);
        return 1;
    });
    gives_up("leaves", "rank ", [](Rank &rank) {
        rank.leave(ncclCommDestroy);
        return 1;
    });
    gives_up("loses its device", "gave up", [](Rank &rank) {
        Buffer z(256);
        void *fill = rank.kernel("bounds", "fill");
        emulator_fail_launch(rank.rank, 1);
        launch(fill, {2, 32, 0, rank.stream}, z, 64);
        int error = rank.sum(z, z);
        rank.leave(ncclCommAbort);
        return error;
    });
    gives_up("cannot read what it should send", "rank ", [](Rank &rank) {
        void *executable;
        {
            Buffer z(400000);
            executable = captured_sum(rank, z);
        }
        cuGraphLaunch(executable, rank.stream);
        return rank.async_error();
    });

    // A rank's own wait ends with its own abort, from another thread.
    auto ends = on_ranks<int>(2, [](Rank &rank) {
        Buffer x(256);
        if (rank.rank) {
            pause_ms(300);
            return 0;
        }
        std::thread watcher([&] { pause_ms(100), ncclCommAbort(rank.comm); });
        double began = seconds();
        rank.sum(x, x);
        int in_time = seconds() - began < GONE_SECONDS;
        watcher.join();
        rank.comm = nullptr;
        return in_time;
    });
    check(ends[0] == 1, "an abort of one's own ends the wait");
    check_caught(0, 0, {"this rank gave up"}, "an abort of one's own");
    check(on_ranks<int>(2, [](Rank &rank) { return rank.joined; }) == std::vector<int>(2, 0), "another communicator works");
}

// One thread for two ranks would wait for itself; a group says so.
void test_one_thread() {
    ncclUniqueId id = new_id();
    std::vector<ncclComm_t> comms(2);
    on_threads<int>(2, [&](int r) {
        OnDevice here(r);
        return (int)ncclCommInitRank(&comms[(size_t)r], 2, id, r);
    });
    OnDevice first(0), second(1);
    Buffer y(256);
    cuCtxSetCurrent(first.context);
    Buffer x(256);
    ncclGroupStart();
    ncclAllReduce((void *)x.address, (void *)x.address, 4, ncclFloat32, ncclSum, comms[0], first.stream);
    ncclAllReduce((void *)y.address, (void *)y.address, 4, ncclFloat32, ncclSum, comms[1], second.stream);
    check_caught(ncclGroupEnd(), 5, {"a group for several ranks"}, "a group for several ranks");
    for (ncclComm_t comm : comms) ncclCommDestroy(comm);
}

}  // namespace

void test_nccl_failures() {
    test_arguments();
    test_joining();
    test_mismatches();
    test_giving_up();
    test_one_thread();
    emulator_reset();
}
