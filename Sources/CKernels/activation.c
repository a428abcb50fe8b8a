#include <math.h>

#include "dispatch.h"

// Every activation is x times a share of it; `slope` is the derivative of the product.
typedef struct {
  float value, slope;
} tk_activated;

static inline __attribute__((always_inline)) tk_activated tk_silu(float x) {
  float share = 1.0f / (1.0f + tk_exp(-x));
  float value = x * share;
  return (tk_activated){value, share + value * (1.0f - share)};
}

// 0.5(1 + tanh u) = σ(2u)
static inline __attribute__((always_inline)) tk_activated tk_gelu_tanh(float x) {
  const float k = 1.5957691216057308f, c = 0.044715f;
  float share = 1.0f / (1.0f + tk_exp(-k * (x + c * x * x * x)));
  float value = x * share;
  return (tk_activated){value, share + value * (1.0f - share) * k * (1.0f + 3.0f * c * x * x)};
}

static inline __attribute__((always_inline)) tk_activated tk_gelu(float x) {
  float share = 0.5f * (1.0f + erff(x * 0.7071067811865476f));
  return (tk_activated){x * share, share + x * 0.3989422804014327f * tk_exp(-0.5f * x * x)};
}

#define TK_GATED(name)                                                                                                \
  for (int64_t t = 0; t < tokens; t++) {                                                                              \
    const float *restrict gate = gateUp + 2 * t * width;                                                              \
    const float *restrict up = gate + width;                                                                          \
    float *restrict out = y + t * width;                                                                              \
    for (int64_t f = 0; f < width; f++) out[f] = name(gate[f]).value * up[f];                                         \
  }

TK_CLONES
void tk_gated(
  float *restrict y, const float *restrict gateUp, int64_t tokens, int64_t width, tk_activation activation) {
  switch (activation) {
    case TK_SILU: TK_GATED(tk_silu) break;
    case TK_GELU_TANH: TK_GATED(tk_gelu_tanh) break;
    case TK_GELU: TK_GATED(tk_gelu) break;
  }
}

#define TK_GATED_BACKWARD(name)                                                                                       \
  for (int64_t t = 0; t < tokens; t++) {                                                                              \
    const float *restrict gate = gateUp + 2 * t * width;                                                              \
    const float *restrict up = gate + width;                                                                          \
    const float *restrict d = dy + t * width;                                                                         \
    float *restrict dgate = dgateUp + 2 * t * width;                                                                  \
    float *restrict dup = dgate + width;                                                                              \
    float *restrict out = y + t * width;                                                                              \
    for (int64_t f = 0; f < width; f++) {                                                                             \
      tk_activated a = name(gate[f]);                                                                                 \
      out[f] = a.value * up[f];                                                                                       \
      dup[f] = d[f] * a.value;                                                                                        \
      dgate[f] = d[f] * up[f] * a.slope;                                                                              \
    }                                                                                                                 \
  }

TK_CLONES
void tk_gated_backward(
  float *restrict dgateUp, float *restrict y, const float *restrict dy, const float *restrict gateUp, int64_t tokens,
  int64_t width, tk_activation activation) {
  switch (activation) {
    case TK_SILU: TK_GATED_BACKWARD(tk_silu) break;
    case TK_GELU_TANH: TK_GATED_BACKWARD(tk_gelu_tanh) break;
    case TK_GELU: TK_GATED_BACKWARD(tk_gelu) break;
  }
}

#define TK_PLAIN(name)                                                                                                \
  for (int64_t i = 0; i < count; i++) y[i] = name(x[i]).value;

TK_CLONES
void tk_activate(float *restrict y, const float *restrict x, int64_t count, tk_activation activation) {
  switch (activation) {
    case TK_SILU: TK_PLAIN(tk_silu) break;
    case TK_GELU_TANH: TK_PLAIN(tk_gelu_tanh) break;
    case TK_GELU: TK_PLAIN(tk_gelu) break;
  }
}

#define TK_PLAIN_BACKWARD(name)                                                                                       \
  for (int64_t i = 0; i < count; i++) {                                                                               \
    tk_activated a = name(x[i]);                                                                                      \
    y[i] = a.value;                                                                                                   \
    dx[i] = dy[i] * a.slope;                                                                                          \
  }

TK_CLONES
void tk_activate_backward(
  float *restrict dx, float *restrict y, const float *restrict dy, const float *restrict x, int64_t count,
  tk_activation activation) {
  switch (activation) {
    case TK_SILU: TK_PLAIN_BACKWARD(tk_silu) break;
    case TK_GELU_TANH: TK_PLAIN_BACKWARD(tk_gelu_tanh) break;
    case TK_GELU: TK_PLAIN_BACKWARD(tk_gelu) break;
  }
}
