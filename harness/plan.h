/* One thing that is made to fail in a case of a sweep: a file call, an allocation or a
 * failpoint; and the list of all kinds, for going through them. On a tape:
 *
 *     plan := what; effect or point; errno; persistently; second; how much later;
 *             which one, from 1
 *
 * A file call that failed may be followed by a second fault, while the engine deals with
 * the first: another file call or an allocation. */
#ifndef STRATA_PLAN_H
#define STRATA_PLAN_H

#include "check.h"

enum what { FAIL_CALL, FAIL_ALLOCATION, FAIL_POINT, WHAT_COUNT };

struct plan {
    enum what what;
    struct fault fault; /* of all but file calls: countdown and persistent only */
    size_t second_call, second_allocation; /* of file calls: disk_set_second_fault */
    enum failpoint point;                  /* of a failpoint */
};

/* Every kind of fault: each effect with each errno, allocations, failpoints; once and
 * persistently; and file calls that fail once, before or after their effect, with each
 * second fault, at once and a drawn while later. */
enum {
    PLAN_CHOICES = 7,
    PLAN_CALL_ROWS = (int)FAULT_EFFECT_COUNT * 2 * 2,
    PLAN_ALLOCATION_ROWS = 2,
    PLAN_POINT_ROWS = 2 * (int)FAILPOINT_COUNT,
    PLAN_SECOND_ROWS = 8,
    PLAN_ROWS =
        PLAN_CALL_ROWS + PLAN_ALLOCATION_ROWS + PLAN_POINT_ROWS + PLAN_SECOND_ROWS,
    PLAN_STRUCK_BYTES = 320
};

/* Draws PLAN_CHOICES choices. */
struct plan plan_draw(struct tape *tape);

/* The choices that plan_draw must make for the row-th kind with `which` as the last. A
 * second fault comes at once, or as much later as `choices` says already. False: nothing
 * fails in this row. */
bool plan_row(size_t row, uint64_t which, uint64_t choices[PLAN_CHOICES]);

/* The campaign of a check whose case draws its plan last, and sets run->run->struck if
 * that has struck: draws cases, and runs each with every kind of fault, at the first call
 * that it can strike, the second, and so on, until it strikes none. */
void plan_campaign(struct check_run *check);

void plan_print(const struct plan *plan, const char *struck, FILE *out);

void plan_arm(const struct plan *plan, struct disk *disk);

/* What it struck, in words ("sync 000001.log"), into struck[PLAN_STRUCK_BYTES]; false,
 * and an empty text, if nothing yet. */
bool plan_struck(struct disk *disk, char *struck);

/* Ends it, and says whether it had struck. */
bool plan_disarm(struct disk *disk);

#endif
