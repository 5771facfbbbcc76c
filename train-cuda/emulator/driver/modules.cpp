// Modules: PTX names one, and the compiled C++ of the same source is what runs. Both must agree on the kernels and on what they take.
#include "ptx.h"
#include "work.h"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <iterator>

using namespace emulator;

namespace {

// `modules` beside this library, or a folder of others (those that are watched for races).
std::string folder() {
    if (const char *other = getenv("TERCET_EMULATOR_MODULES")) return std::string(other) + "/";
    Dl_info info;
    dladdr((void *)&folder, &info);
    char path[PATH_MAX];
    std::string self = realpath(info.dli_fname, path) ? path : info.dli_fname;
    return self.substr(0, self.rfind('/')) + "/modules/";
}

// What differs between the PTX and the source, as a sentence.
std::string difference(const PtxEntry &entry, const Kernel &kernel) {
    std::string name = entry.name;
    if ((int)entry.parameter_bytes.size() != kernel.parameter_count)
        return name + " takes " + std::to_string(entry.parameter_bytes.size()) + " arguments in the PTX and " + std::to_string(kernel.parameter_count) +
               " in the source";
    for (int i = 0; i < kernel.parameter_count; i++)
        if (entry.parameter_bytes[(size_t)i] != kernel.parameters[i].bytes)
            return "argument " + std::to_string(i) + " of " + name + " has " + std::to_string(entry.parameter_bytes[(size_t)i]) +
                   " bytes in the PTX and " + std::to_string(kernel.parameters[i].bytes) + " in the source";
    return "";
}

Error load(Device *device, const char *text, LoadedModule **loaded) {
    Ptx ptx;
    std::string wrong = parse(text, ptx);
    if (!wrong.empty()) return report(INVALID_PTX, wrong);
    if (ptx.version > newest_ptx(settings().driver_version))
        return report(UNSUPPORTED_PTX_VERSION, "the PTX of " + ptx.module + " has version " + std::to_string(ptx.version / 10) + "." +
                                                   std::to_string(ptx.version % 10) + ", newer than driver " +
                                                   std::to_string(settings().driver_version) + " takes");
    if (ptx.target > settings().capability)
        return report(NO_BINARY_FOR_GPU, "the PTX of " + ptx.module + " is for sm_" + std::to_string(ptx.target) + ", and the device is sm_" +
                                             std::to_string(settings().capability));
    std::string path = folder() + ptx.module + ".so";
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) return report(FILE_NOT_FOUND, std::string("the emulator has no such module: ") + dlerror());
    auto *module = (const Module *)dlsym(library, "emulator_module");
    if (!module) return report(INVALID_IMAGE, path + " is no module");

    auto made = std::make_unique<LoadedModule>(LoadedModule{device, ptx.module, module, {}});
    for (int k = 0; k < module->kernel_count; k++) {
        const Kernel &kernel = module->kernels[k];
        const PtxEntry *entry = nullptr;
        for (const PtxEntry &e : ptx.entries)
            if (e.name == kernel.name) entry = &e;
        wrong = entry ? difference(*entry, kernel) : std::string(kernel.name) + " is in the source and not in the PTX";
        if (!wrong.empty()) return report(INVALID_IMAGE, "the PTX of " + ptx.module + " is not of this source: " + wrong);
        unsigned dynamic = 49152 > entry->shared_bytes ? 49152 - entry->shared_bytes : 0;
        made->functions.emplace_back(new Function{made.get(), &kernel, *entry, dynamic});
    }
    for (const PtxEntry &e : ptx.entries) {
        bool known = false;
        for (auto &f : made->functions) known |= e.name == f->kernel->name;
        if (!known) return report(INVALID_IMAGE, "the PTX of " + ptx.module + " is not of this source: it has " + e.name + ", and the source has not");
    }
    for (auto &f : made->functions) state().functions.insert(f.get());
    *loaded = state().modules.add(made.release());
    return SUCCESS;
}

}  // namespace

EXPORT Result cuModuleLoadData(void **module, const void *image) {
    ENTER();
    if (Error e = refuse_in_capture("cuModuleLoadData")) return e;
    return load(device, (const char *)image, (LoadedModule **)module);
}
EXPORT Result cuModuleLoadDataEx(void **module, const void *image, unsigned, int *, void **) { return cuModuleLoadData(module, image); }

EXPORT Result cuModuleLoad(void **module, const char *path) {
    std::ifstream file(path);
    if (!file) return FILE_NOT_FOUND;
    std::string text{std::istreambuf_iterator<char>(file), {}};
    return cuModuleLoadData(module, text.c_str());
}

EXPORT Result cuModuleUnload(void *handle) {
    Locked locked(lock());
    if (!state().modules.has(handle)) return INVALID_HANDLE;
    auto *module = (LoadedModule *)handle;
    for (auto &f : module->functions) state().functions.erase(f.get());
    state().modules.remove(module);
    return SUCCESS;
}

EXPORT Result cuModuleGetFunction(void **function, void *handle, const char *name) {
    ENTER();
    if (!state().modules.has(handle)) return INVALID_HANDLE;
    for (auto &f : ((LoadedModule *)handle)->functions)
        if (!strcmp(f->kernel->name, name)) {
            *function = f.get();
            return SUCCESS;
        }
    return report(NOT_FOUND, "there is no kernel " + std::string(name) + " in " + ((LoadedModule *)handle)->name);
}
