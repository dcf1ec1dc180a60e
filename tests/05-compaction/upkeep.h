/* What the tests of upkeep by threads share: a store on the simulated disk, threads and
 * clock, with buffers and tables so small that a few dozen puts make several; puts that
 * go round over a few keys, so that tables overlap; and what must be found. */
#ifndef STRATA_TESTS_UPKEEP_H
#define STRATA_TESTS_UPKEEP_H

#include "../03-sstable/engine_faults.h"

#include <fiu-control.h>
#include <fiu.h>

enum { FEED_KEYS = 64, FEED_VALUE_BYTES = 100, FEED_BUFFER_BYTES = 4096 };

/* Fills *sim; the chooser is the scheduler's, NULL: the default. */
void upkeep_begin_with(struct simulation *sim, scheduler_chooser *chooser, void *context);
void upkeep_begin(struct simulation *sim);

uint64_t micros_of(struct simulation *sim);

/* ---- puts ------------------------------------------------------------------------ */

/* The n-th put, from 1 on, is of key n * 37 % FEED_KEYS. */
struct feed {
    struct kv *kv;
    uint64_t count; /* puts that were acknowledged */
    uint64_t latest[FEED_KEYS];
};

/* Of a key and of the n-th put, in `text`. */
struct slice feed_key(char text[24], uint64_t key);
struct slice feed_value(char text[FEED_VALUE_BYTES + 1], uint64_t n);

/* The next put. One that fails has written nothing. */
enum status feed_try(struct feed *feed, struct error *error);

/* So many puts, that must succeed. */
void feed_some(struct feed *feed, uint64_t count);

/* So many tables of level 0, by flushes. */
void feed_tables(struct feed *feed, size_t tables);

/* Puts until one is refused; its status. */
enum status feed_until_refused(struct feed *feed, struct error *error);

void feed_delete_all(struct feed *feed);

/* Each key has its latest value, or is not there. */
void feed_assert(struct feed *feed);

/* Closes, verifies, opens, looks. */
void feed_reopen(struct feed *feed, struct simulation *sim);

/* Closes, and looks once more at what is there. */
void feed_end(struct feed *feed, struct simulation *sim);

/* ---- files ----------------------------------------------------------------------- */

enum { FILES_MAX = 400 };

struct files {
    size_t tables, temporaries;
    bool table[FILES_MAX]; /* by number */
};

struct files files_of(struct simulation *sim);

/* ---- failpoints ------------------------------------------------------------------ */

/* The point fails until fiu_disable, and is counted. */
void fail_point(const char *point, size_t *attempts);

/* Whatever fails is tried after 50 ms, then after twice as long each time, to 5 s; not
 * sooner, and not later. Requires that it has just failed `failures` times since it was
 * last well. */
void assert_backs_off(struct simulation *sim, const size_t *attempts, unsigned failures);

#endif
