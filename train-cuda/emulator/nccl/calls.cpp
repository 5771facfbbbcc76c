// The entry points: handles of communicators, and groups of collectives.
#include "communicator.h"
#include "errors.h"

#include <cstring>
#include <map>
#include <vector>

using namespace emulator;

namespace {

typedef std::shared_ptr<Communicator> Shared;

// Never destroyed: a program may call while it ends.
struct Known {
    std::mutex lock;
    std::map<ncclComm_t, Shared> communicators;
};
Known &known() {
    static auto *all = new Known;
    return *all;
}

Shared find(ncclComm_t comm) {
    std::lock_guard<std::mutex> locked(known().lock);
    auto found = known().communicators.find(comm);
    if (found != known().communicators.end()) return found->second;
    refuse(ncclInvalidArgument, "there is no such communicator, or no longer");
    return nullptr;
}

// What a communicator says of itself.
template <class T, class Says> ncclResult_t ask(ncclComm_t comm, T *answer, Says says) {
    Shared found = find(comm);
    if (!found) return ncclInvalidArgument;
    *answer = says(*found);
    return ncclSuccess;
}

ncclResult_t close(ncclComm_t comm, bool aborted) {
    Shared found = find(comm);
    if (!found) return ncclInvalidArgument;
    std::lock_guard<std::mutex> locked(known().lock);
    known().communicators.erase(comm);
    found->leave(aborted);
    return ncclSuccess;
}

// What a thread has called since ncclGroupStart.
struct Group {
    int depth = 0;
    ncclResult_t wrong = ncclSuccess;
    std::vector<std::pair<Shared, Collective>> calls;
};
Group &group() {
    thread_local Group own;
    return own;
}

ncclResult_t add(ncclComm_t comm, const Collective &wanted) {
    Shared by = find(comm);
    ncclResult_t result = by ? by->check(wanted) : ncclInvalidArgument;
    if (!group().depth) return result ? result : by->issue(wanted);
    if (result) group().wrong = group().wrong ? group().wrong : result;
    else group().calls.emplace_back(by, wanted);
    return result;
}

}  // namespace

ncclResult_t ncclGetVersion(int *version) {
    *version = 22304;
    return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
    std::string name = Region::new_name();
    if (name.empty()) return refuse(ncclSystemError, "ncclGetUniqueId gets no random bytes");
    *id = {};
    memcpy(id->internal, name.data(), name.size());
    return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank) {
    std::string name(id.internal, strnlen(id.internal, sizeof id.internal));
    if (!Region::is_name(name)) return refuse(ncclInvalidArgument, "ncclCommInitRank with a unique id that ncclGetUniqueId did not make");
    if (ranks < 1 || ranks > Region::MAX_RANKS || rank < 0 || rank >= ranks)
        return refuse(ncclInvalidArgument, "ncclCommInitRank as rank " + std::to_string(rank) + " of " + std::to_string(ranks) + "; there may be " +
                                               std::to_string(Region::MAX_RANKS));
    if (group().depth) return refuse(ncclInvalidUsage, "ncclCommInitRank in a group is not emulated: a thread has one device");
    Shared made;
    if (ncclResult_t e = Communicator::create(name, ranks, rank, made)) return e;
    std::lock_guard<std::mutex> locked(known().lock);
    *comm = (ncclComm_t)made.get();
    known().communicators[*comm] = made;
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) { return close(comm, false); }
ncclResult_t ncclCommAbort(ncclComm_t comm) { return close(comm, true); }

ncclResult_t ncclCommCount(ncclComm_t comm, int *ranks) {
    return ask(comm, ranks, [](auto &found) { return found.ranks(); });
}
ncclResult_t ncclCommCuDevice(ncclComm_t comm, int *device) {
    return ask(comm, device, [](auto &found) { return found.device; });
}
ncclResult_t ncclCommUserRank(ncclComm_t comm, int *rank) {
    return ask(comm, rank, [](auto &found) { return found.rank(); });
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) {
    return ask(comm, error, [](auto &found) { return found.async_error(); });
}

ncclResult_t ncclGroupStart() {
    group().depth++;
    return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
    Group &open = group();
    if (!open.depth) return refuse(ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart");
    if (--open.depth) return ncclSuccess;
    Group whole;
    std::swap(whole, open);
    if (whole.wrong) return whole.wrong;
    // Work runs when it is given: the first of them would wait for ever for the second.
    for (auto &[by, wanted] : whole.calls)
        if (by != whole.calls[0].first && by->name == whole.calls[0].first->name)
            return refuse(ncclInvalidUsage, "a group for several ranks of a communicator is not emulated: a thread has one device");
    for (auto &[by, wanted] : whole.calls)
        if (ncclResult_t e = by->issue(wanted)) return e;
    return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void *send, void *receive, size_t count, ncclDataType_t type, ncclRedOp_t operation, ncclComm_t comm, void *stream) {
    return add(comm, {{Call::ALL_REDUCE, (uint32_t)type, (uint32_t)operation, 0, count}, (uint64_t)send, (uint64_t)receive, stream});
}

ncclResult_t ncclBroadcast(const void *send, void *receive, size_t count, ncclDataType_t type, int root, ncclComm_t comm, void *stream) {
    return add(comm, {{Call::BROADCAST, (uint32_t)type, ncclSum, (uint32_t)root, count}, (uint64_t)send, (uint64_t)receive, stream});
}
