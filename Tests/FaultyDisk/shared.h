// What the two halves of the library have in common. Everything is named faulty_*, because a name in a preloaded
// library would otherwise stand in front of one of the program's own.

#pragma once

#include <stdint.h>

/// Maps the eight bytes of the file that an environment variable names, which a test writes at any time. NULL where the
/// variable is not set or the file cannot be had.
__attribute__((visibility("hidden"))) volatile int64_t *faulty_map_number(const char *variable);
