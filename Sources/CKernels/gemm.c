#include "ckernels.h"

// Products of fp32 matrices on one thread for x86-64 with AVX2 and FMA.
//
// A tile of 6 × 16 results lives in registers: 6 rows of A, one value of each broadcast per step, times 16 columns of B,
// packed so that a step reads one cache line. What a general GEMM packs anew in every call and we need not is the other
// side: rows of A are read where they stand, or copied where their stride would send them all to the same cache sets.
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
  // Of the summed dimension: 24 KB of packed columns, which stay in the first cache while rows pass by.
  LARGEST_BLOCK = 384,
  // Rows whose block fits the second cache beside the columns, and columns that fit it beside a strip of rows.
  ROW_GROUP = 192,
  COLUMN_GROUP = 256,
  // Outputs that are turned from columns to rows together.
  STRIP = 96,
};

// Rows of A, columns of B, and results on their way to other rows.
static _Thread_local float tk_rows[ROW_GROUP * LARGEST_BLOCK] __attribute__((aligned(64)));
static _Thread_local float tk_columns[COLUMN_GROUP * LARGEST_BLOCK] __attribute__((aligned(64)));
static _Thread_local float tk_strip[TILE_COLUMNS * STRIP] __attribute__((aligned(64)));

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

// Whether rows this far apart share the sets of a cache whose ways are 4 KB.
static inline bool tk_collides(int64_t stride) { return stride % 1024 == 0; }

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

// strip[j·STRIP + i] = sums[i][j]. Writes whole rows of 8: the next tile's values go over what is beyond this one's.
TK_INLINE void tk_store_turned(const int rows, __m256 sums[TILE_ROWS][2], float *strip) {
  for (int half = 0; half < 2; half++) {
    __m256 v[8];
    for (int i = 0; i < 8; i++) v[i] = i < rows ? sums[i][half] : _mm256_setzero_ps();
    tk_transpose(v);
    for (int j = 0; j < 8; j++) {
      float *row = strip + (8 * half + j) * STRIP;
      _mm_storeu_ps(row, _mm256_castps256_ps128(v[j]));
      if (rows > 4) _mm_storel_pi((__m64 *)(row + 4), _mm256_extractf128_ps(v[j], 1));
    }
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

TK_AVX2
static void tk_tile_turned(
  int64_t rows, const float *a, int64_t stride, const float *columns, int64_t count, float *strip) {
  __m256 sums[TILE_ROWS][2];
#define BODY(n)                                                                                                       \
  tk_tile(n, a, stride, 1, columns, count, sums);                                                                     \
  tk_store_turned(n, sums, strip);
  TK_ROWS(rows, BODY)
#undef BODY
}

// Rows interleaved by tk_interleave.
TK_AVX2
static void tk_tile_of_interleaved(
  int64_t rows, const float *a, const float *columns, int64_t count, float *c, int64_t cStride, int64_t width) {
  __m256 sums[TILE_ROWS][2];
#define BODY(n)                                                                                                       \
  tk_tile(n, a, 1, TILE_ROWS, columns, count, sums);                                                                  \
  tk_store(n, sums, c, cStride, width, true);
  TK_ROWS(rows, BODY)
#undef BODY
}

// MARK: Packing

// columns[k][j] = b[k·stride + j]
TK_INLINE void tk_pack(float *restrict columns, const float *b, int64_t stride, int64_t count, int64_t width) {
  if (width == TILE_COLUMNS) {
    for (int64_t k = 0; k < count; k++) {
      _mm256_store_ps(columns + k * TILE_COLUMNS, _mm256_loadu_ps(b + k * stride));
      _mm256_store_ps(columns + k * TILE_COLUMNS + 8, _mm256_loadu_ps(b + k * stride + 8));
    }
    return;
  }
  for (int64_t k = 0; k < count; k++)
    for (int64_t j = 0; j < TILE_COLUMNS; j++) columns[k * TILE_COLUMNS + j] = j < width ? b[k * stride + j] : 0;
}

// columns[k][j] = b[j·stride + k]
TK_AVX2
static void tk_pack_turned(float *restrict columns, const float *b, int64_t stride, int64_t count, int64_t width) {
  int64_t k = 0;
  if (width == TILE_COLUMNS) {
    for (; k + 8 <= count; k += 8)
      for (int half = 0; half < 2; half++) {
        __m256 v[8];
        for (int i = 0; i < 8; i++) v[i] = _mm256_loadu_ps(b + (8 * half + i) * stride + k);
        tk_transpose(v);
        for (int i = 0; i < 8; i++) _mm256_store_ps(columns + (k + i) * TILE_COLUMNS + 8 * half, v[i]);
      }
  }
  for (; k < count; k++)
    for (int64_t j = 0; j < TILE_COLUMNS; j++) columns[k * TILE_COLUMNS + j] = j < width ? b[j * stride + k] : 0;
}

// rows[i / 6][k][i % 6] = a[k·stride + i]
TK_AVX2
static void tk_interleave(float *restrict rows, const float *a, int64_t stride, int64_t count, int64_t width) {
  for (int64_t i = 0; i < width; i += TILE_ROWS) {
    float *restrict out = rows + i * count;
    // A store of 8 runs into the next step's place, and behind the last step into the next rows': both come later.
    int64_t whole = i + 8 <= width ? count : 0;
    for (int64_t k = 0; k < whole; k++) _mm256_storeu_ps(out + k * TILE_ROWS, _mm256_loadu_ps(a + k * stride + i));
    for (int64_t k = whole; k < count; k++)
      for (int64_t l = 0; l < TILE_ROWS; l++) out[k * TILE_ROWS + l] = i + l < width ? a[k * stride + i + l] : 0;
  }
}

static inline void tk_copy_rows(float *restrict rows, const float *a, int64_t stride, int64_t count, int64_t height) {
  for (int64_t i = 0; i < height; i++) memcpy(rows + i * count, a + i * stride, sizeof(float) * (size_t)count);
}

// Rows of one line each, into the second cache.
static inline void tk_fetch_lines(const float *b, int64_t stride, int64_t from, int64_t to) {
  for (int64_t k = from; k < to; k++) __builtin_prefetch(b + k * stride, 0, 2);
}

// MARK: Products

bool tk_gemm_is_supported(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && !__builtin_cpu_supports("avx512f");
}

// Few summed values: w's rows become columns, x stays as it is.
TK_AVX2
static void tk_gemm_nt_short(
  float *y, int64_t yStride, const float *x, int64_t xStride, const float *w, int64_t wStride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds) {
  for (int64_t j = 0; j < outputs; j += TILE_COLUMNS) {
    int64_t width = tk_least(TILE_COLUMNS, outputs - j);
    tk_pack_turned(tk_columns, w + j * wStride, wStride, inputs, width);
    for (int64_t i = 0; i < rows; i += TILE_ROWS)
      tk_tile_of_rows(
        tk_least(TILE_ROWS, rows - i), x + i * xStride, xStride, tk_columns, inputs, y + i * yStride + j, yStride,
        width, adds);
  }
}

static void tk_add_strip(
  float *y, int64_t yStride, const float *restrict strip, int64_t tokens, int64_t outputs, bool adds) {
  for (int64_t j = 0; j < tokens; j++) {
    float *restrict row = y + j * yStride;
    if (adds)
      for (int64_t i = 0; i < outputs; i++) row[i] += strip[j * STRIP + i];
    else
      memcpy(row, strip + j * STRIP, sizeof(float) * (size_t)outputs);
  }
}

// Many summed values: x is packed, once; w's rows, of which there are more, are read as they are. Results come out turned.
TK_AVX2
void tk_gemm_nt(
  float *y, int64_t yStride, const float *x, int64_t xStride, const float *w, int64_t wStride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds) {
  if (inputs <= LARGEST_BLOCK / 2) {
    tk_gemm_nt_short(y, yStride, x, xStride, w, wStride, rows, outputs, inputs, adds);
    return;
  }
  int64_t block = tk_block(inputs), group = tk_group(rows, COLUMN_GROUP, TILE_COLUMNS);
  for (int64_t first = 0; first < rows; first += group) {
    int64_t tokens = tk_least(group, rows - first), groups = (tokens + TILE_COLUMNS - 1) / TILE_COLUMNS;
    for (int64_t k = 0; k < inputs; k += block) {
      int64_t count = tk_least(block, inputs - k);
      for (int64_t j = 0; j < tokens; j += TILE_COLUMNS)
        tk_pack_turned(
          tk_columns + j * count, x + (first + j) * xStride + k, xStride, count, tk_least(TILE_COLUMNS, tokens - j));
      for (int64_t o = 0; o < outputs; o += STRIP) {
        int64_t height = tk_least(STRIP, outputs - o), next = tk_least(STRIP, outputs - o - height);
        const float *a = w + o * wStride + k, *ahead = a + height * wStride;
        int64_t stride = wStride;
        if (tk_collides(wStride)) {
          tk_copy_rows(tk_rows, a, wStride, count, height);
          a = tk_rows;
          stride = count;
        }
        // While this strip is multiplied, the next one and the rows it will go to are on their way, a few lines per tile:
        // more at once would wait for each other.
        int64_t lines = (count + 15) / 16, tiles = (height + TILE_ROWS - 1) / TILE_ROWS * groups;
        int64_t tile = 0, row = 0, line = 0;
        for (int64_t j = 0; j < tokens; j += TILE_COLUMNS) {
          int64_t width = tk_least(TILE_COLUMNS, tokens - j);
          float *target = y + (first + j) * yStride + o;
          for (int64_t i = 0; i < height; i += TILE_ROWS, tile++) {
            for (int64_t due = next * lines * (tile + 1) / tiles; row * lines + line < due;) {
              __builtin_prefetch(ahead + row * wStride + line * 16, 0, 2);
              if (++line == lines) row++, line = 0;
            }
            if (i / TILE_ROWS < width)
              for (int64_t c = 0; c < height; c += 16)
                __builtin_prefetch(target + i / TILE_ROWS * yStride + c, 1, 2);
            tk_tile_turned(
              tk_least(TILE_ROWS, height - i), a + i * stride, stride, tk_columns + j * count, count, tk_strip + i);
          }
          tk_add_strip(target, yStride, tk_strip, width, height, adds || k > 0);
        }
      }
    }
  }
}

// c[height, width] from `height` rows of a and all columns of b, `count` summed values. The next columns and the tile's
// results are on their way while a tile is multiplied.
TK_INLINE void tk_multiply_rows(
  const bool interleaved, float *c, int64_t cStride, const float *a, int64_t aStride, const float *b, int64_t bStride,
  int64_t height, int64_t width, int64_t count, bool adds) {
  int64_t tiles = (height + TILE_ROWS - 1) / TILE_ROWS;
  for (int64_t j = 0; j < width; j += TILE_COLUMNS) {
    int64_t columns = tk_least(TILE_COLUMNS, width - j);
    tk_pack(tk_columns, b + j, bStride, count, columns);
    bool isLast = j + TILE_COLUMNS >= width;
    for (int64_t tile = 0; tile < tiles; tile++) {
      float *target = c + tile * TILE_ROWS * cStride + j;
      int64_t rows = tk_least(TILE_ROWS, height - tile * TILE_ROWS);
      if (!isLast)
        tk_fetch_lines(b + j + TILE_COLUMNS, bStride, tile * count / tiles, (tile + 1) * count / tiles);
      for (int64_t i = 0; i < rows; i++) __builtin_prefetch(target + i * cStride, 1, 3);
      if (interleaved)
        tk_tile_of_interleaved(
          rows, a + tile * TILE_ROWS * count, tk_columns, count, target, cStride, columns);
      else
        tk_tile_of_rows(
          rows, a + tile * TILE_ROWS * aStride, aStride, tk_columns, count, target, cStride, columns, adds);
    }
  }
}

TK_AVX2
void tk_gemm_nn(
  float *dx, int64_t dxStride, const float *dy, int64_t dyStride, const float *w, int64_t wStride, int64_t rows,
  int64_t outputs, int64_t inputs, bool adds) {
  int64_t block = tk_block(outputs), group = tk_group(rows, ROW_GROUP, TILE_ROWS);
  for (int64_t first = 0; first < rows; first += group) {
    int64_t height = tk_least(group, rows - first);
    for (int64_t k = 0; k < outputs; k += block) {
      int64_t count = tk_least(block, outputs - k);
      const float *a = dy + first * dyStride + k;
      int64_t stride = dyStride;
      if (tk_collides(dyStride)) {
        tk_copy_rows(tk_rows, a, dyStride, count, height);
        a = tk_rows;
        stride = count;
      }
      tk_multiply_rows(
        false, dx + first * dxStride, dxStride, a, stride, w + k * wStride, wStride, height, inputs, count,
        adds || k > 0);
    }
  }
}

TK_AVX2
void tk_gemm_tn(
  float *dw, int64_t dwStride, const float *dy, int64_t dyStride, const float *x, int64_t xStride, int64_t rows,
  int64_t outputs, int64_t inputs) {
  int64_t block = tk_block(rows), group = tk_group(outputs, ROW_GROUP, TILE_ROWS);
  for (int64_t first = 0; first < outputs; first += group) {
    int64_t height = tk_least(group, outputs - first);
    for (int64_t k = 0; k < rows; k += block) {
      int64_t count = tk_least(block, rows - k);
      tk_interleave(tk_rows, dy + k * dyStride + first, dyStride, count, height);
      tk_multiply_rows(
        true, dw + first * dwStride, dwStride, tk_rows, 0, x + k * xStride, xStride, height, inputs, count, true);
    }
  }
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
