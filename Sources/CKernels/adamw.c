#include <math.h>

#include "dispatch.h"

TK_CLONES
void tk_adamw(
  float *restrict parameter, float *restrict mean, float *restrict square, const float *restrict gradient,
  float gradientScale, double rate, double beta1, double beta2, double epsilon, double decay, double correction1,
  double correction2, int64_t count) {
  float keep = (float)(1.0 - rate * decay);
  float step = (float)(rate / correction1);
  float root = (float)sqrt(correction2);
  // Rounded after the subtraction: 1 - 0.999f is off by 1.3e-5 of itself, and every update by half of that.
  float take1 = (float)(1.0 - beta1);
  float keep2 = (float)beta2;
  float take2 = (float)(1.0 - beta2);
  float offset = (float)epsilon;
  for (int64_t i = 0; i < count; i++) {
    float g = gradient[i] * gradientScale;
    float m = mean[i] + (g - mean[i]) * take1;
    float v = keep2 * square[i] + take2 * g * g;
    mean[i] = m;
    square[i] = v;
    parameter[i] = parameter[i] * keep - step * (m / (sqrtf(v) / root + offset));
  }
}
