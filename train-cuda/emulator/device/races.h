// Finds accesses of the same byte by different threads with nothing between them that puts them in an order, whatever order they happened to
// run in. Only in modules that were built for it (`build --races`), where every access of memory calls the functions at the end of races.cpp.
//
// What puts in order: `__syncthreads` for a block; `__syncwarp` for a warp (shuffles do not: CUDA promises no order of memory with them); the
// end of a launch for what waits for it. Blocks of a launch are never in order, nor are branches of a graph that do not wait for each other.
// Threads that all write the value which is there already, as a flag, are let pass.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace emulator {

bool races_watched();

// A launch, or a copy or fill of the device's; then its blocks.
void races_work_begins(const std::string &name);
void races_block_begins();

// The work that follows is this node of a graph; `before[n]` are the nodes that have ended when n begins, directly or not.
void races_graph_begins(std::vector<std::vector<bool>> before);
void races_node_begins(int node);
void races_graph_ends();

// Accesses that compiled code does not make itself: by lane `lane` of the warp that runs, or by a copy or fill.
void races_read(unsigned lane, const void *address, uint64_t bytes, const char *what);
void races_write(unsigned lane, const void *address, uint64_t bytes, const char *what);
// A sentence if it races with another branch.
std::string races_device_access(uint64_t address, uint64_t bytes, bool write);

// Before the running thread waits or ends: what it wrote last is there now.
void races_settle();

// Memory that is given out again is nobody's.
void races_forget(uint64_t address, uint64_t bytes);

}  // namespace emulator
