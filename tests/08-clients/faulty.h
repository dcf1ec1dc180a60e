/* What makes the calls of a server fail: libfiu's preload of the POSIX calls, and a disk
 * that is small. */
#ifndef STRATA_TESTS_FAULTY_H
#define STRATA_TESTS_FAULTY_H

#include "served.h"

/* Whether the program bears the preload; a sanitizer's own excludes it. */
bool faulty_can(void);

/* The next servers that are started have calls fail as FAIL_NTH says (faults/fail_nth.c),
 * or are ready to be told by faulty_tell, with chances that the seed decides; until
 * faulty_over. */
void faulty_count(const char *fail_nth);
void faulty_ready(const struct served *served, uint64_t seed);
void faulty_over(void);

/* Tells a server that is ready for it a command of libfiu's. */
void faulty_tell(const struct served *served, const char *command);

/* Removes what it was told through, when it has ended. */
void faulty_gone(const struct served *served);

/* Puts a file system in memory of so many bytes at the directory, for this process and
 * those that it starts, and no longer than they live. False: that is not allowed here. */
bool faulty_disk(const char *dir, size_t bytes);
void faulty_disk_gone(const char *dir);

#endif
