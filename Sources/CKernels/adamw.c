#include <math.h>

#include "dispatch.h"

TK_CLONES
void tk_adamw(
  float *restrict parameter, float *restrict mean, float *restrict square, const float *restrict gradient,
  float gradientScale, float rate, float beta1, float beta2, float epsilon, float decay, double correction1,
  double correction2, int64_t count) {
  float keep = (float)(1.0 - (double)rate * (double)decay);
  float step = (float)((double)rate / correction1);
  float root = (float)sqrt(correction2);
  for (int64_t i = 0; i < count; i++) {
    float g = gradient[i] * gradientScale;
    float m = mean[i] + (g - mean[i]) * (1.0f - beta1);
    float v = beta2 * square[i] + (1.0f - beta2) * g * g;
    mean[i] = m;
    square[i] = v;
    parameter[i] = parameter[i] * keep - step * (m / (sqrtf(v) / root + epsilon));
  }
}
