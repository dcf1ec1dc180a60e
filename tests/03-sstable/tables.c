#define TEST_HAS_STAGE
#include "../common/support.h"

#include "tables.h"

void model_cut(struct model *model, size_t count) {
    while (model->count > count) {
        model->count--;
        buf_free(&model->entries[model->count].key);
        buf_free(&model->entries[model->count].value);
    }
}

void model_free(struct model *model) {
    model_cut(model, 0);
}

struct slice model_user_key(const struct model *model, struct buf *key, uint64_t number) {
    char text[32];
    buf_clear(key);
    if (number % 7 == 5) {
        assert_ok(buf_append(key, "\xff\xff\xff", number % 3 + 1));
    }
    if (model->long_keys && number % 5 == 3) {
        static const char pad[600];
        assert_ok(buf_append(key, pad, 230 + number % 41));
    }
    if (number > 0) {
        snprintf(text, sizeof text, number % 2 == 0 ? "key%" PRIu64 : "%" PRIu64, number);
        assert_ok(buf_append_text(key, text));
    }
    return buf_slice(key);
}

static size_t model_value_bytes(uint64_t *random, size_t block_bytes) {
    switch (random_below(random, 12)) {
    case 0:
        return 0;
    case 1:
        return (block_bytes > 40 ? block_bytes - 40 : 0) + random_below(random, 60);
    case 2:
        return random_below(random, 60) == 0 ? 200000 : 1;
    default:
        return random_below(random, 40);
    }
}

static int entry_compare(const void *left, const void *right) {
    const struct entry *a = left;
    const struct entry *b = right;
    return internal_key_compare(buf_slice(&a->key), buf_slice(&b->key));
}

void model_draw(struct model *model, uint64_t *random, size_t block_bytes) {
    struct buf user = {0};
    model->count = random_below(random, random_below(random, 4) == 0 ? 5 : MODEL_MAX);
    model->keys = 1 + random_below(random, random_below(random, 2) == 0 ? 6 : 1000);
    model->long_keys = random_below(random, 4) == 0;
    for (size_t i = 0; i < model->count; i++) {
        struct entry *entry = &model->entries[i];
        *entry = (struct entry){0};
        enum kv_op_type type = random_below(random, 4) == 0 ? KV_DELETE : KV_PUT;
        struct slice key =
            model_user_key(model, &user, random_below(random, model->keys));
        assert_ok(internal_key_build(&entry->key, key, tag_make(i + 1, type)));
        size_t bytes = type == KV_PUT ? model_value_bytes(random, block_bytes) : 0;
        assert_ok(buf_reserve(&entry->value, bytes));
        /* Halves of noise and of what compresses. */
        for (size_t at = 0; at < bytes; at++) {
            entry->value.data[at] =
                (unsigned char)(at % 64 < 32 ? random_next(random) : i);
        }
        entry->value.length = bytes;
    }
    buf_free(&user);
    qsort(model->entries, model->count, sizeof model->entries[0], entry_compare);
}

size_t model_find(const struct model *model, struct slice key) {
    size_t low = 0;
    size_t high = model->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (internal_key_compare(buf_slice(&model->entries[middle].key), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum status model_write(const struct model *model, struct disk *disk,
                        const struct table_options *options, struct table_meta *meta,
                        struct error *error) {
    struct file *file = NULL;
    struct table_writer *writer = NULL;
    struct table_meta written = {0};
    enum status status =
        file_open(disk_files(disk), TABLE_PATH, FILE_OVERWRITE, &file, error);
    if (status == STATUS_OK) {
        status = table_writer_open(file, options, &writer, error);
    }
    for (size_t i = 0; i < model->count && status == STATUS_OK; i++) {
        const struct entry *entry = &model->entries[i];
        status = table_writer_add(writer, buf_slice(&entry->key),
                                  buf_slice(&entry->value), error);
    }
    if (status == STATUS_OK) {
        status = table_writer_finish(writer, 0, 0, CREATED, &written, error);
    }
    table_writer_close(writer);
    enum status closed = file_close(file, status == STATUS_OK ? error : NULL);
    status = status != STATUS_OK ? status : closed;
    if (status == STATUS_OK && meta != NULL) {
        *meta = written;
    } else {
        table_meta_free(&written);
    }
    return status;
}

enum status open_table(struct disk *disk, struct block_cache *cache, struct table **table,
                       struct error *error) {
    struct file *file;
    enum status status = file_open(disk_files(disk), TABLE_PATH, FILE_READ, &file, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = table_open(file, TABLE_NUMBER, cache, table, error);
    if (status != STATUS_OK) {
        enum status closed = file_close(file, NULL);
        (void)closed; /* it was only read */
    }
    return status;
}

struct block_cache *open_cache(uint64_t bytes) {
    struct block_cache *cache;
    assert_ok(block_cache_open(bytes, &threads_posix, &cache, NULL));
    return cache;
}

/* What a get of the user key at that sequence must answer, and the entry if it is a
 * value. */
static enum lookup model_get(const struct model *model, struct slice internal,
                             const struct entry **found) {
    size_t at = model_find(model, internal);
    if (at == model->count) {
        return LOOKUP_ABSENT;
    }
    struct slice key = buf_slice(&model->entries[at].key);
    if (!slice_equal(internal_key_user(key), internal_key_user(internal))) {
        return LOOKUP_ABSENT;
    }
    *found = &model->entries[at];
    return tag_type(internal_key_tag(key)) == KV_PUT ? LOOKUP_FOUND : LOOKUP_DELETED;
}

enum status check_get(struct table *table, const struct model *model, struct slice user,
                      uint64_t sequence, struct error *error) {
    struct search_key key;
    struct buf value = {0};
    enum lookup answer = LOOKUP_ABSENT;
    const struct entry *entry = NULL;
    enum status status = search_key_init(&key, user, sequence, error);
    if (status != STATUS_OK) {
        return status;
    }
    status = table_get(table, &key, &value, &answer, error);
    if (status == STATUS_OK) {
        assert_int_equal(answer, model_get(model, key.internal, &entry));
        if (answer == LOOKUP_FOUND) {
            assert_true(slice_equal(buf_slice(&value), buf_slice(&entry->value)));
        }
    } else {
        assert_null(value.data);
    }
    search_key_free(&key);
    buf_free(&value);
    return status;
}

void assert_at(const struct iter *iter, const struct model *model, size_t at) {
    assert_int_equal(iter->error.status, STATUS_OK);
    assert_int_equal(iter->valid, at < model->count);
    if (iter->valid) {
        const struct entry *entry = &model->entries[at];
        assert_true(slice_equal(iter->key, buf_slice(&entry->key)));
        assert_true(slice_equal(iter->value, buf_slice(&entry->value)));
    }
}

enum status check_all(struct table *table, const struct model *model,
                      struct error *error) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < model->count; i++) {
        struct slice key = buf_slice(&model->entries[i].key);
        enum status got = check_get(table, model, internal_key_user(key),
                                    tag_sequence(internal_key_tag(key)), error);
        status = got != STATUS_OK ? got : status;
    }
    enum status got = check_get(table, model, slice_of("absent"), 1, error);
    status = got != STATUS_OK ? got : status;
    for (int forward = 0; forward < 2; forward++) {
        struct iter *iter;
        size_t at = forward ? 0 : model->count;
        got = table_iter(table, &iter, error);
        if (got != STATUS_OK) {
            return got;
        }
        for ((forward ? iter_first : iter_last)(iter); iter->valid;
             (forward ? iter_next : iter_prev)(iter)) {
            at -= !forward;
            assert_at(iter, model, at);
            at += (size_t)forward;
        }
        if (iter->error.status != STATUS_OK) {
            status = iter->error.status;
            *error = iter->error;
        } else { /* an end is an end only if all was there */
            assert_int_equal(at, forward ? model->count : 0);
        }
        iter_close(iter);
    }
    return status;
}

void no_faults(void *context, const char *line) {
    (void)context;
    fail_msg("reported: %s", line);
}
