#include "latency.h"

#include <strings.h>

static const struct {
    const char *name, *advice;
} kinds[] = {
#define LATENCY_ROW(kind, name, advice) [LATENCY_##kind] = {name, advice},
    LATENCY_TABLE(LATENCY_ROW)
#undef LATENCY_ROW
};

enum status latency_init(struct latency *latency, const struct threads *threads) {
    *latency = (struct latency){0};
    return mutex_init(&latency->mutex, threads);
}

void latency_free(struct latency *latency) {
    mutex_free(&latency->mutex);
}

void latency_add(struct latency *latency, enum latency_kind kind, uint64_t millis,
                 uint64_t unix_seconds) {
    uint64_t threshold =
        atomic_u64_load(&latency->threshold_millis, memory_order_relaxed);
    if (threshold == 0 || millis < threshold) {
        return;
    }
    mutex_lock(&latency->mutex);
    struct latency_series *series = &latency->series[kind];
    struct latency_sample *last =
        &series->samples[(series->next + LATENCY_SAMPLES - 1) % LATENCY_SAMPLES];
    if (series->count > 0 && last->seconds == unix_seconds) {
        last->millis = millis > last->millis ? millis : last->millis;
    } else {
        series->samples[series->next] = (struct latency_sample){unix_seconds, millis};
        series->next = (series->next + 1) % LATENCY_SAMPLES;
        series->count += series->count < LATENCY_SAMPLES;
    }
    series->longest = millis > series->longest ? millis : series->longest;
    mutex_unlock(&latency->mutex);
}

const char *latency_name(enum latency_kind kind) {
    return kinds[kind].name;
}

const char *latency_advice(enum latency_kind kind) {
    return kinds[kind].advice;
}

enum latency_kind latency_find(struct slice name) {
    size_t kind = 0;
    while (kind < LATENCY_KINDS &&
           (strlen(kinds[kind].name) != name.length ||
            strncasecmp(kinds[kind].name, (const char *)name.data, name.length) != 0)) {
        kind++;
    }
    return (enum latency_kind)kind;
}

void latency_copy(struct latency *latency, enum latency_kind kind,
                  struct latency_series *series) {
    mutex_lock(&latency->mutex);
    const struct latency_series *from = &latency->series[kind];
    *series = (struct latency_series){.count = from->count, .longest = from->longest};
    for (size_t i = 0; i < from->count; i++) {
        size_t at = (from->next + LATENCY_SAMPLES - from->count + i) % LATENCY_SAMPLES;
        series->samples[i] = from->samples[at];
    }
    mutex_unlock(&latency->mutex);
}

bool latency_reset(struct latency *latency, enum latency_kind kind) {
    mutex_lock(&latency->mutex);
    bool any = latency->series[kind].count > 0;
    latency->series[kind] = (struct latency_series){0};
    mutex_unlock(&latency->mutex);
    return any;
}
