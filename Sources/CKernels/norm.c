#include <math.h>

#include "dispatch.h"

TK_CLONES
void tk_rms_norm(
  float *restrict y, float *restrict scale, const float *restrict x, const float *restrict weight, float shift,
  float epsilon, int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++) {
    const float *xt = x + t * width;
    float *yt = y + t * width;
    float s = 1.0f / sqrtf(tk_dot_inline(xt, xt, width) / (float)width + epsilon);
    scale[t] = s;
    for (int64_t d = 0; d < width; d++) yt[d] = (shift + weight[d]) * (xt[d] * s);
  }
}

TK_CLONES
void tk_rms_norm_apply(
  float *restrict y, const float *restrict x, const float *restrict weight, float shift, const float *restrict scale,
  int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++)
    for (int64_t d = 0; d < width; d++) y[t * width + d] = (shift + weight[d]) * (x[t * width + d] * scale[t]);
}

TK_CLONES
void tk_rms_norm_backward(
  float *restrict dx, float *restrict dweight, const float *restrict dy, const float *restrict x,
  const float *restrict weight, float shift, const float *restrict scale, int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++) {
    const float *xt = x + t * width, *dyt = dy + t * width;
    float *dxt = dx + t * width;
    float lanes[TK_LANES] = {0};
    int64_t d = 0;
    for (; d + TK_LANES <= width; d += TK_LANES)
      for (int l = 0; l < TK_LANES; l++) lanes[l] += (shift + weight[d + l]) * dyt[d + l] * xt[d + l];
    for (int l = 0; d < width; d++, l++) lanes[l] += (shift + weight[d]) * dyt[d] * xt[d];
    float s = scale[t];
    float pull = s * s * s * tk_fold(lanes) / (float)width;
    for (int64_t e = 0; e < width; e++) {
      dxt[e] += s * (shift + weight[e]) * dyt[e] - pull * xt[e];
      dweight[e] += dyt[e] * (xt[e] * s);
    }
  }
}

TK_CLONES
void tk_layer_norm(
  float *restrict y, float *restrict scale, const float *restrict x, const float *restrict weight,
  const float *restrict bias, float epsilon, int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++) {
    const float *xt = x + t * width;
    float *yt = y + t * width;
    float mean = tk_sum_inline(xt, width) / (float)width;
    for (int64_t d = 0; d < width; d++) yt[d] = xt[d] - mean;
    float s = 1.0f / sqrtf(tk_dot_inline(yt, yt, width) / (float)width + epsilon);
    scale[t] = s;
    for (int64_t d = 0; d < width; d++) yt[d] = yt[d] * s * weight[d] + bias[d];
  }
}

TK_CLONES
void tk_layer_norm_backward(
  float *restrict dx, float *restrict dweight, float *restrict dbias, const float *restrict dy,
  const float *restrict x, const float *restrict weight, const float *restrict scale, int64_t tokens,
  int64_t width) {
  for (int64_t t = 0; t < tokens; t++) {
    const float *xt = x + t * width, *dyt = dy + t * width;
    float *dxt = dx + t * width;
    float mean = tk_sum_inline(xt, width) / (float)width;
    float s = scale[t];
    float direct[TK_LANES] = {0}, along[TK_LANES] = {0};
    int64_t d = 0;
    for (; d + TK_LANES <= width; d += TK_LANES)
      for (int l = 0; l < TK_LANES; l++) {
        float g = weight[d + l] * dyt[d + l];
        direct[l] += g;
        along[l] += g * ((xt[d + l] - mean) * s);
      }
    for (int l = 0; d < width; d++, l++) {
      float g = weight[d] * dyt[d];
      direct[l] += g;
      along[l] += g * ((xt[d] - mean) * s);
    }
    float a = tk_fold(direct) / (float)width, b = tk_fold(along) / (float)width;
    for (int64_t e = 0; e < width; e++) {
      float normed = (xt[e] - mean) * s;
      dxt[e] += s * (weight[e] * dyt[e] - a - normed * b);
      dweight[e] += dyt[e] * normed;
      dbias[e] += dyt[e];
    }
  }
}

static inline float tk_group_scale(const float *x, float epsilon, int64_t width) {
  return 1.0f / sqrtf(tk_dot_inline(x, x, width) / (float)width + epsilon);
}

TK_CLONES
void tk_group_norm(
  float *restrict y, int64_t yStride, const float *restrict x, int64_t xStride, const float *restrict weight,
  float shift, float epsilon, int64_t tokens, int64_t groups, int64_t width) {
  for (int64_t t = 0; t < tokens; t++)
    for (int64_t g = 0; g < groups; g++) {
      const float *in = x + t * xStride + g * width;
      float *out = y + t * yStride + g * width;
      float s = tk_group_scale(in, epsilon, width);
      for (int64_t d = 0; d < width; d++) out[d] = (shift + weight[d]) * (in[d] * s);
    }
}

TK_CLONES
void tk_group_norm_backward(
  float *restrict dy, int64_t dyStride, float *restrict dweight, const float *restrict x, int64_t xStride,
  const float *restrict weight, float shift, float epsilon, int64_t tokens, int64_t groups, int64_t width) {
  for (int64_t t = 0; t < tokens; t++)
    for (int64_t g = 0; g < groups; g++) {
      const float *in = x + t * xStride + g * width;
      float *gradient = dy + t * dyStride + g * width;
      float s = tk_group_scale(in, epsilon, width);
      float lanes[TK_LANES] = {0};
      int64_t d = 0;
      for (; d + TK_LANES <= width; d += TK_LANES)
        for (int l = 0; l < TK_LANES; l++) lanes[l] += (shift + weight[d + l]) * gradient[d + l] * in[d + l];
      for (int l = 0; d < width; d++, l++) lanes[l] += (shift + weight[d]) * gradient[d] * in[d];
      float pull = s * s * s * tk_fold(lanes) / (float)width;
      for (int64_t e = 0; e < width; e++) {
        dweight[e] += gradient[e] * (in[e] * s);
        gradient[e] = s * (shift + weight[e]) * gradient[e] - pull * in[e];
      }
    }
}
