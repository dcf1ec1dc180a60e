/* Words are written where an answer is found wrong; the status is CORRUPT then, and the
 * store's own where it answered with an error. */
#include "run_reads.h"

#include <inttypes.h>
#include <stdarg.h>

static enum status says(struct words words, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status says(struct words words, enum status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words.text, words.bytes, format, arguments);
    va_end(arguments);
    return status;
}

/* What was observed must be the end of a change within the law; *changes: how many, as
 * many as may be. */
static enum status check_observed(const struct model *model, struct law law,
                                  uint64_t observed, const char *what, size_t *changes,
                                  struct words words) {
    size_t count = model_changes_at(model, observed, law.most);
    if (model_sequence(model, count) != observed) {
        return says(words, STATUS_CORRUPT,
                    "%s says it observed sequence %" PRIu64
                    ", which is not the end of a change",
                    what, observed);
    }
    if (count < law.least || count > law.most) {
        return says(words, STATUS_CORRUPT,
                    "%s observed the state after %zu changes; the law allows %zu to %zu",
                    what, count, law.least, law.most);
    }
    *changes = count;
    return STATUS_OK;
}

/* By which time who reads here goes: that of his snapshot, or now. */
static uint64_t millis_of(const struct model *model, const struct run_snapshot *held) {
    return held != NULL ? held->millis : model_millis(model);
}

static const struct kv_snapshot *snapshot_of(const struct run_snapshot *held) {
    return held != NULL ? held->snapshot : NULL;
}

enum status read_key(const struct model *model, struct kv *kv, struct law law,
                     const struct run_snapshot *held, struct slice key,
                     struct words words) {
    struct buf value = {0};
    uint64_t observed = 0;
    const struct kv_read_options options = {.observed = &observed,
                                            .snapshot = snapshot_of(held)};
    struct error error = {0};
    enum status status = kv_get(kv, key, &value, &options, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        buf_free(&value);
        return says(words, status, "get \"%.*s\" failed: %s: %s", (int)key.length,
                    (const char *)key.data, status_words(status), error.message);
    }
    struct model_at sees = {.millis = millis_of(model, held)};
    bool found = status == STATUS_OK && !model_is_over(buf_slice(&value), sees.millis);
    status = check_observed(model, law, observed, "a get", &sees.changes, words);
    if (status == STATUS_OK) {
        const struct model_version *expected = model_get(model, key, sees);
        if (found != (expected != NULL)) {
            status =
                says(words, STATUS_CORRUPT, "get \"%.*s\" at sequence %" PRIu64 ": %s",
                     (int)key.length, (const char *)key.data, observed,
                     found ? "found though deleted or never put" : "not found");
        } else if (found && !slice_equal(buf_slice(&value), expected->value)) {
            status = says(words, STATUS_CORRUPT,
                          "get \"%.*s\": not the value of sequence %" PRIu64,
                          (int)key.length, (const char *)key.data, expected->sequence);
        }
    }
    buf_free(&value);
    return status;
}

/* The version that the move leads to; NULL: the end. */
static const struct model_version *moved(const struct model *model,
                                         const struct reader *reader, enum move move,
                                         struct slice key) {
    struct slice from = reader->from, to = reader->to;
    const struct model_version *result = NULL;
    switch (move) {
    case MOVE_FIRST:
        result = model_next(model, from, true, reader->sees);
        break;
    case MOVE_LAST:
        result = model_previous(model, to, reader->sees);
        break;
    case MOVE_SEEK:
        if (slice_present(from) && slice_compare(key, from) < 0) {
            key = from;
        }
        result = model_next(model, key, true, reader->sees);
        break;
    case MOVE_SEEK_BEFORE:
        if (slice_present(to) && slice_compare(key, to) > 0) {
            key = to;
        }
        result = model_previous(model, key, reader->sees);
        break;
    case MOVE_NEXT:
        result = model_next(model, reader->at, false, reader->sees);
        break;
    case MOVE_PREV:
    case MOVE_COUNT:
    default:
        result = model_previous(model, reader->at, reader->sees);
        break;
    }
    bool outside = result != NULL &&
                   ((slice_present(from) && slice_compare(result->key, from) < 0) ||
                    (slice_present(to) && slice_compare(result->key, to) >= 0));
    return outside ? NULL : result;
}

static void move(const struct reader *reader, enum move move, struct slice key) {
    struct iter *iter = reader->iter;
    bool forward = move == MOVE_FIRST || move == MOVE_NEXT || move == MOVE_SEEK;
    switch (move) {
    case MOVE_FIRST:
        iter_first(iter);
        break;
    case MOVE_LAST:
        iter_last(iter);
        break;
    case MOVE_SEEK:
        iter_seek(iter, key);
        break;
    case MOVE_SEEK_BEFORE:
        iter_seek_before(iter, key);
        break;
    case MOVE_NEXT:
        iter_next(iter);
        break;
    case MOVE_PREV:
    case MOVE_COUNT:
    default:
        iter_prev(iter);
        break;
    }
    model_skip_over(iter, forward, reader->sees);
}

enum status reader_open(struct reader *reader, const struct model *model, struct kv *kv,
                        struct law law, const struct run_snapshot *held,
                        const struct step *step, struct words words) {
    uint64_t observed = 0;
    *reader = (struct reader){.from = step->from, .to = step->to};
    const struct kv_iter_options options = {step->from, step->to, &observed,
                                            snapshot_of(held)};
    struct error error = {0};
    enum status status = kv_iter(kv, &options, &reader->iter, &error);
    if (status != STATUS_OK) {
        reader->iter = NULL;
        return says(words, status, "a scan failed: %s: %s", status_words(status),
                    error.message);
    }
    reader->sees.millis = millis_of(model, held);
    status = check_observed(model, law, observed, "a scan", &reader->sees.changes, words);
    if (status != STATUS_OK) {
        reader_close(reader);
    }
    return status;
}

void reader_close(struct reader *reader) {
    iter_close(reader->iter);
    *reader = (struct reader){0};
}

static enum status judged(const struct reader *reader, bool right, const char *differs,
                          struct words words) {
    enum status failure = reader->iter->error.status;
    return right ? STATUS_OK
                 : says(words, failure != STATUS_OK ? failure : STATUS_CORRUPT,
                        "not the state after %zu changes: %s", reader->sees.changes,
                        differs);
}

enum status reader_move(struct reader *reader, const struct model *model,
                        const struct step *step, struct words words) {
    char differs[400] = "";
    const struct model_version *at =
        slice_present(reader->at) ? model_get(model, reader->at, reader->sees) : NULL;
    bool right = model_shows(at, reader->iter, differs, sizeof differs);
    for (size_t i = 0; right && i < step->move_count; i++) {
        enum move next = step->moves[i];
        if (at == NULL && (next == MOVE_NEXT || next == MOVE_PREV)) {
            continue; /* they need an entry to stand on */
        }
        at = moved(model, reader, next, step->key);
        move(reader, next, step->key);
        right = model_shows(at, reader->iter, differs, sizeof differs);
        reader->at = at != NULL ? at->key : (struct slice){0};
    }
    return judged(reader, right, differs, words);
}

enum status reader_walk(struct reader *reader, const struct model *model,
                        struct words words) {
    char differs[400] = "";
    bool right = model_matches(model, reader->sees, reader->from, reader->to,
                               reader->iter, differs, sizeof differs);
    reader->at = (struct slice){0};
    return judged(reader, right, differs, words);
}

enum status read_scan(const struct model *model, struct kv *kv, struct law law,
                      const struct run_snapshot *held, const struct step *step,
                      size_t *changes, struct words words) {
    struct reader reader;
    enum status status = reader_open(&reader, model, kv, law, held, step, words);
    if (status != STATUS_OK) {
        return status;
    }
    *changes = reader.sees.changes;
    status = reader_move(&reader, model, step, words);
    if (status == STATUS_OK) {
        status = reader_walk(&reader, model, words);
    }
    reader_close(&reader);
    return status;
}

static enum status read_state(const struct model *model, struct kv *kv, struct law law,
                              bool gets, size_t *changes, struct words words) {
    static const struct step everything = {.operation = OPERATION_SCAN};
    enum status status = read_scan(model, kv, law, NULL, &everything, changes, words);
    for (size_t i = 0; i < PROGRAM_KEYS && gets && status == STATUS_OK; i++) {
        struct law same = {*changes, *changes};
        status = read_key(model, kv, same, NULL, program_key(i), words);
    }
    return status;
}

/* Before an erasure and behind it the sequence is the same: what is wrong for as many
 * changes as may be can be right for fewer. */
enum status run_read_all(const struct model *model, struct kv *kv, struct law law,
                         bool gets, size_t *changes, char *words, size_t words_bytes) {
    struct words all = {words, words_bytes};
    enum status status = read_state(model, kv, law, gets, changes, all);
    for (size_t most = law.most; status == STATUS_CORRUPT && most > law.least; most--) {
        if (model_sequence(model, most) == model_sequence(model, most - 1)) {
            struct law fewer = {law.least, most - 1};
            status = read_state(model, kv, fewer, gets, changes, all);
        }
    }
    return status;
}
