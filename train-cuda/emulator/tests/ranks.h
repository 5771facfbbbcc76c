// Ranks of a communicator for tests: one thread a device, or one process.
#pragma once

#include "../nccl/nccl.h"
#include "check.h"

#include <chrono>
#include <thread>

// The calling thread on a device of its own.
struct OnDevice {
    int device;
    void *context = nullptr, *stream = nullptr;

    explicit OnDevice(int device) : device(device) {
        cuDevicePrimaryCtxRetain(&context, device);
        cuCtxSetCurrent(context);
        cuStreamCreate(&stream, 1);
    }
    ~OnDevice() {
        cuStreamDestroy_v2(stream);
        cuDevicePrimaryCtxRelease_v2(device);
    }
    OnDevice(const OnDevice &) = delete;

    void *kernel(const std::string &module, const char *name) const {
        void *loaded = nullptr, *function = nullptr;
        cuModuleLoadData(&loaded, ptx_of(module).c_str());
        cuModuleGetFunction(&function, loaded, name);
        return function;
    }
};

struct Rank : OnDevice {
    int rank;
    ncclComm_t comm = nullptr;
    int joined;

    Rank(const ncclUniqueId &id, int ranks, int rank, int device) : OnDevice(device), rank(rank), joined(ncclCommInitRank(&comm, ranks, id, rank)) {}
    Rank(const ncclUniqueId &id, int ranks, int rank) : Rank(id, ranks, rank, rank) {}

    ~Rank() { leave(ncclCommDestroy); }

    void leave(ncclResult_t (*how)(ncclComm_t)) {
        if (comm) how(comm);
        comm = nullptr;
    }
    int async_error() const {
        ncclResult_t error = ncclInternalError;
        ncclCommGetAsyncError(comm, &error);
        return error;
    }
    int sum(const Buffer &send, const Buffer &receive) const {
        return ncclAllReduce((void *)send.address, (void *)receive.address, send.bytes / 4, ncclFloat32, ncclSum, comm, stream);
    }
};

inline ncclUniqueId new_id() {
    ncclUniqueId id;
    check(ncclGetUniqueId(&id) == 0, "a unique id");
    return id;
}

// Whether the communicator's shared memory still has a name.
inline bool left_behind(const ncclUniqueId &id) {
    std::string path = std::string("/dev/shm/") + id.internal;
    FILE *file = fopen(path.c_str(), "r");
    if (file) fclose(file);
    return file;
}

// Runs each rank in a thread and gives what each gave. The threads check nothing themselves, for `check` counts.
template <class T> std::vector<T> on_threads(int ranks, const std::function<T(int)> &work) {
    std::vector<T> results((size_t)ranks);
    std::vector<std::thread> threads;
    for (int r = 0; r < ranks; r++) threads.emplace_back([&, r] { results[(size_t)r] = work(r); });
    for (auto &t : threads) t.join();
    return results;
}
template <class T> std::vector<T> on_ranks(int ranks, const std::function<T(Rank &)> &work) {
    ncclUniqueId id = new_id();
    auto results = on_threads<T>(ranks, [&](int r) {
        Rank rank(id, ranks, r);
        return work(rank);
    });
    check(!left_behind(id), "no shared memory is left behind");
    return results;
}

inline double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
inline void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Within this a wait for a rank that is gone must end: a second, and another for a machine that is busy.
constexpr double GONE_SECONDS = 2;
