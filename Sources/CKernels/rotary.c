#include "dispatch.h"

TK_CLONES
void tk_rotate(
  float *restrict x, int64_t stride, const int32_t *restrict positions, const float *restrict cosine,
  const float *restrict sine, int64_t tokens, int64_t heads, int64_t headWidth, int64_t rotated, float direction) {
  int64_t half = rotated / 2;
  for (int64_t t = 0; t < tokens; t++) {
    const float *c = cosine + (int64_t)positions[t] * half;
    const float *s = sine + (int64_t)positions[t] * half;
    for (int64_t h = 0; h < heads; h++) {
      float *restrict a = x + t * stride + h * headWidth;
      float *restrict b = a + half;
      for (int64_t i = 0; i < half; i++) {
        float first = a[i], second = b[i], si = direction * s[i];
        a[i] = first * c[i] - second * si;
        b[i] = second * c[i] + first * si;
      }
    }
  }
}
