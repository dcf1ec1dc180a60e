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
 * A log that does not begin with a mark was written by LevelDB. It says nothing of what
 * was durable, so only a record cut short by the end of the file may be dropped from it;
 * its sequences may begin anywhere and are counted from 1 here (such a log is a database
 * of its own only where it is the first). */
#ifndef STRATA_REPLAY_H
#define STRATA_REPLAY_H

#include "change.h"
#include "directory.h"

/* Of one log, as found. */
struct replay_log {
    uint64_t number;
    uint64_t bytes;  /* the file's size */
    uint64_t end;    /* behind the last record that was read whole and in turn */
    uint64_t first;  /* sequence of the first change taken from it; 0: none was */
    uint64_t taken;  /* offset behind the last change taken from it */
    bool clean;      /* read to its end; nothing but zeros behind it */
    bool foreign;    /* does not begin with a mark: written by LevelDB */
    const char *why; /* if not clean: in words */
};

struct replay {
    struct replay_log *logs;
    size_t log_count;
    uint64_t last;    /* k: every change up to here was found */
    uint64_t durable; /* the highest that any mark claims; <= last, unless CORRUPT */
    uint64_t changes;
    uint64_t bytes; /* read */
};

/* Called for each change in turn. `change` carries its own sequence and was checked. The
 * log is that of replay->logs[log]; the record stands at `offset`. Anything but OK ends
 * the replay. */
typedef enum status replay_visit(void *context, const struct change_reader *change,
                                 struct slice payload, size_t log, uint64_t offset,
                                 struct error *error);

/* Where to stop: log `number` is read up to `end`, later ones not at all. */
struct replay_limit {
    uint64_t number;
    uint64_t end;
};

extern const struct replay_limit replay_everything;

/* Replays the logs numbered in `listing`. visit may be NULL. CORRUPT names file and
 * offset of what is damaged, and *replay then tells what was found all the same. End with
 * replay_free, also after an error. */
MUST_CHECK enum status replay_run(struct replay *replay, const char *dir,
                                  const struct world *world,
                                  const struct listing *listing,
                                  struct replay_limit limit, replay_visit *visit,
                                  void *context, struct error *error);
void replay_free(struct replay *replay);

#endif
