// What a crashed rank leaves behind. Only calls that are safe in a signal handler: no memory is taken, nothing is formatted by
// the C library. `backtrace` is called once before, since its first call loads a library.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "cpulse.h"

enum { TEXT = 4096, FRAMES = 48, STACK = 1 << 16 };

static struct {
  char who[256], head[512];
  // Written whole before `has_file` says so.
  char path[TEXT], shown[TEXT];
  volatile sig_atomic_t has_file;
  // The thread that crashed first and reports.
  pid_t thread;
} report;

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};

static const char *name_of(int number) {
  switch (number) {
    case SIGSEGV: return "SIGSEGV, invalid memory";
    case SIGBUS: return "SIGBUS, memory or a mapped file that is not there";
    case SIGILL: return "SIGILL, a trap of the program or an unknown instruction";
    case SIGFPE: return "SIGFPE, arithmetic";
    case SIGABRT: return "SIGABRT, ended by itself";
    case SIGTRAP: return "SIGTRAP, a trap of the program";
  }
  return "a signal";
}

typedef struct {
  int descriptor;
  size_t count;
  char bytes[1024];
} writer;

static void flush(writer *w) {
  size_t sent = 0;
  while (sent < w->count) {
    ssize_t count = write(w->descriptor, w->bytes + sent, w->count - sent);
    if (count <= 0) break;
    sent += (size_t)count;
  }
  w->count = 0;
}

static void put_byte(writer *w, char byte) {
  if (w->count == sizeof w->bytes) flush(w);
  w->bytes[w->count++] = byte;
}

static void put(writer *w, const char *text) {
  for (; *text; text++) put_byte(w, *text);
}

static void put_number(writer *w, uint64_t value, unsigned base) {
  char digits[24];
  int count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value);
  while (count) put_byte(w, digits[--count]);
}

// Between quotes of JSON.
static void put_escaped(writer *w, const char *text) {
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') put_byte(w, '\\');
    put_byte(w, (unsigned char)*text < 0x20 ? ' ' : *text);
  }
}

static void put_frame(writer *w, void *address) {
  Dl_info info;
  if (dladdr(address, &info) && info.dli_fname) {
    put_escaped(w, info.dli_fname);
    if (info.dli_sname) {
      put(w, " ");
      put_escaped(w, info.dli_sname);
    }
    put(w, " + 0x");
    const void *base = info.dli_sname ? info.dli_saddr : info.dli_fbase;
    put_number(w, (uint64_t)((const char *)address - (const char *)base), 16);
  } else {
    put(w, "0x");
    put_number(w, (uint64_t)address, 16);
  }
}

static const char *phase_of(const pulse_record *now) {
  return now->part ? now->part : now->phase ? now->phase : "start";
}

static void put_report(writer *w, int number, const pulse_record *now) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  put(w, "{\n  ");
  put(w, report.head);
  put(w, ",\n  \"step\": ");
  if (now->step < 0) {
    put(w, "null");
  } else {
    put_number(w, (uint64_t)now->step, 10);
  }
  put(w, ",\n  \"phase\": \"");
  put_escaped(w, phase_of(now));
  put(w, "\",\n  \"message\": \"ended by signal ");
  put_number(w, (uint64_t)number, 10);
  put(w, " (");
  put(w, name_of(number));
  put(w, ")\",\n  \"exit_code\": 70,\n  \"cause\": \"signal\",\n  \"echo\": false,\n  \"time\": ");
  put_number(w, (uint64_t)time.tv_sec, 10);
  put(w, ".");
  for (long unit = 100000000, rest = time.tv_nsec; unit; rest %= unit, unit /= 10) put_number(w, (uint64_t)(rest / unit), 10);
  put(w, ",\n  \"backtrace\": [");
  void *frames[FRAMES];
  const int count = backtrace(frames, FRAMES);
  for (int i = 0; i < count; i++) {
    put(w, i ? ",\n    \"" : "\n    \"");
    put_frame(w, frames[i]);
    put(w, "\"");
  }
  put(w, "\n  ]\n}\n");
  flush(w);
}

static void crashed(int number) {
  signal(number, SIG_DFL);
  pid_t nobody = 0;
  const pid_t own = gettid();
  if (__atomic_compare_exchange_n(&report.thread, &nobody, own, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    const pulse_record now = pulse_now();
    bool is_kept = false;
    writer w = {.count = 0};
    if (report.has_file) {
      w.descriptor = open(report.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
      if (w.descriptor >= 0) {
        put_report(&w, number, &now);
        close(w.descriptor);
        is_kept = true;
      }
    }
    w.descriptor = STDERR_FILENO;
    put(&w, "treg: ");
    put(&w, report.who);
    if (now.step >= 0) {
      put(&w, " step ");
      put_number(&w, (uint64_t)now.step, 10);
    }
    put(&w, " ");
    put(&w, phase_of(&now));
    put(&w, ": ended by signal ");
    put_number(&w, (uint64_t)number, 10);
    put(&w, " (");
    put(&w, name_of(number));
    put(&w, ")");
    if (is_kept) {
      put(&w, " → ");
      put(&w, report.shown);
    }
    put(&w, "\n");
    flush(&w);
  } else if (nobody != own) {
    // Another thread is reporting, and ends the process.
    sleep(5);
  }
  // Ends the process when this handler returns, with the code that users and schedulers know.
  raise(number);
}

static void copy(char *to, size_t capacity, const char *from) {
  const size_t count = strnlen(from, capacity - 1);
  memcpy(to, from, count);
  to[count] = 0;
}

void pulse_report_crashes(const char *who, const char *head) {
  copy(report.who, sizeof report.who, who);
  copy(report.head, sizeof report.head, head);
  void *frame[1];
  backtrace(frame, 1);
  // A stack that overflows leaves no room for a handler; this one is of the calling thread alone.
  static char stack[STACK];
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}

void pulse_set_crash_file(const char *path, const char *shown) {
  report.has_file = 0;
  if (!path || !shown || strlen(path) >= TEXT) return;
  copy(report.path, sizeof report.path, path);
  copy(report.shown, sizeof report.shown, shown);
  report.has_file = 1;
}
