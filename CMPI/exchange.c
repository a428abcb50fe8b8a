#include <string.h>

#include "internal.h"

int32_t cmpi_broadcast(void *bytes, int64_t count, int32_t root, int64_t piece_bytes, cmpi_error *error) {
  cmpi_await(root, -1);
  for (int64_t start = 0; start < count; start += piece_bytes) {
    int32_t code = cmpi_check(
        MPI_Bcast((char *)bytes + start, cmpi_piece(start, count, piece_bytes), MPI_BYTE, root, MPI_COMM_WORLD),
        "MPI_Bcast", error);
    if (code) return code;
    cmpi_beat();
  }
  return 0;
}

int32_t cmpi_all_to_all_int64(const int64_t *send, int64_t *receive, cmpi_error *error) {
  cmpi_await(-1, -1);
  return cmpi_check(
      MPI_Alltoall(send, 1, MPI_INT64_T, receive, 1, MPI_INT64_T, MPI_COMM_WORLD), "MPI_Alltoall", error);
}

// Pairwise: in round d every rank sends to the rank d above and receives from the rank d below. MPI_Alltoallv would
// take 32-bit counts and offsets.
int32_t cmpi_all_to_all_bytes(
    const void *send, cmpi_shards send_shards, void *receive, cmpi_shards receive_shards, int64_t piece_bytes,
    cmpi_error *error) {
  int rank, size;
  int32_t code = cmpi_rank(&rank, error);
  if (code) return code;
  code = cmpi_size(&size, error);
  if (code) return code;
  if (send_shards.counts[rank] != receive_shards.counts[rank])
    return cmpi_fail("a rank's bytes to itself have two different counts", error);
  // An empty exchange may come with null pointers, which memcpy does not allow.
  if (send_shards.counts[rank])
    memcpy(
        (char *)receive + receive_shards.offsets[rank], (const char *)send + send_shards.offsets[rank],
        (size_t)send_shards.counts[rank]);
  for (int distance = 1; distance < size; distance++) {
    const int to = (rank + distance) % size, from = (rank - distance + size) % size;
    const char *out = (const char *)send + send_shards.offsets[to];
    char *in = (char *)receive + receive_shards.offsets[from];
    const int64_t out_count = send_shards.counts[to], in_count = receive_shards.counts[from];
    for (int64_t start = 0; start < out_count || start < in_count; start += piece_bytes) {
      code = cmpi_swap(
          out + start, cmpi_piece(start, out_count, piece_bytes), to, in + start,
          cmpi_piece(start, in_count, piece_bytes), from, MPI_BYTE, error);
      if (code) return code;
    }
  }
  return 0;
}
