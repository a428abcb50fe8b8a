#ifndef CMPI_H
#define CMPI_H

// What the worker needs of MPI, as one table of functions without any MPI type.
//
// Each MPI has its own binary interface, so a shared library per MPI implements the table, and the worker loads the one
// that fits how it was started. Every function returns 0, or the MPI error code with `error` filled in. Counts are 64-bit;
// no single call into MPI carries more than `piece_bytes`. One thread, the one that called `initialize`, calls them all.

#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(nullability)
#define CMPI_NONNULL_BEGIN _Pragma("clang assume_nonnull begin")
#define CMPI_NONNULL_END _Pragma("clang assume_nonnull end")
#define CMPI_NULLABLE _Nullable
#endif
#endif
#ifndef CMPI_NULLABLE
#define CMPI_NONNULL_BEGIN
#define CMPI_NONNULL_END
#define CMPI_NULLABLE
#endif

// Raised whenever the table's layout or a function's meaning changes.
#define CMPI_TABLE_VERSION 4
// The one symbol that a shim exports: a `const cmpi_table`.
#define CMPI_TABLE_SYMBOL "cmpi_table_v1"
#define CMPI_ERROR_CAPACITY 768

CMPI_NONNULL_BEGIN

typedef enum cmpi_element { CMPI_FLOAT32, CMPI_FLOAT64, CMPI_INT64 } cmpi_element;
typedef enum cmpi_operation { CMPI_SUM, CMPI_MINIMUM, CMPI_MAXIMUM } cmpi_operation;

// The MPI call that failed and MPI's own words about it, in one line ending in a zero byte.
typedef struct cmpi_error {
  int32_t code;
  char text[CMPI_ERROR_CAPACITY];
} cmpi_error;

// Sums under way, made by `start_all_reduce` and freed when `wait` returns or `test` says done.
typedef struct cmpi_request cmpi_request;

// What a stream does with shards of a flat buffer.
//
// Sums: every rank's shard ends as the sum over ranks of fp32 numbers, the others end with unspecified values. Between hosts
// a summand may go rounded to bfloat16; sums are made in fp32 always.
// Copies: every rank's shard is copied to all.
typedef enum cmpi_flow { CMPI_SUMS, CMPI_SUMS_BFLOAT16, CMPI_COPIES } cmpi_flow;

// Shards of one buffer under way, one call of `extend_stream` after the other.
typedef struct cmpi_stream cmpi_stream;

// Part r of a flat buffer, in elements: [offsets[r], offsets[r] + counts[r]).
typedef struct cmpi_shards {
  const int64_t *offsets;
  const int64_t *counts;
} cmpi_shards;

// Where calls under way show that they go on, for those who watch from another thread: every piece adds 1 to `beats`, and
// before they wait, `peer` says for which rank (below 0: for no one in particular) and `offset` where the awaited piece
// stands in its buffer (below 0: nowhere). Written by relaxed atomic operations.
typedef struct cmpi_pulse {
  uint64_t *beats;
  int32_t *peer;
  int64_t *offset;
} cmpi_pulse;

typedef struct cmpi_table {
  int32_t version;  // CMPI_TABLE_VERSION; first for ever, so that any shim can be asked

  // May be called before `initialize`; without it nothing is shown.
  void (*show_pulse)(cmpi_pulse pulse);
  // MPI's name and version; may be called before `initialize`. The text is cut to `capacity` and ends in a zero byte.
  int32_t (*library_name)(char *text, int32_t capacity, cmpi_error *error);
  // Thread level MPI_THREAD_FUNNELED, errors returned instead of ending the process.
  int32_t (*initialize)(cmpi_error *error);
  int32_t (*finalize)(cmpi_error *error);
  int32_t (*rank)(int32_t *rank, cmpi_error *error);
  int32_t (*size)(int32_t *size, cmpi_error *error);
  int32_t (*host)(char *text, int32_t capacity, cmpi_error *error);
  int32_t (*barrier)(cmpi_error *error);
  // Ends every rank; does not come back.
  void (*abort)(int32_t exit_code);

  // In place, every rank ends with the result over all ranks.
  int32_t (*all_reduce)(
      void *buffer, int64_t count, cmpi_element element, cmpi_operation operation, int64_t piece_bytes,
      cmpi_error *error);
  // The sum of `all_reduce`, begun but not finished. `buffer` belongs to MPI until the request is done.
  int32_t (*start_all_reduce)(
      void *buffer, int64_t count, cmpi_element element, cmpi_operation operation, int64_t piece_bytes,
      cmpi_request *CMPI_NULLABLE *CMPI_NULLABLE request, cmpi_error *error);
  int32_t (*test)(cmpi_request *request, int32_t *done, cmpi_error *error);
  int32_t (*wait)(cmpi_request *request, cmpi_error *error);

  int32_t (*broadcast)(void *bytes, int64_t count, int32_t root, int64_t piece_bytes, cmpi_error *error);
  // In place: the own shard ends as its sum over ranks, as a binary tree over 1, 2, 4, 8, … of them,
  // ((0 + 1) + (2 + 3)) + …, whatever the shards; the others end with unspecified values. `scratch` has `piece_bytes` bytes.
  int32_t (*tree_reduce_scatter)(
      void *buffer, cmpi_shards shards, cmpi_element element, int64_t piece_bytes, void *scratch, cmpi_error *error);
  // In place: every rank's own shard is copied to all. Shards are in units of `element_bytes`.
  int32_t (*all_gather)(
      void *buffer, cmpi_shards shards, int64_t element_bytes, int64_t piece_bytes, cmpi_error *error);
  // Number r of `send` goes to rank r; number r of `receive` comes from rank r.
  int32_t (*all_to_all_int64)(const int64_t *send, int64_t *receive, cmpi_error *error);
  // Bytes of varying counts: `send_shards` cut what leaves, `receive_shards` what arrives.
  int32_t (*all_to_all_bytes)(
      const void *send, cmpi_shards send_shards, void *receive, cmpi_shards receive_shards, int64_t piece_bytes,
      cmpi_error *error);

  // Collective, once, before the first stream: finds out which ranks stand on one host and opens memory that they share,
  // in slots of `slot_bytes`. `hosts`: how many there are; `shares`: whether this one's ranks have such memory.
  // `ranks_per_host`: as if hosts held so many ranks at most, which follow each other; 0: as it is.
  int32_t (*open_hosts)(
      int32_t ranks_per_host, int64_t slot_bytes, int32_t *hosts, int32_t *shares, cmpi_error *error);
  // One stream at a time has work under way. `buffer` is in `element_bytes`, 4 for sums.
  int32_t (*open_stream)(
      void *buffer, int64_t element_bytes, cmpi_flow flow, int64_t piece_bytes,
      cmpi_stream *CMPI_NULLABLE *CMPI_NULLABLE stream, cmpi_error *error);
  // Collective, by all ranks in one order: begins with these shards, which are to be left alone from now on.
  int32_t (*extend_stream)(cmpi_stream *stream, cmpi_shards shards, cmpi_error *error);
  // Pieces that come in, in all of the lists since nothing was under way.
  int64_t (*expected_of_stream)(const cmpi_stream *stream);
  // Comes back when so many pieces have come in.
  int32_t (*await_stream)(cmpi_stream *stream, int64_t pieces, cmpi_error *error);
  // Does what can be done without waiting. `left`: pieces still to come or go.
  int32_t (*advance_stream)(cmpi_stream *stream, int64_t *left, cmpi_error *error);
  // Comes back when nothing is left.
  int32_t (*finish_stream)(cmpi_stream *stream, cmpi_error *error);
  // Frees a stream that has nothing under way.
  void (*close_stream)(cmpi_stream *stream);
} cmpi_table;

CMPI_NONNULL_END

#endif
