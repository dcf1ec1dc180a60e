/* libfiu runs the callback under its read lock and hands it the point's failinfo, which
 * is the point's row here. */
#include "points.h"

#include <assert.h>
#include <stdatomic.h>

#include <fiu-control.h>
#include <fiu.h>

enum kind { ERROR, MOMENT, SOCKET, SERVER };

static struct point {
    const char *name;
    const char *story;
    enum kind kind;
    int first;
    int last;
    _Atomic uint64_t hits;
} points[] = {
#define POINT_ROW(name, kind, first, last, story) {#name, story, kind, first, last, 0},
    FAILPOINT_TABLE(POINT_ROW)
#undef POINT_ROW
};

static struct {
    struct point *point; /* the armed one */
    size_t countdown;
    bool persistent;
    bool struck;
} armed;

static struct {
    points_observer *observer;
    void *context;
} observing;

static int pass(const char *name, int *failnum, void **failinfo, unsigned *flags) {
    (void)name;
    (void)failnum;
    (void)flags;
    struct point *point = *failinfo;
    atomic_fetch_add_explicit(&point->hits, 1, memory_order_relaxed);
    if ((point->kind == MOMENT || point->kind == SERVER) && observing.observer != NULL) {
        observing.observer(observing.context);
    }
    if (point != armed.point || (armed.struck && !armed.persistent)) {
        return 0;
    }
    if (!armed.struck && (armed.countdown == 0 || --armed.countdown > 0)) {
        return 0;
    }
    armed.struck = true;
    return 1;
}

void points_observe(points_observer *observer, void *context) {
    observing.observer = observer;
    observing.context = context;
}

void points_watch(void) {
    int failed = fiu_init(0);
    for (size_t i = 0; i < FAILPOINT_COUNT; i++) {
        failed |= fiu_enable_external(points[i].name, 1, &points[i], 0, pass);
        atomic_store(&points[i].hits, 0);
    }
    assert(failed == 0);
    (void)failed;
}

void points_unwatch(void) {
    for (size_t i = 0; i < FAILPOINT_COUNT; i++) {
        fiu_disable(points[i].name);
    }
}

const char *points_name(enum failpoint point) {
    return points[point].name;
}

const char *points_story(enum failpoint point) {
    return points[point].story;
}

bool points_listed(enum failpoint point, int number) {
    return points[point].kind != SOCKET && points[point].kind != SERVER &&
           points[point].first <= number &&
           (points[point].last == 0 || points[point].last >= number);
}

bool points_can_fail(enum failpoint point) {
    return points[point].kind == ERROR;
}

bool points_of_sockets(enum failpoint point) {
    return points[point].kind == SOCKET;
}

bool points_of_servers(enum failpoint point) {
    return points[point].kind == SERVER;
}

uint64_t points_hits(enum failpoint point) {
    return atomic_load(&points[point].hits);
}

void points_arm(enum failpoint point, size_t countdown, bool persistently) {
    armed.point = point < FAILPOINT_COUNT ? &points[point] : NULL;
    armed.countdown = countdown;
    armed.persistent = persistently;
    armed.struck = false;
}

bool points_struck(void) {
    return armed.struck;
}
