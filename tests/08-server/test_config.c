/* The server's settings: every row reads what it prints, every fault has its words, and
 * CONFIG SET is all or nothing. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "config.h"
#include "counted_memory.h"

static void assert_printed(const struct config *config, const char *name,
                           const char *expected) {
    struct buf out = {0};
    size_t index = config_find(slice_of(name));
    assert_true(index < config_count());
    assert_ok(config_print(config, index, &out));
    assert_ok(buf_append(&out, "", 1));
    assert_string_equal((const char *)out.data, expected);
    buf_free(&out);
}

static void set(struct config *config, const char *name, const char *value) {
    struct error error = {0};
    if (config_set(config, config_find(slice_of(name)), slice_of(value), &error) !=
        STATUS_OK) {
        fail_msg("%s %s: %s", name, value, error.message);
    }
}

static void every_row_reads_what_it_prints(void **state) {
    (void)state;
    struct config config, other;
    config_default(&config);
    for (size_t i = 0; i < config_count(); i++) {
        struct config_row row;
        struct buf first = {0}, second = {0};
        config_row(i, &row);
        assert_int_equal(config_find(slice_of(row.name)), i);
        assert_true(strlen(row.help) > 0);
        assert_ok(config_print(&config, i, &first));
        config_default(&other);
        assert_ok(config_set(&other, i, buf_slice(&first), NULL));
        assert_ok(config_settle(&other, NULL));
        assert_ok(config_print(&other, i, &second));
        assert_true(slice_equal(buf_slice(&first), buf_slice(&second)));
        buf_free(&first);
        buf_free(&second);
    }
    assert_int_equal(config_find(slice_of("durability")), config_count());
}

static void values_as_redis_prints_them(void **state) {
    (void)state;
    struct config config;
    config_default(&config);
    static const char *const cases[][3] = {
        {"maxmemory", "100mb", "104857600"},
        {"MaxMemory", "100M", "100000000"},
        {"maxmemory", "1GB", "1073741824"},
        {"maxmemory", "16777216b", "16777216"},
        {"client-output-buffer-limit", "normal 256mb 128mb 60",
         "normal 268435456 134217728 60"},
        {"unixsocketperm", "755", "755"},
        {"protected-mode", "NO", "no"},
        {"appendfsync", "ALWAYS", "always"},
        {"slowlog-log-slower-than", "-1", "-1"},
        {"save", "3600 1 300 100", "3600 1 300 100"},
        {"save", "", ""},
        {"requirepass", "a b\"c", "a b\"c"},
        {"block-bytes", "8k", "8k"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        set(&config, cases[i][0], cases[i][1]);
        assert_printed(&config, cases[i][0], cases[i][2]);
    }
    assert_int_equal(config.unixsocketperm, 0755);
    assert_int_equal(config.output.soft_bytes, 128 << 20);
}

static void every_fault_has_its_words(void **state) {
    (void)state;
    static char long_text[CONFIG_TEXT_BYTES + 1];
    memset(long_text, 'x', CONFIG_TEXT_BYTES);
    const char *const cases[][3] = {
        {"maxclients", "0", "argument must be between 1 and 1000000 inclusive"},
        {"maxclients", "abc", "argument couldn't be parsed into an integer"},
        {"maxclients", "", "argument couldn't be parsed into an integer"},
        {"maxclients", " 5", "argument couldn't be parsed into an integer"},
        {"timeout", "-1", "argument must be between 0 and 2147483647 inclusive"},
        {"maxmemory", "abc", "argument must be a memory value"},
        {"maxmemory", "1x", "argument must be a memory value"},
        {"maxmemory", "-1", "argument must be a memory value"},
        {"maxmemory", "99999999999999999999999",
         "argument must be between 16777216 and 1099511627776 inclusive"},
        {"maxmemory", "9223372036854775807gb", "argument must be between"},
        {"appendfsync", "sometimes",
         "argument(s) must be one of the following: always, everysec, no"},
        {"appendonly", "no", "argument(s) must be one of the following: yes"},
        {"protected-mode", "maybe", "argument must be 'yes' or 'no'"},
        {"unixsocketperm", "999", "argument must be permissions of a file, 0 to 777"},
        {"unixsocketperm", "1777", "argument must be permissions of a file, 0 to 777"},
        {"save", "60", "Invalid save parameters"},
        {"save", "a b", "Invalid save parameters"},
        {"save", "0 1", "Invalid save parameters"},
        {"client-output-buffer-limit", "foo 1 2 3",
         "Invalid client class specified in buffer limit configuration."},
        {"client-output-buffer-limit", "normal 1 2",
         "Wrong number of arguments in buffer limit configuration."},
        {"client-output-buffer-limit", "normal 1 2 3 4",
         "Wrong number of arguments in buffer limit configuration."},
        {"client-output-buffer-limit", "normal 1 x 3",
         "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
        {"dir", long_text, "argument must be text of less than 512 bytes"},
        {"block-bytes", "1", "\"1\" is not from 256 to 64m"},
        {"compression", "rar", "\"rar\" is not one of none|snappy|zstd|lz4"},
    };
    struct config config, before;
    config_default(&config);
    before = config;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        size_t index = config_find(slice_of(cases[i][0]));
        assert_int_equal(config_set(&config, index, slice_of(cases[i][1]), &error),
                         STATUS_INVALID);
        assert_message_has(error, cases[i][2]);
        assert_memory_equal(&config, &before, sizeof config);
    }
    assert_int_equal(
        config_set(&config, config_find(slice_of("dir")), slice_make("a\0b", 3), NULL),
        STATUS_INVALID);
}

static void memory_is_divided(void **state) {
    (void)state;
    struct config config;
    struct error error = {0};
    config_default(&config);
    assert_int_equal(config.engine.write_buffer_bytes, 21824 << 10);
    assert_int_equal(config.engine.block_cache_bytes, 128 << 20);
    assert_int_equal(config.engine.memory_bytes, 256 << 20);
    assert_int_equal(config.engine.durability, DURABILITY_INTERVAL);
    assert_int_equal(config.engine.log_region, APPEND_MAPPED);
    set(&config, "maxmemory", "64mb");
    set(&config, "write-buffers", "4");
    set(&config, "appendfsync", "always");
    assert_ok(config_settle(&config, NULL));
    assert_int_equal(config.engine.write_buffer_bytes, 4 << 20);
    assert_int_equal(config.engine.block_cache_bytes, 32 << 20);
    assert_int_equal(config.engine.durability, DURABILITY_ALWAYS);
    set(&config, "block-cache-bytes", "48m");
    assert_ok(config_settle(&config, NULL));
    assert_int_equal(config.engine.block_cache_bytes, 48 << 20);
    set(&config, "block-cache-bytes", "49m");
    assert_int_equal(config_settle(&config, &error), STATUS_INVALID);
    assert_string_equal(error.message,
                        "maxmemory: 67108864 bytes are less than 4 write buffers of "
                        "4194304 and a block cache of 51380224");
    set(&config, "block-cache-bytes", "1t");
    assert_int_equal(config_settle(&config, NULL), STATUS_INVALID);
    config_default(&config);
    set(&config, "port", "0");
    assert_int_equal(config_settle(&config, &error), STATUS_INVALID);
    assert_message_has(error, "nowhere to listen");
}

static void a_change_is_all_or_nothing(void **state) {
    (void)state;
    static const struct {
        const char *pairs[8];
        const char *says;
    } cases[] = {
        {{"timeout", "5", "foo", "1"},
         "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
        {{"timeout", "5", "databases", "3"},
         "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set "
         "immutable config"},
        {{"timeout", "5", "maxclients", "1", "TIMEOUT", "6"},
         "ERR CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate "
         "parameter"},
        {{"timeout", "5", "maxclients", "0"},
         "ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument "
         "must be between 1 and 1000000 inclusive"},
        {{"timeout", "5", "block-bytes", "8k"},
         "ERR CONFIG SET failed (possibly related to argument 'block-bytes') - can't set "
         "immutable config"},
    };
    struct config config, changed = {.port = 77};
    config_default(&config);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice pairs[8];
        struct error error = {0};
        size_t count = 0;
        for (; count < 8 && cases[i].pairs[count] != NULL; count++) {
            pairs[count] = slice_of(cases[i].pairs[count]);
        }
        assert_int_equal(config_change(&config, pairs, count / 2, &changed, &error),
                         STATUS_INVALID);
        assert_string_equal(error.message, cases[i].says);
        assert_int_equal(changed.port, 77);
    }
    const struct slice pairs[] = {slice_of("timeout"), slice_of("5"),
                                  slice_of("MaxClients"), slice_of("7")};
    assert_ok(config_change(&config, pairs, 2, &changed, NULL));
    assert_int_equal(changed.timeout, 5);
    assert_int_equal(changed.maxclients, 7);
    assert_int_equal(config.timeout, 0);
}

static void the_help_names_every_row(void **state) {
    (void)state;
    struct buf help = {0};
    assert_ok(config_help(&help));
    assert_ok(buf_append(&help, "", 1));
    const char *text = (const char *)help.data;
    for (size_t i = 0; i < config_count(); i++) {
        char words[64];
        struct config_row row;
        config_row(i, &row);
        (void)snprintf(words, sizeof words, "  --%s ", row.name);
        assert_non_null(strstr(text, words));
    }
    assert_non_null(
        strstr(text, "  --port N\n      port of TCP; 0: none (default: 6380)\n"));
    assert_non_null(strstr(
        text, "  --unixsocket TEXT\n      path of a unix socket (default: none)\n"));
    assert_non_null(strstr(text, "(default: 10000); CONFIG SET\n"));
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 80);
    }
    buf_free(&help);
}

static void no_memory_is_told(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    bool failed = true;
    size_t failures = 0;
    for (size_t countdown = 1; failed; countdown++) {
        struct buf help = {0};
        counted_memory_fail(countdown, false);
        enum status status = config_help(&help);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        failures += failed;
        buf_free(&help);
        assert_int_equal(counted_memory_blocks(), blocks);
    }
    assert_true(failures > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_reads_what_it_prints),
        cmocka_unit_test(values_as_redis_prints_them),
        cmocka_unit_test(every_fault_has_its_words),
        cmocka_unit_test(memory_is_divided),
        cmocka_unit_test(a_change_is_all_or_nothing),
        cmocka_unit_test(the_help_names_every_row),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
