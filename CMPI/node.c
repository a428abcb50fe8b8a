#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

cmpi_hosts cmpi_world;

enum { CMPI_LINE = 64 };

// What a rank shows the others of its host, ahead of its slots. Each counter has a cache line of its own.
typedef struct {
  // Pieces put into slots so far.
  _Alignas(CMPI_LINE) _Atomic int64_t published;
  // By slot: 1 + the number of the last piece that was taken out of it.
  struct {
    _Alignas(CMPI_LINE) _Atomic int64_t taken;
  } slots[CMPI_SLOTS];
} cmpi_counters;

static struct {
  MPI_Comm ranks;
  MPI_Win window;
  int64_t slot_bytes;
  // By rank of the world: its memory, NULL on other hosts.
  char **memory;
} shared = {.ranks = MPI_COMM_NULL, .window = MPI_WIN_NULL};

static cmpi_counters *counters(int rank) { return (cmpi_counters *)shared.memory[rank]; }

static char *slot(int rank, int64_t number) {
  return shared.memory[rank] + sizeof(cmpi_counters) + number % CMPI_SLOTS * shared.slot_bytes;
}

void *cmpi_free_slot(int64_t number) {
  const int rank = cmpi_world.rank;
  const int64_t before = number - CMPI_SLOTS;
  if (atomic_load_explicit(&counters(rank)->slots[number % CMPI_SLOTS].taken, memory_order_acquire) < before + 1)
    return NULL;
  return slot(rank, number);
}

void cmpi_publish(int64_t number) {
  atomic_store_explicit(&counters(cmpi_world.rank)->published, number + 1, memory_order_release);
}

const void *cmpi_published(int rank, int64_t number) {
  if (atomic_load_explicit(&counters(rank)->published, memory_order_acquire) <= number) return NULL;
  return slot(rank, number);
}

void cmpi_take(int rank, int64_t number) {
  atomic_store_explicit(&counters(rank)->slots[number % CMPI_SLOTS].taken, number + 1, memory_order_release);
}

static int32_t no_memory(cmpi_error *error) { return cmpi_fail("no memory for the table of ranks", error); }

// Numbers hosts by their lowest rank, and ranks within each; where hosts hold unequally many, every rank stands alone.
static int32_t number_hosts(int lowest, cmpi_error *error) {
  cmpi_hosts *w = &cmpi_world;
  int *lead = malloc((size_t)w->size * sizeof *lead);
  w->host = malloc((size_t)w->size * sizeof *w->host);
  w->row = malloc((size_t)w->size * sizeof *w->row);
  w->column = malloc((size_t)w->size * sizeof *w->column);
  w->at = malloc((size_t)w->size * sizeof *w->at);
  int *counts = calloc((size_t)w->size, sizeof *counts);
  if (!lead || !w->host || !w->row || !w->column || !w->at || !counts) {
    free(lead);
    free(counts);
    return no_memory(error);
  }
  int32_t code =
      cmpi_check(MPI_Allgather(&lowest, 1, MPI_INT, lead, 1, MPI_INT, MPI_COMM_WORLD), "MPI_Allgather", error);
  if (!code) {
    int hosts = 0, most = 0, least = w->size;
    for (int rank = 0; rank < w->size; rank++) {
      w->host[rank] = lead[rank] == rank ? hosts++ : w->host[lead[rank]];
      w->column[rank] = counts[w->host[rank]]++;
    }
    for (int host = 0; host < hosts; host++) {
      if (counts[host] > most) most = counts[host];
      if (counts[host] < least) least = counts[host];
    }
    const int isEven = most == least;
    w->rows = isEven ? hosts : w->size;
    w->columns = isEven ? most : 1;
    for (int rank = 0; rank < w->size; rank++) {
      w->row[rank] = isEven ? w->host[rank] : rank;
      if (!isEven) w->column[rank] = 0;
      w->at[w->row[rank] * w->columns + w->column[rank]] = rank;
    }
  }
  free(lead);
  free(counts);
  return code;
}

// A window over the memory of this host's ranks; `opened` says whether all of them have it.
static int32_t open_window(int64_t slot_bytes, int32_t *opened, cmpi_error *error) {
  *opened = 0;
  const int64_t bytes = (int64_t)sizeof(cmpi_counters) + CMPI_SLOTS * slot_bytes;
  int count = 0;
  int32_t code = cmpi_check(MPI_Comm_size(shared.ranks, &count), "MPI_Comm_size", error);
  if (code) return code;
  MPI_Info info = MPI_INFO_NULL;
  code = cmpi_check(MPI_Info_create(&info), "MPI_Info_create", error);
  if (code) return code;
  // Each rank's part on pages of its own, near the core that fills it.
  code = cmpi_check(MPI_Info_set(info, "alloc_shared_noncontig", "true"), "MPI_Info_set", error);
  if (code) return code;
  char *own = NULL;
  int made = MPI_Win_allocate_shared((MPI_Aint)bytes, 1, info, shared.ranks, &own, &shared.window) == MPI_SUCCESS;
  MPI_Info_free(&info);
  if (made) memset(own, 0, (size_t)bytes);
  // One rank without it, and all do without.
  code = cmpi_check(
      MPI_Allreduce(MPI_IN_PLACE, &made, 1, MPI_INT, MPI_MIN, shared.ranks), "MPI_Allreduce", error);
  if (code || !made) return code;
  shared.memory = calloc((size_t)cmpi_world.size, sizeof *shared.memory);
  int *world_ranks = malloc((size_t)count * sizeof *world_ranks);
  if (!shared.memory || !world_ranks) {
    free(world_ranks);
    return no_memory(error);
  }
  shared.slot_bytes = slot_bytes;
  code = cmpi_check(
      MPI_Allgather(&cmpi_world.rank, 1, MPI_INT, world_ranks, 1, MPI_INT, shared.ranks), "MPI_Allgather", error);
  for (int mate = 0; mate < count && !code; mate++) {
    MPI_Aint size;
    int unit;
    code = cmpi_check(
        MPI_Win_shared_query(shared.window, mate, &size, &unit, &shared.memory[world_ranks[mate]]),
        "MPI_Win_shared_query", error);
  }
  free(world_ranks);
  // Loads and stores inside the window need an epoch (MPI 4.0, 12.5); counters order them.
  if (!code) code = cmpi_check(MPI_Win_lock_all(MPI_MODE_NOCHECK, shared.window), "MPI_Win_lock_all", error);
  *opened = code == 0;
  return code;
}

int32_t cmpi_open_hosts(
    int32_t ranks_per_host, int64_t slot_bytes, int32_t *hosts, int32_t *shares, cmpi_error *error) {
  cmpi_hosts *w = &cmpi_world;
  *shares = 0;
  int32_t code = cmpi_rank(&w->rank, error);
  if (!code) code = cmpi_size(&w->size, error);
  int lowest = w->rank, count = 1;
  if (!code)
    code = cmpi_check(
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &shared.ranks),
        "MPI_Comm_split_type", error);
  if (!code && ranks_per_host > 0) {
    MPI_Comm whole = shared.ranks;
    code = cmpi_check(MPI_Comm_split(whole, w->rank / ranks_per_host, 0, &shared.ranks), "MPI_Comm_split", error);
    if (!code) code = cmpi_check(MPI_Comm_free(&whole), "MPI_Comm_free", error);
  }
  if (!code) code = cmpi_check(MPI_Comm_set_errhandler(shared.ranks, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler", error);
  if (!code) code = cmpi_check(MPI_Comm_size(shared.ranks, &count), "MPI_Comm_size", error);
  if (!code)
    code =
        cmpi_check(MPI_Allreduce(MPI_IN_PLACE, &lowest, 1, MPI_INT, MPI_MIN, shared.ranks), "MPI_Allreduce", error);
  if (!code) code = number_hosts(lowest, error);
  if (!code && count > 1) code = open_window(slot_bytes, shares, error);
  w->slot_bytes = *shares ? slot_bytes : 0;
  *hosts = 0;
  for (int rank = 0; rank < w->size && !code; rank++)
    if (w->host[rank] >= *hosts) *hosts = w->host[rank] + 1;
  return code;
}

void cmpi_close_hosts(void) {
  if (shared.window != MPI_WIN_NULL && cmpi_world.slot_bytes) {
    MPI_Win_unlock_all(shared.window);
    MPI_Win_free(&shared.window);
  }
  if (shared.ranks != MPI_COMM_NULL) MPI_Comm_free(&shared.ranks);
}

bool cmpi_shares_memory(int rank) { return cmpi_world.slot_bytes && shared.memory[rank] && rank != cmpi_world.rank; }
