// Streams and events. Work runs when it is given, so a stream is never behind and an event is over when it is recorded; what streams mean
// shows in graphs, which are captured here and run in `graphs.cpp`.
#include "work.h"

#include <algorithm>
#include <chrono>

using namespace emulator;

namespace emulator {

Stream *find_stream(void *handle) {
    if ((uintptr_t)handle <= 2) {
        static std::vector<std::unique_ptr<Stream>> defaults;
        Device *device = current_device();
        for (auto &s : defaults)
            if (s->device == device) return s.get();
        defaults.emplace_back(new Stream{device, nullptr, {}});
        return defaults.back().get();
    }
    return state().streams.has(handle) ? (Stream *)handle : nullptr;
}

Error submit(Stream *stream, Work work) {
    if (stream->device->broken) return stream->device->broken;
    if (!stream->capture) return work.run();
    if (stream->capture->invalid) return CAPTURE_INVALIDATED;
    auto &nodes = stream->capture->graph.nodes;
    nodes.push_back({std::move(work), stream->last});
    stream->last = {(int)nodes.size() - 1};
    return SUCCESS;
}

Error refuse_in_capture(const char *call) {
    Error error = SUCCESS;
    for (auto &weak : state().captures) {
        auto capture = weak.lock();
        if (!capture || capture->mode == CAPTURE_RELAXED) continue;
        if (capture->mode == CAPTURE_THREAD && capture->thread != std::this_thread::get_id()) continue;
        capture->invalid = true;
        error = report(CAPTURE_UNSUPPORTED, std::string(call) + " while a stream captures");
    }
    return error;
}

}  // namespace emulator

namespace {

double now() {
    auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double, std::milli>(since).count();
}

void merge(std::vector<int> &into, const std::vector<int> &nodes) {
    for (int n : nodes)
        if (std::find(into.begin(), into.end(), n) == into.end()) into.push_back(n);
}

void leave_capture(Capture &capture) {
    capture.ended = true;
    for (Stream *s : capture.streams) {
        s->capture.reset();
        s->last.clear();
    }
    auto &all = state().captures;
    all.erase(std::remove_if(all.begin(), all.end(), [&](auto &w) { return w.expired() || w.lock().get() == &capture; }), all.end());
}

// Whether everything the other streams did is waited for by the origin.
bool joined(const Capture &capture) {
    auto &nodes = capture.graph.nodes;
    std::vector<bool> reached(nodes.size());
    for (int n : capture.origin->last) reached[(size_t)n] = true;
    for (size_t n = nodes.size(); n-- > 0;)
        if (reached[n])
            for (int before : nodes[n].after) reached[(size_t)before] = true;
    for (Stream *s : capture.streams)
        for (int n : s->last)
            if (!reached[(size_t)n]) return false;
    return true;
}

}  // namespace

EXPORT Result cuStreamCreate(void **stream, unsigned) {
    ENTER();
    *stream = state().streams.add(new Stream{device, nullptr, {}});
    return SUCCESS;
}
EXPORT Result cuStreamCreateWithPriority(void **stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }

EXPORT Result cuStreamDestroy_v2(void *handle) {
    Locked locked(lock());
    Stream *s = find_stream(handle);
    if (!s) return INVALID_HANDLE;
    if (s->capture) {
        auto &streams = s->capture->streams;
        s->capture->invalid = true;
        streams.erase(std::find(streams.begin(), streams.end(), s));
    }
    return state().streams.remove(s) ? SUCCESS : INVALID_HANDLE;
}

EXPORT Result cuStreamSynchronize(void *handle) {
    ENTER();
    Stream *s = find_stream(handle);
    if (!s) return INVALID_HANDLE;
    if (s->device->broken) return s->device->broken;
    if (!s->capture) return SUCCESS;
    s->capture->invalid = true;
    return report(CAPTURE_UNSUPPORTED, "cuStreamSynchronize of a stream that captures");
}

EXPORT Result cuStreamQuery(void *handle) { return cuStreamSynchronize(handle); }

EXPORT Result cuCtxSynchronize() {
    ENTER();
    for (auto &weak : state().captures)
        if (auto capture = weak.lock())
            if (capture->origin->device == device) {
                capture->invalid = true;
                return report(CAPTURE_UNSUPPORTED, "cuCtxSynchronize while a stream captures");
            }
    return SUCCESS;
}

EXPORT Result cuStreamBeginCapture_v2(void *handle, int mode) {
    ENTER();
    Stream *s = find_stream(handle);
    if (!s) return INVALID_HANDLE;
    if ((uintptr_t)handle <= 2) return report(CAPTURE_UNSUPPORTED, "the default stream cannot capture");
    if (s->capture) return INVALID_VALUE;
    s->capture = std::make_shared<Capture>();
    s->capture->id = ++state().capture_count;
    s->capture->origin = s;
    s->capture->mode = mode;
    s->capture->thread = std::this_thread::get_id();
    s->capture->streams = {s};
    s->last.clear();
    state().captures.push_back(s->capture);
    return SUCCESS;
}

EXPORT Result cuStreamEndCapture(void *handle, void **graph) {
    ENTER();
    *graph = nullptr;
    Stream *s = find_stream(handle);
    if (!s) return INVALID_HANDLE;
    auto capture = s->capture;
    if (!capture) return INVALID_VALUE;
    if (capture->origin != s) {
        capture->invalid = true;
        return report(CAPTURE_UNMATCHED, "the capture was ended on a stream that it did not begin on");
    }
    bool whole = joined(*capture);
    leave_capture(*capture);
    if (capture->invalid) return CAPTURE_INVALIDATED;
    if (!whole) {
        capture->invalid = true;
        return report(CAPTURE_UNJOINED, "the capture ended while the work of another stream was not waited for");
    }
    *graph = state().graphs.add(new Graph(capture->graph));
    return SUCCESS;
}

EXPORT Result cuStreamIsCapturing(void *handle, int *status) {
    ENTER();
    Stream *s = find_stream(handle);
    if (!s) return INVALID_HANDLE;
    *status = !s->capture ? 0 : s->capture->invalid ? 2 : 1;
    return SUCCESS;
}

// The id is the capture's own; of graph and dependencies nothing is told.
EXPORT Result cuStreamGetCaptureInfo_v2(void *handle, int *status, unsigned long long *id, void **graph, const void **dependencies, size_t *count) {
    if (graph || dependencies || count) return NOT_SUPPORTED;
    if (Result e = cuStreamIsCapturing(handle, status)) return e;
    Locked locked(lock());
    Stream *s = find_stream(handle);
    if (id) *id = s && s->capture ? s->capture->id : 0;
    return SUCCESS;
}

EXPORT Result cuStreamGetCtx(void *handle, void **context) {
    ENTER();
    Stream *s = find_stream(handle);
    if (!s) return INVALID_HANDLE;
    *context = s->device;
    return SUCCESS;
}

EXPORT Result cuStreamWaitEvent(void *handle, void *event, unsigned) {
    ENTER();
    Stream *s = find_stream(handle);
    if (!s || !state().events.has(event)) return INVALID_HANDLE;
    auto *e = (Event *)event;
    if (!e->capture) {
        if (!s->capture || !e->recorded) return SUCCESS;
        s->capture->invalid = true;
        return report(CAPTURE_ISOLATION, "a stream that captures waits for an event that was recorded outside of the capture");
    }
    if (e->capture->invalid) return CAPTURE_INVALIDATED;
    if (e->capture->ended) return report(CAPTURED_EVENT, "a stream waits for an event of a capture that has ended");
    if (s->capture && s->capture != e->capture) {
        s->capture->invalid = e->capture->invalid = true;
        return report(CAPTURE_MERGE, "a stream that captures waits for an event of another capture");
    }
    if (!s->capture) {
        s->capture = e->capture;
        s->last.clear();
        s->capture->streams.push_back(s);
    }
    merge(s->last, e->nodes);
    return SUCCESS;
}

EXPORT Result cuEventCreate(void **event, unsigned flags) {
    ENTER();
    *event = state().events.add(new Event{device, flags, false, 0, nullptr, {}});
    return SUCCESS;
}

EXPORT Result cuEventDestroy_v2(void *event) {
    Locked locked(lock());
    if (!state().events.has(event)) return INVALID_HANDLE;
    state().events.remove((Event *)event);
    return SUCCESS;
}

EXPORT Result cuEventRecord(void *event, void *handle) {
    ENTER();
    Stream *s = find_stream(handle);
    if (!s || !state().events.has(event)) return INVALID_HANDLE;
    auto *e = (Event *)event;
    if (e->device != s->device) return INVALID_HANDLE;
    if (s->capture && s->capture->invalid) return CAPTURE_INVALIDATED;
    e->recorded = true;
    e->milliseconds = now();
    e->capture = s->capture;
    e->nodes = s->last;
    return SUCCESS;
}
EXPORT Result cuEventRecordWithFlags(void *event, void *stream, unsigned) { return cuEventRecord(event, stream); }

EXPORT Result cuEventQuery(void *event) {
    ENTER();
    if (!state().events.has(event)) return INVALID_HANDLE;
    auto *e = (Event *)event;
    if (e->device->broken) return e->device->broken;
    if (!e->capture) return SUCCESS;
    e->capture->invalid = true;
    return report(CAPTURED_EVENT, "an event that was recorded in a capture is waited for by the host");
}
EXPORT Result cuEventSynchronize(void *event) { return cuEventQuery(event); }

EXPORT Result cuEventElapsedTime(float *milliseconds, void *start, void *end) {
    ENTER();
    if (!state().events.has(start) || !state().events.has(end)) return INVALID_HANDLE;
    auto *a = (Event *)start, *b = (Event *)end;
    if (!a->recorded || !b->recorded || (a->flags | b->flags) & 2) return INVALID_HANDLE;
    if (a->capture || b->capture) return CAPTURED_EVENT;
    *milliseconds = (float)(b->milliseconds - a->milliseconds);
    return SUCCESS;
}
EXPORT Result cuEventElapsedTime_v2(float *milliseconds, void *start, void *end) { return cuEventElapsedTime(milliseconds, start, end); }

EXPORT Result cuLaunchHostFunc(void *handle, void (*function)(void *), void *argument) {
    ENTER();
    Stream *s = find_stream(handle);
    if (!s) return INVALID_HANDLE;
    // It may wait for what other threads give to other devices.
    return submit(s, {[=]() -> Error {
                      Unlocked meanwhile;
                      function(argument);
                      return SUCCESS;
                  }});
}
