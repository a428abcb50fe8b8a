#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

int32_t cmpi_library_name(char *text, int32_t capacity, cmpi_error *error) {
  char name[MPI_MAX_LIBRARY_VERSION_STRING + 1];
  int length = 0;
  int32_t code = cmpi_check(MPI_Get_library_version(name, &length), "MPI_Get_library_version", error);
  if (code) return code;
  name[length] = 0;
  snprintf(text, (size_t)capacity, "%s", name);
  return 0;
}

// Over TCP, Open MPI asks the receiver before it sends more than 64 KiB, and both sides answer only when they call into MPI:
// ranks that compute do so every few milliseconds. A piece of a stream is awaited always and may go unasked. 64 MiB each
// way at 1 Gbit/s, both ways at once: 1.2 s asked, 0.6 unasked; with a look every 30 ms 1.8 and 0.75. What users set stays.
static void send_pieces_unasked(void) {
#ifdef OPEN_MPI
  static const char *const names[] = {
      "OMPI_MCA_btl_tcp_eager_limit", "OMPI_MCA_btl_tcp_rndv_eager_limit", "OMPI_MCA_btl_tcp_max_send_size"};
  // A piece of 1 MiB and its header.
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) setenv(names[i], "1114112", 0);
#endif
}

int32_t cmpi_initialize(cmpi_error *error) {
  int already = 0, provided = 0;
  int32_t code = cmpi_check(MPI_Initialized(&already), "MPI_Initialized", error);
  if (code) return code;
  if (already) return cmpi_fail("MPI is initialised already in this process", error);
  send_pieces_unasked();
  code = cmpi_check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread", error);
  if (code) return code;
  code = cmpi_check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler", error);
  if (code) return code;
  // Errors of calls without a communicator are raised on this one.
  code = cmpi_check(MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler", error);
  if (code) return code;
  // The worker computes on other threads while one talks to MPI.
  if (provided < MPI_THREAD_FUNNELED) return cmpi_fail("this MPI was built without MPI_THREAD_FUNNELED", error);
  return 0;
}

int32_t cmpi_finalize(cmpi_error *error) {
  cmpi_close_hosts();
  return cmpi_check(MPI_Finalize(), "MPI_Finalize", error);
}

int32_t cmpi_rank(int32_t *rank, cmpi_error *error) {
  return cmpi_check(MPI_Comm_rank(MPI_COMM_WORLD, rank), "MPI_Comm_rank", error);
}

int32_t cmpi_size(int32_t *size, cmpi_error *error) {
  return cmpi_check(MPI_Comm_size(MPI_COMM_WORLD, size), "MPI_Comm_size", error);
}

int32_t cmpi_host(char *text, int32_t capacity, cmpi_error *error) {
  char name[MPI_MAX_PROCESSOR_NAME + 1];
  int length = 0;
  int32_t code = cmpi_check(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name", error);
  if (code) return code;
  name[length] = 0;
  snprintf(text, (size_t)capacity, "%s", name);
  return 0;
}

int32_t cmpi_barrier(cmpi_error *error) {
  cmpi_await(-1, -1);
  return cmpi_check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier", error);
}

void cmpi_abort(int32_t exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  // Reached only when MPI cannot end the others; this rank must end all the same.
  _Exit(exit_code);
}
