#include "cpulse.h"

_Alignas(128) pulse_record pulse = {.step = -1, .offset = -1, .layer = -1, .peer = -1};
_Alignas(128) pulse_lane pulse_background;
_Thread_local bool pulse_is_background;

static pulse_lane lane_now(const pulse_lane *lane) {
  return (pulse_lane){
      .beats = __atomic_load_n(&lane->beats, __ATOMIC_RELAXED),
      .files = __atomic_load_n(&lane->files, __ATOMIC_RELAXED),
      .flushes = __atomic_load_n(&lane->flushes, __ATOMIC_RELAXED),
  };
}

pulse_record pulse_now(void) {
  pulse_record now = {
      .lane = lane_now(&pulse.lane),
      .step = __atomic_load_n(&pulse.step, __ATOMIC_RELAXED),
      .offset = __atomic_load_n(&pulse.offset, __ATOMIC_RELAXED),
      .layer = __atomic_load_n(&pulse.layer, __ATOMIC_RELAXED),
      .peer = __atomic_load_n(&pulse.peer, __ATOMIC_RELAXED),
      .is_waiting = __atomic_load_n(&pulse.is_waiting, __ATOMIC_RELAXED),
      .awaits_background = __atomic_load_n(&pulse.awaits_background, __ATOMIC_RELAXED),
      .phase = __atomic_load_n(&pulse.phase, __ATOMIC_RELAXED),
      .part = __atomic_load_n(&pulse.part, __ATOMIC_RELAXED),
  };
  if (now.awaits_background) {
    const pulse_lane background = lane_now(&pulse_background);
    now.lane.beats += background.beats;
    now.lane.files += background.files;
    now.lane.flushes += background.flushes;
  }
  return now;
}
