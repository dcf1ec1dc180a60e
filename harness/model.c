/* All versions of all keys in one array, by key and then newest first: the version that a
 * reader at sequence s sees of a key is the first of that key with a sequence of at most
 * s. Everything is found by walking the array from its start; it is short. */
#include "model.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

uint64_t model_sequence(const struct model *model, size_t changes) {
    assert(changes <= model->change_count);
    return changes == 0 ? 0 : model->ends[changes - 1];
}

size_t model_changes_at(const struct model *model, uint64_t sequence) {
    size_t changes = 0;
    while (changes < model->change_count && model->ends[changes] <= sequence) {
        changes++;
    }
    return changes;
}

bool model_is_boundary(const struct model *model, uint64_t sequence) {
    return model_sequence(model, model_changes_at(model, sequence)) == sequence;
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

uint64_t model_apply(struct model *model, const struct kv_op *ops, size_t count) {
    assert(count > 0);
    uint64_t sequence = model_sequence(model, model->change_count);
    for (size_t i = 0; i < count; i++) {
        insert(model,
               (struct model_version){ops[i].key, ++sequence, ops[i].type, ops[i].value});
    }
    model->ends = grow(model->ends, &model->change_capacity, model->change_count + 1,
                       sizeof *model->ends);
    model->ends[model->change_count++] = sequence;
    return sequence;
}

void model_truncate(struct model *model, size_t changes) {
    uint64_t last = model_sequence(model, changes);
    size_t kept = 0;
    for (size_t i = 0; i < model->version_count; i++) {
        if (model->versions[i].sequence <= last) {
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
    to->version_count = from->version_count;
    to->change_count = from->change_count;
    model_truncate(to, changes);
}

/* ---- reading --------------------------------------------------------------------- */

/* The version that a reader at the sequence sees of the key that stands at *at, NULL for
 * none or a delete; *at moves on to the next key. */
static const struct model_version *visible(const struct model *model, size_t *at,
                                           uint64_t sequence) {
    struct slice key = model->versions[*at].key;
    const struct model_version *seen = NULL;
    while (*at < model->version_count && slice_equal(model->versions[*at].key, key)) {
        const struct model_version *version = &model->versions[(*at)++];
        if (seen == NULL && version->sequence <= sequence) {
            seen = version;
        }
    }
    return seen != NULL && seen->type == KV_PUT ? seen : NULL;
}

const struct model_version *model_get(const struct model *model, struct slice key,
                                      uint64_t sequence) {
    const struct model_version *found = model_next(model, key, true, sequence);
    return found != NULL && slice_equal(found->key, key) ? found : NULL;
}

const struct model_version *model_next(const struct model *model, struct slice key,
                                       bool inclusive, uint64_t sequence) {
    for (size_t at = 0; at < model->version_count;) {
        const struct model_version *seen = visible(model, &at, sequence);
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
                                           uint64_t sequence) {
    const struct model_version *found = NULL;
    for (size_t at = 0; at < model->version_count;) {
        const struct model_version *seen = visible(model, &at, sequence);
        if (seen != NULL && (!slice_present(key) || slice_compare(seen->key, key) < 0)) {
            found = seen;
        }
    }
    return found;
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

bool model_matches(const struct model *model, uint64_t sequence, struct slice from,
                   struct slice to, struct iter *iter, char *words, size_t words_bytes) {
    const struct model_version *expected = model_next(model, from, true, sequence);
    for (iter_first(iter);; iter_next(iter)) {
        if (expected != NULL && !within(expected, from, to)) {
            expected = NULL;
        }
        if (!model_shows(expected, iter, words, words_bytes)) {
            return false;
        }
        if (expected == NULL) {
            break;
        }
        expected = model_next(model, expected->key, false, sequence);
    }
    expected = model_previous(model, to, sequence);
    for (iter_last(iter);; iter_prev(iter)) {
        if (expected != NULL && !within(expected, from, to)) {
            expected = NULL;
        }
        if (!model_shows(expected, iter, words, words_bytes)) {
            return false;
        }
        if (expected == NULL) {
            return true;
        }
        expected = model_previous(model, expected->key, sequence);
    }
}
