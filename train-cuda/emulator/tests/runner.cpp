// `runner GROUP...` runs groups of checks against the emulator it is linked with; prints a line and ends with 1 where one failed.
#include "check.h"

#include <cstdlib>

int checks, failures;
void test_floats();
void test_threads();
void test_bounds();
void test_warps();
void test_copies();
void test_matrices();
void test_streams();
void test_modules();
void test_two_devices();
void test_small_memory();
void test_old_driver();
void test_lost_card();
void test_order_by_environment();
void test_speed();
void test_races();
void test_host_functions();
void test_nccl();
void test_nccl_races();
void test_nccl_failures();
void test_nccl_processes();
void test_nccl_peer();

std::string ptx_of(const std::string &name) {
    Dl_info info;
    dladdr((void *)&cuInit, &info);
    std::string self = info.dli_fname, folder = self.substr(0, self.rfind('/')) + "/modules";
    if (const char *other = getenv("TERCET_EMULATOR_MODULES")) folder = other;
    std::string path = folder + "/" + name + ".so";
    void *library = dlopen(path.c_str(), RTLD_NOW);
    if (!library) {
        printf("%s\n", dlerror());
        exit(2);
    }
    auto *module = (const emulator::Module *)dlsym(library, "emulator_module");
    std::string text = "// tercet module " + name + "\n.version 8.2\n.target sm_80\n.address_size 64\n.extern .shared .align 128 .b8 shared[];\n";
    for (int k = 0; k < module->kernel_count; k++) {
        const emulator::Kernel &kernel = module->kernels[k];
        text += std::string(".visible .entry ") + kernel.name + "(\n";
        for (int p = 0; p < kernel.parameter_count; p++)
            text += "\t.param .u" + std::to_string(kernel.parameters[p].bytes * 8) + " " + kernel.name + "_param_" + std::to_string(p) +
                    (p + 1 < kernel.parameter_count ? ",\n" : "\n");
        text += ")\n" + std::string(strcmp(kernel.name, "bounded") ? "" : ".maxntid 64, 1, 1\n") + "{\n\tret;\n}\n";
    }
    return text;
}

void *kernel(const std::string &module, const std::string &name) {
    static std::map<std::string, void *> loaded;
    if (!loaded.count(module)) check(cuModuleLoadData(&loaded[module], ptx_of(module).c_str()) == 0, "module " + module + " loads");
    void *function = nullptr;
    check(cuModuleGetFunction(&function, loaded[module], name.c_str()) == 0, "kernel " + name + " is there");
    return function;
}

int main(int count, char **names) {
    const std::map<std::string, void (*)()> groups = {
        {"floats", test_floats},       {"threads", test_threads},         {"bounds", test_bounds},
        {"warps", test_warps},         {"copies", test_copies},           {"matrices", test_matrices},
        {"streams", test_streams},     {"modules", test_modules},         {"two_devices", test_two_devices},
        {"small_memory", test_small_memory}, {"old_driver", test_old_driver}, {"lost_card", test_lost_card},
        {"order_by_environment", test_order_by_environment}, {"speed", test_speed}, {"races", test_races},
        {"host_functions", test_host_functions}, {"nccl", test_nccl}, {"nccl_races", test_nccl_races},
        {"nccl_failures", test_nccl_failures}, {"nccl_processes", test_nccl_processes}, {"nccl_peer", test_nccl_peer},
    };
    void *context;
    check(cuInit(0) == 0 && cuDevicePrimaryCtxRetain(&context, 0) == 0 && cuCtxSetCurrent(context) == 0, "there is a device");
    for (int i = 1; i < count; i++) {
        auto found = groups.find(names[i]);
        if (found == groups.end()) {
            printf("there is no group %s\n", names[i]);
            return 2;
        }
        found->second();
    }
    printf("%d checks, %d failed\n", checks, failures);
    return failures != 0;
}
