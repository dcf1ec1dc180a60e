/* Each pass proposes candidates; attempt() runs one and keeps it if it still fails and is
 * simpler: fewer choices, or as many and smaller in lexical order. Comparing what the
 * case made of the candidate, not the candidate, makes every step strictly simpler, so
 * the passes end. */
#include "shrink.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"

struct shrinker {
    struct tape *best; /* the simplest failing case so far */
    struct tape trial;
    uint64_t *candidate;
    size_t capacity;
    shrink_fails *fails;
    void *context;
    size_t runs_left;
};

static bool simpler(const struct tape *a, const struct tape *b) {
    if (a->made != b->made) {
        return a->made < b->made;
    }
    for (size_t i = 0; i < a->made; i++) {
        if (a->choices[i] != b->choices[i]) {
            return a->choices[i] < b->choices[i];
        }
    }
    return false;
}

/* Runs the first `count` candidate choices; true if they became the best. */
static bool attempt(struct shrinker *shrinker, size_t count) {
    if (shrinker->runs_left == 0) {
        return false;
    }
    shrinker->runs_left--;
    tape_replay(&shrinker->trial, shrinker->candidate, count);
    if (!shrinker->fails(shrinker->context, &shrinker->trial) ||
        !simpler(&shrinker->trial, shrinker->best)) {
        return false;
    }
    struct tape old = *shrinker->best;
    *shrinker->best = shrinker->trial;
    shrinker->trial = old;
    return true;
}

/* Copies the best into the candidate. */
static void propose(struct shrinker *shrinker) {
    size_t count = shrinker->best->made;
    shrinker->candidate =
        grow(shrinker->candidate, &shrinker->capacity, count + 1, sizeof(uint64_t));
    memcpy(shrinker->candidate, shrinker->best->choices, count * sizeof(uint64_t));
}

static bool delete_range(struct shrinker *shrinker, size_t begin, size_t end) {
    size_t count = shrinker->best->made;
    if (end > count || begin >= end) {
        return false;
    }
    propose(shrinker);
    memmove(shrinker->candidate + begin, shrinker->candidate + end,
            (count - end) * sizeof(uint64_t));
    return attempt(shrinker, count - (end - begin));
}

/* Later spans first: what comes last depends on nothing behind it. */
static bool delete_spans(struct shrinker *shrinker) {
    bool improved = false;
    for (size_t i = shrinker->best->span_count; i-- > 0;) {
        if (i < shrinker->best->span_count) {
            struct tape_span span = shrinker->best->spans[i];
            improved |= delete_range(shrinker, span.begin, span.end);
        }
    }
    return improved;
}

static bool delete_choices(struct shrinker *shrinker) {
    bool improved = false;
    for (size_t length = 8; length >= 1; length /= 2) {
        for (size_t end = shrinker->best->made; end >= length; end--) {
            improved |= delete_range(shrinker, end - length, end);
        }
    }
    return improved;
}

static bool zero_spans(struct shrinker *shrinker) {
    bool improved = false;
    for (size_t i = 0; i < shrinker->best->span_count; i++) {
        struct tape_span span = shrinker->best->spans[i];
        propose(shrinker);
        memset(shrinker->candidate + span.begin, 0,
               (span.end - span.begin) * sizeof(uint64_t));
        improved |= attempt(shrinker, shrinker->best->made);
    }
    return improved;
}

static bool set_choice(struct shrinker *shrinker, size_t index, uint64_t value) {
    propose(shrinker);
    shrinker->candidate[index] = value;
    return attempt(shrinker, shrinker->best->made);
}

/* Finds the least value that fails, if failing is monotonic, else some smaller one. */
static bool lower_choice(struct shrinker *shrinker, size_t index) {
    if (shrinker->best->choices[index] == 0) {
        return false;
    }
    if (set_choice(shrinker, index, 0)) {
        return true;
    }
    bool improved = false;
    uint64_t passes = 0; /* is known to hold, or the case changed its shape */
    while (index < shrinker->best->made && shrinker->best->choices[index] > passes + 1) {
        uint64_t high = shrinker->best->choices[index];
        uint64_t middle = passes + (high - passes) / 2;
        if (set_choice(shrinker, index, middle)) {
            improved = true;
        } else {
            passes = middle;
        }
    }
    if (!improved && index < shrinker->best->made && shrinker->best->choices[index] > 0) {
        improved = set_choice(shrinker, index, shrinker->best->choices[index] - 1);
    }
    return improved;
}

static bool lower_choices(struct shrinker *shrinker) {
    bool improved = false;
    for (size_t i = 0; i < shrinker->best->made; i++) {
        improved |= lower_choice(shrinker, i);
    }
    return improved;
}

/* Lowers one choice and deletes or lowers something later with it: a count and what it
 * counts, or two choices that must stay equal. */
static bool lower_pairs(struct shrinker *shrinker) {
    bool improved = false;
    for (size_t i = 0; i < shrinker->best->made; i++) {
        for (size_t j = i + 1; j < shrinker->best->made && j <= i + 4; j++) {
            uint64_t first = shrinker->best->choices[i];
            uint64_t second = shrinker->best->choices[j];
            if (first == 0) {
                break;
            }
            propose(shrinker);
            shrinker->candidate[i] = first - 1;
            shrinker->candidate[j] = second > 0 ? second - 1 : 1;
            improved |= attempt(shrinker, shrinker->best->made);
        }
    }
    return improved;
}

/* Lowers a choice and deletes a span behind it in one go. */
static bool lower_and_delete(struct shrinker *shrinker) {
    bool improved = false;
    for (size_t i = 0; i < shrinker->best->made; i++) {
        for (size_t s = 0; s < shrinker->best->span_count; s++) {
            struct tape_span span = shrinker->best->spans[s];
            size_t count = shrinker->best->made;
            if (i >= count || shrinker->best->choices[i] == 0) {
                break;
            }
            if (span.begin <= i) {
                continue;
            }
            propose(shrinker);
            shrinker->candidate[i]--;
            memmove(shrinker->candidate + span.begin, shrinker->candidate + span.end,
                    (count - span.end) * sizeof(uint64_t));
            improved |= attempt(shrinker, count - (span.end - span.begin));
        }
    }
    return improved;
}

/* Exchanges neighbouring spans. */
static bool reorder_spans(struct shrinker *shrinker) {
    bool improved = false;
    for (size_t i = 0; i + 1 < shrinker->best->span_count; i++) {
        struct tape_span a = shrinker->best->spans[i];
        struct tape_span b = shrinker->best->spans[i + 1];
        if (a.end != b.begin) {
            continue;
        }
        const uint64_t *from = shrinker->best->choices;
        size_t first = a.end - a.begin, second = b.end - b.begin;
        propose(shrinker);
        memcpy(shrinker->candidate + a.begin, from + b.begin, second * sizeof(uint64_t));
        memcpy(shrinker->candidate + a.begin + second, from + a.begin,
               first * sizeof(uint64_t));
        improved |= attempt(shrinker, shrinker->best->made);
    }
    return improved;
}

size_t shrink(struct tape *tape, shrink_fails *fails, void *context, size_t runs) {
    static bool (*const passes[])(struct shrinker *) = {
        delete_spans, delete_choices,   zero_spans,    lower_choices,
        lower_pairs,  lower_and_delete, reorder_spans,
    };
    struct shrinker shrinker = {
        .best = tape, .fails = fails, .context = context, .runs_left = runs};
    bool improved = true;
    while (improved && shrinker.runs_left > 0) {
        improved = false;
        for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++) {
            improved |= passes[i](&shrinker);
        }
    }
    tape_free(&shrinker.trial);
    free(shrinker.candidate);
    return runs - shrinker.runs_left;
}
