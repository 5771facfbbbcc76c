// For the pass that only looks for the kernels' names.
#undef __global__
#define __global__ __emulator_kernel__
