/// What a rank is doing, for those who watch it: its watchdog, a thread of its own, and its crash handler.
///
/// Everything here is written by relaxed atomic stores and may be read at any moment, from a signal handler too.
#ifndef CPULSE_H
#define CPULSE_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(nullability)
#define PULSE_NONNULL_BEGIN _Pragma("clang assume_nonnull begin")
#define PULSE_NONNULL_END _Pragma("clang assume_nonnull end")
#define PULSE_NULLABLE _Nullable
#endif
#endif
#ifndef PULSE_NULLABLE
#define PULSE_NONNULL_BEGIN
#define PULSE_NONNULL_END
#define PULSE_NULLABLE
#endif

PULSE_NONNULL_BEGIN

/// Signs of life of one kind of thread.
typedef struct {
  /// Steps of work so far, of any kind: panels of a layer, chunks of files, pieces of collectives.
  uint64_t beats;
  /// How many calls are under way that ask a file system for something: they end when it answers.
  int32_t files;
  /// How many calls are under way that flush to a disk.
  int32_t flushes;
} pulse_lane;

typedef struct {
  /// Of the threads that work; of a moment (`pulse_now`) with what the background does for them.
  pulse_lane lane;
  /// The optimizer step under way; below 0: none.
  int64_t step;
  /// Where in a flat buffer the awaited piece of a collective stands; below 0: nowhere in particular.
  int64_t offset;
  /// The layer under way; below 0: none.
  int32_t layer;
  /// The rank that is waited for; below 0: no one in particular.
  int32_t peer;
  /// Whether a call into MPI is under way.
  int32_t is_waiting;
  /// Whether the work waits for the background, whose signs of life then count as its own.
  int32_t awaits_background;
  /// Texts that live for ever; NULL: none.
  const char *PULSE_NULLABLE phase;
  const char *PULSE_NULLABLE part;
} pulse_record;

/// On cache lines of their own.
extern pulse_record pulse;
extern pulse_lane pulse_background;
/// Whether the calling thread belongs to the background: what it does is no sign that the work goes on.
extern _Thread_local bool pulse_is_background;

static inline pulse_lane *pulse_own_lane(void) { return pulse_is_background ? &pulse_background : &pulse.lane; }
static inline void pulse_beat(void) { __atomic_fetch_add(&pulse_own_lane()->beats, 1, __ATOMIC_RELAXED); }
static inline void pulse_enter_background(void) { pulse_is_background = true; }

static inline void pulse_set_phase(const char *PULSE_NULLABLE phase) {
  __atomic_store_n(&pulse.phase, phase, __ATOMIC_RELAXED);
}
static inline void pulse_set_part(const char *PULSE_NULLABLE part) {
  __atomic_store_n(&pulse.part, part, __ATOMIC_RELAXED);
}
static inline void pulse_set_step(int64_t step) { __atomic_store_n(&pulse.step, step, __ATOMIC_RELAXED); }
static inline void pulse_set_layer(int32_t layer) { __atomic_store_n(&pulse.layer, layer, __ATOMIC_RELAXED); }
static inline void pulse_set_waiting(bool is_waiting) {
  __atomic_store_n(&pulse.is_waiting, is_waiting, __ATOMIC_RELAXED);
}
static inline void pulse_add_files(int32_t change) {
  __atomic_fetch_add(&pulse_own_lane()->files, change, __ATOMIC_RELAXED);
}
static inline void pulse_add_flushes(int32_t change) {
  __atomic_fetch_add(&pulse_own_lane()->flushes, change, __ATOMIC_RELAXED);
}
static inline void pulse_set_awaits_background(bool awaits) {
  __atomic_store_n(&pulse.awaits_background, awaits, __ATOMIC_RELAXED);
}
static inline uint64_t *pulse_beats_address(void) { return &pulse.lane.beats; }
static inline int32_t *pulse_peer_address(void) { return &pulse.peer; }
static inline int64_t *pulse_offset_address(void) { return &pulse.offset; }
/// All of it as it is now; parts may be a moment apart.
pulse_record pulse_now(void);

/// From now on a fatal signal (SEGV, BUS, ILL, FPE, ABRT, TRAP) leaves a report before it ends the process as it would have.
///
/// \param who  `rank 7 (node03)`, for the line on standard error
/// \param head  the report's first members, JSON without braces: `"rank": 7, "host": "node03"`
void pulse_report_crashes(const char *who, const char *head);
/// Where the report goes, and how its line names that; NULL: nowhere.
void pulse_set_crash_file(const char *PULSE_NULLABLE path, const char *PULSE_NULLABLE shown);

PULSE_NONNULL_END

#endif
