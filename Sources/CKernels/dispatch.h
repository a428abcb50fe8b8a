#ifndef TK_DISPATCH_H
#define TK_DISPATCH_H

#include <math.h>

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

static inline __attribute__((always_inline)) float tk_sum_inline(const float *x, int64_t count) {
  float lanes[TK_LANES] = {0};
  int64_t i = 0;
  for (; i + TK_LANES <= count; i += TK_LANES)
    for (int l = 0; l < TK_LANES; l++) lanes[l] += x[i + l];
  for (int l = 0; i < count; i++, l++) lanes[l] += x[i];
  return tk_fold(lanes);
}

static inline __attribute__((always_inline)) float tk_dot_inline(const float *x, const float *y, int64_t count) {
  float lanes[TK_LANES] = {0};
  int64_t i = 0;
  for (; i + TK_LANES <= count; i += TK_LANES)
    for (int l = 0; l < TK_LANES; l++) lanes[l] += x[i + l] * y[i + l];
  for (int l = 0; i < count; i++, l++) lanes[l] += x[i] * y[i];
  return tk_fold(lanes);
}

// Within 2 ulp. Near 0 an odd polynomial, fitted to tanh(x)/x in x² (relative error 1.5e-10), which keeps small values
// exact; elsewhere by exp. Without a branch, so that loops over it are vectorised.
static inline __attribute__((always_inline)) float tk_tanh(float x) {
  float z = x * x;
  float p = 0.0021475397516041994f;
  p = p * z - 0.008182677440345287f;
  p = p * z + 0.021702969446778297f;
  p = p * z - 0.05394720286130905f;
  p = p * z + 0.13333210349082947f;
  p = p * z - 0.3333333134651184f;
  float near = x + x * z * p;
  float size = fabsf(x);
  float far = copysignf(1.0f - 2.0f / (expf(2.0f * size) + 1.0f), x);
  return size < 0.625f ? near : far;
}

#endif
