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

typedef struct {
  /// Steps of work so far, of any kind: panels of a layer, chunks of files, pieces of collectives.
  uint64_t beats;
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
  /// How many calls are under way that may take long without a sign, such as flushing a file.
  int32_t patience;
  /// Texts that live for ever; NULL: none.
  const char *PULSE_NULLABLE phase;
  const char *PULSE_NULLABLE part;
} pulse_record;

/// On a cache line of its own.
extern pulse_record pulse;

static inline void pulse_beat(void) { __atomic_fetch_add(&pulse.beats, 1, __ATOMIC_RELAXED); }
static inline uint64_t pulse_beats(void) { return __atomic_load_n(&pulse.beats, __ATOMIC_RELAXED); }

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
static inline void pulse_add_patience(int32_t change) {
  __atomic_fetch_add(&pulse.patience, change, __ATOMIC_RELAXED);
}
static inline uint64_t *pulse_beats_address(void) { return &pulse.beats; }
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
