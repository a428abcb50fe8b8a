#include <math.h>

#include "dispatch.h"

TK_CLONES
void tk_swiglu(float *restrict y, const float *restrict gateUp, int64_t tokens, int64_t width) {
  for (int64_t t = 0; t < tokens; t++) {
    const float *restrict gate = gateUp + 2 * t * width;
    const float *restrict up = gate + width;
    float *restrict out = y + t * width;
    for (int64_t f = 0; f < width; f++) out[f] = gate[f] / (1.0f + expf(-gate[f])) * up[f];
  }
}

TK_CLONES
void tk_swiglu_backward(
  float *restrict dgateUp, float *restrict y, const float *restrict dy, const float *restrict gateUp, int64_t tokens,
  int64_t width) {
  for (int64_t t = 0; t < tokens; t++) {
    const float *restrict gate = gateUp + 2 * t * width;
    const float *restrict up = gate + width;
    const float *restrict d = dy + t * width;
    float *restrict dgate = dgateUp + 2 * t * width;
    float *restrict dup = dgate + width;
    float *restrict out = y + t * width;
    for (int64_t f = 0; f < width; f++) {
      float sigmoid = 1.0f / (1.0f + expf(-gate[f]));
      float silu = gate[f] * sigmoid;
      out[f] = silu * up[f];
      dup[f] = d[f] * silu;
      dgate[f] = d[f] * up[f] * (sigmoid + silu * (1.0f - sigmoid));
    }
  }
}
