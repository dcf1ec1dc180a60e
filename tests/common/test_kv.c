/* kv.c in front of a store that only takes note of what reaches it.
 *
 * tidy: long because it has a function for each of the store's. */
#define TEST_HAS_STAGE
#include "support.h"

#include <cjson/cJSON.h>

#include "coding.h"
#include "stage.h"

static struct {
    int calls;
    const char *last;
    struct kv_options options;
    size_t count;
    struct kv_op op;
    enum durability durability;
    struct slice from;
    const struct kv_snapshot *snapshot;
    enum status answer;
    uint64_t sequence;
    void *store;
} seen;

static int store_object;

static enum status note(const char *what, void *store, struct error *error) {
    seen.calls++;
    seen.last = what;
    seen.store = store;
    return seen.answer == STATUS_OK || seen.answer == STATUS_NOT_FOUND
               ? seen.answer
               : error_set(error, seen.answer, "store: %s", what);
}

static enum status fake_open(const char *dir, const struct kv_options *options,
                             void **store, struct error *error) {
    assert_string_equal(dir, "db");
    seen.options = *options;
    *store = &store_object;
    return note("open", NULL, error);
}

static enum status fake_close(void *store, struct error *error) {
    return note("close", store, error);
}

static enum status fake_write(void *store, const struct kv_op *ops, size_t count,
                              const struct kv_write_options *how, uint64_t *sequence,
                              struct error *error) {
    seen.op = ops[0];
    seen.count = count;
    seen.durability = how->durability;
    *sequence = seen.sequence;
    return note("write", store, error);
}

static enum status fake_get(void *store, struct slice key, struct buf *value,
                            const struct kv_read_options *options, struct error *error) {
    seen.op.key = key;
    seen.snapshot = options->snapshot;
    *options->observed = seen.sequence;
    if (seen.answer == STATUS_OK) {
        assert_ok(buf_assign(value, slice_of("value")));
    }
    return note("get", store, error);
}

static enum status fake_iter(void *store, const struct kv_iter_options *options,
                             struct iter **iter, struct error *error) {
    seen.from = options->from;
    seen.snapshot = options->snapshot;
    *options->observed = seen.sequence;
    *iter = NULL;
    return note("iter", store, error);
}

static enum status fake_sync(void *store, struct error *error) {
    return note("sync", store, error);
}

static enum status fake_flush(void *store, struct error *error) {
    return note("flush", store, error);
}

static enum status fake_resume(void *store, struct error *error) {
    return note("resume", store, error);
}

static void fake_progress(void *store, struct kv_progress *progress) {
    (void)note("progress", store, NULL);
    *progress = (struct kv_progress){3, 2, 1, false};
}

static void fake_stats(void *store, struct kv_stats *stats) {
    (void)note("stats", store, NULL);
    stats->writes = 12;
}

static enum status fake_verify(const char *dir, const struct kv_options *options,
                               kv_report *report, void *context, struct error *error) {
    assert_string_equal(dir, "db");
    seen.options = *options;
    report(context, "a line");
    return note("verify", NULL, error);
}

static enum status fake_repair(const char *dir, const struct kv_options *options,
                               kv_report *report, void *context, struct error *error) {
    (void)fake_verify(dir, options, report, context, error);
    return note("repair", NULL, error);
}

static enum status fake_dump(const char *path, const struct kv_options *options,
                             kv_report *report, void *context, struct error *error) {
    (void)fake_verify(path, options, report, context, error);
    return note("dump", NULL, error);
}

static const struct store_ops fake_ops = {
    .open = fake_open,
    .close = fake_close,
    .write = fake_write,
    .get = fake_get,
    .iter = fake_iter,
    .sync = fake_sync,
    .flush = fake_flush,
    .resume = fake_resume,
    .progress = fake_progress,
    .stats = fake_stats,
    .verify = fake_verify,
    .repair = fake_repair,
    .dump = fake_dump,
};

const struct stage stage = {.number = 1, .name = "01-fake", .store = &fake_ops};

static struct kv *open_kv(const struct kv_options *options) {
    memset(&seen, 0, sizeof seen);
    struct kv *kv = NULL;
    assert_ok(kv_open("db", options, &kv, NULL));
    assert_non_null(kv);
    seen.calls = 0;
    return kv;
}

static void close_kv(struct kv *kv) {
    seen.answer = STATUS_OK;
    assert_ok(kv_close(kv, NULL));
}

static void open_resolves_options(void **state) {
    (void)state;
    struct kv_options options = kv_options_default();
    struct kv *kv = open_kv(NULL);
    assert_int_equal(seen.options.durability, DURABILITY_ALWAYS);
    assert_int_equal(seen.options.log_bytes, options.log_bytes);
    assert_ptr_equal(seen.options.world, &world_system);
    close_kv(kv);
    options.durability = DURABILITY_DEFAULT;
    options.log_bytes = 100;
    kv = open_kv(&options);
    assert_int_equal(seen.options.durability, DURABILITY_ALWAYS);
    assert_int_equal(seen.options.log_bytes, 100);
    close_kv(kv);
    assert_ok(kv_close(NULL, NULL));
}

static void open_refuses_bad_arguments(void **state) {
    (void)state;
    struct kv_options good = kv_options_default();
    struct kv_options bad[8];
    for (size_t i = 0; i < 8; i++) {
        bad[i] = good;
    }
    bad[0].durability = (enum durability)9;
    bad[1].log_region = (enum append_kind)9;
    bad[2].interval_millis = 0;
    bad[3].interval_bytes = 0;
    bad[4].log_bytes = 0;
    bad[5].log_step_bytes = 0;
    bad[6].world = NULL;
    bad[7] = (struct kv_options){0};
    memset(&seen, 0, sizeof seen);
    struct kv *kv = NULL;
    for (size_t i = 0; i < 8; i++) {
        struct error error = {0};
        assert_int_equal(kv_open("db", &bad[i], &kv, &error), STATUS_INVALID);
        assert_message_has(error, "db: options");
        assert_int_equal(kv_verify("db", &bad[i], NULL, NULL, &error), STATUS_INVALID);
        assert_int_equal(kv_repair("db", &bad[i], NULL, NULL, &error), STATUS_INVALID);
        assert_int_equal(kv_dump("db", &bad[i], NULL, NULL, &error), STATUS_INVALID);
    }
    assert_int_equal(kv_open("", &good, &kv, NULL), STATUS_INVALID);
    assert_int_equal(kv_open(NULL, &good, &kv, NULL), STATUS_INVALID);
    assert_int_equal(seen.calls, 0);

    seen.answer = STATUS_BUSY;
    struct error error = {0};
    assert_int_equal(kv_open("db", &good, &kv, &error), STATUS_BUSY);
    assert_string_equal(error.message, "store: open");
    assert_null(kv);
}

static void writes_reach_the_store(void **state) {
    (void)state;
    struct kv_options options = kv_options_default();
    options.durability = DURABILITY_INTERVAL;
    struct kv *kv = open_kv(&options);
    seen.sequence = 7;
    assert_ok(kv_put(kv, slice_of(""), slice_of(""), NULL, NULL));
    assert_ptr_equal(seen.store, &store_object);
    assert_int_equal(seen.op.type, KV_PUT);
    assert_int_equal(seen.durability, DURABILITY_INTERVAL);
    uint64_t sequence = 0;
    struct kv_write_options write = {.durability = DURABILITY_NONE,
                                     .sequence = &sequence};
    assert_ok(kv_delete(kv, slice_of("k"), &write, NULL));
    assert_int_equal(seen.op.type, KV_DELETE);
    assert_true(slice_equal(seen.op.key, slice_of("k")));
    assert_int_equal(seen.durability, DURABILITY_NONE);
    assert_int_equal(sequence, 7);
    write.durability = DURABILITY_DEFAULT;
    struct kv_op ops[3] = {{KV_PUT, slice_of("a"), slice_of("1")},
                           {.type = KV_DELETE, .key = slice_of("b")},
                           {KV_PUT, slice_of("a"), slice_of("2")}};
    assert_ok(kv_write(kv, ops, 3, &write, NULL));
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.durability, DURABILITY_INTERVAL);
    assert_int_equal(seen.calls, 3);

    assert_ok(kv_write(kv, NULL, 0, &write, NULL));
    assert_int_equal(sequence, 0);
    assert_int_equal(seen.calls, 3);

    seen.answer = STATUS_IO;
    seen.sequence = 10;
    struct error error = {0};
    assert_int_equal(kv_write(kv, ops, 3, &write, &error), STATUS_IO);
    assert_int_equal(sequence, 10);
    assert_string_equal(error.message, "store: write");
    close_kv(kv);
}

static void bad_writes_do_not_reach_it(void **state) {
    (void)state;
    struct kv *kv = open_kv(NULL);
    uint64_t sequence = 99;
    struct kv_write_options write = {.durability = (enum durability)7,
                                     .sequence = &sequence};
    struct error error = {0};
    assert_int_equal(kv_put(kv, slice_of("k"), slice_of("v"), &write, &error),
                     STATUS_INVALID);
    assert_int_equal(sequence, 0);
    assert_message_has(error, "durability 7");
    struct kv_op op = {(enum kv_op_type)2, slice_of("k"), slice_of("v")};
    assert_int_equal(kv_write(kv, &op, 1, NULL, &error), STATUS_INVALID);
    assert_message_has(error, "type 2");
    assert_int_equal(kv_write(kv, NULL, 1, NULL, &error), STATUS_INVALID);
    struct slice absent = {0};
    assert_int_equal(kv_put(kv, absent, slice_of(""), NULL, &error), STATUS_INVALID);
    assert_int_equal(kv_put(kv, slice_of(""), absent, NULL, &error), STATUS_INVALID);
    assert_int_equal(kv_delete(kv, absent, NULL, &error), STATUS_INVALID);
    struct buf value = {0};
    assert_int_equal(kv_get(kv, absent, &value, NULL, &error), STATUS_INVALID);
    assert_int_equal(seen.calls, 0);
    close_kv(kv);
}

/* Lengths alone are looked at, so the slices need no bytes behind them. */
static void limits_are_exact(void **state) {
    (void)state;
    struct kv *kv = open_kv(NULL);
    struct error error = {0};
    const char *at = "";
    assert_ok(kv_put(kv, slice_make(at, KV_KEY_BYTES_MAX),
                     slice_make(at, KV_VALUE_BYTES_MAX), NULL, NULL));
    assert_ok(kv_delete(kv, slice_make(at, KV_KEY_BYTES_MAX), NULL, NULL));
    assert_int_equal(seen.calls, 2);
    assert_int_equal(
        kv_put(kv, slice_make(at, KV_KEY_BYTES_MAX + 1), slice_of(""), NULL, &error),
        STATUS_LIMIT);
    assert_string_equal(error.message,
                        "key of 65537 bytes is over the limit of 65536 bytes");
    assert_int_equal(kv_delete(kv, slice_make(at, KV_KEY_BYTES_MAX + 1), NULL, &error),
                     STATUS_LIMIT);
    assert_int_equal(kv_put(kv, slice_of("k"),
                            slice_make(at, (size_t)KV_VALUE_BYTES_MAX + 1), NULL, &error),
                     STATUS_LIMIT);
    assert_string_equal(error.message,
                        "value of 536870913 bytes is over the limit of 536870912 bytes");

    /* 12 of header, then twice 1 of type, 1 + 1 of key, and the value with its length
     * of 5 bytes: together one GiB at the limit. */
    size_t both = (size_t)KV_CHANGE_BYTES_MAX - 12 - 2 * (1 + 2 + 5);
    struct kv_op ops[2] = {{KV_PUT, slice_of("a"), slice_make(at, both / 2)},
                           {KV_PUT, slice_of("b"), slice_make(at, both - both / 2)}};
    assert_int_equal(varint_bytes(both / 2), 5);
    seen.calls = 0;
    assert_ok(kv_write(kv, ops, 2, NULL, &error));
    ops[0].value.length++;
    assert_int_equal(kv_write(kv, ops, 2, NULL, &error), STATUS_LIMIT);
    assert_string_equal(
        error.message,
        "change of 1073741825 bytes is over the limit of 1073741824 bytes");
    ops[0].value.length--;
    ops[1].key = slice_of("bb");
    assert_int_equal(kv_write(kv, ops, 2, NULL, &error), STATUS_LIMIT);
    assert_int_equal(seen.calls, 1);

    struct buf value = {0};
    assert_ok(kv_get(kv, slice_make(at, KV_KEY_BYTES_MAX + 1), &value, NULL, NULL));
    buf_free(&value);
    close_kv(kv);
}

static void reads_tell_what_they_observed(void **state) {
    (void)state;
    struct kv *kv = open_kv(NULL);
    seen.sequence = 5;
    uint64_t observed = 0;
    struct kv_read_options read = {.observed = &observed};
    struct buf value = {0};
    assert_ok(kv_get(kv, slice_of("k"), &value, &read, NULL));
    assert_true(slice_equal(buf_slice(&value), slice_of("value")));
    assert_int_equal(observed, 5);
    assert_ok(kv_get(kv, slice_of("k"), &value, NULL, NULL));
    struct kv_read_options nothing = {0};
    assert_ok(kv_get(kv, slice_of("k"), &value, &nothing, NULL));
    seen.answer = STATUS_NOT_FOUND;
    seen.sequence = 6;
    struct error error = {0};
    assert_int_equal(kv_get(kv, slice_of("k"), &value, &read, &error), STATUS_NOT_FOUND);
    assert_int_equal(observed, 6);
    assert_string_equal(error.message, "");
    seen.answer = STATUS_CORRUPT;
    seen.sequence = 7;
    assert_int_equal(kv_get(kv, slice_of("k"), &value, &read, NULL), STATUS_CORRUPT);
    assert_int_equal(observed, 6);

    struct iter *iter;
    seen.answer = STATUS_OK;
    assert_ok(kv_iter(kv, NULL, &iter, NULL));
    assert_false(slice_present(seen.from));
    struct kv_iter_options bounds = {slice_of("f"), slice_of("t"), &observed, NULL};
    seen.sequence = 8;
    assert_ok(kv_iter(kv, &bounds, &iter, NULL));
    assert_true(slice_equal(seen.from, slice_of("f")));
    assert_int_equal(observed, 8);
    buf_free(&value);
    close_kv(kv);
}

static void snapshots_reach_their_store_alone(void **state) {
    (void)state;
    struct kv *kv = open_kv(NULL);
    const struct kv_snapshot ours = {.store = &store_object, .sequence = 3},
                             theirs = {.store = &seen, .sequence = 3};
    const struct kv_snapshot closed = {.store = NULL, .sequence = 3};
    const struct kv_snapshot *const wrong[] = {&theirs, &closed};
    struct buf value = {0};
    struct iter *iter;
    assert_int_equal(kv_snapshot_sequence(&ours), 3);
    struct kv_read_options read = {.snapshot = &ours};
    struct kv_iter_options walk = {.snapshot = &ours};
    assert_ok(kv_get(kv, slice_of("k"), &value, &read, NULL));
    assert_ptr_equal(seen.snapshot, &ours);
    seen.snapshot = NULL;
    assert_ok(kv_iter(kv, &walk, &iter, NULL));
    assert_ptr_equal(seen.snapshot, &ours);
    int calls = (int)seen.calls;
    for (size_t i = 0; i < 2; i++) {
        read.snapshot = walk.snapshot = wrong[i];
        assert_int_equal(kv_get(kv, slice_of("k"), &value, &read, NULL), STATUS_INVALID);
        assert_int_equal(kv_iter(kv, &walk, &iter, NULL), STATUS_INVALID);
    }
    assert_int_equal(seen.calls, calls);
    buf_free(&value);
    close_kv(kv);
}

static void count_line(void *context, const char *line) {
    assert_string_equal(line, "a line");
    ++*(int *)context;
}

static void the_rest_is_passed_on(void **state) {
    (void)state;
    struct kv *kv = open_kv(NULL);
    assert_ok(kv_sync(kv, NULL));
    assert_string_equal(seen.last, "sync");
    assert_ok(kv_flush(kv, NULL));
    assert_string_equal(seen.last, "flush");
    assert_ok(kv_resume(kv, NULL));
    assert_string_equal(seen.last, "resume");
    struct kv_progress progress;
    kv_progress(kv, &progress);
    assert_int_equal(progress.issued, 3);
    struct slice all = {0};
    assert_int_equal(kv_compact(kv, all, all, NULL), STATUS_UNSUPPORTED);
    struct kv_snapshot *snapshot = NULL;
    struct error error = {0};
    const struct kv_read_options at_once = {.no_wait = true};
    assert_int_equal(kv_get(kv, slice_of("k"), NULL, &at_once, &error),
                     STATUS_UNSUPPORTED);
    assert_string_equal(
        error.message, "stage 01 has no lookups in memory alone, it comes with stage 03");
    assert_int_equal(kv_notify(kv, 1, DURABILITY_NONE, NULL, NULL, NULL),
                     STATUS_UNSUPPORTED);
    assert_int_equal(kv_erase_all(kv, &error), STATUS_UNSUPPORTED);
    assert_string_equal(error.message,
                        "stage 01 has no erasing of everything, it comes with stage 08");
    assert_int_equal(kv_snapshot_take(kv, &snapshot, &error), STATUS_UNSUPPORTED);
    assert_string_equal(error.message,
                        "stage 01 has no snapshots, it comes with stage 07");
    struct kv_stats stats;
    memset(&stats, 0xff, sizeof stats);
    kv_stats(kv, &stats);
    assert_int_equal(stats.writes, 12);
    assert_int_equal(stats.reads, 0);

    int lines = 0;
    assert_ok(kv_verify("db", NULL, count_line, &lines, NULL));
    assert_string_equal(seen.last, "verify");
    assert_ptr_equal(seen.options.world, &world_system);
    assert_ok(kv_repair("db", NULL, count_line, &lines, NULL));
    assert_string_equal(seen.last, "repair");
    assert_ok(kv_dump("db", NULL, count_line, &lines, NULL));
    assert_string_equal(seen.last, "dump");
    assert_int_equal(lines, 3);
    assert_ok(kv_verify("db", NULL, NULL, NULL, NULL));

    seen.answer = STATUS_IO;
    assert_int_equal(kv_sync(kv, &error), STATUS_IO);
    assert_string_equal(error.message, "store: sync");
    assert_int_equal(kv_close(kv, &error),
                     STATUS_IO); /* and frees: the leak check sees */
    assert_string_equal(error.message, "store: close");
}

static const char *printed(const struct kv_stats *stats, bool json, struct buf *out) {
    buf_clear(out);
    assert_ok(kv_stats_print(stats, json, out));
    assert_ok(buf_append(out, "", 1));
    return (const char *)out->data;
}

static void statistics_are_printed(void **state) {
    (void)state;
    struct kv_stats stats = {.writes = 12, .sync_micros = 123456};
    struct buf out = {0};
    const char *text = printed(&stats, false, &out);
    assert_non_null(
        strstr(text, "writes                        12        changes written\n"));
    assert_non_null(
        strstr(text, "sync_micros               123456 us     time in log syncs\n"));
    assert_non_null(strstr(
        text,
        "\nwrite_amplification            -        bytes of tables written for one"));
    assert_null(strstr(text, "level  tables"));
    text = printed(&stats, true, &out);
    assert_int_equal(text[0], '{');
    assert_non_null(strstr(text, ", \"writes\": 12, "));
    assert_non_null(strstr(text, ", \"sync_micros\": 123456, "));
    assert_non_null(strstr(text, ", \"space_amplification\": null, "));
    assert_non_null(strstr(text, ", \"levels\": [{\"tables\": 0, "));
    assert_string_equal(text + strlen(text) - 7, ": 0}]}\n");
    buf_free(&out);
}

static void levels_are_printed(void **state) {
    (void)state;
    struct kv_stats stats = {.write_bytes = 1000,
                             .flush_bytes = 1100,
                             .compaction_written_bytes = 2234,
                             .tables = 7,
                             .table_bytes = 2100,
                             .levels = {{.tables = 4, .bytes = 500, .micros = 12},
                                        {.compactions = 1234567890123},
                                        {3, 1600, 10, 20, 2, 99}}};
    struct buf out = {0};
    const char *text = printed(&stats, false, &out);
    assert_non_null(strstr(text, "\nwrite_amplification       3.33        bytes"));
    assert_non_null(strstr(text, "\nspace_amplification       1.31        bytes"));
    assert_non_null(strstr(text, "\nread_amplification           5        runs"));
    const char *levels =
        "\nlevel  tables  bytes  bytes read  bytes written    compactions  micros\n"
        "    0       4    500           0              0              0      12\n"
        "    1       0      0           0              0  1234567890123       0\n"
        "    2       3   1600          10             20              2      99\n";
    assert_non_null(strstr(text, levels));
    assert_string_equal(strstr(text, levels), levels); /* and nothing behind it */
    text = printed(&stats, true, &out);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    const cJSON *array = cJSON_GetObjectItem(json, "levels");
    assert_int_equal(cJSON_GetArraySize(array), KV_LEVELS);
    const cJSON *deepest = cJSON_GetArrayItem(array, 2);
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(deepest, "bytes")), 1600);
    assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(deepest, "written_bytes")),
                     20);
    const cJSON *writes = cJSON_GetObjectItem(json, "write_amplification");
    assert_true(cJSON_IsNumber(writes));
    assert_true(writes->valuedouble > 3.32 && writes->valuedouble < 3.34);
    cJSON_Delete(json);

    /* A store that does not tell its levels does not tell how many runs there are. */
    memset(stats.levels, 0, sizeof stats.levels);
    text = printed(&stats, false, &out);
    assert_non_null(strstr(text, "\nread_amplification           -        runs"));
    assert_null(strstr(text, "\nlevel "));
    buf_free(&out);
}

static void features_by_stage(void **state) {
    (void)state;
    assert_false(stage_has(FEATURE_FLUSH));
    struct error error = {0};
    assert_int_equal(stage_lacks(FEATURE_FLUSH, &error), STATUS_UNSUPPORTED);
    assert_string_equal(error.message,
                        "stage 01 has no flush to tables, it comes with stage 03");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_resolves_options),
        cmocka_unit_test(open_refuses_bad_arguments),
        cmocka_unit_test(writes_reach_the_store),
        cmocka_unit_test(bad_writes_do_not_reach_it),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(reads_tell_what_they_observed),
        cmocka_unit_test(snapshots_reach_their_store_alone),
        cmocka_unit_test(the_rest_is_passed_on),
        cmocka_unit_test(statistics_are_printed),
        cmocka_unit_test(levels_are_printed),
        cmocka_unit_test(features_by_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
