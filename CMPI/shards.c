#include "internal.h"

// Shards travel around a ring of ranks: R − 1 steps, each handing a piece to the next rank while taking one from the
// rank before. It moves the least data possible, crosses from host to host once per step when ranks are numbered host
// by host, adds in an order that only the layout decides (same layout, same bits), and needs one piece of memory.
// 512 MiB of fp32 between two ranks of one host, Open MPI 4.1.4, seconds:
//   reduce-scatter: ring in pieces of 1 MiB 0.062, MPI_Reduce to each owner in pieces 0.099, MPI_Allreduce in
//                   pieces 0.095, MPI_Reduce_scatter in one call 0.82
//   all-gather:     ring in pieces of 1 MiB 0.053, MPI_Allgather 0.049, MPI_Bcast from each owner in pieces 0.093

int32_t cmpi_swap(
    const void *send, int send_count, int to, void *receive, int receive_count, int from, MPI_Datatype datatype,
    cmpi_error *error) {
  if (send_count == 0 && receive_count == 0) return 0;
  return cmpi_check(
      MPI_Sendrecv(
          send, send_count, datatype, send_count ? to : MPI_PROC_NULL, 0, receive, receive_count, datatype,
          receive_count ? from : MPI_PROC_NULL, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
      "MPI_Sendrecv", error);
}

static int32_t ring_position(int *rank, int *size, cmpi_error *error) {
  int32_t code = cmpi_rank(rank, error);
  return code ? code : cmpi_size(size, error);
}

#define ADD(type)                                    \
  do {                                               \
    type *restrict a = into;                         \
    const type *restrict b = from;                   \
    for (int64_t i = 0; i < count; i++) a[i] += b[i]; \
  } while (0)

void cmpi_add(void *into, const void *from, int64_t count, cmpi_element element) {
  switch (element) {
    case CMPI_FLOAT32: ADD(float); return;
    case CMPI_FLOAT64: ADD(double); return;
    // Unsigned, so that overflow wraps instead of being undefined.
    case CMPI_INT64: ADD(uint64_t); return;
  }
}

int32_t cmpi_reduce_scatter(
    void *buffer, cmpi_shards shards, cmpi_element element, int64_t piece_bytes, void *scratch, cmpi_error *error) {
  int rank, size;
  int32_t code = ring_position(&rank, &size, error);
  if (code) return code;
  const int64_t width = cmpi_size_of(element), piece = piece_bytes / width;
  const int next = (rank + 1) % size, previous = (rank + size - 1) % size;
  for (int step = 0; step < size - 1; step++) {
    // The shard of rank s starts at rank s + 1, collects a summand at every rank and ends at its owner.
    const int leaving = (rank - step - 1 + size) % size, arriving = (rank - step - 2 + 2 * size) % size;
    char *out = (char *)buffer + shards.offsets[leaving] * width;
    char *in = (char *)buffer + shards.offsets[arriving] * width;
    const int64_t out_count = shards.counts[leaving], in_count = shards.counts[arriving];
    for (int64_t start = 0; start < out_count || start < in_count; start += piece) {
      const int taken = cmpi_piece(start, in_count, piece);
      code = cmpi_swap(
          out + start * width, cmpi_piece(start, out_count, piece), next, scratch, taken, previous,
          cmpi_datatype(element), error);
      if (code) return code;
      cmpi_add(in + start * width, scratch, taken, element);
    }
  }
  return 0;
}

int32_t cmpi_all_gather(
    void *buffer, cmpi_shards shards, int64_t element_bytes, int64_t piece_bytes, cmpi_error *error) {
  int rank, size;
  int32_t code = ring_position(&rank, &size, error);
  if (code) return code;
  const int next = (rank + 1) % size, previous = (rank + size - 1) % size;
  for (int step = 0; step < size - 1; step++) {
    const int leaving = (rank - step + size) % size, arriving = (rank - step - 1 + size) % size;
    char *out = (char *)buffer + shards.offsets[leaving] * element_bytes;
    char *in = (char *)buffer + shards.offsets[arriving] * element_bytes;
    const int64_t out_bytes = shards.counts[leaving] * element_bytes;
    const int64_t in_bytes = shards.counts[arriving] * element_bytes;
    for (int64_t start = 0; start < out_bytes || start < in_bytes; start += piece_bytes) {
      code = cmpi_swap(
          out + start, cmpi_piece(start, out_bytes, piece_bytes), next, in + start,
          cmpi_piece(start, in_bytes, piece_bytes), previous, MPI_BYTE, error);
      if (code) return code;
    }
  }
  return 0;
}
