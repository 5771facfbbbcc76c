// A rank of a communicator on one device, and the collectives that it gives to streams: each a function of the host, so that it is captured
// and replayed as other work is.
#pragma once

#include "region.h"

#include <memory>
#include <mutex>

namespace emulator {

struct Collective {
    Call call;
    uint64_t send, receive;
    void *stream;
};

// A context for as long as this lives.
class Current {
public:
    explicit Current(void *context);
    ~Current();
    Current(const Current &) = delete;

private:
    void *before = nullptr;
};

class Communicator : public std::enable_shared_from_this<Communicator> {
public:
    // Waits for all ranks. The device is the one whose context the calling thread has.
    static ncclResult_t create(const std::string &name, int ranks, int rank, std::shared_ptr<Communicator> &made);
    ~Communicator();

    // What can be said at once: arguments, memory, stream.
    ncclResult_t check(const Collective &wanted);
    // Gives it to its stream, behind those that were given before.
    ncclResult_t issue(const Collective &wanted);
    void leave(bool aborted);

    ncclResult_t async_error() const { return (ncclResult_t)error.load(); }
    int ranks() const { return region.ranks; }
    int rank() const { return region.rank; }

    std::string name;
    int device = 0;

private:
    friend struct Issued;
    void run(const Collective &wanted);
    // The sentence, or nothing; `result` is what it is reported as.
    std::string agree(const Collective &wanted, ncclResult_t &result);
    std::string move(const Collective &wanted, ncclResult_t &result);
    ncclResult_t check_memory(const Collective &wanted, const char *what, uint64_t address);

    Region region;
    void *context = nullptr, *own = nullptr;  // a stream for copies to and from what is shared
    void *ordered = nullptr;                  // an event behind the last collective that the capture with this number holds
    unsigned long long capture = 0;
    std::atomic<int> error{ncclSuccess};
    std::mutex running;
};

}  // namespace emulator
