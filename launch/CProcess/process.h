// Calls that Swift cannot make: prctl takes any number of arguments, and pipe2 is declared to those alone who ask for GNU's.
#ifndef TREG_PROCESS_H
#define TREG_PROCESS_H

#include <fcntl.h>
#include <sys/prctl.h>

int pipe2(int ends[2], int flags);

// A pipe whose ends no program inherits unless it is given one. 0, or -1 with errno. See pipe(2).
static inline int treg_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

// Asks the kernel to send this process a signal when its parent ends; it also holds for the program that the process
// becomes. 0, or -1 with errno. See PR_SET_PDEATHSIG in prctl(2).
static inline int treg_signal_at_parent_death(int signal) {
  return prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0ul, 0ul, 0ul);
}

#endif
