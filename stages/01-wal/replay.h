/* Replays the live logs of a database, in the order of their numbers, as one chain of
 * changes.
 *
 * The chain rule: sequences are contiguous across logs. A change whose sequence is the
 * next one is taken; one that was taken already, from an older log, is passed over
 * (recovery writes changes anew, recover.h); one that would leave a gap is not taken, nor
 * anything after it in its log. A later log may close the gap.
 *
 * The rule for damage: a log is read up to the first thing that is not a record. From
 * there on only marks are looked for, at every offset. A mark says which changes were
 * durable; if one of those was not recovered from anywhere, durable data is damaged:
 * CORRUPT. Otherwise what could not be read was never acknowledged as durable, and is
 * dropped.
 *
 * A log that does not begin with a mark was written by LevelDB, or lost its beginning to
 * a loss of power. It goes by the same rules, and says nothing of what was durable; so
 * logs of LevelDB are looked at more strictly before they are first opened (recover.h).
 */
#ifndef STRATA_REPLAY_H
#define STRATA_REPLAY_H

#include "change.h"
#include "directory.h"

/* Of one log, as found. A change is in turn if it is the chain's next, or repeats one
 * before. */
struct replay_log {
    uint64_t number;
    uint64_t bytes;       /* the file's size */
    uint64_t end;         /* behind the last record that was read whole and in turn */
    uint64_t first;       /* sequence of its first change in turn; 0: there is none */
    uint64_t changes_end; /* offset behind its last change in turn */
    uint64_t cut;         /* where what stands before its first change in turn above
                             options.cut_above ends; `end` if there is none */
    bool clean;           /* read to its end; nothing but zeros behind it */
    bool cut_short;       /* if not clean: the file ends within a record */
    bool foreign;         /* begins with a record that is no mark */
    const char *why;      /* if not clean: in words */
};

struct replay {
    struct replay_log *logs;
    size_t log_count;
    uint64_t last;    /* k: every change up to here was found */
    uint64_t durable; /* `base`, or what a mark claims beyond; <= last, unless CORRUPT */
    uint64_t marked;  /* the highest that any mark claims */
    uint64_t base;    /* the chain is what follows this sequence */
    bool begun;       /* a change was read */
    uint64_t changes;
    uint64_t bytes; /* read */
};

/* Called for each change of the chain, once. `change` carries its sequence and was
 * checked. Anything but OK ends the replay. */
typedef enum status replay_visit(void *context, const struct change_reader *change,
                                 struct slice payload, struct error *error);

struct replay_options {
    uint64_t last_log;  /* later ones are not read; */
    uint64_t last_end;  /* this one only up to this offset */
    uint64_t cut_above; /* a sequence, for replay_log.cut */
    uint64_t first_log; /* earlier ones are not read */
    uint64_t behind;    /* changes up to here are durable elsewhere: passed over */
    bool begins_before; /* … but the first change that there is may be one of them, and
                           is the chain's first then: a manifest of LevelDB counts
                           changes that stand in its logs only */
};

/* Everything, from the first change on; no cuts. */
extern const struct replay_options replay_everything;

/* Replays the logs numbered in `listing`. visit may be NULL. CORRUPT names file and
 * offset of what is damaged, and *replay then tells what was found all the same. End with
 * replay_free, also after an error. */
MUST_CHECK enum status
replay_run(struct replay *replay, const char *dir, const struct world *world,
           const struct listing *listing, const struct replay_options *options,
           replay_visit *visit, void *context, struct error *error);
void replay_free(struct replay *replay);

#endif
