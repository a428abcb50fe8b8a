#include "cpulse.h"

_Alignas(128) pulse_record pulse = {.step = -1, .offset = -1, .layer = -1, .peer = -1};

pulse_record pulse_now(void) {
  return (pulse_record){
      .beats = pulse_beats(),
      .step = __atomic_load_n(&pulse.step, __ATOMIC_RELAXED),
      .offset = __atomic_load_n(&pulse.offset, __ATOMIC_RELAXED),
      .layer = __atomic_load_n(&pulse.layer, __ATOMIC_RELAXED),
      .peer = __atomic_load_n(&pulse.peer, __ATOMIC_RELAXED),
      .is_waiting = __atomic_load_n(&pulse.is_waiting, __ATOMIC_RELAXED),
      .patience = __atomic_load_n(&pulse.patience, __ATOMIC_RELAXED),
      .phase = __atomic_load_n(&pulse.phase, __ATOMIC_RELAXED),
      .part = __atomic_load_n(&pulse.part, __ATOMIC_RELAXED),
  };
}
