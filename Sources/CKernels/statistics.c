#include <math.h>
#include <stddef.h>

#include "dispatch.h"

// Blocks keep fp32 partial sums short; sums over blocks are double.
#define TK_BLOCK 1024

TK_CLONES
float tk_log_square_sum(const float *restrict logits, float lse, int64_t count) {
  double total = 0;
  for (int64_t start = 0; start < count; start += TK_BLOCK) {
    int64_t block = count - start < TK_BLOCK ? count - start : TK_BLOCK;
    const float *restrict x = logits + start;
    float lanes[TK_LANES] = {0};
    int64_t i = 0;
    for (; i + TK_LANES <= block; i += TK_LANES)
      for (int l = 0; l < TK_LANES; l++) lanes[l] += tk_exp(2.0f * (x[i + l] - lse));
    for (int l = 0; i < block; i++, l++) lanes[l] += tk_exp(2.0f * (x[i] - lse));
    total += (double)tk_fold(lanes);
  }
  return (float)log(total);
}

TK_CLONES
void tk_divergences(
  const float *restrict logits, float lse, const float *restrict reference, float reference_lse, int64_t count,
  float *restrict from_reference, float *restrict from_policy) {
  double by_reference = 0, by_policy = 0;
  for (int64_t start = 0; start < count; start += TK_BLOCK) {
    int64_t block = count - start < TK_BLOCK ? count - start : TK_BLOCK;
    const float *restrict x = logits + start, *restrict y = reference + start;
    float q_lanes[TK_LANES] = {0}, p_lanes[TK_LANES] = {0};
    int64_t i = 0;
    for (; i + TK_LANES <= block; i += TK_LANES)
      for (int l = 0; l < TK_LANES; l++) {
        float log_p = x[i + l] - lse, log_q = y[i + l] - reference_lse;
        q_lanes[l] += tk_exp(log_q) * (log_q - log_p);
        p_lanes[l] += tk_exp(log_p) * (log_p - log_q);
      }
    for (int l = 0; i < block; i++, l++) {
      float log_p = x[i] - lse, log_q = y[i] - reference_lse;
      q_lanes[l] += tk_exp(log_q) * (log_q - log_p);
      p_lanes[l] += tk_exp(log_p) * (log_p - log_q);
    }
    by_reference += (double)tk_fold(q_lanes);
    by_policy += (double)tk_fold(p_lanes);
  }
  *from_reference = (float)by_reference;
  *from_policy = (float)by_policy;
}

TK_CLONES
void tk_statistics_backward(
  float *restrict logits, float lse, const float *restrict reference, float reference_lse, int64_t target,
  const struct tk_statistics *coefficients, float log_squares, float policy_divergence, float scale, float cap,
  int64_t count) {
  float a = coefficients->log_prob, s = 2.0f * coefficients->log_squares, d = coefficients->reference_divergence;
  float e = coefficients->policy_divergence;
  float inverse = cap > 0 ? 1.0f / cap : 0;
  float t = logits[target] * inverse;
  float extra = a * scale * (1.0f - t * t);
  // Of p_v: −a from log π, −s from log Σπ² and d from KL(q‖p); the rest needs p_v², q_v or log p_v − log q_v.
  float linear = d - a - s;
  if (reference == NULL) {
    for (int64_t v = 0; v < count; v++) {
      float share = logits[v] * inverse, log_p = logits[v] - lse;
      float slope = linear * tk_exp(log_p) + s * tk_exp(2.0f * log_p - log_squares);
      logits[v] = slope * scale * (1.0f - share * share);
    }
  } else {
    for (int64_t v = 0; v < count; v++) {
      float share = logits[v] * inverse, log_p = logits[v] - lse, log_q = reference[v] - reference_lse;
      float p = tk_exp(log_p);
      float slope = linear * p + s * tk_exp(2.0f * log_p - log_squares) - d * tk_exp(log_q)
                    + e * p * (log_p - log_q - policy_divergence);
      logits[v] = slope * scale * (1.0f - share * share);
    }
  }
  logits[target] += extra;
}
