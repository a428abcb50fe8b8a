#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

// Shards go straight to their owner: first between ranks of a host, each collecting what its mates have for its column of
// the table of ranks, then between the ranks of a column. So a number crosses between hosts once, on all links evenly;
// copies go the same way back. In round d a rank sends to the one d places on and takes from the one d places before.
//
// No summand waits for another rank to add and pass it on, as around a ring: ranks that compute look at their
// messages every few milliseconds only. Pieces are taken in the order of the plan, so sums are made in an order that the
// layout alone decides: same layout, same bits, however pieces travel and whoever is late.

enum {
  // Pieces that MPI has at a time, each way: what the network carries between two looks at it.
  CMPI_WINDOW = 16,
  CMPI_TAG = 1,
  // Idle looks before a waiting rank lets others have the core.
  CMPI_LOOKS = 2000,
};

typedef struct {
  int64_t offset;
  // Of a piece that leaves: so many pieces must have come before. Of one in shared memory: its number there, too.
  int64_t after, number;
  int32_t count, peer;
  bool shared;
} cmpi_piece_of;

typedef struct {
  cmpi_piece_of *pieces;
  int64_t count, capacity;
  // Pieces given to MPI, and those that are through; what lies between is at most CMPI_WINDOW.
  int64_t begun, done;
  MPI_Request requests[CMPI_WINDOW];
  // Rooms for pieces that do not travel as they lie in the buffer.
  char *rooms;
} cmpi_lane;

struct cmpi_stream {
  char *buffer;
  int64_t width;
  // Elements of a piece, by MPI and through a slot.
  int64_t piece, slot_piece;
  cmpi_flow flow;
  cmpi_lane out, in;
};

// By rank: pieces that it puts into slots, of all shards that streams were given so far.
static int64_t *slot_numbers;

static bool goes_by_slot(const cmpi_stream *stream, int a, int b) {
  return stream->slot_piece > 0 && a != b && cmpi_world.host[a] == cmpi_world.host[b];
}

static bool is_rounded(const cmpi_stream *stream, int peer) {
  return stream->flow == CMPI_SUMS_BFLOAT16 && cmpi_world.host[peer] != cmpi_world.host[cmpi_world.rank];
}

static int64_t pieces_of(int64_t count, int64_t piece) { return (count + piece - 1) / piece; }

// What a rank sends and takes of one list of shards, in order.
typedef struct {
  // The other rank, and the rank whose shard it is.
  int peer, owner;
  // What leaves may need what came in the first of the two phases.
  bool isSecond;
} cmpi_hop;

// Number `index` of the hops that `rank` sends, or takes; false past the end.
static bool hop_at(cmpi_flow flow, int rank, bool sends, int64_t index, cmpi_hop *hop) {
  const cmpi_hosts *w = &cmpi_world;
  const int64_t inside = (int64_t)(w->columns - 1) * w->rows, across = w->rows - 1;
  const bool insideFirst = flow != CMPI_COPIES;
  const int row = w->row[rank], column = w->column[rank];
  if (index >= inside + across) return false;
  hop->isSecond = index >= (insideFirst ? inside : across);
  if (hop->isSecond == insideFirst) {
    const int distance = 1 + (int)(index - (insideFirst ? inside : 0));
    const int other = (sends ? row + distance : row - distance + w->rows) % w->rows;
    hop->peer = w->at[other * w->columns + column];
    // A summand goes to its owner, a copy comes from it.
    hop->owner = sends == insideFirst ? hop->peer : rank;
    return true;
  }
  if (!insideFirst) index -= across;
  const int distance = 1 + (int)(index / w->rows), shard_row = (int)(index % w->rows);
  const int mate = (sends ? column + distance : column - distance + w->columns) % w->columns;
  hop->peer = w->at[row * w->columns + mate];
  // Of sums, the shards of the column that they end in; of copies, those of the column they come from.
  hop->owner = w->at[shard_row * w->columns + (sends == insideFirst ? mate : column)];
  return true;
}

static int32_t append(cmpi_lane *lane, cmpi_piece_of piece, cmpi_error *error) {
  if (lane->count == lane->capacity) {
    const int64_t capacity = lane->capacity ? 2 * lane->capacity : 256;
    cmpi_piece_of *grown = realloc(lane->pieces, (size_t)capacity * sizeof *grown);
    if (!grown) return cmpi_fail("no memory for the plan of an exchange", error);
    lane->pieces = grown;
    lane->capacity = capacity;
  }
  lane->pieces[lane->count++] = piece;
  return 0;
}

static int32_t append_shard(
    cmpi_stream *stream, cmpi_lane *lane, int64_t offset, int64_t count, int peer, int64_t after, int64_t *number,
    cmpi_error *error) {
  const bool by_slot = goes_by_slot(stream, cmpi_world.rank, peer);
  const int64_t piece = by_slot ? stream->slot_piece : stream->piece;
  for (int64_t start = 0; start < count; start += piece) {
    cmpi_piece_of made = {
        .offset = offset + start, .after = after, .count = cmpi_piece(start, count, piece), .peer = peer,
        .shared = by_slot};
    if (by_slot) made.number = (*number)++;
    int32_t code = append(lane, made, error);
    if (code) return code;
  }
  return 0;
}

// The number of the first piece that `rank` puts into a slot for `taker` (-1: after all of them), of these shards.
static int64_t first_number(const cmpi_stream *stream, cmpi_shards shards, int rank, int taker) {
  int64_t number = slot_numbers[rank];
  cmpi_hop hop;
  for (int64_t index = 0; hop_at(stream->flow, rank, true, index, &hop) && hop.peer != taker; index++)
    if (goes_by_slot(stream, rank, hop.peer)) number += pieces_of(shards.counts[hop.owner], stream->slot_piece);
  return number;
}

int32_t cmpi_extend_stream(cmpi_stream *stream, cmpi_shards shards, cmpi_error *error) {
  const int rank = cmpi_world.rank;
  cmpi_hop hop;
  int32_t code = 0;
  int64_t second = stream->in.count, number = 0;
  int peer = -1;
  for (int64_t index = 0; !code && hop_at(stream->flow, rank, false, index, &hop); index++) {
    // All that a mate puts into slots for this rank follows one another.
    if (hop.peer != peer && goes_by_slot(stream, rank, hop.peer)) number = first_number(stream, shards, hop.peer, rank);
    peer = hop.peer;
    code = append_shard(
        stream, &stream->in, shards.offsets[hop.owner], shards.counts[hop.owner], peer, 0, &number, error);
    if (!hop.isSecond) second = stream->in.count;
  }
  number = slot_numbers[rank];
  for (int64_t index = 0; !code && hop_at(stream->flow, rank, true, index, &hop); index++)
    code = append_shard(
        stream, &stream->out, shards.offsets[hop.owner], shards.counts[hop.owner], hop.peer, hop.isSecond ? second : 0,
        &number, error);
  for (int mate = 0; mate < cmpi_world.size; mate++)
    if (mate == rank || goes_by_slot(stream, rank, mate)) slot_numbers[mate] = first_number(stream, shards, mate, -1);
  return code;
}

// To the nearest bfloat16, to the even one of two; what is no number stays none.
static void round_to_bfloat16(uint16_t *restrict to, const float *restrict from, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, from + i, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    to[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
  }
}

static void add_bfloat16(float *restrict into, const uint16_t *restrict from, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const uint32_t bits = (uint32_t)from[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    into[i] += value;
  }
}

static void add(float *restrict into, const float *restrict from, int64_t count) {
  for (int64_t i = 0; i < count; i++) into[i] += from[i];
}

static char *room(const cmpi_stream *stream, const cmpi_lane *lane, int64_t index) {
  return lane->rooms + index % CMPI_WINDOW * stream->piece * stream->width;
}

static int32_t post_send(cmpi_stream *stream, int64_t index, bool *moved, cmpi_error *error) {
  cmpi_lane *lane = &stream->out;
  const cmpi_piece_of *piece = &lane->pieces[index];
  MPI_Request *request = &lane->requests[index % CMPI_WINDOW];
  char *from = stream->buffer + piece->offset * stream->width;
  *request = MPI_REQUEST_NULL;
  *moved = false;
  if (piece->shared) {
    void *slot = cmpi_free_slot(piece->number);
    if (!slot) return 0;
    memcpy(slot, from, (size_t)(piece->count * stream->width));
    cmpi_publish(piece->number);
    *moved = true;
    return 0;
  }
  *moved = true;
  int64_t bytes = piece->count * stream->width;
  if (is_rounded(stream, piece->peer)) {
    uint16_t *rounded = (uint16_t *)room(stream, lane, index);
    round_to_bfloat16(rounded, (const float *)from, piece->count);
    from = (char *)rounded;
    bytes = 2 * piece->count;
  }
  return cmpi_check(
      MPI_Isend(from, (int)bytes, MPI_BYTE, piece->peer, CMPI_TAG, MPI_COMM_WORLD, request), "MPI_Isend", error);
}

static int32_t post_receive(cmpi_stream *stream, int64_t index, cmpi_error *error) {
  cmpi_lane *lane = &stream->in;
  const cmpi_piece_of *piece = &lane->pieces[index];
  MPI_Request *request = &lane->requests[index % CMPI_WINDOW];
  *request = MPI_REQUEST_NULL;
  if (piece->shared) return 0;
  char *into =
      stream->flow == CMPI_COPIES ? stream->buffer + piece->offset * stream->width : room(stream, lane, index);
  const int64_t bytes = is_rounded(stream, piece->peer) ? 2 * piece->count : piece->count * stream->width;
  return cmpi_check(
      MPI_Irecv(into, (int)bytes, MPI_BYTE, piece->peer, CMPI_TAG, MPI_COMM_WORLD, request), "MPI_Irecv", error);
}

// Takes a piece that may have come into the buffer; `moved` says whether it had.
static int32_t take(cmpi_stream *stream, int64_t index, bool *moved, cmpi_error *error) {
  cmpi_lane *lane = &stream->in;
  const cmpi_piece_of *piece = &lane->pieces[index];
  char *into = stream->buffer + piece->offset * stream->width;
  *moved = false;
  if (piece->shared) {
    const void *from = cmpi_published(piece->peer, piece->number);
    if (!from) return 0;
    if (stream->flow == CMPI_COPIES) {
      memcpy(into, from, (size_t)(piece->count * stream->width));
    } else {
      add((float *)into, from, piece->count);
    }
    cmpi_take(piece->peer, piece->number);
    *moved = true;
    return 0;
  }
  int flag = 0;
  int32_t code =
      cmpi_check(MPI_Test(&lane->requests[index % CMPI_WINDOW], &flag, MPI_STATUS_IGNORE), "MPI_Test", error);
  if (code || !flag) return code;
  *moved = true;
  if (stream->flow == CMPI_COPIES) return 0;
  if (is_rounded(stream, piece->peer)) {
    add_bfloat16((float *)into, (const uint16_t *)room(stream, lane, index), piece->count);
  } else {
    add((float *)into, (const float *)room(stream, lane, index), piece->count);
  }
  return 0;
}

static bool has_room(const cmpi_lane *lane) {
  return lane->begun < lane->count && lane->begun - lane->done < CMPI_WINDOW;
}

// One look at everything; `moved` says whether anything went on.
static int32_t look(cmpi_stream *stream, bool *moved, cmpi_error *error) {
  cmpi_lane *out = &stream->out, *in = &stream->in;
  int32_t code = 0;
  *moved = false;
  for (; has_room(in); in->begun++)
    if ((code = post_receive(stream, in->begun, error))) return code;
  while (has_room(out) && out->pieces[out->begun].after <= in->done) {
    bool left;
    if ((code = post_send(stream, out->begun, &left, error))) return code;
    if (!left) break;
    out->begun++;
    *moved = true;
  }
  while (in->done < in->begun) {
    bool taken;
    if ((code = take(stream, in->done, &taken, error))) return code;
    if (!taken) break;
    in->done++;
    *moved = true;
    // What travels through slots wants one more of them filled for each that was emptied.
    if (in->pieces[in->done - 1].shared) break;
  }
  while (out->done < out->begun) {
    int flag = 1;
    MPI_Request *request = &out->requests[out->done % CMPI_WINDOW];
    if (*request != MPI_REQUEST_NULL)
      code = cmpi_check(MPI_Test(request, &flag, MPI_STATUS_IGNORE), "MPI_Test", error);
    if (code || !flag) return code;
    out->done++;
    *moved = true;
  }
  return 0;
}

static int64_t left_of(const cmpi_stream *stream) {
  return stream->out.count - stream->out.done + stream->in.count - stream->in.done;
}

int32_t cmpi_advance_stream(cmpi_stream *stream, int64_t *left, cmpi_error *error) {
  int32_t code = 0;
  bool moved = left_of(stream) > 0;
  while (moved && !code) {
    code = look(stream, &moved, error);
    if (moved) cmpi_beat();
  }
  *left = left_of(stream);
  return code;
}

// What keeps a stream: a piece that has not come, or else one that does not leave.
static void show_awaited(const cmpi_stream *stream) {
  const cmpi_lane *lane = stream->in.done < stream->in.count ? &stream->in : &stream->out;
  const cmpi_piece_of *piece = &lane->pieces[lane->done];
  cmpi_await(piece->peer, piece->offset);
}

// A look at a stream that this rank waits for; `idle` counts those at which nothing had moved.
static int32_t look_again(cmpi_stream *stream, int *idle, cmpi_error *error) {
  bool moved;
  int32_t code = look(stream, &moved, error);
  if (code) return code;
  if (moved) {
    cmpi_beat();
    *idle = 0;
  } else if ((*idle)++ == 0) {
    show_awaited(stream);
  }
  if (*idle > CMPI_LOOKS) sched_yield();
  return 0;
}

int64_t cmpi_expected_of_stream(const cmpi_stream *stream) { return stream->in.count; }

int32_t cmpi_await_stream(cmpi_stream *stream, int64_t pieces, cmpi_error *error) {
  int32_t code = 0;
  int idle = 0;
  while (!code && stream->in.done < pieces) code = look_again(stream, &idle, error);
  return code;
}

int32_t cmpi_finish_stream(cmpi_stream *stream, cmpi_error *error) {
  int32_t code = 0;
  int idle = 0;
  while (!code && left_of(stream) > 0) code = look_again(stream, &idle, error);
  if (code) return code;
  for (int side = 0; side < 2; side++) {
    cmpi_lane *lane = side ? &stream->in : &stream->out;
    lane->count = lane->begun = lane->done = 0;
  }
  return 0;
}

int32_t cmpi_open_stream(
    void *buffer, int64_t element_bytes, cmpi_flow flow, int64_t piece_bytes, cmpi_stream **stream, cmpi_error *error) {
  if (!slot_numbers) slot_numbers = calloc((size_t)cmpi_world.size, sizeof *slot_numbers);
  cmpi_stream *made = calloc(1, sizeof *made);
  if (!slot_numbers || !made) {
    free(made);
    return cmpi_fail("no memory for an exchange", error);
  }
  made->buffer = buffer;
  made->width = element_bytes;
  made->flow = flow;
  made->piece = piece_bytes < element_bytes ? 1 : piece_bytes / element_bytes;
  const int64_t slot = cmpi_world.slot_bytes < piece_bytes ? cmpi_world.slot_bytes : piece_bytes;
  made->slot_piece = slot / element_bytes;
  // Touched as they are used: ranks of one host need none of it.
  const size_t bytes = (size_t)(CMPI_WINDOW * made->piece * element_bytes);
  if (flow != CMPI_COPIES) made->in.rooms = malloc(bytes);
  if (flow == CMPI_SUMS_BFLOAT16) made->out.rooms = malloc(bytes);
  if ((flow != CMPI_COPIES && !made->in.rooms) || (flow == CMPI_SUMS_BFLOAT16 && !made->out.rooms)) {
    cmpi_close_stream(made);
    return cmpi_fail("no memory for an exchange", error);
  }
  *stream = made;
  return 0;
}

void cmpi_close_stream(cmpi_stream *stream) {
  free(stream->in.pieces);
  free(stream->in.rooms);
  free(stream->out.pieces);
  free(stream->out.rooms);
  free(stream);
}
