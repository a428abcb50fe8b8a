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

// Within 1.01 ulp of every fp32 number; 0 below the smallest normal number, infinite above the largest, NaN for NaN. x = n·log 2 + r, and on
// |r| ≤ ½ log 2 a polynomial fitted to (eʳ − 1 − r)/r² with an error of 3e-9 in eʳ. Without a branch or a call, so that
// loops over it are vectorised as they stand.
static inline __attribute__((always_inline)) float tk_exp(float x) {
  const float shift = 12582912.0f; // adding it rounds to a whole number
  float clamped = x < -88.0f ? -88.0f : x > 89.0f ? 89.0f : x;
  float n = (clamped * 1.4426950216293335f + shift) - shift;
  float r = (clamped - n * 0.693145751953125f) - n * 1.428606765330187e-06f;
  float p = 0.0013814539415761828f;
  p = p * r + 0.00836874544620514f;
  p = p * r + 0.04166838899254799f;
  p = p * r + 0.1666652113199234f;
  p = p * r + 0.4999999403953552f;
  float value = (p * r * r + r) + 1.0f;
  // 2ⁿ in two halves: for n = 128 it is no number of its own.
  int32_t whole = (int32_t)n, half = whole >> 1;
  union {
    int32_t bits;
    float value;
  } first = {(half + 127) << 23}, second = {(whole - half + 127) << 23};
  value = value * first.value * second.value;
  return x < -87.33654f ? 0.0f : value;
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
  float far = copysignf(1.0f - 2.0f / (tk_exp(2.0f * size) + 1.0f), x);
  return size < 0.625f ? near : far;
}

#endif
