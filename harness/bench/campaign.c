/* In each round every session runs once for each contender, one after the other, and
 * another one begins each time: so what the machine does beside meets all of them. */
#include "campaign.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "session.h"

/* ---- progress -------------------------------------------------------------------- */

struct place {
    bool shown; /* on a terminal only */
    uint64_t round, rounds;
    const char *contender;
};

static void show_place(void *context, enum row row) {
    const struct place *place = context;
    if (place->shown) {
        fprintf(stderr, "\r\033[Kround %" PRIu64 " of %" PRIu64 ": %s, %s", place->round,
                place->rounds, place->contender, rows[row].name);
    }
}

/* ---- which rows ------------------------------------------------------------------ */

/* The rows of a session that are run: those asked for, and what they need. */
static bool plan_rows(const struct campaign *campaign, enum session session,
                      bool wanted[ROWS]) {
    bool any = false;
    for (enum row asked = 0; asked < ROWS; asked++) {
        if (!campaign->rows[asked]) {
            continue;
        }
        for (enum row row = asked; row != ROW_NONE; row = rows[row].needs) {
            wanted[row] = wanted[row] || rows[row].session == session;
            any = any || wanted[row];
        }
    }
    return any;
}

/* ---- running --------------------------------------------------------------------- */

struct course {
    const struct campaign *campaign;
    struct findings *findings;
    const char *dir;
    bool *interrupted;
    struct error *error;
};

static enum status run_session(const struct course *course, struct session_plan *plan,
                               uint64_t round, size_t contender) {
    const struct campaign *campaign = course->campaign;
    struct findings *findings = course->findings;
    struct place place = {isatty(STDERR_FILENO) == 1, round + 1, campaign->rounds,
                          contenders[contender]->name};
    struct sample samples[ROWS] = {0};
    double cpu_seconds = 0;
    char *dir = path_join(course->dir, contenders[contender]->name);
    if (dir == NULL) {
        return error_no_memory(course->error, "a path", 100);
    }
    plan->contender = contenders[contender];
    plan->dir = dir;
    enum status status = session_run(plan, samples, &cpu_seconds, show_place, &place,
                                     course->interrupted, course->error);
    memory_give(dir);
    for (enum row row = 0; row < ROWS; row++) {
        if (plan->wanted[row] && campaign->rows[row]) { /* others ran for these */
            findings->samples[row][contender][round] = samples[row];
        }
    }
    findings->cpu_seconds[contender][round] += cpu_seconds;
    return status;
}

static enum status run_round(const struct course *course, uint64_t round) {
    const struct campaign *campaign = course->campaign;
    enum status status = STATUS_OK;
    for (enum session session = 0; session < SESSIONS; session++) {
        struct session_plan plan = {.session = session,
                                    .options = &campaign->options,
                                    .count = campaign->count,
                                    .seed = campaign->seed};
        if (!plan_rows(campaign, session, plan.wanted)) {
            continue;
        }
        for (size_t i = 0; i < CONTENDERS; i++) {
            size_t contender = (i + round + session) % CONTENDERS;
            if (campaign->contenders[contender] && status == STATUS_OK &&
                !*course->interrupted) {
                status = run_session(course, &plan, round, contender);
            }
        }
    }
    return status;
}

enum status campaign_run(const struct campaign *campaign, struct findings *findings,
                         bool *interrupted, struct error *error) {
    char *dir = path_join(campaign->dir, "bench-XXXXXX");
    if (dir == NULL) {
        return error_no_memory(error, "a path", 100);
    }
    if (mkdtemp(dir) == NULL) {
        enum status status = error_set(error, STATUS_IO, "%s: %s", dir, strerror(errno));
        memory_give(dir);
        return status;
    }
    if (getloadavg(&findings->load, 1) != 1) {
        findings->load = 0;
    }
    struct course course = {campaign, findings, dir, interrupted, error};
    enum status status = STATUS_OK;
    for (uint64_t round = 0;
         round < campaign->rounds && status == STATUS_OK && !*interrupted; round++) {
        status = run_round(&course, round);
    }
    if (isatty(STDERR_FILENO) == 1) {
        fprintf(stderr, "\r\033[K");
    }
    struct error later = {0};
    enum status removed = session_remove(dir, status == STATUS_OK ? error : &later);
    memory_give(dir);
    return status == STATUS_OK ? removed : status;
}
