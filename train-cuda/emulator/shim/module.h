// Turns the functions of a kernel file into a table that the driver finds: each with its name, its parameters as C++ has them, and a
// caller that takes the arguments as `cuLaunchKernel` does.
#pragma once

#include "../device/machine.h"

namespace emulator {

template <class T> struct IsPointer { static constexpr bool value = false; };
template <class T> struct IsPointer<T *> { static constexpr bool value = true; };

template <int... I> struct Numbers {};
template <int N, int... I> struct Count : Count<N - 1, N - 1, I...> {};
template <int... I> struct Count<0, I...> { typedef Numbers<I...> Type; };

template <auto FUNCTION> struct Caller;
template <class... A, void (*FUNCTION)(A...)> struct Caller<FUNCTION> {
    static constexpr int count = sizeof...(A);
    static constexpr Parameter parameters[count + 1] = {{sizeof(A), IsPointer<A>::value}..., {0, false}};
    template <int... I> static void spread(void **arguments, Numbers<I...>) { FUNCTION(*(A *)arguments[I]...); }
    static void call(void **arguments) { spread(arguments, typename Count<count>::Type()); }
};

}  // namespace emulator

extern "C" {
extern unsigned char __bss_start[] __attribute__((visibility("hidden")));
extern unsigned char _end[] __attribute__((visibility("hidden")));
}

#define EMULATOR_KERNEL(name) \
    {#name, ::emulator::Caller<name>::call, ::emulator::Caller<name>::parameters, ::emulator::Caller<name>::count},
#define EMULATOR_MODULE(...)                                                                        \
    static const ::emulator::Kernel emulator_kernels[] = {__VA_ARGS__};                             \
    extern "C" __attribute__((visibility("default"))) const ::emulator::Module emulator_module;     \
    const ::emulator::Module emulator_module = {                                                    \
        emulator_kernels, sizeof emulator_kernels / sizeof emulator_kernels[0], __bss_start, _end};
