/// Products, elementwise kernels and reductions of the trainer, and its pool of worker threads.
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

/// The instructions whose builds of the kernels run here: "x86-64-v4", "x86-64-v3", "x86-64", or words for a plain build.
const char *tk_instruction_level(void);
/// The C library's version.
const char *tk_c_library_version(void);

// MARK: Products

/// Multiplications after which a product gives a sign of life (`cpulse.h`): some ten milliseconds of them. Products of a large
/// model's layer take many seconds on a slow core.
enum { TK_BEAT_PRODUCTS = 1 << 28 };

/// Whether the products below run on this CPU and are meant for it: x86-64 with AVX2 and FMA, without AVX-512.
bool tk_gemm_is_supported(void);

/// y[T,N] = x[T,K] · w[N,K]ᵀ, added to y when `adds`; rows are strides apart. On the calling thread.
///
/// Bits of a result do not depend on T and N, here and in the products below: K is summed in blocks that follow from K.
void tk_gemm_nt(
  float *y, int64_t y_stride, const float *x, int64_t x_stride, const float *w, int64_t w_stride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds);

/// dx[T,K] = dy[T,N] · w[N,K], added to dx when `adds`.
void tk_gemm_nn(
  float *dx, int64_t dx_stride, const float *dy, int64_t dy_stride, const float *w, int64_t w_stride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds);

/// dw[N,K] += dy[T,N]ᵀ · x[T,K].
void tk_gemm_tn(
  float *dw, int64_t dw_stride, const float *dy, int64_t dy_stride, const float *x, int64_t x_stride, int64_t rows,
  int64_t outputs, int64_t inputs);

// MARK: Normalisation

/// y[t,d] = w[d] · x[t,d] · scale[t], scale[t] = 1 / √(mean_d x[t,d]² + epsilon), w[d] = shift + weight[d].
void tk_rms_norm(
  float *y, float *scale, const float *x, const float *weight, float shift, float epsilon, int64_t tokens,
  int64_t width);

/// The same y from a scale that is known already.
void tk_rms_norm_apply(
  float *y, const float *x, const float *weight, float shift, const float *scale, int64_t tokens, int64_t width);

/// Adds to dx the gradient through the norm, and to dweight[d] the sum over tokens of dy·x·scale.
///
///     dx[t,d] += scale·(w[d]·dy[t,d] − x[t,d]·scale²·mean_e(w[e]·dy[t,e]·x[t,e]))
void tk_rms_norm_backward(
  float *dx, float *dweight, const float *dy, const float *x, const float *weight, float shift, const float *scale,
  int64_t tokens, int64_t width);

/// y[t,d] = weight[d] · (x[t,d] − mean_t) · scale[t] + bias[d], scale[t] = 1 / √(variance_t + epsilon).
void tk_layer_norm(
  float *y, float *scale, const float *x, const float *weight, const float *bias, float epsilon, int64_t tokens,
  int64_t width);

/// Adds to dx the gradient through the norm, to dweight and dbias their sums over tokens.
///
///     dx[t,d] += scale·(g − mean(g) − n·mean(g∘n)),  g = weight·dy,  n = (x − mean)·scale
void tk_layer_norm_backward(
  float *dx, float *dweight, float *dbias, const float *dy, const float *x, const float *weight, const float *scale,
  int64_t tokens, int64_t width);

/// The norm of ``tk_rms_norm`` for each of `groups` runs of `width` values in a row; all share `weight`.
void tk_group_norm(
  float *y, int64_t yStride, const float *x, int64_t xStride, const float *weight, float shift, float epsilon,
  int64_t tokens, int64_t groups, int64_t width);

/// Turns dy into dx in place, and adds to dweight.
void tk_group_norm_backward(
  float *dy, int64_t dyStride, float *dweight, const float *x, int64_t xStride, const float *weight, float shift,
  float epsilon, int64_t tokens, int64_t groups, int64_t width);

// MARK: Rotary position embedding

/// Rotates the first `rotated` elements of `heads` heads of a row in halves, in place:
/// (a, b) → (a·cos − b·sin, b·cos + a·sin), where a is the first half of them and b the second. `direction` +1 rotates,
/// −1 undoes it (the gradient). Rows are `stride` floats apart; cosine and sine hold `rotated / 2` values per position.
void tk_rotate(
  float *x, int64_t stride, const int32_t *positions, const float *cosine, const float *sine, int64_t tokens,
  int64_t heads, int64_t headWidth, int64_t rotated, float direction);

// MARK: Activations

typedef enum { TK_SILU = 0, TK_GELU_TANH = 1, TK_GELU = 2 } tk_activation;

/// y[t,f] = act(gate)·up, rows of gateUp being [gate F | up F].
void tk_gated(float *y, const float *gateUp, int64_t tokens, int64_t width, tk_activation activation);

/// The gradient of gate and up in dgateUp, and y once more (the backward of the projection after it needs it).
void tk_gated_backward(
  float *dgateUp, float *y, const float *dy, const float *gateUp, int64_t tokens, int64_t width,
  tk_activation activation);

/// y = act(x).
void tk_activate(float *y, const float *x, int64_t count, tk_activation activation);

/// The gradient of x, and y once more.
void tk_activate_backward(
  float *dx, float *y, const float *dy, const float *x, int64_t count, tk_activation activation);

// MARK: Rows

/// x[t,:] += bias.
void tk_add_bias(float *x, const float *bias, int64_t tokens, int64_t width);
/// sum[d] += Σ_t x[t,d].
void tk_add_column_sums(float *sum, const float *x, int64_t tokens, int64_t width);
/// y += x.
void tk_add(float *y, const float *x, int64_t count);
/// y += factor·x.
void tk_add_scaled(float *y, const float *x, float factor, int64_t count);
/// y *= factor.
void tk_scale(float *y, float factor, int64_t count);
/// Σ x² in double precision.
double tk_sum_of_squares(const float *x, int64_t count);
/// Whether every value is finite.
bool tk_all_finite(const float *x, int64_t count);

// MARK: Attention

/// Softmax over each row of scores, in place and not divided by its sum: row r = h·tokens + i becomes
/// exp(z − max), z = scale·score, over its first `visible + i` columns, or the last `window` of those where `window` is
/// above 0, and 0 in all others. Where `cap` is above 0, z = cap·tanh(scale·score / cap).
/// lse[r] = log Σ exp z, inverse[r] = 1 / Σ exp(z − max).
void tk_softmax_causal(
  float *scores, float *lse, float *inverse, float scale, float cap, int64_t heads, int64_t tokens, int64_t columns,
  int64_t visible, int64_t window);

/// From scores S and dP (both [heads·tokens, columns]) makes P in `scores` and dS in `dP`:
/// P = exp(z − lse), dS = P·(dP − delta)·dz/dS, both 0 where the row does not see the column; z as above.
void tk_softmax_causal_backward(
  float *scores, float *dP, const float *lse, const float *delta, float scale, float cap, int64_t heads,
  int64_t tokens, int64_t columns, int64_t visible, int64_t window);

/// Σ x·y.
float tk_dot(const float *x, const float *y, int64_t count);

// MARK: Language-model head

/// log Σ_v exp(logits[v]); the sum is carried in double precision over blocks.
float tk_log_sum_exp(const float *logits, int64_t count);

/// logits[v] ← −coefficient·exp(logits[v] − lse), then + coefficient at the target: the gradient of
/// coefficient · log softmax(logits)[target].
void tk_log_prob_backward(float *logits, float lse, float coefficient, int64_t target, int64_t count);

/// log Σ_v exp(2·(logits[v] − lse)): the logarithm of a distribution's summed squares.
float tk_log_square_sum(const float *logits, float lse, int64_t count);

/// KL(q‖p) and KL(p‖q), where p is the softmax of `logits` and q that of `reference`.
void tk_divergences(
  const float *logits, float lse, const float *reference, float reference_lse, int64_t count, float *from_reference,
  float *from_policy);

/// d loss / d of each statistic of one target.
struct tk_statistics {
  float log_prob, log_squares, reference_divergence, policy_divergence;
};

/// logits[v] ← d/d(raw logit v) of Σ coefficient · statistic, where logits are scaled and capped as by
/// ``tk_cap_logits`` (scale 1 and cap 0: not at all):
///
///     log p[target]: δ − p      log Σp²: 2 (p²/Σp² − p)      KL(q‖p): p − q      KL(p‖q): p (log p − log q − KL)
///
/// `reference` is NULL when both divergences' coefficients are 0.
void tk_statistics_backward(
  float *logits, float lse, const float *reference, float reference_lse, int64_t target,
  const struct tk_statistics *coefficients, float log_squares, float policy_divergence, float scale, float cap,
  int64_t count);

/// logits ← scale·logits, or cap·tanh(scale·logits / cap) where `cap` is above 0.
void tk_cap_logits(float *logits, float scale, float cap, int64_t count);

/// ``tk_log_prob_backward`` through ``tk_cap_logits``: from scaled and capped logits to the gradient of the raw ones.
void tk_log_prob_backward_capped(
  float *logits, float lse, float coefficient, int64_t target, float scale, float cap, int64_t count);

// MARK: Numbers of two bytes

/// IEEE 754 binary16, or the upper half of an fp32 number.
typedef enum { TK_BFLOAT16 = 0, TK_FLOAT16 = 1 } tk_number;

/// y = x, exactly.
void tk_widen(float *y, const uint16_t *x, int64_t count, tk_number type);

/// y = x rounded to the nearest, ties to even. Returns whether all of y is finite: a number too large for the type becomes
/// an infinity, a NaN stays one.
bool tk_narrow(uint16_t *y, const float *x, int64_t count, tk_number type);

/// Whether no x has all bits of `exponent`, the type's mask for it.
bool tk_halves_finite(const uint16_t *x, int64_t count, uint16_t exponent);

// MARK: Optimizer

/// One AdamW step over `count` parameters, as torch.optim.AdamW computes it:
///
///     p ← p·(1 − rate·decay);  m ← m + (g − m)(1 − β₁);  v ← β₂·v + (1 − β₂)g²
///     p ← p − (rate / correction1) · m / (√v / √correction2 + ε)
///
/// with g = gradient·gradientScale (clipping) and correctionᵢ = 1 − βᵢ^step.
void tk_adamw(
  float *parameter, float *mean, float *square, const float *gradient, float gradientScale, double rate, double beta1,
  double beta2, double epsilon, double decay, double correction1, double correction2, int64_t count);

// MARK: Threads

typedef struct tk_pool tk_pool;

/// A pool that runs work on `threads` threads, the caller's among them. NULL when threads cannot be started.
tk_pool *tk_pool_create(int32_t threads);
void tk_pool_destroy(tk_pool *pool);

// tk_pool_run takes a closure of Swift, which C's headers cannot say: `Workers` declares it.

/// Tells whichever BLAS is linked (OpenBLAS, MKL, BLIS) to keep each call on the thread that made it.
void tk_single_threaded_blas(void);

/// Cores that the kernel lets this process run on, and cores that the machine has.
int32_t tk_allowed_cores(void);
int32_t tk_online_cores(void);

#endif
