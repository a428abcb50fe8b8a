#include <math.h>

#include "dispatch.h"

TK_CLONES
void tk_rms_norm(
  float *restrict y, float *restrict scale, const float *restrict x, const float *restrict weight, float epsilon,
  int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++) {
    const float *xt = x + t * width;
    float *yt = y + t * width;
    float s = 1.0f / sqrtf(tk_dot_inline(xt, xt, width) / (float)width + epsilon);
    scale[t] = s;
    for (int64_t d = 0; d < width; d++) yt[d] = weight[d] * (xt[d] * s);
  }
}

TK_CLONES
void tk_rms_norm_apply(
  float *restrict y, const float *restrict x, const float *restrict weight, const float *restrict scale,
  int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++)
    for (int64_t d = 0; d < width; d++) y[t * width + d] = weight[d] * (x[t * width + d] * scale[t]);
}

TK_CLONES
void tk_rms_norm_backward(
  float *restrict dx, float *restrict dweight, const float *restrict dy, const float *restrict x,
  const float *restrict weight, const float *restrict scale, int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++) {
    const float *xt = x + t * width, *dyt = dy + t * width;
    float *dxt = dx + t * width;
    float lanes[TK_LANES] = {0};
    int64_t d = 0;
    for (; d + TK_LANES <= width; d += TK_LANES)
      for (int l = 0; l < TK_LANES; l++) lanes[l] += weight[d + l] * dyt[d + l] * xt[d + l];
    for (int l = 0; d < width; d++, l++) lanes[l] += weight[d] * dyt[d] * xt[d];
    float s = scale[t];
    float shift = s * s * s * tk_fold(lanes) / (float)width;
    for (int64_t e = 0; e < width; e++) {
      dxt[e] += s * weight[e] * dyt[e] - shift * xt[e];
      dweight[e] += dyt[e] * (xt[e] * s);
    }
  }
}
