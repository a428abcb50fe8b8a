#ifndef TK_DISPATCH_H
#define TK_DISPATCH_H

#include "ckernels.h"

// One binary for every x86-64: the loader picks the clone. AVX-512 (v4) is compiled but could not be run by us.
#if defined(__x86_64__) && defined(__linux__)
#define TK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TK_CLONES
#endif

#define TK_LANES 16

// Sums of fixed lanes, folded in halves.
static inline float tk_fold(const float *lanes) {
  float folded[TK_LANES / 2];
  for (int i = 0; i < TK_LANES / 2; i++) folded[i] = lanes[i] + lanes[i + TK_LANES / 2];
  for (int width = TK_LANES / 4; width > 0; width /= 2)
    for (int i = 0; i < width; i++) folded[i] += folded[i + width];
  return folded[0];
}

static inline __attribute__((always_inline)) float tk_dot_inline(const float *x, const float *y, int64_t count) {
  float lanes[TK_LANES] = {0};
  int64_t i = 0;
  for (; i + TK_LANES <= count; i += TK_LANES)
    for (int l = 0; l < TK_LANES; l++) lanes[l] += x[i + l] * y[i + l];
  for (int l = 0; i < count; i++, l++) lanes[l] += x[i] * y[i];
  return tk_fold(lanes);
}

#endif
