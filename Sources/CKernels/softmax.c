#include <math.h>
#include <string.h>

#include "dispatch.h"

static inline __attribute__((always_inline)) float tk_max_inline(const float *x, int64_t count) {
  float lanes[TK_LANES];
  for (int l = 0; l < TK_LANES; l++) lanes[l] = -INFINITY;
  int64_t i = 0;
  for (; i + TK_LANES <= count; i += TK_LANES)
    for (int l = 0; l < TK_LANES; l++) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  for (; i < count; i++) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  float top = lanes[0];
  for (int l = 1; l < TK_LANES; l++) top = lanes[l] > top ? lanes[l] : top;
  return top;
}

// Columns that row i of a block does not see any more: all but the last `window` of those it would see.
static inline int64_t tk_first_seen(int64_t seen, int64_t window) { return window > 0 && seen > window ? seen - window : 0; }

TK_CLONES
void tk_softmax_causal(
  float *restrict scores, float *restrict lse, float *restrict inverse, float scale, float cap, int64_t heads,
  int64_t tokens, int64_t columns, int64_t visible, int64_t window) {
  for (int64_t h = 0; h < heads; h++)
    for (int64_t i = 0; i < tokens; i++) {
      float *restrict row = scores + (h * tokens + i) * columns;
      int64_t first = tk_first_seen(visible + i, window), seen = visible + i - first;
      memset(row, 0, sizeof(float) * (size_t)first);
      memset(row + first + seen, 0, sizeof(float) * (size_t)(columns - first - seen));
      row += first;
      float factor = scale;
      if (cap > 0) {
        for (int64_t c = 0; c < seen; c++) row[c] = cap * tk_tanh(scale / cap * row[c]);
        factor = 1;
      }
      float top = factor * tk_max_inline(row, seen);
      for (int64_t c = 0; c < seen; c++) row[c] = tk_exp(factor * row[c] - top);
      float sum = tk_sum_inline(row, seen);
      lse[h * tokens + i] = top + logf(sum);
      inverse[h * tokens + i] = 1.0f / sum;
    }
}

TK_CLONES
void tk_softmax_causal_backward(
  float *restrict scores, float *restrict dP, const float *restrict lse, const float *restrict delta, float scale,
  float cap, int64_t heads, int64_t tokens, int64_t columns, int64_t visible, int64_t window) {
  for (int64_t h = 0; h < heads; h++)
    for (int64_t i = 0; i < tokens; i++) {
      int64_t r = h * tokens + i, first = tk_first_seen(visible + i, window), seen = visible + i - first;
      float *restrict row = scores + r * columns;
      float *restrict gradient = dP + r * columns;
      size_t before = sizeof(float) * (size_t)first, after = sizeof(float) * (size_t)(columns - first - seen);
      memset(row, 0, before);
      memset(gradient, 0, before);
      memset(row + first + seen, 0, after);
      memset(gradient + first + seen, 0, after);
      row += first;
      gradient += first;
      float shift = lse[r], mean = delta[r];
      if (cap > 0) {
        for (int64_t c = 0; c < seen; c++) {
          float t = tk_tanh(scale / cap * row[c]);
          float p = tk_exp(cap * t - shift);
          row[c] = p;
          gradient[c] = scale * (1.0f - t * t) * p * (gradient[c] - mean);
        }
        continue;
      }
      for (int64_t c = 0; c < seen; c++) {
        float p = tk_exp(scale * row[c] - shift);
        row[c] = p;
        gradient[c] = scale * p * (gradient[c] - mean);
      }
    }
}

TK_CLONES
float tk_log_sum_exp(const float *restrict logits, int64_t count) {
  float top = tk_max_inline(logits, count);
  double total = 0;
  // Blocks keep the fp32 partial sums short.
  for (int64_t start = 0; start < count; start += 1024) {
    int64_t block = count - start < 1024 ? count - start : 1024;
    const float *restrict x = logits + start;
    float lanes[TK_LANES] = {0};
    int64_t i = 0;
    for (; i + TK_LANES <= block; i += TK_LANES)
      for (int l = 0; l < TK_LANES; l++) lanes[l] += tk_exp(x[i + l] - top);
    for (int l = 0; i < block; i++, l++) lanes[l] += tk_exp(x[i] - top);
    total += (double)tk_fold(lanes);
  }
  return (float)((double)top + log(total));
}

TK_CLONES
void tk_log_prob_backward(float *restrict logits, float lse, float coefficient, int64_t target, int64_t count) {
  for (int64_t v = 0; v < count; v++) logits[v] = -coefficient * tk_exp(logits[v] - lse);
  logits[target] += coefficient;
}

TK_CLONES
void tk_cap_logits(float *restrict logits, float scale, float cap, int64_t count) {
  if (cap > 0)
    for (int64_t v = 0; v < count; v++) logits[v] = cap * tk_tanh(scale / cap * logits[v]);
  else
    for (int64_t v = 0; v < count; v++) logits[v] *= scale;
}

TK_CLONES
void tk_log_prob_backward_capped(
  float *restrict logits, float lse, float coefficient, int64_t target, float scale, float cap, int64_t count) {
  float inverse = cap > 0 ? 1.0f / cap : 0;
  float t = logits[target] * inverse;
  float extra = coefficient * scale * (1.0f - t * t);
  for (int64_t v = 0; v < count; v++) {
    float share = logits[v] * inverse;
    logits[v] = -coefficient * tk_exp(logits[v] - lse) * scale * (1.0f - share * share);
  }
  logits[target] += extra;
}
