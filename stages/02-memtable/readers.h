/* Who is reading right now, without a lock: so that what readers may hold is freed only
 * when none of them can hold it any more.
 *
 * A reader enters, loads the address of what it reads, reads, and leaves. Whoever
 * replaces that address by another, and wants to free the old one, waits for nothing: it
 * starts a watch, and asks from time to time whether the watch is over.
 *
 * Readers count themselves in one of several slots, each with a cache line of its own,
 * spread by thread: so readers on different cores do not slow each other. Any thread may
 * enter and leave; one thread at a time uses a watch. */
#ifndef STRATA_READERS_H
#define STRATA_READERS_H

#include "atomic.h"

enum { READER_SLOTS = 32, READER_SLOT_BYTES = 128 };

/* Long enough that two slots never share a cache line, wherever they begin. */
struct reader_slot {
    struct atomic_u64 entered;
    struct atomic_u64 left;
    struct atomic_u64 empty_after; /* this watch began, by its number */
    unsigned char unused[READER_SLOT_BYTES - 3 * sizeof(struct atomic_u64)];
};

/* A zeroed one is ready. */
struct readers {
    struct reader_slot slots[READER_SLOTS];
    struct atomic_u64 watches; /* begun, and so the number of the last */
};

/* Answers the slot, for readers_leave. What is read under it is loaded with
 * memory_order_seq_cst. */
struct reader_slot *readers_enter(struct readers *readers);
void readers_leave(struct reader_slot *slot);

/* How often a reader has entered. */
uint64_t readers_total(const struct readers *readers);

struct readers_watch {
    uint64_t number; /* from 1 */
    uint64_t slots;  /* a bit each, in which there may be readers from before */
};

/* After the new address was stored with memory_order_seq_cst. */
struct readers_watch readers_watch_begin(struct readers *readers);

/* True once every reader from before the watch has left; then it stays true. Readers who
 * follow each other without a pause do not put it off, unless they share a slot. */
bool readers_watch_over(const struct readers *readers, struct readers_watch *watch);

#endif
