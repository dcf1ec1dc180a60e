/* What the fuzz targets share: a world of the simulated disk in which a target lays out
 * the bytes that libFuzzer made up, and checksums made right.
 *
 * Nearly every byte of the formats stands under a checksum, and whoever mutates bytes
 * blindly gets no further than that. So the first byte of an input says, with its lowest
 * bit, whether the checksums behind it are to be made right before anybody reads them:
 * then what is wrong is what they cover. */
#ifndef STRATA_TESTS_FUZZ_H
#define STRATA_TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "disk.h"
#include "kv.h"
#include "scheduler.h"

enum { FUZZ_REPAIR = 1 };

/* An input that breaks a promise ends the process, as a sanitizer's finding does. */
#define DEMAND(condition, ...)                                                           \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition);      \
            fprintf(stderr, __VA_ARGS__);                                                \
            fputc('\n', stderr);                                                         \
            abort();                                                                     \
        }                                                                                \
    } while (0)

struct fuzz_world {
    struct disk *disk; /* one thread at a time uses it: threads are simulated, too */
    struct scheduler *scheduler;
    struct world world;
    struct kv_options options; /* sizes so small that little data does much */
    size_t blocks;             /* of memory, outstanding at the beginning */
};

/* With a held-before directory "db". */
void fuzz_begin(struct fuzz_world *fuzz);

/* Demands that nothing is left open, and no memory held. */
void fuzz_end(struct fuzz_world *fuzz);

/* Puts a durable file there, made of a copy of the bytes. */
void fuzz_put(struct fuzz_world *fuzz, const char *path, struct slice bytes);

/* A fingerprint of all entries that a scan finds; *status is how it ended. */
uint64_t fuzz_scan(struct kv *kv, enum status *status);

/* Opens "db", which must work or be refused in words; and if it works, what it shows must
 * be what it shows again after a loss of power. */
void fuzz_open_twice(struct fuzz_world *fuzz);

/* Makes the checksum of every fragment right, as far as their lengths lead. */
void fuzz_repair_log(unsigned char *bytes, size_t count);

#endif
