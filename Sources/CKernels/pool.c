// A fork-join pool. Work arrives often (several times per layer) and briefly, so threads that wait look at the
// generation counter for a moment before they sleep; on a crowded machine the moment is short enough not to matter.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "ckernels.h"
#include "cpulse.h"

/// A Swift closure of the type (Int, Int) -> Void: its code, and the context that goes with it.
typedef __attribute__((swiftcall)) void tk_body(
  intptr_t item, intptr_t worker, __attribute__((swift_context)) void *context);

struct tk_pool {
  int32_t threads;
  pthread_t *handles;
  pthread_mutex_t mutex;
  pthread_cond_t start, finish;
  _Atomic uint64_t generation;
  _Atomic int64_t next;
  _Atomic int32_t busy;
  _Atomic bool ends;
  int64_t items;
  tk_body *body;
  void *context;
};

typedef struct {
  tk_pool *pool;
  int32_t worker;
} tk_seat;

enum { TK_LOOKS = 4000 };

static inline void tk_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void tk_work(tk_pool *pool, int32_t worker) {
  for (;;) {
    int64_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
    if (item >= pool->items) return;
    pool->body(item, worker, pool->context);
    // One thread's items tell as much as all, and the counter stays in one core's cache.
    if (worker == 0) pulse_beat();
  }
}

static void *tk_worker(void *argument) {
  tk_seat seat = *(tk_seat *)argument;
  free(argument);
  tk_pool *pool = seat.pool;
  uint64_t seen = 0;
  for (;;) {
    for (int i = 0; i < TK_LOOKS && atomic_load_explicit(&pool->generation, memory_order_acquire) == seen; i++) tk_pause();
    if (atomic_load_explicit(&pool->generation, memory_order_acquire) == seen) {
      pthread_mutex_lock(&pool->mutex);
      while (atomic_load(&pool->generation) == seen) pthread_cond_wait(&pool->start, &pool->mutex);
      pthread_mutex_unlock(&pool->mutex);
    }
    seen++;
    if (atomic_load(&pool->ends)) return NULL;
    tk_work(pool, seat.worker);
    if (atomic_fetch_sub(&pool->busy, 1) == 1) {
      pthread_mutex_lock(&pool->mutex);
      pthread_cond_signal(&pool->finish);
      pthread_mutex_unlock(&pool->mutex);
    }
  }
}

static void tk_wake(tk_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->generation, 1);
  pthread_cond_broadcast(&pool->start);
  pthread_mutex_unlock(&pool->mutex);
}

tk_pool *tk_pool_create(int32_t threads) {
  tk_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  pool->threads = 1;
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->start, NULL);
  pthread_cond_init(&pool->finish, NULL);
  pool->handles = calloc((size_t)threads, sizeof *pool->handles);
  if (!pool->handles) {
    free(pool);
    return NULL;
  }
  for (int32_t worker = 1; worker < threads; worker++) {
    tk_seat *seat = malloc(sizeof *seat);
    if (seat) *seat = (tk_seat){pool, worker};
    if (!seat || pthread_create(&pool->handles[worker], NULL, tk_worker, seat) != 0) {
      free(seat);
      tk_pool_destroy(pool);
      return NULL;
    }
    pool->threads++;
  }
  return pool;
}

void tk_pool_destroy(tk_pool *pool) {
  atomic_store(&pool->ends, true);
  tk_wake(pool);
  for (int32_t worker = 1; worker < pool->threads; worker++) pthread_join(pool->handles[worker], NULL);
  pthread_mutex_destroy(&pool->mutex);
  pthread_cond_destroy(&pool->start);
  pthread_cond_destroy(&pool->finish);
  free(pool->handles);
  free(pool);
}

/// Calls body(item, worker) once for every item below `items`, in any order, on the pool's threads, and returns when all
/// are done. Workers are numbered from 0; the caller is worker 0. Not reentrant.
///
/// Swift calls it as a function that takes a closure: one that does not escape may be handed to C in no other way without
/// being copied to the heap first, in every call.
__attribute__((swiftcall)) void tk_pool_run(tk_pool *pool, intptr_t items, tk_body *body, void *context) {
  if (pool->threads == 1 || items <= 1) {
    for (int64_t item = 0; item < items; item++) {
      body(item, 0, context);
      pulse_beat();
    }
    return;
  }
  pool->items = items;
  pool->body = body;
  pool->context = context;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->busy, pool->threads - 1);
  tk_wake(pool);
  tk_work(pool, 0);
  for (int i = 0; i < TK_LOOKS && atomic_load_explicit(&pool->busy, memory_order_acquire) > 0; i++) tk_pause();
  if (atomic_load(&pool->busy) > 0) {
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->busy) > 0) pthread_cond_wait(&pool->finish, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
  }
}

void tk_single_threaded_blas(void) {
  // Each library has its own name for this; only the one that is linked answers.
  static const char *const names[] = {"openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void (*set)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, names[i]);
    if (set) set(1);
  }
}

int32_t tk_allowed_cores(void) {
#if defined(__linux__)
  // The mask of machines with more cores than cpu_set_t holds does not fit, which is an error that we pass over.
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) return CPU_COUNT(&mask);
#endif
  return tk_online_cores();
}

int32_t tk_online_cores(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (int32_t)count : 1;
}
