#include "ckernels.h"
#include "cpulse.h"

// Products of fp32 matrices on one thread for x86-64 with AVX2 and FMA.
//
// A tile of 6 × 16 results lives in registers: 6 values of the left side, each broadcast, times 16 of the right side per
// step. Both sides are packed so that a step reads one line of the right and 24 bytes of the left: read where they stand,
// six rows of the left meet in the same banks of the first cache, which cost a tenth of the speed. Packed columns stay in
// the first cache while a group of rows passes by in the second, and the next columns are fetched meanwhile.
//
// Every result is one chain of fused multiply-adds per block of the summed dimension, blocks added in order; their size
// follows from that dimension alone. So a result's bits do not depend on how many rows or columns surround it.

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define TK_AVX2 __attribute__((target("avx2,fma")))
#define TK_INLINE static inline __attribute__((always_inline)) TK_AVX2

enum {
  TILE_ROWS = 6,
  TILE_COLUMNS = 16,
  // Of the summed dimension: 20 KB of packed columns, which stay in the first cache while rows pass by.
  LARGEST_BLOCK = 320,
  // Rows whose block, 480 KB, nearly fills the second cache. Every group packs all columns anew: the fewer, the better. A
  // panel of tokens (Activations.panelLimit) is one group.
  ROW_GROUP = 384,
  // Results have to be so wide that packing rows for them pays.
  NARROW = 96,
};

static _Thread_local float tk_rows[ROW_GROUP * LARGEST_BLOCK + 8] __attribute__((aligned(64)));
static _Thread_local float tk_columns[TILE_COLUMNS * LARGEST_BLOCK] __attribute__((aligned(64)));

static inline int64_t tk_least(int64_t a, int64_t b) { return a < b ? a : b; }

// Blocks of equal size, multiples of 8.
static inline int64_t tk_block(int64_t count) {
  int64_t blocks = (count + LARGEST_BLOCK - 1) / LARGEST_BLOCK;
  return blocks == 0 ? 8 : ((count + blocks - 1) / blocks + 7) / 8 * 8;
}

// Size of groups of about the same size, in whole tiles; `limit` is a multiple of `tile`.
static inline int64_t tk_group(int64_t count, int64_t limit, int64_t tile) {
  int64_t groups = (count + limit - 1) / limit;
  return groups == 0 ? tile : ((count + groups - 1) / groups + tile - 1) / tile * tile;
}

// MARK: One tile

// sums[i] = Σ_k a[i·rowStride + k·step] · columns[k]
TK_INLINE void tk_tile(
  const int rows, const float *a, int64_t rowStride, int64_t step, const float *restrict columns, int64_t count,
  __m256 sums[TILE_ROWS][2]) {
  const float *row[TILE_ROWS];
  for (int i = 0; i < rows; i++) {
    row[i] = a + i * rowStride;
    sums[i][0] = _mm256_setzero_ps();
    sums[i][1] = _mm256_setzero_ps();
  }
#pragma clang loop unroll_count(4)
  for (int64_t k = 0; k < count; k++) {
    __m256 low = _mm256_load_ps(columns + k * TILE_COLUMNS), high = _mm256_load_ps(columns + k * TILE_COLUMNS + 8);
    for (int i = 0; i < rows; i++) {
      __m256 value = _mm256_broadcast_ss(row[i] + k * step);
      sums[i][0] = _mm256_fmadd_ps(value, low, sums[i][0]);
      sums[i][1] = _mm256_fmadd_ps(value, high, sums[i][1]);
    }
  }
}

TK_INLINE void tk_store(
  const int rows, __m256 sums[TILE_ROWS][2], float *c, int64_t stride, int64_t columns, bool adds) {
  if (columns == TILE_COLUMNS) {
    for (int i = 0; i < rows; i++) {
      float *row = c + i * stride;
      __m256 low = sums[i][0], high = sums[i][1];
      if (adds) {
        low = _mm256_add_ps(low, _mm256_loadu_ps(row));
        high = _mm256_add_ps(high, _mm256_loadu_ps(row + 8));
      }
      _mm256_storeu_ps(row, low);
      _mm256_storeu_ps(row + 8, high);
    }
    return;
  }
  float values[TILE_COLUMNS];
  for (int i = 0; i < rows; i++) {
    _mm256_storeu_ps(values, sums[i][0]);
    _mm256_storeu_ps(values + 8, sums[i][1]);
    float *row = c + i * stride;
    for (int64_t j = 0; j < columns; j++) row[j] = adds ? row[j] + values[j] : values[j];
  }
}

TK_INLINE void tk_transpose(__m256 v[8]) {
  __m256 pairs[8], quads[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
  }
  for (int h = 0; h < 8; h += 4) {
    quads[h] = _mm256_shuffle_ps(pairs[h], pairs[h + 2], 0x44);
    quads[h + 1] = _mm256_shuffle_ps(pairs[h], pairs[h + 2], 0xEE);
    quads[h + 2] = _mm256_shuffle_ps(pairs[h + 1], pairs[h + 3], 0x44);
    quads[h + 3] = _mm256_shuffle_ps(pairs[h + 1], pairs[h + 3], 0xEE);
  }
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31);
  }
}

#define TK_ROWS(rows, BODY)                                                                                           \
  switch (rows) {                                                                                                     \
    case 6: BODY(6) break;                                                                                            \
    case 5: BODY(5) break;                                                                                            \
    case 4: BODY(4) break;                                                                                            \
    case 3: BODY(3) break;                                                                                            \
    case 2: BODY(2) break;                                                                                            \
    default: BODY(1) break;                                                                                           \
  }

TK_AVX2
static void tk_tile_of_rows(
  int64_t rows, const float *a, int64_t stride, const float *columns, int64_t count, float *c, int64_t cStride,
  int64_t width, bool adds) {
  __m256 sums[TILE_ROWS][2];
#define BODY(n)                                                                                                       \
  tk_tile(n, a, stride, 1, columns, count, sums);                                                                     \
  tk_store(n, sums, c, cStride, width, adds);
  TK_ROWS(rows, BODY)
#undef BODY
}

// Rows packed by tk_pack_rows.
TK_AVX2
static void tk_tile_of_packed(
  int64_t rows, const float *a, const float *columns, int64_t count, float *c, int64_t cStride, int64_t width,
  bool adds) {
  __m256 sums[TILE_ROWS][2];
#define BODY(n)                                                                                                       \
  tk_tile(n, a, 1, TILE_ROWS, columns, count, sums);                                                                  \
  tk_store(n, sums, c, cStride, width, adds);
  TK_ROWS(rows, BODY)
#undef BODY
}

// MARK: Packing

// One side of a product: value k of row or column j is values[k·stride + j], or values[j·stride + k] when it is turned.
typedef struct {
  const float *values;
  int64_t stride;
  bool isTurned;
} tk_side;

// columns[k][j] of `count` summed values from `first` on and of `width` columns from `column` on; the rest is zero.
TK_AVX2
static void tk_pack_columns(
  float *restrict columns, tk_side b, int64_t first, int64_t count, int64_t column, int64_t width) {
  const int64_t stride = b.stride;
  int64_t k = 0;
  if (b.isTurned) {
    const float *values = b.values + column * stride + first;
    if (width == TILE_COLUMNS)
      for (; k + 8 <= count; k += 8)
        for (int half = 0; half < 2; half++) {
          __m256 v[8];
          for (int i = 0; i < 8; i++) v[i] = _mm256_loadu_ps(values + (8 * half + i) * stride + k);
          tk_transpose(v);
          for (int i = 0; i < 8; i++) _mm256_store_ps(columns + (k + i) * TILE_COLUMNS + 8 * half, v[i]);
        }
    for (; k < count; k++)
      for (int64_t j = 0; j < TILE_COLUMNS; j++)
        columns[k * TILE_COLUMNS + j] = j < width ? values[j * stride + k] : 0;
    return;
  }
  const float *values = b.values + first * stride + column;
  if (width == TILE_COLUMNS)
    for (; k < count; k++) {
      _mm256_store_ps(columns + k * TILE_COLUMNS, _mm256_loadu_ps(values + k * stride));
      _mm256_store_ps(columns + k * TILE_COLUMNS + 8, _mm256_loadu_ps(values + k * stride + 8));
    }
  for (; k < count; k++)
    for (int64_t j = 0; j < TILE_COLUMNS; j++) columns[k * TILE_COLUMNS + j] = j < width ? values[k * stride + j] : 0;
}

// rows[i / 6][k][i % 6] of `count` summed values from `first` on and of `height` rows from `row` on, in whole tiles as far
// as there are rows. Stores of 8 run into what is written later, the last one into the buffer's slack.

// Each row's values stand together: transposed 8 at a time, while the next tile's are fetched.
TK_AVX2
static void tk_pack_turned_rows(
  float *restrict rows, tk_side a, int64_t first, int64_t count, int64_t row, int64_t height) {
  const int64_t stride = a.stride;
  for (int64_t i = 0; i < height; i += TILE_ROWS) {
    float *restrict out = rows + i * count;
    const float *values = a.values + (row + i) * stride + first;
    const int64_t tile = tk_least(TILE_ROWS, height - i);
    int64_t k = 0;
    if (tile == TILE_ROWS)
      for (; k + 8 <= count; k += 8) {
        __m256 v[8];
        if (k % 16 == 0)
          for (int l = 0; l < TILE_ROWS; l++) __builtin_prefetch(values + (TILE_ROWS + l) * stride + k, 0, 3);
        for (int l = 0; l < TILE_ROWS; l++) v[l] = _mm256_loadu_ps(values + l * stride + k);
        v[6] = v[7] = _mm256_setzero_ps();
        tk_transpose(v);
        for (int l = 0; l < 8; l++) _mm256_storeu_ps(out + (k + l) * TILE_ROWS, v[l]);
      }
    for (; k < count; k++)
      for (int64_t l = 0; l < TILE_ROWS; l++) out[k * TILE_ROWS + l] = l < tile ? values[l * stride + k] : 0;
  }
}

// Values of a row are a stride apart, often several pages: three lines, which are 8 tiles wide, are read once and fetched
// ahead, which the processor does not do by itself across pages.
TK_AVX2
static void tk_pack_straight_rows(
  float *restrict rows, tk_side a, int64_t first, int64_t count, int64_t row, int64_t height) {
  enum { TILES = 8, AHEAD = 10 };
  const int64_t stride = a.stride;
  const __m256i six = _mm256_setr_epi32(-1, -1, -1, -1, -1, -1, 0, 0);
  int64_t i = 0;
  for (; i + TILES * TILE_ROWS <= height; i += TILES * TILE_ROWS) {
    float *restrict out = rows + i * count;
    const float *values = a.values + first * stride + row + i;
    // Reading 8 values of the last tile takes two of the rows behind it, which have to be there.
    const bool isLast = i + TILES * TILE_ROWS + 2 > height;
    int64_t k = 0;
    for (; k + 1 < count; k++) {
      const float *line = values + k * stride;
      for (int l = 0; l < 4; l++) __builtin_prefetch(line + AHEAD * stride + 16 * l, 0, 3);
      for (int64_t t = 0; t < TILES; t++) {
        const float *source = line + t * TILE_ROWS;
        __m256 v = isLast && t == TILES - 1 ? _mm256_maskload_ps(source, six) : _mm256_loadu_ps(source);
        _mm256_storeu_ps(out + t * TILE_ROWS * count + k * TILE_ROWS, v);
      }
    }
    for (; k < count; k++)
      for (int64_t t = 0; t < TILES; t++)
        _mm256_maskstore_ps(
          out + t * TILE_ROWS * count + k * TILE_ROWS, six, _mm256_maskload_ps(values + k * stride + t * TILE_ROWS, six));
  }
  for (; i < height; i += TILE_ROWS) {
    float *restrict out = rows + i * count;
    const float *values = a.values + first * stride + row + i;
    const int64_t tile = tk_least(TILE_ROWS, height - i);
    int64_t k = 0;
    if (i + 8 <= height)
      for (; k < count; k++) _mm256_storeu_ps(out + k * TILE_ROWS, _mm256_loadu_ps(values + k * stride));
    for (; k < count; k++)
      for (int64_t l = 0; l < TILE_ROWS; l++) out[k * TILE_ROWS + l] = l < tile ? values[k * stride + l] : 0;
  }
}

TK_INLINE void tk_pack_rows(
  float *restrict rows, tk_side a, int64_t first, int64_t count, int64_t row, int64_t height) {
  if (a.isTurned)
    tk_pack_turned_rows(rows, a, first, count, row, height);
  else
    tk_pack_straight_rows(rows, a, first, count, row, height);
}

// Lines that the next columns will be packed from, on their way to the second cache a few at a time: more at once would
// wait for each other.
typedef struct {
  const float *values;
  int64_t stride;
  // Lines of a row of values, the next one of them, and all that are left.
  int64_t lines, line, left;
  // Lines of one turn.
  int64_t share;
} tk_fetch;

TK_INLINE tk_fetch tk_fetch_of(
  tk_side b, int64_t first, int64_t count, int64_t column, int64_t width, int64_t turns) {
  tk_fetch fetch = {.stride = b.stride, .lines = 1};
  if (b.isTurned) {
    fetch.values = b.values + column * b.stride + first;
    fetch.lines = (count + 15) / 16;
    fetch.left = fetch.lines * width;
  } else {
    fetch.values = b.values + first * b.stride + column;
    fetch.left = width > 0 ? count : 0;
  }
  fetch.share = (fetch.left + turns - 1) / turns;
  return fetch;
}

TK_INLINE void tk_fetch_some(tk_fetch *fetch) {
  int64_t count = tk_least(fetch->share, fetch->left);
  fetch->left -= count;
  for (; count > 0; count--) {
    __builtin_prefetch(fetch->values + fetch->line * 16, 0, 2);
    if (++fetch->line == fetch->lines) {
      fetch->line = 0;
      fetch->values += fetch->stride;
    }
  }
}

// MARK: Products

bool tk_gemm_is_supported(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && !__builtin_cpu_supports("avx512f");
}

// c[rows, columns] (+)= Σ_k a(row, k) · b(k, column) over `depth` summed values.
TK_INLINE void tk_multiply(
  float *c, int64_t cStride, tk_side a, tk_side b, int64_t rows, int64_t columns, int64_t depth, bool adds) {
  const int64_t block = tk_block(depth), group = tk_group(rows, ROW_GROUP, TILE_ROWS);
  const bool packsRows = !a.isTurned || columns > NARROW;
  int64_t products = 0;
  for (int64_t first = 0; first < rows; first += group) {
    const int64_t height = tk_least(group, rows - first), tiles = (height + TILE_ROWS - 1) / TILE_ROWS;
    for (int64_t k = 0; k < depth; k += block) {
      const int64_t count = tk_least(block, depth - k);
      const bool adding = adds || k > 0;
      if (packsRows) tk_pack_rows(tk_rows, a, k, count, first, height);
      for (int64_t j = 0; j < columns; j += TILE_COLUMNS) {
        const int64_t width = tk_least(TILE_COLUMNS, columns - j), next = tk_least(TILE_COLUMNS, columns - j - width);
        tk_pack_columns(tk_columns, b, k, count, j, width);
        tk_fetch ahead = tk_fetch_of(b, k, count, j + TILE_COLUMNS, next, tiles);
        for (int64_t tile = 0; tile < tiles; tile++) {
          const int64_t row = first + tile * TILE_ROWS, part = tk_least(TILE_ROWS, height - tile * TILE_ROWS);
          float *target = c + row * cStride + j;
          tk_fetch_some(&ahead);
          for (int64_t i = 0; i < part; i++) __builtin_prefetch(target + i * cStride, 1, 3);
          if (packsRows)
            tk_tile_of_packed(
              part, tk_rows + tile * TILE_ROWS * count, tk_columns, count, target, cStride, width, adding);
          else
            tk_tile_of_rows(
              part, a.values + row * a.stride + k, a.stride, tk_columns, count, target, cStride, width, adding);
        }
      }
      products += height * count * columns;
      if (products >= TK_BEAT_PRODUCTS) {
        pulse_beat();
        products = 0;
      }
    }
  }
}

TK_AVX2
void tk_gemm_nt(
  float *y, int64_t yStride, const float *x, int64_t xStride, const float *w, int64_t wStride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds) {
  tk_multiply(
    y, yStride, (tk_side){x, xStride, true}, (tk_side){w, wStride, true}, rows, outputs, inputs, adds);
}

TK_AVX2
void tk_gemm_nn(
  float *dx, int64_t dxStride, const float *dy, int64_t dyStride, const float *w, int64_t wStride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds) {
  tk_multiply(
    dx, dxStride, (tk_side){dy, dyStride, true}, (tk_side){w, wStride, false}, rows, inputs, outputs, adds);
}

TK_AVX2
void tk_gemm_tn(
  float *dw, int64_t dwStride, const float *dy, int64_t dyStride, const float *x, int64_t xStride, int64_t rows,
  int64_t outputs, int64_t inputs) {
  tk_multiply(
    dw, dwStride, (tk_side){dy, dyStride, false}, (tk_side){x, xStride, false}, outputs, inputs, rows, true);
}

#else

#include <stdlib.h>

bool tk_gemm_is_supported(void) { return false; }

void tk_gemm_nt(
  float *y, int64_t yStride, const float *x, int64_t xStride, const float *w, int64_t wStride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds) {
  abort();
}

void tk_gemm_nn(
  float *dx, int64_t dxStride, const float *dy, int64_t dyStride, const float *w, int64_t wStride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds) {
  abort();
}

void tk_gemm_tn(
  float *dw, int64_t dwStride, const float *dy, int64_t dyStride, const float *x, int64_t xStride, int64_t rows,
  int64_t outputs, int64_t inputs) {
  abort();
}

#endif
