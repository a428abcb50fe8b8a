#include <stdio.h>
#include <string.h>

#include "internal.h"

int32_t cmpi_check(int code, const char *call, cmpi_error *error) {
  if (code == MPI_SUCCESS) return 0;
  char words[MPI_MAX_ERROR_STRING + 1];
  int length = 0;
  if (MPI_Error_string(code, words, &length) != MPI_SUCCESS) length = snprintf(words, sizeof words, "unknown error");
  words[length] = 0;
  // Some MPIs explain themselves over several lines; users get one.
  for (char *c = words; *c; c++)
    if (*c == '\n' || *c == '\r' || *c == '\t') *c = ' ';
  error->code = code;
  snprintf(error->text, sizeof error->text, "%s failed with code %d: %s", call, code, words);
  return code;
}

int32_t cmpi_fail(const char *text, cmpi_error *error) {
  error->code = MPI_ERR_OTHER;
  snprintf(error->text, sizeof error->text, "%s", text);
  return MPI_ERR_OTHER;
}
