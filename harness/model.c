/* All versions of all keys in one array, by key and then newest first: the version that a
 * reader after k changes sees of a key is the first of that key that the first k changes
 * made. An erasure deletes every key that there is. Everything is found by walking the
 * array from its start; it is short. */
#include "model.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "grow.h"

void model_free(struct model *model) {
    free(model->versions);
    free(model->ends);
    *model = (struct model){0};
}

void model_clear(struct model *model) {
    model->version_count = 0;
    model->change_count = 0;
}

uint64_t model_millis(const struct model *model) {
    return model->clock != NULL ? clock_wall_micros(model->clock) / 1000 : 0;
}

uint64_t model_sequence(const struct model *model, size_t changes) {
    assert(changes <= model->change_count);
    return changes == 0 ? 0 : model->ends[changes - 1];
}

size_t model_changes_at(const struct model *model, uint64_t sequence, size_t most) {
    size_t changes = 0;
    most = most < model->change_count ? most : model->change_count;
    while (changes < most && model->ends[changes] <= sequence) {
        changes++;
    }
    return changes;
}

bool model_is_boundary(const struct model *model, uint64_t sequence) {
    size_t changes = model_changes_at(model, sequence, SIZE_MAX);
    return model_sequence(model, changes) == sequence;
}

/* ---- changing -------------------------------------------------------------------- */

static void insert(struct model *model, struct model_version version) {
    size_t at = 0;
    while (at < model->version_count &&
           slice_compare(model->versions[at].key, version.key) < 0) {
        at++;
    }
    model->versions = grow(model->versions, &model->version_capacity,
                           model->version_count + 1, sizeof version);
    memmove(model->versions + at + 1, model->versions + at,
            (model->version_count - at) * sizeof version);
    model->versions[at] = version;
    model->version_count++;
}

static void add_change(struct model *model, uint64_t sequence) {
    model->ends = grow(model->ends, &model->change_capacity, model->change_count + 1,
                       sizeof *model->ends);
    model->ends[model->change_count++] = sequence;
}

uint64_t model_apply(struct model *model, const struct kv_op *ops, size_t count) {
    assert(count > 0);
    uint64_t sequence = model_sequence(model, model->change_count);
    for (size_t i = 0; i < count; i++) {
        insert(model, (struct model_version){ops[i].key, model->change_count + 1,
                                             ++sequence, ops[i].type, ops[i].value});
    }
    add_change(model, sequence);
    return sequence;
}

void model_erase(struct model *model) {
    size_t change = model->change_count + 1;
    uint64_t sequence = model_sequence(model, model->change_count);
    for (size_t i = 0; i < model->version_count; i++) {
        struct slice key = model->versions[i].key;
        if (i == 0 || !slice_equal(key, model->versions[i - 1].key)) {
            insert(model, (struct model_version){
                              .key = key, .change = change, .sequence = sequence});
        }
    }
    add_change(model, sequence);
}

void model_truncate(struct model *model, size_t changes) {
    size_t kept = 0;
    for (size_t i = 0; i < model->version_count; i++) {
        if (model->versions[i].change <= changes) {
            model->versions[kept++] = model->versions[i];
        }
    }
    model->version_count = kept;
    model->change_count = changes;
}

void model_copy(struct model *to, const struct model *from, size_t changes) {
    to->versions = grow(to->versions, &to->version_capacity, from->version_count,
                        sizeof *to->versions);
    to->ends = grow(to->ends, &to->change_capacity, from->change_count, sizeof *to->ends);
    for (size_t i = 0; i < from->version_count; i++) {
        to->versions[i] = from->versions[i];
    }
    for (size_t i = 0; i < from->change_count; i++) {
        to->ends[i] = from->ends[i];
    }
    to->clock = from->clock;
    to->version_count = from->version_count;
    to->change_count = from->change_count;
    model_truncate(to, changes);
}

/* ---- reading --------------------------------------------------------------------- */

bool model_is_over(struct slice stored, uint64_t millis) {
    enum { MAGIC_BYTES = 4, HEADER_BYTES = 12 };
    uint64_t end = 0;
    if (stored.length < HEADER_BYTES ||
        memcmp(stored.data, "\xfeXTL", MAGIC_BYTES) != 0) {
        return false;
    }
    for (size_t i = HEADER_BYTES; i-- > MAGIC_BYTES;) {
        end = end << 8 | stored.data[i];
    }
    return end != 0 && end <= millis;
}

/* The value that a reader finds under the key that stands at *at, NULL for none; *at
 * moves on to the next key. */
static const struct model_version *visible(const struct model *model, size_t *at,
                                           struct model_at reader) {
    struct slice key = model->versions[*at].key;
    const struct model_version *seen = NULL;
    while (*at < model->version_count && slice_equal(model->versions[*at].key, key)) {
        const struct model_version *version = &model->versions[(*at)++];
        if (seen == NULL && version->change <= reader.changes) {
            seen = version;
        }
    }
    bool there = seen != NULL && seen->type == KV_PUT &&
                 !model_is_over(seen->value, reader.millis);
    return there ? seen : NULL;
}

const struct model_version *model_get(const struct model *model, struct slice key,
                                      struct model_at reader) {
    const struct model_version *found = model_next(model, key, true, reader);
    return found != NULL && slice_equal(found->key, key) ? found : NULL;
}

const struct model_version *model_next(const struct model *model, struct slice key,
                                       bool inclusive, struct model_at reader) {
    for (size_t at = 0; at < model->version_count;) {
        const struct model_version *seen = visible(model, &at, reader);
        if (seen == NULL) {
            continue;
        }
        int order = slice_present(key) ? slice_compare(seen->key, key) : 1;
        if (order > 0 || (order == 0 && inclusive)) {
            return seen;
        }
    }
    return NULL;
}

const struct model_version *model_previous(const struct model *model, struct slice key,
                                           struct model_at reader) {
    const struct model_version *found = NULL;
    for (size_t at = 0; at < model->version_count;) {
        const struct model_version *seen = visible(model, &at, reader);
        if (seen != NULL && (!slice_present(key) || slice_compare(seen->key, key) < 0)) {
            found = seen;
        }
    }
    return found;
}

void model_skip_over(struct iter *iter, bool forward, struct model_at reader) {
    while (iter->valid && model_is_over(iter->value, reader.millis)) {
        (forward ? iter_next : iter_prev)(iter);
    }
}

/* ---- comparing ------------------------------------------------------------------- */

static bool differs(char *words, size_t words_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool differs(char *words, size_t words_bytes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, words_bytes, format, arguments);
    va_end(arguments);
    return false;
}

bool model_shows(const struct model_version *expected, const struct iter *iter,
                 char *words, size_t words_bytes) {
    if (iter->error.status != STATUS_OK) {
        return differs(words, words_bytes, "the iterator failed: %s",
                       iter->error.message);
    }
    if (expected == NULL && !iter->valid) {
        return true;
    }
    if (expected == NULL) {
        return differs(words, words_bytes, "key \"%.*s\" where there should be none",
                       (int)iter->key.length, (const char *)iter->key.data);
    }
    if (!iter->valid) {
        return differs(words, words_bytes, "the end where key \"%.*s\" should be",
                       (int)expected->key.length, (const char *)expected->key.data);
    }
    if (!slice_equal(iter->key, expected->key)) {
        return differs(words, words_bytes, "key \"%.*s\" where key \"%.*s\" should be",
                       (int)iter->key.length, (const char *)iter->key.data,
                       (int)expected->key.length, (const char *)expected->key.data);
    }
    if (!slice_equal(iter->value, expected->value)) {
        return differs(words, words_bytes,
                       "key \"%.*s\": not the value of sequence %llu (%zu bytes, should "
                       "be %zu)",
                       (int)iter->key.length, (const char *)iter->key.data,
                       (unsigned long long)expected->sequence, iter->value.length,
                       expected->value.length);
    }
    return true;
}

static bool within(const struct model_version *version, struct slice from,
                   struct slice to) {
    return (!slice_present(from) || slice_compare(version->key, from) >= 0) &&
           (!slice_present(to) || slice_compare(version->key, to) < 0);
}

bool model_matches(const struct model *model, struct model_at reader, struct slice from,
                   struct slice to, struct iter *iter, char *words, size_t words_bytes) {
    const struct model_version *expected = model_next(model, from, true, reader);
    for (iter_first(iter);; iter_next(iter)) {
        if (expected != NULL && !within(expected, from, to)) {
            expected = NULL;
        }
        model_skip_over(iter, true, reader);
        if (!model_shows(expected, iter, words, words_bytes)) {
            return false;
        }
        if (expected == NULL) {
            break;
        }
        expected = model_next(model, expected->key, false, reader);
    }
    expected = model_previous(model, to, reader);
    for (iter_last(iter);; iter_prev(iter)) {
        if (expected != NULL && !within(expected, from, to)) {
            expected = NULL;
        }
        model_skip_over(iter, false, reader);
        if (!model_shows(expected, iter, words, words_bytes)) {
            return false;
        }
        if (expected == NULL) {
            return true;
        }
        expected = model_previous(model, expected->key, reader);
    }
}
