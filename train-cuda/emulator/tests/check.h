// Cases of the tests: a bug must be reported or must show in the results, and its twin without the bug must pass in every order.
#pragma once

#include "../device/machine.h"
#include "driver.h"

#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <map>

extern int checks, failures;

inline void check(bool fine, const std::string &what) {
    checks++;
    if (fine) return;
    failures++;
    printf("FAILED %s (last report: %s)\n", what.c_str(), emulator_last_report());
}

// The module's PTX as far as the driver reads it, made from the compiled module's own table.
std::string ptx_of(const std::string &module);
void *kernel(const std::string &module, const std::string &name);

constexpr int FORWARD = 0, REVERSE = 1, SHUFFLE = 2;

// Runs in all orders and gives the results, one a run.
template <class T> std::vector<std::vector<T>> in_orders(const std::function<std::vector<T>()> &run) {
    std::vector<std::vector<T>> results;
    for (int order : {FORWARD, REVERSE}) {
        emulator_set_order(order, 0);
        results.push_back(run());
    }
    for (uint64_t seed = 1; seed <= 6; seed++) {
        emulator_set_order(SHUFFLE, seed);
        results.push_back(run());
    }
    emulator_set_order(FORWARD, 0);
    return results;
}

template <class T> bool all_equal(const std::vector<std::vector<T>> &results, const std::vector<T> &wanted) {
    for (auto &r : results)
        if (r.size() != wanted.size() || memcmp(r.data(), wanted.data(), r.size() * sizeof(T))) return false;
    return true;
}

// The launch must end with this error, and its report must name the words; afterwards the device works again.
inline void check_caught(int error, int wanted, const std::vector<std::string> &words, const std::string &what) {
    std::string report = emulator_last_report();
    bool fine = error == wanted;
    for (auto &w : words) fine &= report.find(w) != std::string::npos;
    checks++;
    if (!fine) {
        failures++;
        printf("FAILED %s: error %d, wanted %d; report: %s\n", what.c_str(), error, wanted, report.c_str());
    }
    emulator_reset();
}

inline std::vector<float> counted(size_t n) {
    std::vector<float> v(n);
    for (size_t i = 0; i < n; i++) v[i] = (float)(i % 1021) + 1.0f;
    return v;
}
