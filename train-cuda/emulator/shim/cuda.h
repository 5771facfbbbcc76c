// Put before every kernel by the build: what NVRTC knows without being told.
#pragma once

#include "../device/floats.h"
#include "keywords.h"
#include "vectors.h"
#include "arithmetic.h"
#include "threads.h"
