/* Errors as values.
 *
 * Every function that can fail returns an `enum status` and, where the reason needs
 * words, fills the caller's `struct error` with one message naming the file, the offset
 * and the operating system's own error. The message is built once, where the fault was
 * seen; callers pass it on. Outputs of a function are written only when it returns
 * STATUS_OK, unless its header says otherwise. A `struct error *` may be NULL: the
 * message is then dropped. Nothing here allocates; all of it may be called from any
 * thread. */
#ifndef STRATA_STATUS_H
#define STRATA_STATUS_H

#include <stdint.h>

/* name, exit code of the command-line program, words */
#define STATUS_TABLE(X)                                                                  \
    X(OK, 0, "ok")                                                                       \
    X(NOT_FOUND, 1, "not found")                                                         \
    X(INVALID, 2, "invalid argument")                                                    \
    X(UNSUPPORTED, 2, "not in this stage")                                               \
    X(CORRUPT, 3, "corrupt")                                                             \
    X(IO, 4, "I/O error")                                                                \
    X(BUSY, 5, "held by another process")                                                \
    X(NO_MEMORY, 6, "out of memory")                                                     \
    X(NO_SPACE, 6, "no space left")                                                      \
    X(LIMIT, 7, "limit exceeded")                                                        \
    X(STALLED, 7, "too busy, try again")

enum status {
#define STATUS_MEMBER(name, exit_code, words) STATUS_##name,
    STATUS_TABLE(STATUS_MEMBER)
#undef STATUS_MEMBER
};

#define MUST_CHECK __attribute__((warn_unused_result))

enum { ERROR_MESSAGE_BYTES = 512 };

/* A value; `struct error error = {0}` is "no error". A message that does not fit is cut.
 */
struct error {
    enum status status;
    /* BUSY, and others have a file locked: its path is so many bytes at the message's
     * front. 0: it is something else. */
    uint32_t locked_bytes;
    char message[ERROR_MESSAGE_BYTES];
};

/* "corrupt", "I/O error", … */
const char *status_words(enum status status);

/* The exit code that the program ends with for this status. */
int status_exit_code(enum status status);

/* IO, or the narrower NO_SPACE (ENOSPC, EDQUOT), NO_MEMORY (ENOMEM), NOT_FOUND (ENOENT),
 * BUSY (EWOULDBLOCK on a lock is mapped by its caller). */
enum status status_of_errno(int errnum);

/* Fills *error and returns `status`, so that a failing function ends in one line:
 *     return error_set(error, STATUS_CORRUPT, "%s: offset %" PRIu64 ": …", path, offset);
 */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set, with status_of_errno(errnum) and ": strerror" appended. */
enum status error_set_errno(struct error *error, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "out of memory: <what>, <bytes> bytes" */
enum status error_no_memory(struct error *error, const char *what, uint64_t bytes);

#endif
