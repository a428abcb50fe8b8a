#include <math.h>

#include "dispatch.h"

TK_CLONES
void tk_add_bias(float *restrict x, const float *restrict bias, int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++)
    for (int64_t d = 0; d < width; d++) x[t * width + d] += bias[d];
}

TK_CLONES
void tk_add_column_sums(float *restrict sum, const float *restrict x, int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++)
    for (int64_t d = 0; d < width; d++) sum[d] += x[t * width + d];
}

TK_CLONES
void tk_add(float *restrict y, const float *restrict x, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] += x[i];
}

TK_CLONES
void tk_add_scaled(float *restrict y, const float *restrict x, float factor, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] += factor * x[i];
}

TK_CLONES
void tk_scale(float *restrict y, float factor, int64_t count) {
  for (int64_t i = 0; i < count; i++) y[i] *= factor;
}

TK_CLONES
float tk_dot(const float *restrict x, const float *restrict y, int64_t count) { return tk_dot_inline(x, y, count); }

TK_CLONES
double tk_sum_of_squares(const float *restrict x, int64_t count) {
  double lanes[TK_LANES] = {0};
  int64_t i = 0;
  for (; i + TK_LANES <= count; i += TK_LANES)
    for (int l = 0; l < TK_LANES; l++) lanes[l] += (double)x[i + l] * (double)x[i + l];
  for (int l = 0; i < count; i++, l++) lanes[l] += (double)x[i] * (double)x[i];
  double sum = 0;
  for (int l = 0; l < TK_LANES; l++) sum += lanes[l];
  return sum;
}

TK_CLONES
bool tk_all_finite(const float *restrict x, int64_t count) {
  // An exponent of all ones is an infinity or a NaN.
  uint32_t bad = 0;
  const uint32_t *bits = (const uint32_t *)(const void *)x;
  for (int64_t i = 0; i < count; i++) bad |= (bits[i] & 0x7f800000u) == 0x7f800000u;
  return bad == 0;
}
