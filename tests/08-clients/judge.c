/* A search (Wing and Gong 1993, with Lowe's memory of what was tried, 2017): next in the
 * order can be the first call of any strand that began before every other one left had
 * returned. Where the model then tells what the client was told, go on behind it. A
 * position in all strands, with a state, that led nowhere once is not tried again; of
 * those a hash is kept.
 *
 * Calls that may have happened or not are many where the server fails, and nearly all of
 * them have not: so it is tried without any first, then with one, with two, … */
#include "judge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "memory.h"
#include "served.h"

enum { TRIED_SLOTS = 1 << 21 };

struct strand {
    const struct call **calls;
    size_t at, end;
};

struct search {
    struct strand *strands;
    size_t strand_count;
    size_t left;     /* replies that are not explained yet */
    size_t unsure;   /* calls that may have happened or not */
    size_t may;      /* so many of them may yet be taken */
    uint64_t *tried; /* a set of hashes: slots, 0: none */
    size_t tried_count;
    bool undecided; /* the set is full */
};

static bool is_sure(const struct call *call) {
    return call->returned != 0 && !call->open;
}

/* ---- what was tried -------------------------------------------------------------- */

static uint64_t fingerprint(const struct search *search,
                            const struct object_state *state) {
    uint64_t hash = XXH3_64bits(state, sizeof *state);
    for (size_t i = 0; i < search->strand_count; i++) {
        const uint64_t place[] = {i, search->strands[i].at};
        hash = XXH3_64bits_withSeed(place, sizeof place, hash);
    }
    return hash | 1;
}

/* True: it is new, and in the set now. */
static bool note_tried(struct search *search, uint64_t hash) {
    size_t slot = hash / 2 % TRIED_SLOTS;
    while (search->tried[slot] != 0) {
        if (search->tried[slot] == hash) {
            return false;
        }
        slot = (slot + 1) % TRIED_SLOTS;
    }
    search->tried[slot] = hash;
    search->undecided |= ++search->tried_count > TRIED_SLOTS / 2;
    return !search->undecided;
}

/* ---- the search ------------------------------------------------------------------ */

static const struct call *head(const struct strand *strand) {
    return strand->at < strand->end ? strand->calls[strand->at] : NULL;
}

/* Of all replies that are left, when the first one came. */
static uint64_t first_return(const struct search *search) {
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < search->strand_count; i++) {
        const struct call *call = head(&search->strands[i]);
        if (call != NULL && is_sure(call) && call->returned < first) {
            first = call->returned;
        }
    }
    return first;
}

static bool explain(struct search *search, const struct object_state *state);

static bool try_next(struct search *search, struct strand *strand,
                     const struct object_state *state) {
    const struct call *call = head(strand);
    struct object_state after = *state;
    char reply[REPLY_BYTES];
    request_apply(&call->request, &after, reply);
    if (is_sure(call) && strcmp(reply, call->reply) != 0) {
        return false;
    }
    strand->at++;
    search->left -= is_sure(call);
    search->may -= !is_sure(call);
    bool explained = explain(search, &after);
    strand->at--;
    search->left += is_sure(call);
    search->may += !is_sure(call);
    return explained;
}

/* Calls that are unsure are taken as late as may be. */
static bool explain(struct search *search, const struct object_state *state) {
    if (search->left == 0) {
        return true;
    }
    if (!note_tried(search, fingerprint(search, state))) {
        return false;
    }
    uint64_t first = first_return(search);
    for (int sure = 1; sure >= (search->may > 0 ? 0 : 1); sure--) {
        for (size_t i = 0; i < search->strand_count; i++) {
            struct strand *strand = &search->strands[i];
            const struct call *call = head(strand);
            if (call != NULL && is_sure(call) == sure && call->invoked < first &&
                try_next(search, strand, state)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- an object ------------------------------------------------------------------- */

static bool concerns(const struct call *call, unsigned object) {
    return request_object(&call->request) == object &&
           (is_sure(call) || !request_reads(&call->request));
}

/* Strands in the history's numbers first, then those of calls that are open. */
static size_t strand_of(const struct history *history, const struct call *call,
                        size_t *more) {
    return call->open ? history->strands + (*more)++ : call->strand;
}

static void add_calls(struct search *search, const struct history *history,
                      unsigned object) {
    size_t more = 0;
    for (size_t i = 0; i < history->count; i++) {
        const struct call *call = &history->calls[i];
        if (concerns(call, object)) {
            size_t number = strand_of(history, call, &more);
            assert_true(number < STRANDS_MAX);
            struct strand *strand = &search->strands[number];
            if (strand->calls == NULL) {
                strand->calls = memory_take(history->count * sizeof *strand->calls);
                assert_non_null(strand->calls);
            }
            strand->calls[strand->end++] = call;
            search->left += is_sure(call);
            search->unsure += !is_sure(call);
        }
    }
    search->strand_count = history->strands + more;
}

static bool judge_object(const struct history *history, unsigned object) {
    struct search search = {.strands =
                                memory_take_zeroed(STRANDS_MAX * sizeof(struct strand)),
                            .tried = memory_take_zeroed(TRIED_SLOTS * sizeof(uint64_t))};
    assert_true(search.strands != NULL && search.tried != NULL);
    add_calls(&search, history, object);
    bool explained = false;
    for (size_t may = 0; !explained && !search.undecided && may <= search.unsure; may++) {
        search.may = may;
        if (search.tried_count > 0) {
            memset(search.tried, 0, TRIED_SLOTS * sizeof *search.tried);
            search.tried_count = 0;
        }
        explained = explain(&search, &history->before[object]);
    }
    if (search.undecided) {
        printf("object %u: %d places were not enough to decide\n", object,
               TRIED_SLOTS / 2);
    }
    for (size_t i = 0; i < search.strand_count; i++) {
        memory_give(search.strands[i].calls);
    }
    memory_give(search.strands);
    memory_give(search.tried);
    return explained;
}

bool judge_history(const struct history *history, unsigned *trouble) {
    for (unsigned object = 0; object < OBJECTS; object++) {
        if (!judge_object(history, object)) {
            *trouble = object;
            return false;
        }
    }
    return true;
}

void judge_print(const struct history *history, unsigned object, FILE *out) {
    struct buf text = {0};
    fprintf(out, " began  ended strand  object %u\n", object);
    for (size_t i = 0; i < history->count; i++) {
        const struct call *call = &history->calls[i];
        if (request_object(&call->request) == object) {
            buf_clear(&text);
            request_send(&call->request, &text);
            fprintf(out, "%6" PRIu64 " %6" PRIu64 " %6u  %.*s: %s%s\n", call->invoked,
                    call->returned, call->strand, (int)text.length - 2,
                    (const char *)text.data, call->returned != 0 ? call->reply : "-",
                    call->open ? " (open)" : "");
        }
    }
    buf_free(&text);
}
