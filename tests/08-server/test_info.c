/* What INFO and the metrics say of known numbers, word by word. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include "counted_memory.h"
#include "metrics.h"

static const struct redis_command get = {.name = "get"}, set = {.name = "client|list"};
static const struct command_index index_of_two = {.count = 2, .by_number = {&get, &set}};

static void make_facts(struct info_facts *facts, struct command_totals totals[2]) {
    memset(totals, 0, 2 * sizeof totals[0]);
    totals[0] = (struct command_totals){.calls = 3, .micros = 10, .failed = 1};
    totals[0].buckets[2] = 2;
    totals[0].buckets[5] = 1; /* 5 micros */
    *facts = (struct info_facts){.config_path = "/etc/strata.conf",
                                 .run_id = "abcdef",
                                 .now_micros = 1795283482591061,
                                 .uptime_micros = 90000000000,
                                 .clients = 4,
                                 .keys = 5,
                                 .index = &index_of_two,
                                 .totals = totals};
    config_default(&facts->config);
    facts->process = (struct process_facts){.id = 77,
                                            .resident_bytes = 1643280,
                                            .resident_peak_bytes = 3 << 20,
                                            .machine_bytes = UINT64_C(25276510208),
                                            .user_micros = 1000031,
                                            .system_micros = 7,
                                            .system = "Linux 6.1 x86_64"};
    facts->saver = (struct saver_facts){.last_seconds = 1795283400, .saves = 0};
    facts->counts = (struct server_counts){10, 1, 2000, 3000, 40, 50, 6};
    facts->commands_per_second = 12;
    facts->writes_fail = true;
    facts->kv.memtable_charged_bytes = 1000;
    facts->kv.block_cache_bytes = 23;
    facts->kv.sequence_issued = 30;
    facts->kv.sequence_written = 30;
    facts->kv.sequence_durable = 20;
    facts->kv.log_bytes = 4096;
    facts->kv.flush_bytes = 100;
    facts->kv.compaction_written_bytes = 150;
    facts->kv.write_bytes = 100;
    facts->kv.block_cache_hits = 3;
    facts->kv.block_cache_misses = 1;
    facts->kv.levels[1].tables = 2;
    facts->kv.levels[1].bytes = 4000;
}

static const struct {
    const char *section, *text;
} golden[] = {
    {"server",
     "# Server\r\nredis_version:7.0.15\r\nstrata_version:" STRATA_VERSION "\r\n"
     "redis_mode:standalone\r\nos:Linux 6.1 x86_64\r\narch_bits:64\r\n"
     "multiplexing_api:epoll\r\nprocess_id:77\r\nrun_id:abcdef\r\ntcp_port:6380\r\n"
     "server_time_usec:1795283482591061\r\nuptime_in_seconds:90000\r\n"
     "uptime_in_days:1\r\nconfig_file:/etc/strata.conf\r\nio_threads_active:0\r\n"},
    {"CLIENTS", "# Clients\r\nconnected_clients:4\r\ncluster_connections:0\r\n"
                "maxclients:10000\r\nblocked_clients:0\r\n"},
    {"memory", "# Memory\r\nused_memory:1023\r\nused_memory_human:1023B\r\n"
               "used_memory_rss:1643280\r\nused_memory_rss_human:1.57M\r\n"
               "used_memory_peak:3145728\r\nused_memory_peak_human:3.00M\r\n"
               "total_system_memory:25276510208\r\ntotal_system_memory_human:23.54G\r\n"
               "maxmemory:268435456\r\nmaxmemory_human:256.00M\r\n"
               "maxmemory_policy:noeviction\r\nmem_allocator:libc\r\nwrite_buffers_limit:"
               "67043328\r\n"
               "write_buffers_bytes:1000\r\nblock_cache_limit:134217728\r\n"
               "block_cache_bytes:23\r\n"},
    {"persistence",
     "# Persistence\r\nloading:0\r\nrdb_changes_since_last_save:10\r\n"
     "rdb_bgsave_in_progress:0\r\nrdb_last_save_time:1795283400\r\n"
     "rdb_last_bgsave_status:ok\r\nrdb_last_bgsave_time_sec:-1\r\n"
     "rdb_current_bgsave_time_sec:-1\r\nrdb_saves:0\r\naof_enabled:1\r\n"
     "aof_rewrite_in_progress:0\r\naof_last_bgrewrite_status:ok\r\n"
     "aof_last_write_status:err\r\n"
     "aof_current_size:4096\r\nappendfsync:everysec\r\nsequence_issued:30\r\n"
     "sequence_written:30\r\nsequence_durable:20\r\n"},
    {"stats", "# Stats\r\ntotal_commands_processed:3\r\n"
              "instantaneous_ops_per_sec:12\r\ntotal_error_replies:1\r\n"
              "total_connections_received:10\r\nrejected_connections:1\r\n"
              "total_net_input_bytes:2000\r\ntotal_net_output_bytes:3000\r\n"
              "keyspace_hits:40\r\nkeyspace_misses:50\r\nexpired_keys:6\r\n"
              "evicted_keys:0\r\npubsub_channels:0\r\npubsub_patterns:0\r\n"},
    {"replication", "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
                    "master_failover_state:no-failover\r\nmaster_replid:abcdef\r\n"
                    "master_repl_offset:0\r\n"},
    {"cpu", "# CPU\r\nused_cpu_sys:0.000007\r\nused_cpu_user:1.000031\r\n"},
    {"commandstats", "# Commandstats\r\ncmdstat_get:calls=3,usec=10,usec_per_call=3.33,"
                     "rejected_calls=0,failed_calls=1\r\n"},
    {"latencystats", "# Latencystats\r\nlatency_percentiles_usec_get:p50=2.000,"
                     "p99=5.000,p99.9=5.000\r\n"},
    {"cluster", "# Cluster\r\ncluster_enabled:0\r\n"},
    {"keyspace", "# Keyspace\r\ndb0:keys=5,expires=0,avg_ttl=0\r\n"},
};

static void sections_are_golden(void **state) {
    (void)state;
    struct info_facts facts;
    struct command_totals totals[2];
    struct buf text = {0};
    make_facts(&facts, totals);
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        struct slice word = slice_of(golden[i].section);
        buf_clear(&text);
        assert_ok(info_print(&facts, info_sections(&word, 1), &text));
        assert_ok(buf_append(&text, "", 1));
        assert_string_equal((const char *)text.data, golden[i].text);
    }
    struct slice two[] = {slice_of("lsm"), slice_of("keyspace")};
    buf_clear(&text);
    facts.keys = SERVER_KEYS_UNKNOWN;
    assert_ok(info_print(&facts, info_sections(two, 2), &text));
    assert_ok(buf_append(&text, "", 1));
    const char *lsm = (const char *)text.data;
    assert_non_null(strstr(lsm, "# Lsm\r\nwrite_amplification:2.50\r\n"
                                "block_cache_hit_ratio:0.75\r\nfilter_save_ratio:0.00\r\n"
                                "sequence_issued:30\r\n"));
    assert_non_null(strstr(lsm, "level1:tables=2,bytes=4000,compactions=0,read_bytes=0,"
                                "written_bytes=0,micros=0\r\n"));
    assert_non_null(strstr(lsm, "\r\n\r\n# Keyspace\r\n"));
    buf_free(&text);
}

static void sections_are_chosen(void **state) {
    (void)state;
    const unsigned all = (1u << INFO_SECTIONS) - 1;
    const unsigned seldom = 1u << INFO_commandstats | 1u << INFO_latencystats;
    struct slice words[] = {slice_of("ALL"), slice_of("default"), slice_of("cpu"),
                            slice_of("nosuch"), slice_of("everything")};
    assert_int_equal(info_sections(NULL, 0), all & ~seldom);
    assert_int_equal(info_sections(words, 1), all);
    assert_int_equal(info_sections(words + 1, 1), all & ~seldom);
    assert_int_equal(info_sections(words + 2, 2), 1u << INFO_cpu);
    assert_int_equal(info_sections(words + 3, 1), 0);
    assert_int_equal(info_sections(words + 4, 1), all);
}

/* Each line is of the format: `# HELP name words`, `# TYPE name kind`, `name value` or
 * `name{label="x"} value`; a family's lines stand together, behind its TYPE. */
static void metrics_are_well_formed(void **state) {
    (void)state;
    struct info_facts facts;
    struct command_totals totals[2];
    struct buf text = {0};
    char family[128] = "";
    size_t lines = 0;
    make_facts(&facts, totals);
    assert_ok(metrics_print(&facts, &text));
    assert_ok(buf_append(&text, "", 1));
    const char *all = (const char *)text.data;
    for (const char *line = all; *line != '\0'; line = strchr(line, '\n') + 1) {
        char name[128] = "", kind[16] = "";
        lines++;
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %127s", name), 1);
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(sscanf(line, "# TYPE %127s %15s", family, kind), 2);
            char again[160];
            (void)snprintf(again, sizeof again, "# TYPE %s ", family);
            assert_null(strstr(line + 1, again)); /* once */
        } else {
            size_t length = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");
            assert_int_equal(length, strlen(family));
            assert_memory_equal(line, family, length);
            assert_true(line[length] == ' ' || line[length] == '{');
        }
    }
    assert_true(lines > 200);
    assert_non_null(strstr(all, "# HELP strata_hits_total keys looked up and found\n"
                                "# TYPE strata_hits_total counter\n"
                                "strata_hits_total 40\n"));
    assert_non_null(strstr(all, "\nstrata_command_calls_total{command=\"get\"} 3\n"));
    assert_null(strstr(all, "client|list"));
    assert_non_null(strstr(all, "\nstrata_level_bytes{level=\"1\"} 4000\n"));
    assert_non_null(strstr(all, "\nstrata_cpu_seconds_total{mode=\"user\"} 1.000031\n"));
    buf_free(&text);
}

static void no_memory_is_told(void **state) {
    (void)state;
    struct info_facts facts;
    struct command_totals totals[2];
    make_facts(&facts, totals);
    bool failed = true;
    size_t failures = 0;
    for (size_t countdown = 1; failed; countdown++) {
        struct buf info = {0}, metrics = {0};
        counted_memory_fail(countdown, false);
        enum status status = info_print(&facts, info_sections(NULL, 0), &info);
        if (status == STATUS_OK) {
            status = metrics_print(&facts, &metrics);
        }
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        failures += failed;
        buf_free(&info);
        buf_free(&metrics);
    }
    assert_true(failures > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_golden),
        cmocka_unit_test(sections_are_chosen),
        cmocka_unit_test(metrics_are_well_formed),
        cmocka_unit_test(no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
