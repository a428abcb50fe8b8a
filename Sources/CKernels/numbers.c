#include "dispatch.h"

static inline __attribute__((always_inline)) float tk_from_bits(uint32_t bits) {
  union {
    uint32_t bits;
    float value;
  } u = {bits};
  return u.value;
}

static inline __attribute__((always_inline)) uint32_t tk_to_bits(float value) {
  union {
    float value;
    uint32_t bits;
  } u = {value};
  return u.bits;
}

// Ten mantissa bits move up to where fp32 has 23; the product with 2^112 moves the exponent's bias from 15 to 127 and
// makes subnormals normal. Infinities and NaNs keep their exponent of all ones.
static inline __attribute__((always_inline)) float tk_widen_half(uint16_t x) {
  uint32_t magnitude = (uint32_t)(x & 0x7fff) << 13;
  uint32_t scaled = tk_to_bits(tk_from_bits(magnitude) * tk_from_bits(0x77800000u));
  uint32_t special = magnitude | 0x7f800000u;
  uint32_t sign = (uint32_t)(x & 0x8000) << 16;
  return tk_from_bits(sign | (magnitude >= 0x0f800000u ? special : scaled));
}

static inline __attribute__((always_inline)) uint16_t tk_narrow_half(float x) {
  uint32_t bits = tk_to_bits(x);
  uint32_t sign = (bits >> 16) & 0x8000;
  uint32_t magnitude = bits & 0x7fffffffu;
  // Adding 0.5 puts the unit of 2^-24 at fp32's last place, so that the sum is rounded there.
  uint32_t small = tk_to_bits(tk_from_bits(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1)) >> 13;
  uint32_t rounded = magnitude < 0x38800000u ? small : normal;
  if (magnitude >= 0x477ff000u) rounded = 0x7c00;
  if (magnitude > 0x7f800000u) rounded = 0x7e00;
  return (uint16_t)(sign | rounded);
}

static inline __attribute__((always_inline)) uint16_t tk_narrow_brain(float x) {
  uint32_t bits = tk_to_bits(x);
  uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16 | 0x40) : rounded);
}

TK_CLONES
static void tk_widen_run_brain(float *restrict y, const uint16_t *restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] = tk_from_bits((uint32_t)x[i] << 16);
}

TK_CLONES
static void tk_widen_run_half(float *restrict y, const uint16_t *restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] = tk_widen_half(x[i]);
}

TK_CLONES
static void tk_narrow_run_brain(uint16_t *restrict y, const float *restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] = tk_narrow_brain(x[i]);
}

TK_CLONES
static void tk_narrow_run_half(uint16_t *restrict y, const float *restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] = tk_narrow_half(x[i]);
}

void tk_widen(float *y, const uint16_t *x, int64_t count, tk_number type) {
  if (type == TK_FLOAT16) {
    tk_widen_run_half(y, x, count);
  } else {
    tk_widen_run_brain(y, x, count);
  }
}

TK_CLONES
bool tk_halves_finite(const uint16_t *x, int64_t count, uint16_t exponent) {
  uint16_t bad = 0;
  for (int64_t i = 0; i < count; i++) bad |= (x[i] & exponent) == exponent;
  return bad == 0;
}

bool tk_narrow(uint16_t *y, const float *x, int64_t count, tk_number type) {
  uint16_t all = type == TK_FLOAT16 ? 0x7c00 : 0x7f80;
  if (type == TK_FLOAT16) {
    tk_narrow_run_half(y, x, count);
  } else {
    tk_narrow_run_brain(y, x, count);
  }
  return tk_halves_finite(y, count, all);
}
