/* What of a database's logs can be read, behind damage too, where recovery by its rules
 * would stop: the first step of a repair (repair.h, and that of later stages).
 *
 * Found are the places of changes, 24 bytes of memory for each; the changes themselves
 * are read again when they are visited. One thread uses a salvage; one that is zeroed
 * owns nothing. */
#ifndef STRATA_SALVAGE_H
#define STRATA_SALVAGE_H

#include "replay.h"
#include "report.h"

struct found;

struct salvage {
    const char *dir; /* these are borrowed */
    const struct world *world;
    const struct listing *listing;
    const struct report *report;
    struct found *found;
    size_t count;
    size_t room;
    uint64_t claimed; /* the highest sequence that a mark calls durable */
};

/* Looks through the logs of the listing from number `first_log` on, and reports what
 * cannot be read, with file and offset. IO, NO_MEMORY. End with salvage_free, also after
 * an error.
 */
MUST_CHECK enum status salvage_find(struct salvage *salvage, const char *dir,
                                    const struct world *world,
                                    const struct listing *listing, uint64_t first_log,
                                    const struct report *report, struct error *error);

/* Visits what was found, each sequence once, in their order; of two changes with one
 * sequence the one in the newer log (a log that was cut is never written on: the newer
 * one took its place). Gaps are reported. IO: a log has changed meanwhile. */
MUST_CHECK enum status salvage_visit(struct salvage *salvage, replay_visit *visit,
                                     void *context, struct error *error);

void salvage_free(struct salvage *salvage);

#endif
