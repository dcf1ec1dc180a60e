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

/* What was observed must be the end of a change within the law; *changes: how many. */
static enum status check_observed(const struct model *model, struct law law,
                                  uint64_t observed, const char *what, size_t *changes,
                                  struct words words) {
    size_t count = model_changes_at(model, observed);
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

enum status read_key(const struct model *model, struct kv *kv, struct law law,
                     const struct kv_snapshot *snapshot, struct slice key,
                     struct words words) {
    struct buf value = {0};
    uint64_t observed = 0;
    const struct kv_read_options options = {.observed = &observed, .snapshot = snapshot};
    struct error error = {0};
    enum status status = kv_get(kv, key, &value, &options, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        buf_free(&value);
        return says(words, status, "get \"%.*s\" failed: %s: %s", (int)key.length,
                    (const char *)key.data, status_words(status), error.message);
    }
    bool found = status == STATUS_OK;
    size_t changes;
    status = check_observed(model, law, observed, "a get", &changes, words);
    if (status == STATUS_OK) {
        const struct model_version *expected = model_get(model, key, observed);
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

/* The version that the move leads to from the current one; NULL: the end. */
static const struct model_version *moved(const struct model *model,
                                         const struct step *step, enum move move,
                                         uint64_t sequence,
                                         const struct model_version *current) {
    struct slice from = step->from, to = step->to, key = step->key;
    const struct model_version *result = NULL;
    switch (move) {
    case MOVE_FIRST:
        result = model_next(model, from, true, sequence);
        break;
    case MOVE_LAST:
        result = model_previous(model, to, sequence);
        break;
    case MOVE_SEEK:
        if (slice_present(from) && slice_compare(key, from) < 0) {
            key = from;
        }
        result = model_next(model, key, true, sequence);
        break;
    case MOVE_SEEK_BEFORE:
        if (slice_present(to) && slice_compare(key, to) > 0) {
            key = to;
        }
        result = model_previous(model, key, sequence);
        break;
    case MOVE_NEXT:
        result = model_next(model, current->key, false, sequence);
        break;
    case MOVE_PREV:
    case MOVE_COUNT:
    default:
        result = model_previous(model, current->key, sequence);
        break;
    }
    bool outside = result != NULL &&
                   ((slice_present(from) && slice_compare(result->key, from) < 0) ||
                    (slice_present(to) && slice_compare(result->key, to) >= 0));
    return outside ? NULL : result;
}

static void move(struct iter *iter, enum move move, struct slice key) {
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
}

/* The drawn moves, then a full walk each way. */
static enum status walk(const struct model *model, const struct step *step,
                        struct iter *iter, uint64_t observed, char *differs,
                        size_t differs_bytes) {
    const struct model_version *at = NULL;
    bool right = true;
    for (size_t i = 0; right && i < step->move_count; i++) {
        enum move next = step->moves[i];
        if (at == NULL && (next == MOVE_NEXT || next == MOVE_PREV)) {
            continue; /* they need an entry to stand on */
        }
        at = moved(model, step, next, observed, at);
        move(iter, next, step->key);
        right = model_shows(at, iter, differs, differs_bytes);
    }
    right = right && model_matches(model, observed, step->from, step->to, iter, differs,
                                   differs_bytes);
    if (right) {
        return STATUS_OK;
    }
    return iter->error.status != STATUS_OK ? iter->error.status : STATUS_CORRUPT;
}

enum status read_scan(const struct model *model, struct kv *kv, struct law law,
                      const struct kv_snapshot *snapshot, const struct step *step,
                      size_t *changes, struct words words) {
    uint64_t observed = 0;
    const struct kv_iter_options options = {step->from, step->to, &observed, snapshot};
    struct error error = {0};
    struct iter *iter = NULL;
    enum status status = kv_iter(kv, &options, &iter, &error);
    if (status != STATUS_OK) {
        return says(words, status, "a scan failed: %s: %s", status_words(status),
                    error.message);
    }
    status = check_observed(model, law, observed, "a scan", changes, words);
    if (status == STATUS_OK) {
        char differs[400] = "";
        status = walk(model, step, iter, observed, differs, sizeof differs);
        if (status != STATUS_OK) {
            status = says(words, status, "not the state after %zu changes: %s", *changes,
                          differs);
        }
    }
    iter_close(iter);
    return status;
}

enum status run_read_all(const struct model *model, struct kv *kv, struct law law,
                         bool gets, size_t *changes, char *words, size_t words_bytes) {
    static const struct step everything = {.operation = OPERATION_SCAN};
    struct words all = {words, words_bytes};
    enum status status = read_scan(model, kv, law, NULL, &everything, changes, all);
    for (size_t i = 0; i < PROGRAM_KEYS && gets && status == STATUS_OK; i++) {
        struct law same = {*changes, *changes};
        status = read_key(model, kv, same, NULL, program_key(i), all);
    }
    return status;
}
