// What the environment sets: each group runs in a process of its own, with the variables that `run` gives it.
#include "check.h"

#include <ctime>

void test_two_devices() {
    int count = 0, can = 1;
    check(cuDeviceGetCount(&count) == 0 && count == 2, "two devices");
    check(cuDeviceCanAccessPeer(&can, 0, 1) == 0 && can == 0, "no peers");
    void *first, *second, *stream, *module, *fill;
    cuDevicePrimaryCtxRetain(&first, 0);
    Buffer x(counted(64));
    check(cuDevicePrimaryCtxRetain(&second, 1) == 0 && cuCtxSetCurrent(second) == 0, "the second device");
    check(cuStreamCreate(&stream, 1) == 0 && cuModuleLoadData(&module, ptx_of("bounds").c_str()) == 0 && cuModuleGetFunction(&fill, module, "fill") == 0,
          "a module on the second device");
    Buffer y(256);
    check(launch(fill, {2, 32, 0, stream}, y, 64) == 0, "a launch on the second device");
    check_caught(launch(fill, {2, 32, 0, stream}, x, 64), 700, {"on device 1 points to", "on device 0"}, "a pointer to the other device's memory");
    check(cuMemcpyPeerAsync(y.address, second, x.address, first, 256, stream) == 0 && y.read<float>() == x.read<float>(), "a copy between devices");
    cuCtxSetCurrent(first);
    check_caught(launch(fill, {2, 32, 0, nullptr}, x, 64), 400, {"loaded on another device"}, "a kernel on the other device's stream");
    emulator_fail_launch(0, 1);
    check(launch(kernel("bounds", "fill"), {2, 32}, x, 64) == 700 && cuCtxSynchronize() == 700, "the first device breaks");
    cuCtxSetCurrent(second);
    check(launch(fill, {2, 32, 0, stream}, y, 64) == 0, "the second device goes on");
    cuCtxSetCurrent(first);
    emulator_reset();
}

void test_small_memory() {
    size_t free, total;
    check(cuMemGetInfo_v2(&free, &total) == 0 && total == 1000000 && free == total, "memory as the environment says");
    uint64_t a, b;
    check(cuMemAlloc_v2(&a, 900000) == 0 && cuMemAlloc_v2(&b, 200000) == 2, "out of memory");
    check(cuMemGetInfo_v2(&free, &total) == 0 && free == 100000, "what is left");
    check(cuMemFree_v2(a) == 0 && cuMemAlloc_v2(&b, 200000) == 0, "and again after freeing");
    cuMemFree_v2(b);
}

void test_old_driver() {
    void *module;
    std::string text = ptx_of("bounds");
    check(cuModuleLoadData(&module, text.c_str()) == 222, "a driver that is too old for the PTX");
    text.replace(text.find("8.2"), 3, "8.0");
    check(cuModuleLoadData(&module, text.c_str()) == 0, "PTX that is old enough");
    const char *name = "";
    check(cuGetErrorName(222, &name) == 0 && !strcmp(name, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"), "the error's name");
}

void test_lost_card() {
    Buffer x(256);
    void *fill = kernel("bounds", "fill");
    check(launch(fill, {2, 32}, x, 64) == 0 && launch(fill, {2, 32}, x, 64) == 0, "two launches");
    check(launch(fill, {2, 32}, x, 64) == 700, "the third fails");
    uint64_t more;
    check(launch(fill, {2, 32}, x, 64) == 700 && cuMemAlloc_v2(&more, 64) == 700 && cuStreamSynchronize(nullptr) == 700, "and everything after it");
    cuDevicePrimaryCtxRelease_v2(0);
    void *context;
    cuDevicePrimaryCtxRetain(&context, 0);
    check(cuMemAlloc_v2(&more, 64) == 0, "a new context works");
    emulator_reset();
}

void test_order_by_environment() {
    Buffer last(4);
    launch(kernel("threads", "last_block_wins"), {7, 32}, last);
    check(last.read<float>()[0] == 0.0f, "blocks in reversed order");
}

// A note and no check: what emulated tensor cores do on this machine. It says nothing about a real card.
void test_speed() {
    Buffer c(4096 * 4);
    for (const char *name : {"products_bf16", "products_s8"}) {
        const int n = 2000;
        clock_t begin = clock();
        launch(kernel("matrices", name), {8, 128}, c, n);
        double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
        double operations = 8.0 * 4 * n * 2 * 16 * 8 * (strcmp(name, "products_s8") ? 16 : 32);
        printf("emulated %s: %.1f Gop/s\n", name, operations / seconds / 1e9);
    }
}
