#include "internal.h"

// Until somebody watches, signs of life go here.
static uint64_t unseen_beats;
static int32_t unseen_peer;
static int64_t unseen_offset;
static cmpi_pulse pulse = {&unseen_beats, &unseen_peer, &unseen_offset};

void cmpi_show_pulse(cmpi_pulse shown) { pulse = shown; }

void cmpi_beat(void) { __atomic_fetch_add(pulse.beats, 1, __ATOMIC_RELAXED); }

void cmpi_await(int peer, int64_t offset) {
  __atomic_store_n(pulse.peer, peer, __ATOMIC_RELAXED);
  __atomic_store_n(pulse.offset, offset, __ATOMIC_RELAXED);
}
