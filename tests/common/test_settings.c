#include "directory.h"

#include "settings.h"

static void assert_printed(const struct kv_options *options, const char *name,
                           const char *expected) {
    for (size_t i = 0; i < setting_count; i++) {
        if (strcmp(settings[i].name, name) == 0) {
            struct buf out = {0};
            assert_ok(settings_print(options, i, &out));
            assert_ok(buf_append(&out, "", 1));
            assert_string_equal((const char *)out.data, expected);
            buf_free(&out);
            return;
        }
    }
    fail_msg("no setting %s", name);
}

static void defaults_are_those_of_the_table(void **state) {
    (void)state;
    struct kv_options options = kv_options_default();
    for (size_t i = 0; i < setting_count; i++) {
        assert_printed(&options, settings[i].name, settings[i].initial);
    }
    assert_int_equal(options.durability, DURABILITY_ALWAYS);
    assert_int_equal(options.interval_millis, 1000);
    assert_int_equal(options.interval_bytes, 8 << 20);
    assert_int_equal(options.log_region, APPEND_AUTO);
    assert_int_equal(options.log_bytes, 64 << 20);
    assert_int_equal(options.log_step_bytes, 1 << 20);
    assert_int_equal(options.awake_sync_micros, 250);
    assert_ptr_equal(options.world, &world_system);
}

/* A value of the setting, as a number in its own unit or as a choice's name. */
static void random_value(uint64_t *random, const struct setting *setting, char *text,
                         size_t bytes) {
    uint64_t range = setting->largest - setting->smallest + 1;
    uint64_t value = setting->smallest + random_magnitude(random) % range;
    if (setting->kind != SETTING_CHOICE) {
        (void)snprintf(text, bytes, "%" PRIu64, value);
        return;
    }
    const char *choice = setting->choices;
    for (; value > 0; value--) {
        choice = strchr(choice, '|') + 1;
    }
    (void)snprintf(text, bytes, "%.*s", (int)strcspn(choice, "|"), choice);
}

/* Setting what was printed gives the same options; no setting touches another. */
static void every_setting_round_trips(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < 5000; round++) {
        struct kv_options options = kv_options_default();
        struct kv_options copy = kv_options_default();
        for (size_t i = 0; i < setting_count; i++) {
            char text[64];
            random_value(&random, &settings[i], text, sizeof text);
            assert_ok(settings_set(&options, settings[i].name, text, NULL));
        }
        for (size_t i = 0; i < setting_count; i++) {
            struct buf out = {0};
            assert_ok(settings_print(&options, i, &out));
            assert_ok(buf_append(&out, "", 1));
            assert_ok(
                settings_set(&copy, settings[i].name, (const char *)out.data, NULL));
            buf_free(&out);
        }
        assert_int_equal(copy.durability, options.durability);
        assert_int_equal(copy.interval_millis, options.interval_millis);
        assert_int_equal(copy.interval_bytes, options.interval_bytes);
        assert_int_equal(copy.log_region, options.log_region);
        assert_int_equal(copy.log_bytes, options.log_bytes);
        assert_int_equal(copy.log_step_bytes, options.log_step_bytes);
        assert_int_equal(copy.awake_sync_micros, options.awake_sync_micros);
    }
}

static void units(void **state) {
    (void)state;
    struct kv_options options = kv_options_default();
    assert_ok(settings_set(&options, "log-bytes", "4096", NULL));
    assert_printed(&options, "log-bytes", "4k");
    assert_ok(settings_set(&options, "log-bytes", "4097", NULL));
    assert_printed(&options, "log-bytes", "4097");
    assert_ok(settings_set(&options, "log-bytes", "3m", NULL));
    assert_int_equal(options.log_bytes, 3 << 20);
    assert_ok(settings_set(&options, "log-bytes", "1t", NULL));
    assert_printed(&options, "log-bytes", "1t");
    assert_ok(settings_set(&options, "log-bytes", "1023g", NULL));
    assert_printed(&options, "log-bytes", "1023g");
    assert_ok(settings_set(&options, "interval-millis", "2s", NULL));
    assert_int_equal(options.interval_millis, 2000);
    assert_ok(settings_set(&options, "interval-millis", "250ms", NULL));
    assert_int_equal(options.interval_millis, 250);
    assert_ok(settings_set(&options, "interval-millis", "3600s", NULL));
    assert_ok(settings_set(&options, "log-step-bytes", "1g", NULL));
    assert_int_equal(options.log_step_bytes, 1 << 30);
}

static void bad_values_are_refused_with_the_range(void **state) {
    (void)state;
    static const struct {
        const char *name, *value, *says;
    } cases[] = {
        {"log-bytes", "4095", "log-bytes: \"4095\" is not from 4k to 1t"},
        {"log-bytes", "2t", "from 4k to 1t"},
        {"log-bytes", "1025g", "from 4k to 1t"},
        {"log-bytes", "", "from 4k to 1t"},
        {"log-bytes", "k", "from 4k to 1t"},
        {"log-bytes", "-5k", "from 4k to 1t"},
        {"log-bytes", " 5k", "from 4k to 1t"},
        {"log-bytes", "5kb", "from 4k to 1t"},
        {"log-bytes", "5s", "from 4k to 1t"},
        {"log-bytes", "99999999999999999999999", "from 4k to 1t"},
        {"log-bytes", "18446744073709551616", "from 4k to 1t"},
        {"log-bytes", "17592186044417m", "from 4k to 1t"},
        {"log-step-bytes", "2g", "from 4k to 1g"},
        {"log-step-bytes", "4294971392", "from 4k to 1g"},
        {"interval-millis", "0", "from 1 to 3600000 milliseconds"},
        {"interval-millis", "3601s", "from 1 to 3600000 milliseconds"},
        {"interval-millis", "5m", "from 1 to 3600000 milliseconds"},
        {"interval-bytes", "0", "from 1 to 1t"},
        {"durability", "sometimes", "is not one of none|interval|always"},
        {"durability", "", "is not one of none|interval|always"},
        {"durability", "none|interval", "is not one of none|interval|always"},
        {"log-region", "writ", "is not one of write|mapped"},
    };
    struct kv_options options = kv_options_default();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        assert_int_equal(settings_set(&options, cases[i].name, cases[i].value, &error),
                         STATUS_INVALID);
        assert_message_has(error, cases[i].name);
        assert_message_has(error, cases[i].says);
    }
    for (size_t i = 0; i < setting_count; i++) {
        assert_printed(&options, settings[i].name, settings[i].initial);
    }
}

static void the_nearest_name_is_told(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"log-byte", "log-bytes"},          {"logbytes", "log-bytes"},
        {"durabilty", "durability"},        {"log-step-byte", "log-step-bytes"},
        {"interval-ms", "interval-millis"}, {"log-regoin", "log-region"},
    };
    char longest[1000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct kv_options options = kv_options_default();
    struct error error = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(settings_set(&options, cases[i][0], "1", &error),
                         STATUS_INVALID);
        char says[100];
        (void)snprintf(says, sizeof says,
                       "%s: there is no such setting; the nearest is %s", cases[i][0],
                       cases[i][1]);
        assert_string_equal(error.message, says);
    }
    assert_int_equal(settings_set(&options, longest, "1", &error), STATUS_INVALID);
    assert_int_equal(settings_set(&options, "", "1", &error), STATUS_INVALID);
}

static enum status read_text(void **state, struct slice text, struct kv_options *options,
                             struct error *error) {
    char *path = path_join(*state, "strata.conf");
    struct file *file = NULL;
    assert_ok(file_open(&file_system_posix, path, FILE_OVERWRITE, &file, NULL));
    assert_ok(file_write(file, 0, text.data, text.length, NULL));
    assert_ok(file_close(file, NULL));
    enum status status = settings_read(options, path, error);
    memory_give(path);
    return status;
}

static void a_file_is_read(void **state) {
    struct kv_options options = kv_options_default();
    struct error error = {0};
    assert_ok(read_text(state,
                        slice_of("# a comment\n"
                                 "\n"
                                 "log-bytes 8m\r\n"
                                 "  durability \t interval  \n"
                                 "   # another\n"
                                 "interval-millis 2s\n"
                                 "log-region mapped"),
                        &options, &error));
    assert_int_equal(options.log_bytes, 8 << 20);
    assert_int_equal(options.durability, DURABILITY_INTERVAL);
    assert_int_equal(options.interval_millis, 2000);
    assert_int_equal(options.log_region, APPEND_MAPPED);
    assert_ok(read_text(state, slice_of(""), &options, &error));
    assert_int_equal(options.log_bytes, 8 << 20);
}

static void a_bad_file_is_refused_whole(void **state) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"log-bytes 8m\n\nlog-bites 9m\n", "strata.conf:3: log-bites: there is no such"},
        {"log-bytes 8m\nlog-bytes 1\n", "strata.conf:2: log-bytes: \"1\" is not from"},
        {"log-bytes 8m\ndurability", "strata.conf:2: durability: a value is missing"},
        {"log-bytes 8m 9m", "strata.conf:1: log-bytes: \"8m 9m\" is not from"},
    };
    struct kv_options options = kv_options_default();
    struct error error = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_text(state, slice_of(cases[i].text), &options, &error),
                         STATUS_INVALID);
        assert_message_has(error, cases[i].says);
        assert_printed(&options, "log-bytes", "64m");
    }
    assert_int_equal(
        read_text(state, slice_make("log-bytes 8m\0m\n", 15), &options, &error),
        STATUS_INVALID);
    assert_message_has(error, "strata.conf: not a text file");

    size_t large = 1024 * 1024 + 5000;
    char *lines = malloc(large);
    assert_non_null(lines);
    memset(lines, '\n', large);
    assert_int_equal(read_text(state, slice_make(lines, large), &options, &error),
                     STATUS_INVALID);
    assert_message_has(error, "longer than");
    free(lines);

    assert_int_equal(settings_read(&options, "/nowhere/strata.conf", &error),
                     STATUS_NOT_FOUND);
    assert_message_has(error, "/nowhere/strata.conf");
    assert_int_equal(settings_read(&options, *state, &error), STATUS_IO);
}

static void the_environment_is_read(void **state) {
    (void)state;
    struct kv_options options = kv_options_default();
    struct error error = {0};
    char path[] = "PATH=/bin";
    char bytes[] = "STRATA_LOG_BYTES=16m";
    char durability[] = "STRATA_DURABILITY=none";
    char bare[] = "STRATA_WITHOUT_EQUALS";
    char *good[] = {path, bytes, bare, durability, NULL};
    assert_ok(settings_from_environment(&options, good, &error));
    assert_int_equal(options.log_bytes, 16 << 20);
    assert_int_equal(options.durability, DURABILITY_NONE);

    char step[] = "STRATA_LOG_STEP_BYTES=8k";
    char unknown[] = "STRATA_LOG_BITES=1m";
    char *bad_name[] = {step, unknown, NULL};
    assert_int_equal(settings_from_environment(&options, bad_name, &error),
                     STATUS_INVALID);
    assert_message_has(error, "STRATA_LOG_BITES: log-bites: there is no such setting");
    assert_printed(&options, "log-step-bytes", "1m");

    char value[] = "STRATA_LOG_BYTES=1";
    char *bad_value[] = {step, value, NULL};
    assert_int_equal(settings_from_environment(&options, bad_value, &error),
                     STATUS_INVALID);
    assert_message_has(error, "STRATA_LOG_BYTES: log-bytes: \"1\" is not from 4k to 1t");
    assert_printed(&options, "log-step-bytes", "1m");

    char *none[] = {NULL};
    assert_ok(settings_from_environment(&options, none, &error));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_table),
        cmocka_unit_test(every_setting_round_trips),
        cmocka_unit_test(units),
        cmocka_unit_test(bad_values_are_refused_with_the_range),
        cmocka_unit_test(the_nearest_name_is_told),
        cmocka_unit_test(a_file_is_read),
        cmocka_unit_test(a_bad_file_is_refused_whole),
        cmocka_unit_test(the_environment_is_read),
    };
    return cmocka_run_group_tests(tests, directory_setup, directory_teardown);
}
