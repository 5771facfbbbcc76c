// PTX and the source it says it is of.
#include "check.h"

static std::string replaced(std::string text, const std::string &from, const std::string &to) {
    size_t at = text.find(from);
    check(at != std::string::npos, "the PTX has " + from);
    return text.replace(at, from.size(), to);
}

void test_modules() {
    const std::string right = ptx_of("bounds");
    void *module = nullptr, *function = nullptr;
    auto load = [&](const std::string &text) { return cuModuleLoadData(&module, text.c_str()); };
    check(load(right) == 0 && cuModuleGetFunction(&function, module, "many") == 0, "PTX that fits");
    check_caught(cuModuleGetFunction(&function, module, "nothing"), 500, {"no kernel nothing in bounds"}, "a kernel that is not there");
    check(cuModuleUnload(module) == 0 && cuModuleGetFunction(&function, module, "many") == 400, "a module goes");

    check_caught(load(replaced(right, "\t.param .u64 many_param_2,\n", "")), 200, {"many takes 4 arguments in the PTX and 5 in the source"}, "an argument too few");
    check_caught(load(replaced(right, ".u64 many_param_2", ".u32 many_param_2")), 200, {"argument 2 of many has 4 bytes in the PTX and 8 in the source"},
                 "an argument of another size");
    check(load(replaced(right, ".u64 many_param_2", ".u64 .ptr .global .align 4 many_param_2")) == 0, "an argument with attributes");
    check(load(replaced(right, ".u64 many_param_2", ".align 4 .b8 many_param_2[8]")) == 0, "an argument of bytes");
    check_caught(load(replaced(right, ".entry many(", ".entry several(")), 200, {"many is in the source and not in the PTX"}, "a kernel of another name");
    check_caught(load(replaced(right, "// tercet module bounds", "// tercet module nothing")), 301, {"no such module"}, "a module that is not there");
    check_caught(load(".version 8.2\n"), 218, {"does not begin with"}, "PTX without a name");
    check_caught(load(replaced(right, "sm_80", "sm_90")), 209, {"is for sm_90, and the device is sm_89"}, "PTX for a newer card");
    check(load(replaced(right, "sm_80", "sm_86")) == 0, "PTX for an older card");
    int value = 0;
    std::string shared = replaced(right, "{\n\tret;", "{\n\t.shared .align 4 .b8 room[1024];\n\tret;");
    check(load(shared) == 0 && cuModuleGetFunction(&function, module, "fill") == 0 && cuFuncGetAttribute(&value, 1, function) == 0, "PTX with shared memory");
    check(value == 1024, "the static shared memory of a kernel");
    check_caught(cuFuncSetAttribute(function, 8, 101376), 1, {"beside 1024 static ones"}, "static and dynamic shared memory together");
}
