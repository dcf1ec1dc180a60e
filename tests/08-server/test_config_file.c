/* Files and command lines of settings, and their rewriting, on a simulated disk. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <errno.h>
#include <sys/stat.h>

#include "../common/directory.h"

#include "config_file.h"
#include "config_rewrite.h"
#include "counted_memory.h"
#include "disk.h"
#include "text_file.h"

static void put_file(struct disk *disk, const char *path, const char *text) {
    struct file *file;
    assert_ok(file_open(disk_files(disk), path, FILE_OVERWRITE, &file, NULL));
    assert_ok(file_write(file, 0, text, strlen(text), NULL));
    assert_ok(file_sync(file, NULL));
    assert_ok(file_close(file, NULL));
    assert_ok(directory_sync(disk_files(disk), "/", NULL));
}

static void assert_file(struct disk *disk, const char *path, const char *expected) {
    struct buf text = {0};
    assert_ok(text_file_read(disk_files(disk), path, &text, NULL));
    assert_string_equal((const char *)text.data, expected);
    buf_free(&text);
}

static void a_file_is_read(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct config config;
    config_default(&config);
    put_file(disk, "/more.conf", "maxclients 12\n");
    put_file(disk, "/a.conf",
             "# comment\n\n   # another\nport 7000\r\n"
             "requirepass \"two \\x41 words\"\nbind 10.0.0.1  -::1\n"
             "include /more.conf\nsave 60 1 300 10\nsave ''\nTIMEOUT 5\nblock-bytes 8k");
    assert_ok(config_read(&config, disk_files(disk), "/a.conf", NULL));
    assert_int_equal(config.port, 7000);
    assert_string_equal(config.requirepass, "two A words");
    assert_string_equal(config.bind, "10.0.0.1 -::1");
    assert_int_equal(config.maxclients, 12);
    assert_string_equal(config.save, "");
    assert_int_equal(config.timeout, 5);
    assert_int_equal(config.engine.block_bytes, 8192);
    assert_int_equal(disk_open_handles(disk), 0);
    disk_free(disk);
}

static void every_bad_line_has_its_words(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"prot 6380", "/a.conf:2: prot: there is no such setting; the nearest is port"},
        {"port", "/a.conf:2: port: a value is missing"},
        {"port 1 2", "/a.conf:2: port: takes one value; put quotes around it"},
        {"port x", "/a.conf:2: port: argument couldn't be parsed into an integer"},
        {"port 65536", "/a.conf:2: port: argument must be between 0 and 65535 inclusive"},
        {"requirepass \"x", "/a.conf:2: unbalanced quotes"},
        {"requirepass \"x\"y", "/a.conf:2: unbalanced quotes"},
        {"maxmemory lots", "/a.conf:2: maxmemory: argument must be a memory value"},
        {"appendfsync often", "/a.conf:2: appendfsync: argument(s) must be one of"},
        {"block-bytes 1", "/a.conf:2: block-bytes: \"1\" is not from 256 to 64m"},
        {"durability none", "/a.conf:2: durability: there is no such setting"},
        {"save 60", "/a.conf:2: save: Invalid save parameters"},
        {"include /nowhere", "/a.conf:2: /nowhere: "},
        {"include /b.conf", "/a.conf:2: /b.conf:1: port: argument couldn't be parsed"},
        {"include /a.conf", "more than 8 files include each other"},
        {"include a b", "/a.conf:2: include: there is no such setting"},
        {"\"\" 5", "/a.conf:2: : there is no such setting"},
    };
    struct disk *disk = disk_new();
    put_file(disk, "/b.conf", "port x\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        struct error error = {0};
        struct config config, before;
        config_default(&config);
        before = config;
        (void)snprintf(text, sizeof text, "timeout 9\n%s\n", cases[i][0]);
        put_file(disk, "/a.conf", text);
        assert_int_not_equal(config_read(&config, disk_files(disk), "/a.conf", &error),
                             STATUS_OK);
        assert_message_has(error, cases[i][1]);
        assert_memory_equal(&config, &before, sizeof config);
    }
    assert_int_equal(disk_open_handles(disk), 0);
    disk_free(disk);
}

static void the_command_line_overrides(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct config config;
    const char *path = NULL;
    char *arguments[] = {
        (char[]){"/a.conf"}, (char[]){"--port"}, (char[]){"6380"},
        (char[]){"--bind"},  (char[]){"a"},      (char[]){"b"},
        (char[]){"--save"},  (char[]){""},       (char[]){"--appendfsync"},
        (char[]){"always"}};
    put_file(disk, "/a.conf", "port 7000\ntimeout 9\n");
    config_default(&config);
    assert_ok(config_load(&config, disk_files(disk), 10, arguments, &path, NULL));
    assert_string_equal(path, "/a.conf");
    assert_int_equal(config.port, 6380);
    assert_int_equal(config.timeout, 9);
    assert_string_equal(config.bind, "a b");
    assert_int_equal(config.engine.durability, DURABILITY_ALWAYS);
    config_default(&config);
    assert_ok(config_load(&config, disk_files(disk), 2, arguments + 1, &path, NULL));
    assert_null(path);
    assert_int_equal(config.timeout, 0);
    disk_free(disk);
}

static void a_bad_command_line_has_its_words(void **state) {
    (void)state;
    static const struct {
        const char *arguments[4];
        const char *says;
    } cases[] = {
        {{"--prot", "1"}, "--prot: there is no such setting; the nearest is port"},
        {{"--port"}, "--port: a value is missing"},
        {{"--port", "x"}, "--port: argument couldn't be parsed into an integer"},
        {{"--port", "1", "2"}, "--port: takes one value"},
        {{"/none.conf"}, "/none.conf"},
        {{"--maxmemory", "16mb", "--block-cache-bytes", "17m"},
         "maxmemory: 16777216 bytes are less than"},
    };
    struct disk *disk = disk_new();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *arguments[4];
        size_t count = 0;
        for (; count < 4 && cases[i].arguments[count] != NULL; count++) {
            arguments[count] = (char *)(uintptr_t)cases[i].arguments[count];
        }
        struct config config;
        struct error error = {0};
        const char *path = NULL;
        config_default(&config);
        assert_int_not_equal(
            config_load(&config, disk_files(disk), count, arguments, &path, &error),
            STATUS_OK);
        assert_message_has(error, cases[i].says);
    }
    disk_free(disk);
}

/* ---- rewriting ------------------------------------------------------------------- */

static const char old_text[] = "# mine\nport 7000\ntimeout 9 \n\n  maxclients 5\n"
                               "timeout 10\ninclude /more.conf\n# the end";
static const char new_text[] =
    "# mine\nport 7000\ntimeout 9 \n\n  maxclients 5\ntimeout 11\ninclude /more.conf\n"
    "# the end\n# Added by CONFIG REWRITE\nbind a -b\nrequirepass \"p \\\"q\\x0a\"\n"
    "maxmemory 67108864\nslowlog-max-len 4\nblock-bytes 8k\n";

static void prepare(struct disk *disk, struct config *config) {
    static const char *const changes[][2] = {
        {"timeout", "11"},      {"bind", "a -b"},         {"requirepass", "p \"q\n"},
        {"maxmemory", "64mb"},  {"slowlog-max-len", "4"}, {"block-bytes", "8k"},
        {"tcp-backlog", "511"},
    };
    put_file(disk, "/more.conf", "slowlog-max-len 3\n");
    put_file(disk, "/a.conf", old_text);
    config_default(config);
    assert_ok(config_read(config, disk_files(disk), "/a.conf", NULL));
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_ok(config_set(config, config_find(slice_of(changes[i][0])),
                             slice_of(changes[i][1]), NULL));
    }
    assert_ok(config_settle(config, NULL));
}

static void a_rewritten_file_reads_back(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct config config, read;
    prepare(disk, &config);
    assert_ok(config_rewrite(&config, disk_files(disk), "/a.conf", NULL));
    assert_file(disk, "/a.conf", new_text);
    config_default(&read);
    assert_ok(config_read(&read, disk_files(disk), "/a.conf", NULL));
    assert_ok(config_settle(&read, NULL));
    for (size_t i = 0; i < config_count(); i++) {
        struct buf a = {0}, b = {0};
        assert_ok(config_print(&config, i, &a));
        assert_ok(config_print(&read, i, &b));
        assert_true(slice_equal(buf_slice(&a), buf_slice(&b)));
        buf_free(&a);
        buf_free(&b);
    }
    size_t before = disk_operations(disk); /* and again: nothing is to be done */
    assert_ok(config_rewrite(&read, disk_files(disk), "/a.conf", NULL));
    assert_int_equal(disk_operations(disk), before);
    assert_int_equal(disk_open_handles(disk), 0);
    disk_free(disk);
}

/* What others have put into the file, or what it includes, since it was read. */
static void what_is_so_overrides_what_is_written(void **state) {
    (void)state;
    struct disk *disk = disk_new();
    struct config config;
    prepare(disk, &config);
    put_file(disk, "/more.conf", "slowlog-max-len 3\ntcp-keepalive 9\n");
    put_file(disk, "/a.conf", "maxclients 9\ninclude /more.conf\n");
    assert_ok(config_set(&config, config_find(slice_of("port")), slice_of("6380"), NULL));
    assert_ok(config_rewrite(&config, disk_files(disk), "/a.conf", NULL));
    assert_file(disk, "/a.conf",
                "maxclients 5\ninclude /more.conf\n# Added by CONFIG REWRITE\n"
                "bind a -b\nrequirepass \"p \\\"q\\x0a\"\ntimeout 11\n"
                "tcp-keepalive 300\nmaxmemory 67108864\nslowlog-max-len 4\n"
                "block-bytes 8k\n");
    disk_free(disk);
}

static void permissions_stay(void **state) {
    static const mode_t modes[] = {0600, 0640, 0644, 0444};
    mode_t mask = umask(0);
    char *path = path_join(*state, "strata.conf");
    struct config config;
    config_default(&config);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct file *file;
        struct stat now;
        assert_ok(file_open(&file_system_posix, path, FILE_OVERWRITE, &file, NULL));
        assert_ok(file_close(file, NULL));
        assert_int_equal(chmod(path, modes[i]), 0);
        (void)snprintf(config.requirepass, sizeof config.requirepass, "secret%zu", i);
        assert_ok(config_rewrite(&config, &file_system_posix, path, NULL));
        assert_int_equal(stat(path, &now), 0);
        assert_int_equal(now.st_mode & 07777, modes[i]);
        assert_true(now.st_size > 0);
    }
    if (getuid() == 0) { /* only then may it be another's */
        struct stat now;
        assert_int_equal(chown(path, 65534, 65534), 0);
        (void)snprintf(config.requirepass, sizeof config.requirepass, "another");
        assert_ok(config_rewrite(&config, &file_system_posix, path, NULL));
        assert_int_equal(stat(path, &now), 0);
        assert_int_equal(now.st_uid, 65534);
        assert_int_equal(now.st_gid, 65534);
    }
    umask(mask);
    unlink(path);
    memory_give(path);
}

/* A text of any bytes comes back, and random values of random rows. */
static void any_value_reads_back(void **state) {
    (void)state;
    uint64_t random = test_seed();
    struct disk *disk = disk_new();
    for (int round = 0; round < 300; round++) {
        struct config config, read;
        char text[40];
        size_t length = random_below(&random, sizeof text);
        for (size_t i = 0; i < length; i++) {
            text[i] = (char)(1 + random_below(&random, 255));
        }
        config_default(&config);
        assert_ok(config_set(&config, config_find(slice_of("requirepass")),
                             slice_make(text, length), NULL));
        config.timeout = (int64_t)(random_magnitude(&random) % INT32_MAX);
        config.given[config_find(slice_of("timeout"))] = true;
        put_file(disk, "/a.conf", round % 2 == 0 ? "" : "timeout 3\nrequirepass x\n");
        assert_ok(config_rewrite(&config, disk_files(disk), "/a.conf", NULL));
        config_default(&read);
        assert_ok(config_read(&read, disk_files(disk), "/a.conf", NULL));
        assert_string_equal(read.requirepass, config.requirepass);
        assert_int_equal(read.timeout, config.timeout);
    }
    disk_free(disk);
}

static void a_crash_leaves_the_old_file_or_the_new(void **state) {
    (void)state;
    uint64_t random = test_seed();
    struct disk *disk = disk_new();
    struct config config;
    size_t images = 0, olds = 0;
    prepare(disk, &config);
    size_t first = disk_operations(disk);
    assert_ok(config_rewrite(&config, disk_files(disk), "/a.conf", NULL));
    size_t last = disk_operations(disk);
    for (size_t operation = first; operation <= last; operation++) {
        for (int profile = DISK_POSIX; profile <= DISK_EXT4; profile++) {
            struct exploration exploration;
            disk_explore_begin(&exploration, (enum disk_profile)profile, operation);
            for (int tries = 0; tries < 100; tries++) {
                struct disk *after = disk_crash(disk, &exploration.crash);
                struct buf text = {0};
                assert_ok(text_file_read(disk_files(after), "/a.conf", &text, NULL));
                bool is_old = strcmp((const char *)text.data, old_text) == 0;
                assert_true(is_old || strcmp((const char *)text.data, new_text) == 0);
                assert_true(operation < last || !is_old);
                olds += is_old;
                images++;
                buf_free(&text);
                disk_free(after);
                if (!disk_explore_next(disk, &exploration, &random)) {
                    break;
                }
            }
        }
    }
    assert_true(olds > 0 && images > olds);
    disk_free(disk);
}

static void every_failure_is_told(void **state) {
    (void)state;
    bool failed = true;
    size_t failures = 0; /* a file that was only read is closed without a word */
    for (size_t countdown = 1; countdown <= 30; countdown++) {
        struct disk *disk = disk_new();
        struct config config;
        struct error error = {0};
        struct buf text = {0};
        prepare(disk, &config);
        const struct fault fault = {countdown, FAULT_BEFORE, EIO, false};
        disk_set_fault(disk, &fault);
        enum status status = config_rewrite(&config, disk_files(disk), "/a.conf", &error);
        disk_set_fault(disk, &(struct fault){0});
        failed = status != STATUS_OK;
        failures += failed;
        assert_int_equal(strlen(error.message) > 0, failed);
        assert_ok(text_file_read(disk_files(disk), "/a.conf", &text, NULL));
        assert_true(strcmp((const char *)text.data, failed ? old_text : new_text) == 0 ||
                    strcmp((const char *)text.data, new_text) == 0);
        assert_int_equal(disk_open_handles(disk), 0);
        buf_free(&text);
        disk_free(disk);
    }
    assert_false(failed);
    assert_true(failures >= 8);
}

static void no_memory_is_told(void **state) {
    (void)state;
    size_t blocks = counted_memory_blocks();
    bool failed = true;
    size_t failures = 0;
    struct disk *disk = disk_new();
    struct config config;
    prepare(disk, &config);
    for (size_t countdown = 1; failed; countdown++) {
        struct error error = {0};
        struct config again;
        config_default(&again);
        counted_memory_fail(countdown, false);
        enum status status = config_read(&again, disk_files(disk), "/a.conf", &error);
        if (status == STATUS_OK) {
            status = config_rewrite(&config, disk_files(disk), "/a.conf", &error);
        }
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        if (status != (failed ? STATUS_NO_MEMORY : STATUS_OK)) {
            fail_msg("%zu: %s", countdown, error.message);
        }
        assert_file(disk, "/a.conf", failed ? old_text : new_text);
        failures += failed;
        assert_int_equal(disk_open_handles(disk), 0);
        assert_true(counted_memory_blocks() >= blocks);
    }
    assert_true(failures > 20);
    disk_free(disk);
    assert_int_equal(counted_memory_blocks(), blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(permissions_stay, directory_setup,
                                        directory_teardown),
        cmocka_unit_test(a_file_is_read),
        cmocka_unit_test(every_bad_line_has_its_words),
        cmocka_unit_test(the_command_line_overrides),
        cmocka_unit_test(a_bad_command_line_has_its_words),
        cmocka_unit_test(a_rewritten_file_reads_back),
        cmocka_unit_test(what_is_so_overrides_what_is_written),
        cmocka_unit_test(any_value_reads_back),
        cmocka_unit_test(a_crash_leaves_the_old_file_or_the_new),
        cmocka_unit_test(every_failure_is_told),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
