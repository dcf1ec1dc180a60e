/* The life of a writer in the queue:
 *
 *     WAITS ──first in the queue──▶ LEADS ──▶ returns
 *       └────taken along by a leader──▶ TAKEN ──outcome is known──▶ DONE ──▶ returns
 *
 * Only a leader takes engine.writing, and there is one leader at a time from its
 * promotion until its group has left the queue; those who sync have left it. A writer's
 * storage is its own stack: whoever has said DONE to it does not touch it again. */
#include "commit_group.h"

#include <assert.h>

#include "engine.h"
#include "failpoint.h"
#include "kv_check.h"
#include "memory.h"

enum {
    GROUP_BYTES_MAX = 1024 * 1024,
    SMALL_BYTES = 128 * 1024, /* behind a leader with no more, only so many follow */
    GROUP_CHANGES_MAX = 256
};

enum place { WAITS, LEADS, TAKEN, DONE };

struct writer {
    struct writer *next; /* in the queue, then in its group */
    const struct kv_op *ops;
    size_t count;
    uint64_t bytes;
    enum durability durability;

    /* guarded by the queue's lock until DONE */
    enum place place;
    bool sleeps; /* `woken` is there */
    struct condition woken;
    enum status status;
    uint64_t sequence;
    struct error *error; /* the caller's */
};

struct commit {
    struct engine *engine;
    const struct threads *threads;
    struct mutex lock; /* of the queue; for moments */
    /* guarded by lock */
    struct writer *first, **last;
    uint64_t groups, changes, largest;
};
