#include "dispatch.h"

#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

// The order in which the loader prefers the clones of TK_CLONES.
const char *tk_instruction_level(void) {
#if defined(__x86_64__) && defined(__linux__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4";
  if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3";
  return "x86-64";
#else
  return "the architecture's baseline";
#endif
}

const char *tk_c_library_version(void) {
#if defined(__GLIBC__)
  return gnu_get_libc_version();
#else
  return "unknown";
#endif
}
