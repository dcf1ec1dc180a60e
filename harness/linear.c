#include "linear.h"

#include <inttypes.h>
#include <stdarg.h>

#include "program.h"

struct verdict {
    const struct history *history;
    const struct call *order[HISTORY_CALLS]; /* the writes that count, by sequence */
    size_t count;
    struct erasure {
        const struct call *call;
        size_t place;          /* so many writes are before it */
    } erasures[HISTORY_CALLS]; /* those that happened, as is being tried */
    size_t erasure_count;
    size_t seen[HISTORY_CALLS]; /* of the erasures, by each read */
    char *words;
    size_t words_bytes;
};

static bool __attribute__((format(printf, 2, 3)))
object(struct verdict *verdict, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(verdict->words, verdict->words_bytes, format, arguments);
    va_end(arguments);
    return false;
}

/* As the table numbers them. */
static size_t number(const struct verdict *verdict, const struct call *call) {
    return (size_t)(call - verdict->history->calls) + 1;
}

static bool returned_before(const struct call *a, const struct call *b) {
    return !a->failed && a->returned != 0 && a->returned < b->invoked;
}

static uint64_t first_of(const struct call *write) {
    return write->sequence - write->op_count + 1;
}

static bool acknowledged(const struct call *write) {
    return !write->failed && write->returned != 0;
}

/* ---- writes ---------------------------------------------------------------------- */

/* In doubt, and another has its sequence. */
static bool replaced(const struct history *history, const struct call *write) {
    for (size_t i = 0; i < history->count; i++) {
        const struct call *other = &history->calls[i];
        if (other->kind == CALL_WRITE && acknowledged(other) &&
            other->sequence >= first_of(write) && first_of(other) <= write->sequence) {
            return !acknowledged(write);
        }
    }
    return false;
}

static bool order_writes(struct verdict *verdict) {
    const struct history *history = verdict->history;
    for (size_t i = 0; i < history->count; i++) {
        const struct call *write = &history->calls[i];
        if (write->kind != CALL_WRITE) {
            continue;
        }
        if (acknowledged(write) && write->sequence < write->op_count) {
            return object(verdict, "write %zu was acknowledged without sequences", i + 1);
        }
        if (write->sequence == 0 || replaced(history, write)) {
            continue;
        }
        size_t at = verdict->count++;
        for (; at > 0 && verdict->order[at - 1]->sequence > write->sequence; at--) {
            verdict->order[at] = verdict->order[at - 1];
        }
        verdict->order[at] = write;
    }
    return true;
}

/* Of those in doubt only the ones behind all that is before them can have happened: the
 * log is a chain. The others are taken out of the order. */
static bool check_order(struct verdict *verdict) {
    uint64_t last = 0;
    size_t kept = 0;
    for (size_t i = 0; i < verdict->count; i++) {
        const struct call *write = verdict->order[i];
        if (first_of(write) != last + 1) {
            if (!acknowledged(write)) {
                continue;
            }
            return object(verdict,
                          "write %zu has the sequences from %" PRIu64
                          "; the write before it in their order ends with %" PRIu64,
                          number(verdict, write), first_of(write), last);
        }
        last = write->sequence;
        for (size_t j = 0; j < kept; j++) {
            if (returned_before(write, verdict->order[j])) {
                return object(verdict,
                              "write %zu had returned when write %zu began, but its "
                              "sequence is the higher one",
                              number(verdict, write), number(verdict, verdict->order[j]));
            }
        }
        verdict->order[kept++] = write;
    }
    verdict->count = kept;
    return true;
}

/* ---- reads ----------------------------------------------------------------------- */

/* Of the writes from the `from`-th on. */
static unsigned value_at(const struct verdict *verdict, unsigned key, size_t from,
                         uint64_t sequence) {
    unsigned value = VALUE_ABSENT;
    for (size_t i = from; i < verdict->count && verdict->order[i]->sequence <= sequence;
         i++) {
        const struct call *write = verdict->order[i];
        for (size_t j = 0; j < write->op_count; j++) {
            value = write->ops[j].key == key ? write->ops[j].value : value;
        }
    }
    return value;
}

static bool check_bounds(struct verdict *verdict, const struct call *read) {
    size_t self = number(verdict, read);
    bool whole = read->observed == 0;
    for (size_t i = 0; i < verdict->count; i++) {
        const struct call *write = verdict->order[i];
        whole = whole || write->sequence == read->observed;
        if (returned_before(write, read) && write->sequence > read->observed) {
            return object(verdict,
                          "read %zu observed %" PRIu64
                          ", but write %zu, sequence %" PRIu64
                          ", had returned before it began",
                          self, read->observed, number(verdict, write), write->sequence);
        }
        if (write->sequence <= read->observed && write->invoked > read->returned) {
            return object(verdict, "read %zu observed write %zu before it began", self,
                          number(verdict, write));
        }
    }
    if (!whole) {
        return object(verdict, "read %zu observed %" PRIu64 ", the end of no change",
                      self, read->observed);
    }
    for (size_t i = 0; i < verdict->history->count; i++) {
        const struct call *other = &verdict->history->calls[i];
        if ((other->kind == CALL_GET || other->kind == CALL_ITER) &&
            returned_before(other, read) && other->observed > read->observed) {
            return object(
                verdict, "read %zu observed %" PRIu64 ", but read %zu before it %" PRIu64,
                self, read->observed, i + 1, other->observed);
        }
    }
    return true;
}

static bool check_value(struct verdict *verdict, const struct call *read, size_t from,
                        unsigned key, unsigned found) {
    unsigned right = value_at(verdict, key, from, read->observed);
    return found == right ||
           object(verdict,
                  "read %zu shows v%u under key %u; at sequence %" PRIu64
                  ", which it observed, that was v%u (v0: nothing)",
                  number(verdict, read), found, key, read->observed, right);
}

static bool check_values(struct verdict *verdict, const struct call *read, size_t from) {
    bool holds = true;
    if (read->kind == CALL_GET) {
        return check_value(verdict, read, from, read->key, read->found);
    }
    for (size_t walk = 0; walk < read->walk_count; walk++) {
        for (unsigned key = 0; holds && key < HISTORY_KEYS; key++) {
            holds = check_value(verdict, read, from, key, read->walks[walk][key]);
        }
    }
    return holds;
}

static bool is_read(const struct call *call) {
    return (call->kind == CALL_GET || call->kind == CALL_ITER) && !call->failed &&
           call->returned != 0;
}

/* How many erasures a read has seen is known, but for those that stand just behind the
 * last write that it observed. Of these as few as explain it: then those after it have
 * the most freedom. */
static bool check_erasures(struct verdict *verdict, const struct call *read) {
    const struct history *history = verdict->history;
    size_t least = 0, most = 0, writes = 0;
    while (writes < verdict->count &&
           verdict->order[writes]->sequence <= read->observed) {
        writes++;
    }
    for (size_t i = 0; i < verdict->erasure_count; i++) {
        const struct erasure *erasure = &verdict->erasures[i];
        bool must = erasure->place < writes || returned_before(erasure->call, read);
        bool may = erasure->place <= writes && erasure->call->invoked < read->returned;
        least = must ? i + 1 : least;
        most = may ? i + 1 : most;
    }
    for (size_t i = 0; &history->calls[i] != read; i++) {
        const struct call *other = &history->calls[i];
        if (is_read(other) && returned_before(other, read)) {
            least = verdict->seen[i] > least ? verdict->seen[i] : least;
        }
    }
    if (least > most) {
        return object(verdict, "read %zu cannot have seen what is between erasures",
                      number(verdict, read));
    }
    for (size_t seen = least; seen <= most; seen++) {
        size_t from = seen > 0 ? verdict->erasures[seen - 1].place : 0;
        if (check_values(verdict, read, from)) {
            verdict->seen[read - history->calls] = seen;
            return true;
        }
    }
    return false;
}

static bool check_reads(struct verdict *verdict) {
    const struct history *history = verdict->history;
    bool holds = true;
    for (size_t i = 0; holds && i < history->count; i++) {
        if (is_read(&history->calls[i])) {
            holds = check_erasures(verdict, &history->calls[i]);
        }
    }
    return holds;
}

/* Tries all places of the erasures from the call `at` on, behind those that have one. */
static bool place_erasures(struct verdict *verdict, size_t at) {
    const struct history *history = verdict->history;
    while (at < history->count && history->calls[at].kind != CALL_ERASE) {
        at++;
    }
    if (at == history->count) {
        return check_reads(verdict);
    }
    const struct call *call = &history->calls[at];
    size_t before = verdict->erasure_count;
    if (!acknowledged(call) && place_erasures(verdict, at + 1)) {
        return true; /* it never happened */
    }
    size_t first = before > 0 ? verdict->erasures[before - 1].place : 0;
    size_t last = verdict->count;
    for (size_t i = 0; i < verdict->count; i++) {
        first = first <= i && returned_before(verdict->order[i], call) ? i + 1 : first;
        last = last > i && returned_before(call, verdict->order[i]) ? i : last;
    }
    for (size_t place = first; place <= last; place++) {
        verdict->erasures[before] = (struct erasure){call, place};
        verdict->erasure_count = before + 1;
        if (place_erasures(verdict, at + 1)) {
            return true;
        }
    }
    verdict->erasure_count = before;
    if (first > last) {
        object(verdict, "erasure %zu has no place among the writes",
               number(verdict, call));
    }
    return false;
}

bool history_linear(const struct history *history, char *words, size_t words_bytes) {
    struct verdict verdict = {
        .history = history, .words = words, .words_bytes = words_bytes};
    bool holds = order_writes(&verdict) && check_order(&verdict);
    for (size_t i = 0; holds && i < history->count; i++) {
        if (is_read(&history->calls[i])) {
            holds = check_bounds(&verdict, &history->calls[i]);
        }
    }
    return holds && place_erasures(&verdict, 0);
}

/* ---- in words -------------------------------------------------------------------- */

static void print_key(unsigned key, FILE *out) {
    slice_print(program_key(key), out);
}

static void print_write(const struct call *write, FILE *out) {
    for (size_t i = 0; i < write->op_count; i++) {
        fputs(i > 0 ? ", " : "", out);
        fputs(write->ops[i].value == VALUE_ABSENT ? "delete " : "put ", out);
        print_key(write->ops[i].key, out);
        if (write->ops[i].value != VALUE_ABSENT) {
            fprintf(out, " = v%u", write->ops[i].value);
        }
    }
    fprintf(out, ": sequence %" PRIu64, write->sequence);
}

static void print_walks(const struct call *iter, FILE *out) {
    static const char *const words[] = {"iterator", "snapshot", "snapshot, by keys",
                                        "checkpoint"};
    fprintf(out, "%s: observed %" PRIu64, words[iter->look], iter->observed);
    for (size_t walk = 0; walk < iter->walk_count; walk++) {
        fputs(walk > 0 ? "; again" : "; walked", out);
        for (unsigned key = 0; key < HISTORY_KEYS; key++) {
            if (iter->walks[walk][key] != VALUE_ABSENT) {
                fputc(' ', out);
                print_key(key, out);
                fprintf(out, " = v%u", iter->walks[walk][key]);
            }
        }
    }
}

static void print_call(const struct call *call, FILE *out) {
    switch (call->kind) {
    case CALL_WRITE:
        print_write(call, out);
        break;
    case CALL_GET:
        fputs("get ", out);
        print_key(call->key, out);
        fprintf(out, ": v%u, observed %" PRIu64, call->found, call->observed);
        break;
    case CALL_ITER:
        print_walks(call, out);
        break;
    case CALL_RESUME:
        fputs("resume", out);
        break;
    case CALL_FLUSH:
        fputs("flush", out);
        break;
    case CALL_COMPACT:
        fputs("compact", out);
        break;
    case CALL_ERASE:
        fputs("erase", out);
        break;
    }
    fputs(call->failed ? ", FAILED\n" : "\n", out);
}

void history_print(const struct history *history, FILE *out) {
    fputs("  no  began ended thread\n", out);
    for (size_t i = 0; i < history->count; i++) {
        const struct call *call = &history->calls[i];
        fprintf(out, "  %2zu  %5" PRIu64 " %5" PRIu64 " %6u  ", i + 1, call->invoked,
                call->returned, call->thread);
        print_call(call, out);
    }
    fputs("(v0: nothing is there)\n", out);
}
