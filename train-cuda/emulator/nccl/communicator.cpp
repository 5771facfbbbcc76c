#include "communicator.h"

#include "driver.h"
#include "errors.h"
#include "reduce.h"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace emulator {

// What a graph or a stream holds of a collective. It stays for ever where it was captured, and names a communicator that may be gone.
struct Issued {
    std::weak_ptr<Communicator> by;
    Collective wanted;
    bool once;

    static void run(void *argument) {
        auto *issued = (Issued *)argument;
        if (auto communicator = issued->by.lock()) communicator->run(issued->wanted);
        else refuse(ncclInvalidUsage, issued->wanted.call.name() + " is replayed, and its communicator was destroyed");
        if (issued->once) delete issued;
    }
};

namespace {

std::string hex(uint64_t address) {
    char text[24];
    snprintf(text, sizeof text, "0x%llx", (unsigned long long)address);
    return text;
}

}  // namespace

Current::Current(void *context) {
    cuCtxGetCurrent(&before);
    cuCtxSetCurrent(context);
}
Current::~Current() { cuCtxSetCurrent(before); }

ncclResult_t Communicator::create(const std::string &name, int ranks, int rank, std::shared_ptr<Communicator> &made) {
    auto fresh = std::make_shared<Communicator>();
    fresh->name = name;
    char bus[32];
    if (cuCtxGetCurrent(&fresh->context) || cuCtxGetDevice(&fresh->device) || cuDeviceGetPCIBusId(bus, sizeof bus, fresh->device))
        return refuse(ncclUnhandledCudaError, "ncclCommInitRank on a thread that has no context of a device");
    if (cuStreamCreate(&fresh->own, 1) || cuEventCreate(&fresh->ordered, 2))
        return refuse(ncclUnhandledCudaError, "ncclCommInitRank on device " + std::to_string(fresh->device) + ", which makes no stream");
    if (ncclResult_t e = fresh->region.join(name, ranks, rank, bus)) return e;
    made = fresh;
    return ncclSuccess;
}

Communicator::~Communicator() {
    if (own) cuStreamDestroy_v2(own);
    if (ordered) cuEventDestroy_v2(ordered);
}

void Communicator::leave(bool aborted) { region.leave(aborted); }

ncclResult_t Communicator::check_memory(const Collective &wanted, const char *what, uint64_t address) {
    uint64_t bytes = wanted.call.bytes(), start = 0;
    std::string says = wanted.call.name() + " on device " + std::to_string(device) + " " + what + " " + hex(address);
    size_t held = 0;
    int owner = -1;
    if (!bytes) return ncclSuccess;
    if (cuPointerGetAttribute(&owner, 9, address) || cuMemGetAddressRange_v2(&start, &held, address))
        return refuse(ncclInvalidArgument, says + ", which is in no allocation of a device");
    if (owner != device) return refuse(ncclInvalidArgument, says + ", which is on device " + std::to_string(owner));
    if (bytes > start + held - address)
        return refuse(ncclInvalidArgument, says + ", behind which its allocation has " + std::to_string(start + held - address) + " bytes; it takes " +
                                               std::to_string(bytes));
    if (address % bytes_of(wanted.call.type)) return refuse(ncclInvalidArgument, says + ", which is not aligned for its type");
    return ncclSuccess;
}

ncclResult_t Communicator::check(const Collective &wanted) {
    const Call &call = wanted.call;
    if (call.type > ncclBfloat16 || call.operation > ncclAvg || call.root >= (uint32_t)ranks() || call.count >> 56)
        return refuse(ncclInvalidArgument, std::string(call.kind == Call::BROADCAST ? "ncclBroadcast" : "ncclAllReduce") + " with type " +
                                               std::to_string(call.type) + ", operation " + std::to_string(call.operation) + ", root " +
                                               std::to_string((int)call.root) + " and count " + std::to_string(call.count) + " on " +
                                               std::to_string(ranks()) + " ranks");
    if (ncclResult_t e = async_error()) return e;
    Current current(context);
    void *of = nullptr;
    if (int e = cuStreamGetCtx(wanted.stream, &of))
        return e == 400 ? refuse(ncclInvalidArgument, call.name() + " on a stream that there is not")
                        : refuse(ncclUnhandledCudaError, call.name() + " on device " + std::to_string(device) + ", which gives error " + std::to_string(e));
    if (of != context) return refuse(ncclInvalidUsage, call.name() + " of a communicator on device " + std::to_string(device) + " on a stream of another device");
    // What a broadcast sends is looked at on its root alone.
    bool sends = call.kind == Call::ALL_REDUCE || call.root == (uint32_t)rank();
    if (sends)
        if (ncclResult_t e = check_memory(wanted, "sends", wanted.send)) return e;
    if (ncclResult_t e = check_memory(wanted, "receives at", wanted.receive)) return e;
    uint64_t bytes = call.bytes();
    if (sends && wanted.send != wanted.receive && wanted.send < wanted.receive + bytes && wanted.receive < wanted.send + bytes)
        return refuse(ncclInvalidArgument, call.name() + " sends from " + hex(wanted.send) + " and receives at " + hex(wanted.receive) +
                                               ", which overlap and are not the same");
    return ncclSuccess;
}

ncclResult_t Communicator::issue(const Collective &wanted) {
    Current current(context);
    int status = 0;
    unsigned long long number = 0;
    bool fine = !cuStreamGetCaptureInfo_v2(wanted.stream, &status, &number, nullptr, nullptr, nullptr);
    bool captured = status != 0;
    // In a graph too they stay in the order in which they were given, whatever streams they were given to.
    if (captured && number == capture) fine = fine && !cuStreamWaitEvent(wanted.stream, ordered, 0);
    auto *issued = new Issued{weak_from_this(), wanted, !captured};
    if (!fine || cuLaunchHostFunc(wanted.stream, Issued::run, issued)) {
        delete issued;
        return refuse(ncclUnhandledCudaError, wanted.call.name() + " cannot be given to its stream");
    }
    if (captured) {
        if (cuEventRecord(ordered, wanted.stream)) return refuse(ncclUnhandledCudaError, wanted.call.name() + " cannot be put in order");
        capture = number;
    }
    return ncclSuccess;
}

void Communicator::run(const Collective &wanted) {
    std::lock_guard<std::mutex> alone(running);
    Current current(context);
    ncclResult_t result = ncclSuccess;
    std::string wrong;
    if (!async_error()) {
        wrong = agree(wanted, result);
        if (wrong.empty()) wrong = move(wanted, result);
        if (wrong.empty()) return;
        leave(true);
    }
    // What did not come must not pass for a result.
    if (wanted.call.bytes()) cuMemsetD8Async(wanted.receive, 0xFF, wanted.call.bytes(), own);
    if (wrong.empty()) return;
    error.store(refuse(result, "rank " + std::to_string(rank()) + " of " + std::to_string(ranks()) + ", " + wanted.call.name() + ": " + wrong));
}

std::string Communicator::agree(const Collective &wanted, ncclResult_t &result) {
    std::string why;
    region.next_call() = wanted.call;
    result = ncclRemoteError;
    if (!region.arrive(why)) return why;
    result = ncclInvalidUsage;
    for (int other = 0; other < ranks(); other++)
        for (int another = 0; another < other; another++)
            if (!(region.call(other) == region.call(another)))
                return "rank " + std::to_string(another) + " calls " + region.call(another).name() + " and rank " + std::to_string(other) + " " +
                       region.call(other).name() + "; all must call the same in the same order";
    return "";
}

std::string Communicator::move(const Collective &wanted, ncclResult_t &result) {
    const Call &call = wanted.call;
    bool broadcast = call.kind == Call::BROADCAST, sends = !broadcast || call.root == (uint32_t)rank();
    std::vector<unsigned char> sum(broadcast ? 0 : Region::CHUNK);
    std::vector<const void *> parts((size_t)ranks());
    std::string why;
    for (uint64_t done = 0, bytes = call.bytes(); done < bytes; done += Region::CHUNK) {
        size_t now = (size_t)std::min<uint64_t>(Region::CHUNK, bytes - done);
        result = ncclUnhandledCudaError;
        if (sends && cuMemcpyDtoHAsync_v2(region.next_chunk(), wanted.send + done, now, own)) return "what it sends cannot be read";
        result = ncclRemoteError;
        if (!region.arrive(why)) return why;
        const void *come = broadcast ? region.chunk((int)call.root) : sum.data();
        if (!broadcast) {
            for (int other = 0; other < ranks(); other++) parts[(size_t)other] = region.chunk(other);
            reduce((ncclDataType_t)call.type, (ncclRedOp_t)call.operation, parts, now / bytes_of(call.type), sum.data());
        }
        result = ncclUnhandledCudaError;
        if (cuMemcpyHtoDAsync_v2(wanted.receive + done, come, now, own)) return "what it receives cannot be written";
    }
    return "";
}

}  // namespace emulator
