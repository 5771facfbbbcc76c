#include "errors.h"

#include "driver.h"

#include <mutex>

namespace emulator {
namespace {

// Never destroyed: a program may call while it ends.
struct Last {
    std::mutex lock;
    std::string sentence;
};
Last &last() {
    static auto *one = new Last;
    return *one;
}

}  // namespace

ncclResult_t refuse(ncclResult_t result, const std::string &sentence) {
    {
        std::lock_guard<std::mutex> locked(last().lock);
        last().sentence = sentence;
    }
    emulator_report(sentence.c_str());
    return result;
}

}  // namespace emulator

using namespace emulator;

const char *ncclGetErrorString(ncclResult_t result) {
    switch (result) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError: return "a call of CUDA failed";
    case ncclSystemError: return "a call of the system failed";
    case ncclInternalError: return "internal error";
    case ncclInvalidArgument: return "invalid argument";
    case ncclInvalidUsage: return "invalid usage";
    case ncclRemoteError: return "another rank is gone or gave up";
    case ncclInProgress: return "in progress";
    }
    return "unknown result code";
}

const char *ncclGetLastError(ncclComm_t) {
    thread_local std::string copy;
    std::lock_guard<std::mutex> locked(last().lock);
    copy = last().sentence;
    return copy.c_str();
}
