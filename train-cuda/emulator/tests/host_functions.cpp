// Functions of the host: other threads go on while one runs, whatever they destroy.
#include "check.h"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace {

struct Meeting {
    std::mutex lock;
    std::condition_variable changed;
    bool inside = false, go_on = false;

    void set(bool Meeting::*flag) {
        std::lock_guard<std::mutex> locked(lock);
        this->*flag = true;
        changed.notify_all();
    }
    bool wait(bool Meeting::*flag) {
        std::unique_lock<std::mutex> locked(lock);
        return changed.wait_for(locked, std::chrono::seconds(20), [&] { return this->*flag; });
    }
};

void meet(void *argument) {
    auto *meeting = (Meeting *)argument;
    meeting->set(&Meeting::inside);
    meeting->wait(&Meeting::go_on);
}

}  // namespace

void test_host_functions() {
    void *context, *stream, *graph, *executable;
    cuDevicePrimaryCtxRetain(&context, 0);
    cuStreamCreate(&stream, 1);
    Buffer x(counted(64)), y(counted(64));
    void *scale = kernel("bounds", "scale");
    Meeting meeting;
    cuStreamBeginCapture_v2(stream, 1);
    check(cuLaunchHostFunc(stream, meet, &meeting) == 0 && launch(scale, {2, 32, 0, stream}, x, 64, 2.0f) == 0, "a function of the host is captured");
    cuStreamEndCapture(stream, &graph);
    cuGraphInstantiateWithFlags(&executable, graph, 0);
    check(!meeting.inside, "it does not run while it is captured");

    int launched = -1;
    std::thread other([&] {
        cuCtxSetCurrent(context);
        launched = cuGraphLaunch(executable, stream);
    });
    check(meeting.wait(&Meeting::inside), "the function runs");
    check(launch(scale, {2, 32, 0, nullptr}, y, 64, 3.0f) == 0 && y.read<float>()[0] == 3.0f, "another thread's launch runs meanwhile");
    check(cuGraphExecDestroy(executable) == 0 && cuGraphDestroy(graph) == 0 && cuStreamDestroy_v2(stream) == 0, "what runs is destroyed meanwhile");
    check(x.read<float>()[0] == 1.0f, "what comes behind the function waits for it");
    meeting.set(&Meeting::go_on);
    other.join();
    check(launched == 0 && x.read<float>()[0] == 2.0f, "and runs then all the same");
}
