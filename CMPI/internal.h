// Shared by the files of the shim; never seen by the worker.
#ifndef CMPI_INTERNAL_H
#define CMPI_INTERNAL_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "include/cmpi.h"

// The one place where return codes of MPI are judged: 0 passes, anything else becomes text.
int32_t cmpi_check(int code, const char *call, cmpi_error *error);
// An error of the shim itself, in words of its own.
int32_t cmpi_fail(const char *text, cmpi_error *error);

MPI_Datatype cmpi_datatype(cmpi_element element);
MPI_Op cmpi_op(cmpi_operation operation);
int64_t cmpi_size_of(cmpi_element element);

// Elements that the piece starting at element `start` of `count` has, when a piece holds `piece`; 0 past the end.
static inline int cmpi_piece(int64_t start, int64_t count, int64_t piece) {
  int64_t left = count - start;
  return (int)(left <= 0 ? 0 : left < piece ? left : piece);
}

// Ranks as a table: one row per host, ranks of one host beside each other. Where hosts hold unequally many ranks, the
// table has one column, though ranks of a host still share memory.
typedef struct {
  int rank, size;
  // By rank: the host, numbered from 0, and the place in the table.
  int *host, *row, *column;
  int rows, columns;
  // By row and column: the rank.
  int *at;
  // 0: no memory is shared.
  int64_t slot_bytes;
} cmpi_hosts;
extern cmpi_hosts cmpi_world;

// Slots of a rank; with 128 KiB each they stay in a core's cache.
enum { CMPI_SLOTS = 4 };

bool cmpi_shares_memory(int rank);
// A rank's pieces go through its slots by number; each piece has one taker.
// The own slot for a piece, or NULL while it is taken.
void *cmpi_free_slot(int64_t number);
// Shows the piece that was put into its slot; in the order of numbers.
void cmpi_publish(int64_t number);
// A piece of another rank of this host, or NULL while it is not there.
const void *cmpi_published(int rank, int64_t number);
void cmpi_take(int rank, int64_t number);
void cmpi_close_hosts(void);

// One step of an exchange: sends a piece to one rank while receiving one from another; an empty side is left out.
int32_t cmpi_swap(
    const void *send, int send_count, int to, void *receive, int receive_count, int from, MPI_Datatype datatype,
    cmpi_error *error);

// A piece is through.
void cmpi_beat(void);
// What is waited for from now on.
void cmpi_await(int peer, int64_t offset);
void cmpi_show_pulse(cmpi_pulse pulse);

int32_t cmpi_library_name(char *text, int32_t capacity, cmpi_error *error);
int32_t cmpi_initialize(cmpi_error *error);
int32_t cmpi_finalize(cmpi_error *error);
int32_t cmpi_rank(int32_t *rank, cmpi_error *error);
int32_t cmpi_size(int32_t *size, cmpi_error *error);
int32_t cmpi_host(char *text, int32_t capacity, cmpi_error *error);
int32_t cmpi_barrier(cmpi_error *error);
void cmpi_abort(int32_t exit_code);
int32_t cmpi_all_reduce(
    void *buffer, int64_t count, cmpi_element element, cmpi_operation operation, int64_t piece_bytes,
    cmpi_error *error);
int32_t cmpi_start_all_reduce(
    void *buffer, int64_t count, cmpi_element element, cmpi_operation operation, int64_t piece_bytes,
    cmpi_request **request, cmpi_error *error);
int32_t cmpi_test(cmpi_request *request, int32_t *done, cmpi_error *error);
int32_t cmpi_wait(cmpi_request *request, cmpi_error *error);
int32_t cmpi_broadcast(void *bytes, int64_t count, int32_t root, int64_t piece_bytes, cmpi_error *error);
int32_t cmpi_tree_reduce_scatter(
    void *buffer, cmpi_shards shards, cmpi_element element, int64_t piece_bytes, void *scratch, cmpi_error *error);
int32_t cmpi_open_hosts(
    int32_t keeps_ranks_apart, int64_t slot_bytes, int32_t *hosts, int32_t *shares, cmpi_error *error);
int32_t cmpi_open_stream(
    void *buffer, int64_t element_bytes, cmpi_flow flow, int64_t piece_bytes, cmpi_stream **stream, cmpi_error *error);
int32_t cmpi_extend_stream(cmpi_stream *stream, cmpi_shards shards, cmpi_error *error);
int64_t cmpi_expected_of_stream(const cmpi_stream *stream);
int32_t cmpi_await_stream(cmpi_stream *stream, int64_t pieces, cmpi_error *error);
int32_t cmpi_advance_stream(cmpi_stream *stream, int64_t *left, cmpi_error *error);
int32_t cmpi_finish_stream(cmpi_stream *stream, cmpi_error *error);
void cmpi_close_stream(cmpi_stream *stream);
int32_t cmpi_all_gather(
    void *buffer, cmpi_shards shards, int64_t element_bytes, int64_t piece_bytes, cmpi_error *error);
int32_t cmpi_all_to_all_int64(const int64_t *send, int64_t *receive, cmpi_error *error);
int32_t cmpi_all_to_all_bytes(
    const void *send, cmpi_shards send_shards, void *receive, cmpi_shards receive_shards, int64_t piece_bytes,
    cmpi_error *error);

#endif
