// Graphs that were captured. Branches that do not wait for each other run in the order that is set, one node at a time: a join that is
// missing gives other results in another order.
#include "../device/order.h"
#include "../device/races.h"
#include "work.h"

using namespace emulator;

namespace {

size_t choose(const std::vector<size_t> &ready) {
    switch (order()) {
    case Order::forward: return 0;
    case Order::reverse: return ready.size() - 1;
    default: return random_below((unsigned)ready.size());
    }
}

// Per node the nodes that it waits for, directly or not.
std::vector<std::vector<bool>> ended_before(const Graph &graph) {
    std::vector<std::vector<bool>> before(graph.nodes.size(), std::vector<bool>(graph.nodes.size()));
    for (size_t n = 0; n < graph.nodes.size(); n++)
        for (int direct : graph.nodes[n].after) {
            before[n][(size_t)direct] = true;
            for (size_t m = 0; m < n; m++)
                if (before[(size_t)direct][m]) before[n][m] = true;
        }
    return before;
}

Error run_graph(Graph &graph) {
    std::vector<size_t> waits(graph.nodes.size()), ready;
    std::vector<std::vector<size_t>> followers(graph.nodes.size());
    for (size_t n = 0; n < graph.nodes.size(); n++) {
        waits[n] = graph.nodes[n].after.size();
        for (int before : graph.nodes[n].after) followers[(size_t)before].push_back(n);
        if (!waits[n]) ready.push_back(n);
    }
    if (races_watched()) races_graph_begins(ended_before(graph));
    struct Ends {
        ~Ends() { races_graph_ends(); }
    } ends;
    while (!ready.empty()) {
        size_t chosen = choose(ready), n = ready[chosen];
        races_node_begins((int)n);
        ready.erase(ready.begin() + (long)chosen);
        if (Error e = graph.nodes[n].work.run()) return e;
        for (size_t f : followers[n])
            if (--waits[f] == 0) {
                // Kept sorted, so that forward is the order in which the program gave the work.
                auto at = ready.begin();
                while (at != ready.end() && *at < f) ++at;
                ready.insert(at, f);
            }
    }
    return SUCCESS;
}

}  // namespace

EXPORT Result cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) {
    ENTER();
    if (!state().graphs.has(graph)) return INVALID_HANDLE;
    *executable = state().graphs.add(new Graph(*(Graph *)graph));
    return SUCCESS;
}

// The last parameter of a real driver carries flags in and the result out.
EXPORT Result cuGraphInstantiateWithParams(void **executable, void *graph, void *) { return cuGraphInstantiateWithFlags(executable, graph, 0); }

EXPORT Result cuGraphUpload(void *executable, void *) {
    ENTER();
    return state().graphs.has(executable) ? SUCCESS : INVALID_HANDLE;
}

EXPORT Result cuGraphLaunch(void *executable, void *handle) {
    ENTER();
    Stream *s = find_stream(handle);
    if (!s || !state().graphs.has(executable)) return INVALID_HANDLE;
    if (s->capture) return report(NOT_SUPPORTED, "a graph launched into a stream that captures is not emulated");
    auto graph = state().graphs.hold(executable);
    return run_graph(*graph);
}

EXPORT Result cuGraphGetNodes(void *graph, void **nodes, size_t *count) {
    ENTER();
    if (!state().graphs.has(graph)) return INVALID_HANDLE;
    if (nodes) return NOT_SUPPORTED;
    *count = ((Graph *)graph)->nodes.size();
    return SUCCESS;
}

static Result destroy(void *graph) {
    Locked locked(lock());
    if (!state().graphs.has(graph)) return INVALID_HANDLE;
    state().graphs.remove((Graph *)graph);
    return SUCCESS;
}
EXPORT Result cuGraphDestroy(void *graph) { return destroy(graph); }
EXPORT Result cuGraphExecDestroy(void *executable) { return destroy(executable); }
