#include "internal.h"

#define ADD(type)                                    \
  do {                                               \
    type *restrict a = into;                         \
    const type *restrict b = from;                   \
    for (int64_t i = 0; i < count; i++) a[i] += b[i]; \
  } while (0)

static void add(void *into, const void *from, int64_t count, cmpi_element element) {
  switch (element) {
    case CMPI_FLOAT32: ADD(float); return;
    case CMPI_FLOAT64: ADD(double); return;
    // Unsigned, so that overflow wraps instead of being undefined.
    case CMPI_INT64: ADD(uint64_t); return;
  }
}

// Sums as a binary tree over ranks: in level l, ranks whose numbers differ in bit l alone are partners. Each holds sums
// over the 2^l ranks around it; it gives its partner the shards of the owners that are numbered as the partner is in bits
// 0 to l, and takes those of its own. So every element is summed as ((0 + 1) + (2 + 3)) + … whoever owns it, and since
// x + y = y + x to the bit, whoever adds. It moves as little as the ring does, in log2(R) steps instead of R − 1.
int32_t cmpi_tree_reduce_scatter(
    void *buffer, cmpi_shards shards, cmpi_element element, int64_t piece_bytes, void *scratch, cmpi_error *error) {
  int rank, size;
  int32_t code = cmpi_rank(&rank, error);
  if (code) return code;
  code = cmpi_size(&size, error);
  if (code) return code;
  if (size & (size - 1)) return cmpi_fail("a tree of sums needs 1, 2, 4, 8, … ranks", error);
  const int64_t width = cmpi_size_of(element), piece = piece_bytes / width;
  for (int bit = 1; bit < size; bit *= 2) {
    const int partner = rank ^ bit, alike = 2 * bit - 1;
    for (int owner = 0; owner < size; owner++) {
      if ((owner & alike) != (rank & alike)) continue;
      const int other = owner ^ bit;
      char *out = (char *)buffer + shards.offsets[other] * width;
      char *in = (char *)buffer + shards.offsets[owner] * width;
      const int64_t out_count = shards.counts[other], in_count = shards.counts[owner];
      for (int64_t start = 0; start < out_count || start < in_count; start += piece) {
        const int taken = cmpi_piece(start, in_count, piece);
        code = cmpi_swap(
            out + start * width, cmpi_piece(start, out_count, piece), partner, scratch, taken, partner,
            cmpi_datatype(element), error);
        if (code) return code;
        add(in + start * width, scratch, taken, element);
      }
    }
  }
  return 0;
}
