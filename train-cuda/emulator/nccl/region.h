// The memory that the ranks of a communicator share, and their barrier. A rank writes in its own slot alone and holds a lock of the system's
// on one byte of the region for as long as its process lives, so a rank that is killed leaves nothing behind that others would wait for.
#pragma once

#include "call.h"

#include <atomic>
#include <cstdint>
#include <string>

namespace emulator {

class Region {
public:
    static constexpr int MAX_RANKS = 16;
    static constexpr size_t CHUNK = 256 << 10;

    // The text of a unique id, which is the region's name. What communicators left behind that were killed before all had joined is removed.
    static std::string new_name();
    static bool is_name(const std::string &name);

    // Waits until all ranks have joined; then the region has no name any more.
    ncclResult_t join(const std::string &name, int ranks, int rank, const std::string &bus);
    // As the others see it from then on; `aborted` ends a wait of this rank too.
    void leave(bool aborted);
    ~Region();
    Region() = default;
    Region(const Region &) = delete;

    // What this rank says and gives at its next barrier.
    Call &next_call() { return shared->slots[rank].calls[(steps + 1) % 2]; }
    unsigned char *next_chunk() { return chunk_at(rank, steps + 1); }
    // Waits for all ranks. False: one will not come, and `why` says which.
    bool arrive(std::string &why);
    // What a rank said and gave at the last barrier; it stands until this rank comes to the next.
    const Call &call(int of) const { return shared->slots[of].calls[steps % 2]; }
    const unsigned char *chunk(int of) const { return chunk_at(of, steps); }

    int ranks = 0, rank = 0;

private:
    enum State : uint32_t { ABSENT, JOINED, LEFT, ABORTED };
    struct Slot {
        std::atomic<uint32_t> state;
        std::atomic<uint64_t> steps;  // barriers that it has come to
        char bus[32];
        Call calls[2];
    };
    struct Shared {
        uint32_t ranks;
        std::atomic<uint32_t> bell;    // rung whenever somebody waiting should look again
        std::atomic<uint32_t> spoilt;  // the ranks do not fit together
        Slot slots[MAX_RANKS];
    };
    // Where the chunks begin.
    static constexpr size_t HEAD = (sizeof(Shared) + 63) / 64 * 64;

    ncclResult_t enter(const std::string &path, const std::string &bus);
    ncclResult_t spoil(const std::string &sentence);
    ncclResult_t meet();
    bool alive(int other) const;
    void ring();
    void sleep(uint32_t rung);
    std::string who(int other) const;
    size_t bytes() const;
    unsigned char *chunk_at(int of, uint64_t step) const;

    int file = -1;
    Shared *shared = nullptr;
    size_t mapped = 0;
    uint64_t steps = 0;
};

}  // namespace emulator
