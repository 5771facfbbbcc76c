// Ranks in processes: this one, and others that it starts from the same program and kills.
#include "ranks.h"

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// Runs the group `nccl_peer` as rank 1 of 2.
pid_t start(const ncclUniqueId &id, const char *role) {
    pid_t child = fork();
    if (child) return child;
    setenv("TERCET_TEST_ID", id.internal, 1);
    setenv("TERCET_TEST_ROLE", role, 1);
    execl("/proc/self/exe", "runner", "nccl_peer", nullptr);
    _exit(3);
}

int status_of(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

std::vector<float> sent(int rank) {
    auto v = counted(100001);
    for (float &x : v) x *= rank ? 1.7f : 0.3f;
    return v;
}

std::vector<float> both() {
    auto sum = sent(0), other = sent(1);
    for (size_t i = 0; i < sum.size(); i++) sum[i] += other[i];
    return sum;
}

// The peer is killed while this waits for it, or in the midst of the work.
void killed(const char *role, int after_ms, const std::string &what) {
    ncclUniqueId id = new_id();
    pid_t peer = start(id, role);
    {
        Rank rank(id, 2, 0);
        Buffer x(sent(0)), y(x.bytes);
        check(rank.joined == 0 && rank.sum(x, y) == 0 && y.read<float>() == both(), "a sum with a process " + what);
        double died = 0;
        int pending = -1;
        std::thread killer([&] {
            pause_ms(after_ms);
            pending = rank.async_error();
            died = seconds();
            kill(peer, SIGKILL);
        });
        while (!rank.async_error()) rank.sum(x, y);
        double noticed = seconds();
        killer.join();
        // It was not waited for: what is left of it is a zombie.
        check(pending == 0 && noticed - died < GONE_SECONDS && std::isnan(y.read<float>()[100000]), "the wait for a process " + what + " ends");
        check_caught(rank.async_error(), 6, {"the process of rank 1 of 2 has ended"}, "a process " + what);
        check(rank.sum(x, y) == 6, "no more sums with a process " + what);
        rank.leave(ncclCommAbort);
    }
    check(WIFSIGNALED(status_of(peer)) && !left_behind(id), "nothing is left behind of a process " + what);
}

}  // namespace

void test_nccl_processes() {
    ncclUniqueId id = new_id();
    pid_t peer = start(id, "sums");
    {
        Rank rank(id, 2, 0);
        Buffer x(sent(0)), y(x.bytes);
        check(rank.joined == 0 && rank.sum(x, y) == 0 && y.read<float>() == both(), "a sum over processes");
        check(ncclBroadcast((void *)x.address, (void *)x.address, 100001, ncclFloat32, 1, rank.comm, rank.stream) == 0 && x.read<float>() == sent(1),
              "a broadcast over processes");
    }
    check(status_of(peer) == 0, "the other process has the same bits");
    check(!left_behind(id), "processes leave nothing behind");

    killed("waits", 300, "that is killed while it is waited for");
    killed("goes on", 300, "that is killed in the midst");

    // It is killed before all have joined; what it leaves goes when the next id is made.
    id = new_id();
    peer = start(id, "sums");
    while (!left_behind(id)) pause_ms(10);
    pause_ms(200);
    check(left_behind(id), "who waits for others has shared memory with a name");
    new_id();
    check(left_behind(id), "and keeps it while it lives");
    kill(peer, SIGKILL);
    status_of(peer);
    new_id();
    check(!left_behind(id), "nothing is left behind of processes that are killed while they join");

    // The same while another waits for a third.
    id = new_id();
    peer = start(id, "third");
    check_caught(Rank(id, 3, 0).joined, 6, {"the process of rank 1 of 3 has ended"}, "a process that is killed while it joins");
    check(WIFSIGNALED(status_of(peer)) && !left_behind(id), "nothing is left behind of a process that is killed while it joins");

    // Both on one device, as when nobody says which.
    id = new_id();
    peer = start(id, "same device");
    check_caught(Rank(id, 2, 0).joined, 5, {"are both on the device"}, "two processes on a device");
    check(status_of(peer) == 0, "the other process is refused too");
}

void test_nccl_peer() {
    ncclUniqueId id = {};
    strncpy(id.internal, getenv("TERCET_TEST_ID"), sizeof id.internal - 1);
    std::string role = getenv("TERCET_TEST_ROLE");
    if (role == "third") std::thread([] { pause_ms(300), kill(getpid(), SIGKILL); }).detach();
    Rank rank(id, role == "third" ? 3 : 2, 1, role == "same device" ? 0 : 1);
    if (role == "same device") return check(rank.joined == 5, "refused");
    Buffer x(sent(1)), y(x.bytes);
    check(rank.sum(x, y) == 0 && y.read<float>() == both(), "the same bits");
    while (role == "goes on") rank.sum(x, y);
    while (role == "waits") pause();
    ncclBroadcast((void *)x.address, (void *)x.address, 100001, ncclFloat32, 1, rank.comm, rank.stream);
}
