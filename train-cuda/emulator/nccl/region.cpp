#include "region.h"

#include "errors.h"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace emulator {
namespace {

const char PREFIX[] = "tercet-nccl-";
constexpr long LOOK_AGAIN_NS = 50'000'000;  // after this long a waiting rank asks whether the others live
constexpr off_t ENTRY = 1 << 20;            // the byte whose lock is held by who joins; those of the ranks begin at 0

// Locks of an open file go with it, and a process that ends closes its files, however it ends.
bool lock_bytes(int file, int command, off_t first, off_t count) {
    struct flock wanted = {};
    wanted.l_type = F_WRLCK;
    wanted.l_whence = SEEK_SET;
    wanted.l_start = first;
    wanted.l_len = count;
    int result;
    while ((result = fcntl(file, command, &wanted)) && errno == EINTR) {}
    return command == F_OFD_GETLK ? !result && wanted.l_type == F_UNLCK : !result;
}

void unlock_bytes(int file, off_t first, off_t count) {
    struct flock wanted = {};
    wanted.l_type = F_UNLCK;
    wanted.l_whence = SEEK_SET;
    wanted.l_start = first;
    wanted.l_len = count;
    fcntl(file, F_OFD_SETLK, &wanted);
}

// Regions in which nobody lives.
void sweep() {
    DIR *folder = opendir("/dev/shm");
    if (!folder) return;
    while (dirent *entry = readdir(folder)) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX))) continue;
        std::string path = std::string("/") + entry->d_name;
        int file = shm_open(path.c_str(), O_RDWR, 0);
        if (file < 0) continue;
        if (lock_bytes(file, F_OFD_SETLK, 0, ENTRY + 1)) shm_unlink(path.c_str());
        close(file);
    }
    closedir(folder);
}

}  // namespace

std::string Region::new_name() {
    sweep();
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != sizeof random) return "";
    std::string name = PREFIX;
    for (unsigned char byte : random) {
        name += "0123456789abcdef"[byte >> 4];
        name += "0123456789abcdef"[byte & 15];
    }
    return name;
}

bool Region::is_name(const std::string &name) {
    size_t begin = strlen(PREFIX);
    return name.size() == begin + 32 && !name.compare(0, begin, PREFIX) && name.find_first_not_of("0123456789abcdef", begin) == std::string::npos;
}

// Two chunks a rank: what was given at a barrier stands while the next is prepared.
size_t Region::bytes() const { return HEAD + (size_t)ranks * 2 * CHUNK; }

unsigned char *Region::chunk_at(int of, uint64_t step) const { return (unsigned char *)shared + HEAD + ((size_t)of * 2 + step % 2) * CHUNK; }

std::string Region::who(int other) const { return "rank " + std::to_string(other) + " of " + std::to_string(ranks); }

bool Region::alive(int other) const { return other == rank || !lock_bytes(file, F_OFD_GETLK, other, 1); }

void Region::ring() {
    shared->bell.fetch_add(1);
    syscall(SYS_futex, &shared->bell, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

void Region::sleep(uint32_t rung) {
    timespec at_most = {0, LOOK_AGAIN_NS};
    syscall(SYS_futex, &shared->bell, FUTEX_WAIT, rung, &at_most, nullptr, 0);
}

ncclResult_t Region::spoil(const std::string &sentence) {
    shared->spoilt.store(1);
    ring();
    return refuse(ncclInvalidUsage, sentence);
}

// Alone: the lock of the entry is held.
ncclResult_t Region::enter(const std::string &path, const std::string &bus) {
    struct stat about;
    if (fstat(file, &about)) return refuse(ncclSystemError, "the shared memory " + path + " cannot be asked for its size");
    bool first = about.st_size == 0;
    if (first)
        if (int error = posix_fallocate(file, 0, (off_t)bytes()))
            return refuse(ncclSystemError, "there is no room for " + std::to_string(bytes()) + " bytes of shared memory in /dev/shm: " + strerror(error));
    // Who comes with another number of ranks sees the head alone.
    mapped = first || (size_t)about.st_size == bytes() ? bytes() : HEAD;
    void *at = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) return refuse(ncclSystemError, "the shared memory " + path + " cannot be mapped");
    shared = (Shared *)at;
    if (first) shared->ranks = (uint32_t)ranks;
    if ((int)shared->ranks != ranks)
        return spoil("ncclCommInitRank for " + std::to_string(ranks) + " ranks; another rank said " + std::to_string(shared->ranks));
    Slot &mine = shared->slots[rank];
    if (mine.state.load() != ABSENT || !lock_bytes(file, F_OFD_SETLK, rank, 1))
        return spoil("ncclCommInitRank as " + who(rank) + ", which has joined already");
    snprintf(mine.bus, sizeof mine.bus, "%s", bus.c_str());
    mine.state.store(JOINED);
    ring();
    return ncclSuccess;
}

ncclResult_t Region::meet() {
    for (;;) {
        uint32_t rung = shared->bell.load();
        if (shared->spoilt.load()) return refuse(ncclInvalidUsage, "ncclCommInitRank of " + who(rank) + " ends, for the ranks do not fit together");
        // First who lives, then who is missing: who joined, did its work and left while this rank slept is no loss to it.
        int dead = -1, missing = 0;
        for (int other = 0; other < ranks; other++)
            if (shared->slots[other].state.load() != ABSENT && !alive(other)) dead = other;
        for (int other = 0; other < ranks; other++) missing += shared->slots[other].state.load() == ABSENT;
        if (!missing) break;
        if (dead >= 0 && !shared->spoilt.load())
            return refuse(ncclRemoteError, "ncclCommInitRank of " + who(rank) + " ends, for the process of " + who(dead) + " has ended");
        sleep(rung);
    }
    for (int a = 0; a < ranks; a++)
        for (int b = 0; b < a; b++)
            if (!strcmp(shared->slots[a].bus, shared->slots[b].bus))
                return refuse(ncclInvalidUsage, "ranks " + std::to_string(b) + " and " + std::to_string(a) + " of " + std::to_string(ranks) +
                                                    " are both on the device " + shared->slots[a].bus);
    return ncclSuccess;
}

ncclResult_t Region::join(const std::string &name, int of, int as, const std::string &bus) {
    ranks = of;
    rank = as;
    std::string path = "/" + name;
    for (;;) {
        file = shm_open(path.c_str(), O_CREAT | O_RDWR, 0600);
        if (file < 0 || !lock_bytes(file, F_OFD_SETLKW, ENTRY, 1))
            return refuse(ncclSystemError, "the shared memory " + path + " cannot be opened: " + strerror(errno));
        struct stat about;
        if (!fstat(file, &about) && about.st_nlink) break;
        // Somebody removed it before we had the lock.
        close(file);
    }
    ncclResult_t result = enter(path, bus);
    unlock_bytes(file, ENTRY, 1);
    if (!result) result = meet();
    // All have it open, or nobody should.
    shm_unlink(path.c_str());
    return result;
}

void Region::leave(bool aborted) {
    if (!shared) return;
    uint32_t joined = JOINED;
    shared->slots[rank].state.compare_exchange_strong(joined, aborted ? ABORTED : LEFT);
    ring();
}

Region::~Region() {
    if (shared) munmap(shared, mapped);
    if (file >= 0) close(file);
}

bool Region::arrive(std::string &why) {
    steps++;
    shared->slots[rank].steps.store(steps);
    ring();
    for (;;) {
        uint32_t rung = shared->bell.load();
        if (shared->slots[rank].state.load() != JOINED) {
            why = "this rank gave up";
            return false;
        }
        bool all = true;
        for (int other = 0; other < ranks; other++) {
            Slot &slot = shared->slots[other];
            if (slot.steps.load() >= steps) continue;
            all = false;
            // First whether it will still come, then whether it came meanwhile.
            uint32_t state = slot.state.load();
            bool lives = alive(other);
            if ((state == JOINED && lives) || slot.steps.load() >= steps) continue;
            why = state == LEFT      ? who(other) + " has destroyed its communicator"
                  : state == ABORTED ? who(other) + " gave up"
                                     : "the process of " + who(other) + " has ended";
            return false;
        }
        if (all) return true;
        sleep(rung);
    }
}

}  // namespace emulator
