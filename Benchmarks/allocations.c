// Counts what a process asks the system's allocator for, by the calls that led to it; preloaded by allocations.py.
//
// When the process ends, the file that ALLOCATIONS_OUT names gets a line for every such path: how often, bytes, and its
// frames from the innermost out, as file|offset.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { DEPTH = 14, PATHS = 1 << 16 };

typedef struct {
  void *frames[DEPTH];
  long count, bytes;
} path;

static path paths[PATHS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
// Whether this thread is inside the counter, whose own allocations do not count.
static __thread int isInside;
static void *(*systemMalloc)(size_t), *(*systemCalloc)(size_t, size_t), *(*systemRealloc)(void *, size_t);
static int (*systemAlign)(void **, size_t, size_t);
static void *(*systemMap)(void *, size_t, int, int, int, off_t);
// What is asked for while the system's functions are looked up.
static char early[1 << 16];
static size_t earlyEnd;

static void find(void) {
  if (systemMap) return;
  isInside = 1;
  systemMalloc = dlsym(RTLD_NEXT, "malloc");
  systemCalloc = dlsym(RTLD_NEXT, "calloc");
  systemRealloc = dlsym(RTLD_NEXT, "realloc");
  systemAlign = dlsym(RTLD_NEXT, "posix_memalign");
  systemMap = dlsym(RTLD_NEXT, "mmap");
  void *frames[4];
  backtrace(frames, 4);
  isInside = 0;
}

static void count(size_t bytes) {
  if (isInside) return;
  isInside = 1;
  void *frames[DEPTH + 2] = {0};
  backtrace(frames, DEPTH + 2);
  void **own = frames + 2;
  unsigned long hash = 1469;
  for (int i = 0; i < DEPTH; i++) hash = (hash ^ (unsigned long)own[i]) * 1099511628211UL;
  hash ^= hash >> 29;
  pthread_mutex_lock(&mutex);
  for (unsigned long tries = 0; tries < PATHS; tries++) {
    path *entry = &paths[(hash + tries) % PATHS];
    if (!entry->count) memcpy(entry->frames, own, sizeof entry->frames);
    if (memcmp(entry->frames, own, sizeof entry->frames)) continue;
    entry->count++;
    entry->bytes += (long)bytes;
    break;
  }
  pthread_mutex_unlock(&mutex);
  isInside = 0;
}

void *malloc(size_t bytes) {
  if (!systemMalloc && isInside) {
    void *place = early + earlyEnd;
    earlyEnd += (bytes + 15) / 16 * 16;
    return earlyEnd <= sizeof early ? place : NULL;
  }
  find();
  count(bytes);
  return systemMalloc(bytes);
}

void *calloc(size_t number, size_t bytes) {
  if (!systemCalloc && isInside) return malloc(number * bytes);
  find();
  count(number * bytes);
  return systemCalloc(number, bytes);
}

void *realloc(void *old, size_t bytes) {
  find();
  count(bytes);
  return systemRealloc(old, bytes);
}

int posix_memalign(void **place, size_t alignment, size_t bytes) {
  find();
  count(bytes);
  return systemAlign(place, alignment, bytes);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
  find();
  count(bytes);
  return systemMap(address, bytes, protection, flags, file, offset);
}

__attribute__((destructor)) static void tell(void) {
  isInside = 1;
  const char *name = getenv("ALLOCATIONS_OUT");
  FILE *file = name ? fopen(name, "w") : NULL;
  if (!file) return;
  for (int i = 0; i < PATHS; i++) {
    if (!paths[i].count) continue;
    fprintf(file, "%ld %ld", paths[i].count, paths[i].bytes);
    for (int j = 0; j < DEPTH && paths[i].frames[j]; j++) {
      Dl_info found;
      if (!dladdr(paths[i].frames[j], &found) || !found.dli_fname) continue;
      fprintf(file, " %s|%lx", found.dli_fname, (unsigned long)((char *)paths[i].frames[j] - (char *)found.dli_fbase));
    }
    fprintf(file, "\n");
  }
  fclose(file);
}
