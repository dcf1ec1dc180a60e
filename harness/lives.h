/* Lives: what follows a loss of power. The disk is found in some state, the real kv_open
 * recovers it, all of it is read and held against the law, perhaps one more change is
 * written, the store is closed; and somewhere in all that the power may go again.
 *
 * Choices are drawn from a tape, the crashes too, so a case is a tape. */
#ifndef STRATA_LIVES_H
#define STRATA_LIVES_H

#include "run.h"

/* Draws a state after a crash of the disk at or behind operation `first`: the profile, one
 * of those allowed, how many operations before the end of the journal the power went, the
 * fates. */
struct crash crash_draw(struct disk *disk, unsigned profiles, size_t first,
                        struct tape *tape);

/* Notes on the tape what crash_draw would have drawn to get this crash. */
void crash_note(const struct crash *crash, struct disk *disk, struct tape *tape);

/* What the disk saw before the crash, and the law, in words. */
void crash_tell(struct disk *disk, const struct crash *crash, struct law law, FILE *out);

struct lives {
    struct run *run;    /* the world; its options, and its model, which stays as it is */
    FILE *story;        /* told here, unless NULL */
    unsigned profiles;  /* of later crashes */
    bool again;         /* crash the first recovery, whatever the tape says */
    struct model model; /* of a later life; kept for its memory */
    size_t changes;     /* that the first recovery found */
    size_t crashes;     /* during recoveries */
    char failure[RUN_FAILURE_BYTES];
};

/* Lives on the image, which it consumes, under the law. False, and lives->failure, if the
 * law was broken. */
bool lives_lead(struct lives *lives, struct disk *image, struct law law,
                struct tape *tape);

void lives_free(struct lives *lives);

#endif
