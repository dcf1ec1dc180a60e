/* Commands that look at the server and change it: their replies, word by word. */
#include "asked.h"

#include "text_file.h"

static void settings_are_told(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply(&asked, "CONFIG GET save appendonly",
                 "*4|$4|save|$0||$10|appendonly|$3|yes|");
    assert_reply(&asked, "config get MaxMemory nosuch", "*2|$9|MaxMemory|$9|268435456|");
    assert_reply(&asked, "CONFIG GET max?lients *lients port",
                 "*4|$10|maxclients|$5|10000|$4|port|$4|6380|");
    assert_reply(&asked, "CONFIG GET nosuch*", "*0|");
    asked.clients[0].writer.protocol = 3;
    assert_reply(&asked, "CONFIG GET port", "%1|$4|port|$4|6380|");
    assert_reply(&asked, "CONFIG GET nosuch", "%0|");
    asked_end(&asked);
}

static void settings_change_together(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply(&asked, "CONFIG SET timeout 5 maxclients 0",
                 "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - "
                 "argument must be between 1 and 1000000 inclusive|");
    assert_reply(&asked, "CONFIG GET timeout", "*2|$7|timeout|$1|0|");
    assert_reply(&asked, "CONFIG SET timeout 5 loglevel debug", "+OK|");
    assert_int_equal(asked.applied, 5);
    assert_reply(&asked, "CONFIG GET timeout", "*2|$7|timeout|$1|5|");
    asked.refusal = "there are not so many descriptors";
    assert_reply(
        &asked, "CONFIG SET timeout 6",
        "-ERR CONFIG SET failed (possibly related to argument 'timeout') - there "
        "are not so many descriptors|");
    asked.refusal = NULL;
    assert_reply(&asked, "CONFIG GET timeout", "*2|$7|timeout|$1|5|");
    assert_reply(&asked, "CONFIG SET timeout",
                 "-ERR wrong number of arguments for 'config|set' command|");
    assert_reply(&asked, "CONFIG SET timeout 6 maxclients", "-ERR syntax error|");
    assert_reply(&asked, "CONFIG SET foo bar",
                 "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'|");
    assert_reply(&asked, "CONFIG FOO",
                 "-ERR unknown subcommand 'FOO'. Try CONFIG HELP.|");
    assert_reply(&asked, "CONFIG",
                 "-ERR wrong number of arguments for 'config' command|");
    assert_reply(&asked, "CONFIG REWRITE",
                 "-ERR The server is running without a config file|");
    asked_end(&asked);
}

static void settings_are_written(void **state) {
    (void)state;
    struct asked asked;
    struct buf text = {0};
    struct file *file;
    asked_begin(&asked, NULL);
    asked.server.parts.config_path = "a.conf";
    assert_ok(file_open(asked.sim.world.files, "a.conf", FILE_CREATE, &file, NULL));
    assert_ok(file_write(file, 0, "timeout 1", 9, NULL));
    assert_ok(file_close(file, NULL));
    assert_reply(&asked, "CONFIG SET timeout 7 save '60 1'", "+OK|");
    assert_reply(&asked, "CONFIG REWRITE", "+OK|");
    assert_true(asked.waited);
    assert_ok(text_file_read(asked.sim.world.files, "a.conf", &text, NULL));
    assert_string_equal((const char *)text.data,
                        "timeout 7\n# Added by CONFIG REWRITE\ndir db\nsave 60 1\n");
    fail_call(&asked.sim, 1, FAULT_BEFORE, ENOSPC, true);
    assert_reply_has(&asked, "CONFIG REWRITE", "-ERR Rewriting config file: ");
    fail_nothing(&asked.sim);
    buf_free(&text);
    asked_end(&asked);
}

static void slow_commands_are_kept(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    asked.micros = 20000;
    assert_reply(&asked, "SLOWLOG LEN", ":0|");
    assert_reply(&asked, "SLOWLOG RESET", "+OK|");
    assert_reply(&asked, "CLIENT SETNAME me", "+OK|");
    assert_reply(&asked, "CONFIG SET requirepass secret", "+OK|");
    scheduler_advance(asked.sim.scheduler, 5000000);
    assert_reply_has(&asked, "SLOWLOG GET 1", "*1|*6|:3|:");
    assert_reply_has(&asked, "SLOWLOG GET 3",
                     "|:20000|*3|$6|CLIENT|$7|SETNAME|$2|me|$15|127.0.0.1:40000|$2|me|");
    assert_null(strstr(ask(&asked, 0, "SLOWLOG GET -1"), "secret"));
    assert_reply_has(&asked, "SLOWLOG GET -1",
                     "|CONFIG|$3|SET|$11|requirepass|$10|(redacted)|");
    assert_reply_has(&asked, "HELLO 2 AUTH default hunter2", "");
    assert_reply_has(&asked, "AUTH hunter2", "");
    assert_reply_has(&asked, "CONFIG SET timeout 1 REQUIREpass hunter2 timeout 2", "");
    assert_reply_has(&asked, "AUTH 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 hunter2",
                     "");
    assert_null(strstr(ask(&asked, 0, "SLOWLOG GET -1"), "hunter2"));
    assert_reply_has(&asked, "SLOWLOG GET -1", "|*2|$4|AUTH|$10|(redacted)|$");
    assert_reply_has(&asked, "SLOWLOG GET -1",
                     "|*5|$5|HELLO|$1|2|$4|AUTH|$10|(redacted)|$10|(redacted)|$");
    assert_reply(&asked, "CONFIG SET slowlog-max-len 1", "+OK|");
    assert_reply(&asked, "SLOWLOG LEN", ":1|");
    assert_reply(&asked, "CONFIG SET slowlog-log-slower-than -1", "+OK|");
    assert_reply(&asked, "SLOWLOG RESET", "+OK|");
    assert_reply(&asked, "SLOWLOG GET", "*0|");
    assert_reply(&asked, "SLOWLOG GET -2",
                 "-ERR count should be greater than or equal to -1|");
    assert_reply(&asked, "SLOWLOG GET abc",
                 "-ERR count should be greater than or equal to -1|");
    assert_reply(&asked, "SLOWLOG LEN 1",
                 "-ERR wrong number of arguments for 'slowlog|len' command|");
    asked_end(&asked);
}

static void slow_events_are_kept(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply_has(&asked, "LATENCY DOCTOR", "set latency-monitor-threshold");
    assert_reply(&asked, "CONFIG SET latency-monitor-threshold 10", "+OK|");
    assert_reply(&asked, "LATENCY LATEST", "*0|");
    assert_reply_has(&asked, "LATENCY DOCTOR", "No event took longer");
    asked.micros = 30000;
    assert_reply(&asked, "CLIENT ID", ":1|");
    asked.micros = 9999;
    char expected[128];
    uint64_t seconds = clock_wall_micros(asked.sim.world.clock) / 1000000;
    (void)snprintf(expected, sizeof expected, "*1|*4|$7|command|:%" PRIu64 "|:30|:30|",
                   seconds);
    assert_reply(&asked, "LATENCY LATEST", expected);
    (void)snprintf(expected, sizeof expected, "*1|*2|:%" PRIu64 "|:30|", seconds);
    assert_reply(&asked, "LATENCY HISTORY command", expected);
    assert_reply(&asked, "LATENCY HISTORY nosuch", "*0|");
    assert_reply_has(&asked, "LATENCY DOCTOR",
                     "command: 1 spikes, the longest of 30 ms.");
    assert_reply(&asked, "LATENCY RESET nosuch", ":0|");
    assert_reply(&asked, "LATENCY RESET", ":1|");
    assert_reply(&asked, "LATENCY HISTORY command", "*0|");
    assert_reply(&asked, "LATENCY HISTOGRAM get nosuch", "*0|");
    assert_reply(&asked, "LATENCY HISTOGRAM CLIENT",
                 "*2|$9|client|id|*4|$5|calls|:1|$14|histogram_usec|*2|:32767|:1|");
    assert_reply_has(&asked, "LATENCY HISTOGRAM", "$15|latency|history|");
    assert_reply(&asked, "LATENCY HISTOGRAM client|id nosuch",
                 "*2|$9|client|id|*4|$5|calls|:1|$14|histogram_usec|*2|:32767|:1|");
    asked_end(&asked);
}

static void the_server_is_described(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply_has(&asked, "INFO", "# Server|redis_version:7.0.15|strata_version:");
    assert_reply_has(&asked, "INFO", "|redis_mode:standalone|");
    assert_null(strstr(ask(&asked, 0, "INFO"), "# Commandstats"));
    assert_reply_has(&asked, "INFO ALL",
                     "|cmdstat_info:calls=3,usec=0,usec_per_call=0.00,"
                     "rejected_calls=0,failed_calls=0|");
    assert_reply(&asked, "INFO nosuch", "$0||");
    assert_reply(&asked, "INFO cluster", "$30|# Cluster|cluster_enabled:0||");
    assert_reply_has(&asked, "INFO lsm cpu", "|# Lsm|write_amplification:");
    assert_reply(&asked, "SET a b", "+OK|");
    assert_null(strstr(ask(&asked, 0, "INFO"), "db0:"));
    assert_reply_has(&asked, "INFO keyspace",
                     "# Keyspace|db0:keys=1,expires=0,avg_ttl=0|");
    assert_true(asked.waited);
    assert_reply_has(&asked, "INFO", "db0:keys=1,");
    assert_false(asked.waited);
    asked.counts.hits = 7;
    assert_reply_has(&asked, "INFO stats", "|keyspace_hits:7|");
    assert_reply(&asked, "CONFIG RESETSTAT", "+OK|");
    assert_reply_has(&asked, "INFO stats", "total_commands_processed:1|");
    asked.counts.hits = 9;
    assert_reply_has(&asked, "INFO stats", "|keyspace_hits:2|");
    asked_end(&asked);
}

static void copies_are_made(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply(&asked, "SET a b", "+OK|");
    assert_reply(&asked, "SAVE", "+OK|");
    assert_true(asked.waited);
    scheduler_advance(asked.sim.scheduler, 2000000);
    assert_reply(&asked, "BGSAVE", "+Background saving started|");
    assert_reply(&asked, "BGSAVE", "-ERR Background save already in progress|");
    assert_reply(&asked, "SAVE", "-ERR Background save already in progress|");
    assert_reply_has(&asked, "INFO persistence", "|rdb_bgsave_in_progress:1|");
    scheduler_settle(asked.sim.scheduler);
    assert_reply_has(&asked, "INFO persistence", "|rdb_bgsave_in_progress:0|");
    assert_reply_has(&asked, "INFO persistence", "|rdb_saves:2|");
    char expected[64];
    (void)snprintf(expected, sizeof expected, ":%" PRIu64 "|",
                   clock_wall_micros(asked.sim.world.clock) / 1000000);
    assert_reply(&asked, "LASTSAVE", expected);
    assert_reply(&asked, "BGSAVE FOO", "-ERR syntax error|");
    scheduler_advance(asked.sim.scheduler, 1000);
    fail_call(&asked.sim, 1, FAULT_BEFORE, ENOSPC, true);
    assert_reply_has(&asked, "SAVE", "-IOERR ");
    fail_nothing(&asked.sim);
    assert_reply_has(&asked, "INFO persistence", "|rdb_last_bgsave_status:err|");
    asked_end(&asked);
}

static void the_server_is_ended(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply(&asked, "SHUTDOWN FOO", "-ERR syntax error|");
    assert_reply(&asked, "SHUTDOWN SAVE NOSAVE", "-ERR syntax error|");
    assert_reply(&asked, "SHUTDOWN ABORT", "-ERR No shutdown in progress.|");
    assert_reply(&asked, "SHUTDOWN ABORT NOW", "-ERR syntax error|");
    assert_int_equal(asked.stops, 0);
    fail_call(&asked.sim, 1, FAULT_BEFORE, ENOSPC, true);
    assert_reply(&asked, "SHUTDOWN SAVE", "-ERR Errors trying to SHUTDOWN. Check logs.|");
    fail_nothing(&asked.sim);
    assert_int_equal(asked.stops, 0);
    assert_false(asked.clients[0].session.closes);
    assert_reply(&asked, "SHUTDOWN NOSAVE", "");
    assert_true(asked.clients[0].session.closes);
    assert_int_equal(asked.stops, 1);
    scheduler_advance(asked.sim.scheduler, 1000);
    assert_string_equal(ask(&asked, 1, "SHUTDOWN SAVE"), "");
    assert_int_equal(asked.server.saver.facts.saves, 1);
    asked_end(&asked);
}

static void the_store_is_asked(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply(&asked, "SET abc 12345", "+OK|");
    assert_reply(&asked, "MEMORY USAGE abc", ":16|");
    assert_reply(&asked, "SET abc 12345 EX 100", "+OK|");
    assert_reply(&asked, "MEMORY USAGE abc SAMPLES 5", ":28|");
    assert_reply(&asked, "MEMORY USAGE nosuch", "$-1|");
    assert_reply(&asked, "MEMORY USAGE a b", "-ERR syntax error|");
    assert_reply(&asked, "MEMORY USAGE a SAMPLES -1", "-ERR syntax error|");
    assert_reply(&asked, "MEMORY USAGE a SAMPLES x",
                 "-ERR value is not an integer or out of range|");
    assert_reply(&asked, "COMPACT", "+OK|");
    assert_true(asked.waited);
    assert_reply(&asked, "COMPACT a b", "+OK|");
    assert_reply(&asked, "COMPACT a b c", "-ERR syntax error|");
    uint64_t before = clock_monotonic_micros(asked.sim.world.clock);
    assert_reply(&asked, "DEBUG SLEEP 1.5", "+OK|");
    assert_int_equal(clock_monotonic_micros(asked.sim.world.clock) - before, 1500000);
    assert_reply(&asked, "DEBUG SLEEP abc", "+OK|");
    assert_reply(&asked, "DEBUG FOO", "-ERR unknown subcommand 'FOO'. Try DEBUG HELP.|");
    asked_end(&asked);
}

static void who_monitors_sees_all(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply(&asked, "SET before x", "+OK|");
    assert_string_equal(ask(&asked, 2, "MONITOR"), "+OK|");
    char expected[512];
    uint64_t now = clock_wall_micros(asked.sim.world.clock);
    (void)snprintf(expected, sizeof expected,
                   "+%" PRIu64 ".%06" PRIu64
                   " [0 127.0.0.1:40000] \"set\" \"a b\" \"\\x01\\n\\\"\\\\\\xff\"\r\n",
                   now / 1000000, now % 1000000);
    assert_reply(&asked, "set 'a b' \"\\x01\\n\\\"\\\\\\xff\"", "+OK|");
    assert_reply_has(&asked, "CONFIG GET port",
                     "6380"); /* an administrator's: not shown */
    assert_reply_has(&asked, "HELLO 2 AUTH default hunter2", "");
    (void)snprintf(expected + strlen(expected), sizeof expected - strlen(expected),
                   "+%" PRIu64 ".%06" PRIu64 " [0 127.0.0.1:40000] \"HELLO\" \"2\" "
                   "\"AUTH\" \"(redacted)\" \"(redacted)\"\r\n",
                   now / 1000000, now % 1000000);
    assert_reply_has(&asked, "nosuch", "-ERR");
    assert_ok(buf_append(&asked.monitored, "", 1));
    assert_string_equal((const char *)asked.monitored.data, expected);
    asked_end(&asked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_told),
        cmocka_unit_test(settings_change_together),
        cmocka_unit_test(settings_are_written),
        cmocka_unit_test(slow_commands_are_kept),
        cmocka_unit_test(slow_events_are_kept),
        cmocka_unit_test(the_server_is_described),
        cmocka_unit_test(copies_are_made),
        cmocka_unit_test(the_server_is_ended),
        cmocka_unit_test(the_store_is_asked),
        cmocka_unit_test(who_monitors_sees_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
