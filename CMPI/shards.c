#include "internal.h"

// Shards travel around a ring of ranks: R − 1 steps, each handing a piece to the next rank while taking one from the
// rank before. It moves the least data possible and crosses from host to host once per step when ranks are numbered host
// by host. 512 MiB between two ranks of one host, Open MPI 4.1.4: 0.053 s in pieces of 1 MiB, 0.049 s by MPI_Allgather,
// 0.093 s by MPI_Bcast from each owner in pieces.

int32_t cmpi_swap(
    const void *send, int send_count, int to, void *receive, int receive_count, int from, MPI_Datatype datatype,
    cmpi_error *error) {
  if (send_count == 0 && receive_count == 0) return 0;
  cmpi_await(receive_count ? from : to, -1);
  cmpi_beat();
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
