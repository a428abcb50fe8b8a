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

TK_CLONES
void tk_softmax_causal(
  float *restrict scores, float *restrict lse, float *restrict inverse, float scale, int64_t heads, int64_t tokens,
  int64_t columns, int64_t visible) {
  for (int64_t h = 0; h < heads; h++)
    for (int64_t i = 0; i < tokens; i++) {
      float *restrict row = scores + (h * tokens + i) * columns;
      int64_t seen = visible + i;
      float top = scale * tk_max_inline(row, seen);
      for (int64_t c = 0; c < seen; c++) row[c] = expf(scale * row[c] - top);
      float lanes[TK_LANES] = {0};
      int64_t c = 0;
      for (; c + TK_LANES <= seen; c += TK_LANES)
        for (int l = 0; l < TK_LANES; l++) lanes[l] += row[c + l];
      for (int l = 0; c < seen; c++, l++) lanes[l] += row[c];
      float sum = tk_fold(lanes);
      memset(row + seen, 0, sizeof(float) * (size_t)(columns - seen));
      lse[h * tokens + i] = top + logf(sum);
      inverse[h * tokens + i] = 1.0f / sum;
    }
}

TK_CLONES
void tk_softmax_causal_backward(
  float *restrict scores, float *restrict dP, const float *restrict lse, const float *restrict delta, float scale,
  int64_t heads, int64_t tokens, int64_t columns, int64_t visible) {
  for (int64_t h = 0; h < heads; h++)
    for (int64_t i = 0; i < tokens; i++) {
      int64_t r = h * tokens + i, seen = visible + i;
      float *restrict row = scores + r * columns;
      float *restrict gradient = dP + r * columns;
      float shift = lse[r], mean = delta[r];
      for (int64_t c = 0; c < seen; c++) {
        float p = expf(scale * row[c] - shift);
        row[c] = p;
        gradient[c] = scale * p * (gradient[c] - mean);
      }
      memset(row + seen, 0, sizeof(float) * (size_t)(columns - seen));
      memset(gradient + seen, 0, sizeof(float) * (size_t)(columns - seen));
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
      for (int l = 0; l < TK_LANES; l++) lanes[l] += expf(x[i + l] - top);
    for (int l = 0; i < block; i++, l++) lanes[l] += expf(x[i] - top);
    total += (double)tk_fold(lanes);
  }
  return (float)((double)top + log(total));
}

TK_CLONES
void tk_log_prob_backward(float *restrict logits, float lse, float coefficient, int64_t target, int64_t count) {
  for (int64_t v = 0; v < count; v++) logits[v] = -coefficient * expf(logits[v] - lse);
  logits[target] += coefficient;
}
