/* A copy into a mapped file that fails as a write(2) would: with an answer, where a bare
 * store would end the process.
 *
 * A store into a page of a mapped file that cannot be had raises SIGBUS (mmap(2)): the
 * file was cut short by somebody else, the disk cannot read the page back, or the file
 * system refuses to make it writable (shut down after an error; no room for its copy).
 *
 * For this the process has a handler of SIGBUS, ours, from the first call of
 * guarded_copy_prepare on. It is for our copies alone: every other SIGBUS goes to what
 * was installed before, and kills as it would have if that was nothing. A program that
 * installs a handler of its own later takes the guard away, unless it passes on what it
 * does not know; so does a thread that blocks SIGBUS, since a fault under a blocked
 * signal kills (sigprocmask(2)). Any thread may call both. */
#ifndef STRATA_GUARDED_COPY_H
#define STRATA_GUARDED_COPY_H

#include <stdbool.h>
#include <stddef.h>

/* Must have returned once, in any thread, before the first guarded_copy. */
void guarded_copy_prepare(void);

/* False if pages of `to` could not be had: any part of the bytes may be there. The bytes
 * at `from` must be ordinary memory, which a fault is not guarded in. */
bool guarded_copy(void *to, const void *from, size_t bytes);

#endif
