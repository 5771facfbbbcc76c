// Work on a stream: run at once, or kept as a node of the graph that is being captured.
#pragma once

#include "state.h"

#include <functional>
#include <thread>

namespace emulator {

struct Work {
    std::function<Error()> run;
};

struct Node {
    Work work;
    std::vector<int> after;  // nodes that must have run
};

struct Graph {
    std::vector<Node> nodes;
};

enum CaptureMode { CAPTURE_GLOBAL = 0, CAPTURE_THREAD = 1, CAPTURE_RELAXED = 2 };

struct Capture {
    uint64_t id;
    Stream *origin;
    int mode;
    std::thread::id thread;
    bool invalid = false, ended = false;
    Graph graph;
    std::vector<Stream *> streams;  // the origin and those that joined by an event
};

// For calls that may not be made while this thread (or any, in the global mode) captures: spoils the capture and says why.
Error refuse_in_capture(const char *call);

}  // namespace emulator
