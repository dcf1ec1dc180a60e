/* The real program on real files: run as a child process with a pipe at each end, fed
 * lines whose contents are known, and asked afterwards what it has kept. Shared by the
 * checks that kill it and those that make its system calls fail.
 *
 * The program is $STRATA_PROGRAM, or strata-NN beside the harness, in ../release or in
 * the folder above. One thread. */
#ifndef STRATA_REAL_H
#define STRATA_REAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct real {
    char program[PATH_MAX];
    char directory[64];        /* fresh; removed by real_end */
    const char *preload;       /* of the next child, with what it is told; NULL: none */
    const char *preload_words; /* the value of FAIL_NTH */
    void (*sigpipe)(int);
    char failure[512]; /* words; the first one counts */
};

/* Finds the program and makes a directory; `plain`: the release build is the first
 * choice, since a sanitizer's runtime lets nothing be loaded before it; `in_memory`: on a
 * file system without a disk if there is one, for many short runs. False, and
 * real->failure, if there is none. real_end is wanted in either case. */
bool real_begin(struct real *real, bool plain, bool in_memory);
void real_end(struct real *real);

/* Notes a failure. Always false. */
bool real_fails(struct real *real, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Text that grows; zero-initialised, and bytes freed by its owner. */
struct real_text {
    char *bytes;
    size_t length, capacity;
};

void real_add(struct real_text *text, const void *bytes, size_t count);
size_t real_count_lines(const struct real_text *text);

/* "k03<tab>17 xxxx": what line 17 says, always the same. */
void real_add_line(struct real_text *text, size_t line);

/* Runs a child (arguments end with NULL) and feeds it the input, until it has said
 * `until` lines, when it is killed, or ends by itself. *status is wait's. */
bool real_run(struct real *real, const char *const *arguments,
              const struct real_text *input, struct real_text *said, size_t until,
              int *status);

bool real_ended_well(int status);

/* What the store holds must be the first k lines, k at least `least`; k goes into *k.
 * Where nothing was acknowledged there need not be a store yet. */
bool real_holds_lines(struct real *real, size_t least, size_t *k);

#endif
