#include "upkeep.h"

void upkeep_begin_with(struct simulation *sim, scheduler_chooser *chooser,
                       void *context) {
    simulation_begin_with(sim, chooser, context);
    assert_int_equal(fiu_init(0), 0);
    sim->options.durability = DURABILITY_NONE;
    sim->options.write_buffer_bytes = FEED_BUFFER_BYTES;
    sim->options.table_bytes = FEED_BUFFER_BYTES;
    sim->options.level0_tables = 2;
    sim->options.level0_slow_tables = 4; /* not below the stop: nothing is slowed down */
    sim->options.level0_stop_tables = 4;
    sim->options.compaction_threads = 1;
    sim->options.compression = TABLE_COMPRESSION_NONE;
}

void upkeep_begin(struct simulation *sim) {
    upkeep_begin_with(sim, NULL, NULL);
}

uint64_t micros_of(struct simulation *sim) {
    return clock_monotonic_micros(sim->world.clock);
}

/* ---- puts ------------------------------------------------------------------------ */

struct slice feed_key(char text[24], uint64_t key) {
    snprintf(text, 24, "key-%03" PRIu64, key);
    return slice_of(text);
}

struct slice feed_value(char text[FEED_VALUE_BYTES + 1], uint64_t n) {
    snprintf(text, FEED_VALUE_BYTES + 1, "%0*" PRIu64, FEED_VALUE_BYTES, n);
    return slice_of(text);
}

enum status feed_try(struct feed *feed, struct error *error) {
    char key[24], value[FEED_VALUE_BYTES + 1];
    uint64_t n = feed->count + 1, sequence = 99;
    struct kv_write_options options = {.sequence = &sequence};
    enum status status = kv_put(feed->kv, feed_key(key, n * 37 % FEED_KEYS),
                                feed_value(value, n), &options, error);
    if (status == STATUS_OK) {
        feed->count = n;
        feed->latest[n * 37 % FEED_KEYS] = n;
    } else {
        assert_int_equal(sequence, 0); /* nothing of it was written */
    }
    return status;
}

void feed_some(struct feed *feed, uint64_t count) {
    struct error error = {0};
    for (; count > 0; count--) {
        if (feed_try(feed, &error) != STATUS_OK) {
            fail_msg("put %" PRIu64 ": %s", feed->count + 1, error.message);
        }
    }
}

void feed_tables(struct feed *feed, size_t tables) {
    for (; tables > 0; tables--) {
        feed_some(feed, 25);
        assert_ok(kv_flush(feed->kv, NULL));
    }
}

enum status feed_until_refused(struct feed *feed, struct error *error) {
    enum status status;
    uint64_t begun = feed->count;
    while ((status = feed_try(feed, error)) == STATUS_OK) {
        assert_true(feed->count < begun + 2000);
    }
    return status;
}

void feed_delete_all(struct feed *feed) {
    for (uint64_t i = 0; i < FEED_KEYS; i++) {
        char key[24];
        assert_ok(kv_delete(feed->kv, feed_key(key, i), NULL, NULL));
        feed->latest[i] = 0;
    }
}

void feed_assert(struct feed *feed) {
    struct buf found = {0};
    for (uint64_t i = 0; i < FEED_KEYS; i++) {
        char key[24], value[FEED_VALUE_BYTES + 1];
        struct error error = {0};
        enum status status = kv_get(feed->kv, feed_key(key, i), &found, NULL, &error);
        bool there = feed->latest[i] != 0;
        if (status != (there ? STATUS_OK : STATUS_NOT_FOUND) ||
            (there &&
             !slice_equal(buf_slice(&found), feed_value(value, feed->latest[i])))) {
            fail_msg("key %" PRIu64 ": %s %s", i, status_words(status), error.message);
        }
    }
    buf_free(&found);
}

void feed_reopen(struct feed *feed, struct simulation *sim) {
    assert_ok(kv_close(feed->kv, NULL));
    assert_verified(sim);
    feed->kv = open_store(sim);
    feed_assert(feed);
}

void feed_end(struct feed *feed, struct simulation *sim) {
    feed_assert(feed);
    feed_reopen(feed, sim);
    assert_ok(kv_close(feed->kv, NULL));
    assert_verified(sim);
    simulation_end(sim);
}

/* ---- files ----------------------------------------------------------------------- */

static void count_file(void *context, const char *path) {
    struct files *files = context;
    const char *slash = strrchr(path, '/');
    struct name name = name_parse(slash == NULL ? path : slash + 1);
    files->temporaries += name.kind == NAME_TEMPORARY;
    if (name.kind == NAME_TABLE) {
        assert_true(name.number < FILES_MAX);
        files->table[name.number] = true;
        files->tables++;
    }
}

struct files files_of(struct simulation *sim) {
    struct files files = {0};
    disk_list_files(sim->disk, count_file, &files);
    return files;
}

/* ---- failpoints ------------------------------------------------------------------ */

static int count_attempt(const char *name, int *failnum, void **failinfo,
                         unsigned int *flags) {
    size_t *attempts = *failinfo;
    (void)name;
    (void)failnum;
    (void)flags;
    ++*attempts;
    return 1;
}

void fail_point(const char *point, size_t *attempts) {
    *attempts = 0;
    assert_int_equal(fiu_enable_external(point, 1, attempts, 0, count_attempt), 0);
}

void assert_backs_off(struct simulation *sim, const size_t *attempts, unsigned failures) {
    size_t before = *attempts;
    for (unsigned i = failures; i < failures + 12; i++) {
        uint64_t pause = i > 7 ? 5000000 : UINT64_C(25000) << i;
        pause = pause > 5000000 ? 5000000 : pause;
        scheduler_advance(sim->scheduler, pause - 1);
        assert_int_equal(*attempts, before);
        scheduler_advance(sim->scheduler, 1);
        assert_int_equal(*attempts, ++before);
    }
}
