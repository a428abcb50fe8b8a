/// Elementwise kernels and reductions of the trainer, and its pool of worker threads.
///
/// Every kernel is compiled for several x86-64 levels and picks the right one when the program is loaded; other
/// architectures get the plain build. Sums run over 16 fixed lanes, so a result does not depend on which level runs
/// but for the fusing of multiply and add. Pointers must not overlap unless said. Legend: T tokens, D width,
/// F width of the MLP, H heads, V vocabulary.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: Normalisation

/// y[t,d] = weight[d] · x[t,d] · scale[t], scale[t] = 1 / √(mean_d x[t,d]² + epsilon).
void tk_rms_norm(
  float *y, float *scale, const float *x, const float *weight, float epsilon, int64_t tokens, int64_t width);

/// The same y from a scale that is known already.
void tk_rms_norm_apply(
  float *y, const float *x, const float *weight, const float *scale, int64_t tokens, int64_t width);

/// Adds to dx the gradient through the norm, and to dweight[d] the sum over tokens of dy·x·scale.
///
///     dx[t,d] += scale·(w[d]·dy[t,d] − x[t,d]·scale²·mean_e(w[e]·dy[t,e]·x[t,e]))
void tk_rms_norm_backward(
  float *dx, float *dweight, const float *dy, const float *x, const float *weight, const float *scale, int64_t tokens,
  int64_t width);

// MARK: Rotary position embedding

/// Rotates `heads` heads of a row in halves, in place: (a, b) → (a·cos − b·sin, b·cos + a·sin), where a is the first
/// half of a head and b the second. `direction` +1 rotates, −1 undoes it (the gradient). Rows are `stride` floats apart;
/// cosine and sine hold `headWidth / 2` values per position.
void tk_rotate(
  float *x, int64_t stride, const int32_t *positions, const float *cosine, const float *sine, int64_t tokens,
  int64_t heads, int64_t headWidth, float direction);

// MARK: SwiGLU

/// y[t,f] = silu(gate)·up, rows of gateUp being [gate F | up F].
void tk_swiglu(float *y, const float *gateUp, int64_t tokens, int64_t width);

/// The gradient of gate and up in dgateUp, and y once more (the backward of the projection after it needs it).
void tk_swiglu_backward(
  float *dgateUp, float *y, const float *dy, const float *gateUp, int64_t tokens, int64_t width);

// MARK: Rows

/// x[t,:] += bias.
void tk_add_bias(float *x, const float *bias, int64_t tokens, int64_t width);
/// sum[d] += Σ_t x[t,d].
void tk_add_column_sums(float *sum, const float *x, int64_t tokens, int64_t width);
/// y += x.
void tk_add(float *y, const float *x, int64_t count);
/// y *= factor.
void tk_scale(float *y, float factor, int64_t count);
/// Σ x² in double precision.
double tk_sum_of_squares(const float *x, int64_t count);
/// Whether every value is finite.
bool tk_all_finite(const float *x, int64_t count);

// MARK: Attention

/// Softmax over each row of scores, in place and not divided by its sum: row r = h·tokens + i becomes
/// exp(scale·score − max) over its first `visible + i` columns and 0 up to `columns`.
/// lse[r] = log Σ exp(scale·score), inverse[r] = 1 / Σ exp(scale·score − max).
void tk_softmax_causal(
  float *scores, float *lse, float *inverse, float scale, int64_t heads, int64_t tokens, int64_t columns,
  int64_t visible);

/// From scores S and dP (both [heads·tokens, columns]) makes P in `scores` and dS in `dP`:
/// P = exp(scale·S − lse), dS = scale·P·(dP − delta), both 0 where the row does not see the column.
void tk_softmax_causal_backward(
  float *scores, float *dP, const float *lse, const float *delta, float scale, int64_t heads, int64_t tokens,
  int64_t columns, int64_t visible);

/// Σ x·y.
float tk_dot(const float *x, const float *y, int64_t count);

// MARK: Language-model head

/// log Σ_v exp(logits[v]); the sum is carried in double precision over blocks.
float tk_log_sum_exp(const float *logits, int64_t count);

/// logits[v] ← −coefficient·exp(logits[v] − lse), then + coefficient at the target: the gradient of
/// coefficient · log softmax(logits)[target].
void tk_log_prob_backward(float *logits, float lse, float coefficient, int64_t target, int64_t count);

// MARK: Optimizer

/// One AdamW step over `count` parameters, as torch.optim.AdamW computes it:
///
///     p ← p·(1 − rate·decay);  m ← m + (g − m)(1 − β₁);  v ← β₂·v + (1 − β₂)g²
///     p ← p − (rate / correction1) · m / (√v / √correction2 + ε)
///
/// with g = gradient·gradientScale (clipping) and correctionᵢ = 1 − βᵢ^step.
void tk_adamw(
  float *parameter, float *mean, float *square, const float *gradient, float gradientScale, float rate, float beta1,
  float beta2, float epsilon, float decay, double correction1, double correction2, int64_t count);

// MARK: Threads

typedef struct tk_pool tk_pool;

/// A pool that runs work on `threads` threads, the caller's among them. NULL when threads cannot be started.
tk_pool *tk_pool_create(int32_t threads);
void tk_pool_destroy(tk_pool *pool);

/// Calls body(context, item, worker) once for every item below `items`, in any order, on the pool's threads, and
/// returns when all are done. Workers are numbered from 0; the caller is worker 0. Not reentrant.
void tk_pool_run(tk_pool *pool, int64_t items, void (*body)(void *context, int64_t item, int32_t worker), void *context);

/// Tells whichever BLAS is linked (OpenBLAS, MKL, BLIS) to keep each call on the thread that made it.
void tk_single_threaded_blas(void);

/// Cores that the kernel lets this process run on, and cores that the machine has.
int32_t tk_allowed_cores(void);
int32_t tk_online_cores(void);

#endif
