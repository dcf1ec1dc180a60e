/* What leaves the server for an operator: lines of the log, the service manager's
 * datagrams, and the metrics over HTTP. */
#include "asked.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../common/directory.h"
#include "metrics_http.h"
#include "text_file.h"

/* ---- the log --------------------------------------------------------------------- */

struct fixed_clock {
    uint64_t micros;
};

static uint64_t fixed_micros(void *state) {
    return ((struct fixed_clock *)state)->micros;
}

static const struct clock_ops fixed_ops = {fixed_micros, fixed_micros};

static void lines_are_golden(void **state) {
    (void)state;
    static const struct {
        uint64_t seconds;
        const char *date;
    } dates[] = {{0, "1970-01-01T00:00:00"},          {951782400, "2000-02-29T00:00:00"},
                 {951868799, "2000-02-29T23:59:59"},  {951868800, "2000-03-01T00:00:00"},
                 {1795283482, "2026-11-21T17:51:22"}, {4107542400, "2100-03-01T00:00:00"},
                 {1704067199, "2023-12-31T23:59:59"}};
    struct simulation sim;
    struct fixed_clock now = {0};
    const struct clock clock = {&fixed_ops, &now};
    struct server_log log;
    struct buf text = {0};
    simulation_begin(&sim);
    sim.world.clock = &clock;
    assert_ok(server_log_open(&log, &sim.world, "server.log", LOGLEVEL_VERBOSE, NULL));
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        char expected[128];
        now.micros = dates[i].seconds * 1000000 + 45678;
        (void)snprintf(expected, sizeof expected, "%s.045Z warning number %zu: a?b\n",
                       dates[i].date, i);
        server_log(&log, LOGLEVEL_WARNING, "number %zu: a\nb", i);
        server_log(&log, LOGLEVEL_DEBUG, "nobody reads this");
        assert_ok(text_file_read(sim.world.files, "server.log", &text, NULL));
        assert_true(text.length >= strlen(expected));
        assert_string_equal(text.data + text.length - strlen(expected), expected);
    }
    assert_ok(file_remove(sim.world.files, "server.log", NULL)); /* moved away */
    server_log_set_level(&log, LOGLEVEL_DEBUG);
    now.micros = 0;
    server_log(&log, LOGLEVEL_DEBUG, "%s", "again");
    assert_ok(text_file_read(sim.world.files, "server.log", &text, NULL));
    assert_string_equal(text.data, "1970-01-01T00:00:00.000Z debug again\n");
    fail_call(&sim, 1, FAULT_BEFORE, ENOSPC, true);
    server_log(&log, LOGLEVEL_NOTICE, "lost");
    fail_nothing(&sim);
    assert_int_equal(atomic_u64_load(&log.lost, memory_order_relaxed), 1);
    struct server_log_pause pause = {{0}, {0}};
    uint64_t left_out = 7;
    now.micros = 9000000;
    assert_true(server_log_may(&log, &pause, &left_out));
    assert_int_equal(left_out, 0);
    now.micros = 9999999;
    assert_false(server_log_may(&log, &pause, &left_out));
    assert_false(server_log_may(&log, &pause, &left_out));
    now.micros = 10000000;
    assert_true(server_log_may(&log, &pause, &left_out));
    assert_int_equal(left_out, 2);
    server_log_close(&log);
    struct error error = {0};
    assert_int_not_equal(
        server_log_open(&log, &sim.world, "nowhere/x.log", LOGLEVEL_DEBUG, &error),
        STATUS_OK);
    assert_message_has(error, "nowhere/x.log");
    buf_free(&text);
    simulation_end(&sim);
}

/* ---- the service manager --------------------------------------------------------- */

static void notify(const struct sockaddr_un *address, socklen_t bytes,
                   const char *variable) {
    char received[64] = "", setting[200];
    (void)snprintf(setting, sizeof setting, "NOTIFY_SOCKET=%s", variable);
    char *const environment[] = {(char[]){"NOTIFY_SOCKETS=/x"}, setting, NULL};
    int descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(descriptor >= 0);
    assert_int_equal(bind(descriptor, (const struct sockaddr *)address, bytes), 0);
    assert_ok(process_notify(environment, "READY=1\nSTATUS=serving", NULL));
    assert_int_equal(recv(descriptor, received, sizeof received, MSG_DONTWAIT), 22);
    assert_string_equal(received, "READY=1\nSTATUS=serving");
    close(descriptor);
}

static void the_service_manager_is_told(void **state) {
    (void)state;
    char directory[] = "/tmp/strata-notify-XXXXXX", path[64], name[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/socket", directory);
    memcpy(address.sun_path, path, strlen(path) + 1);
    notify(&address, sizeof address, path);
    unlink(path);
    rmdir(directory);
    (void)snprintf(name, sizeof name, "@strata-notify-%d", (int)getpid());
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    notify(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name)),
           name);
}

static void a_bad_service_manager_is_told_of(void **state) {
    (void)state;
    struct error error = {0};
    char longest[200] = "NOTIFY_SOCKET=/";
    memset(longest + 15, 'x', 180);
    char *const none[] = {(char[]){"HOME=/"}, NULL};
    char *const relative[] = {(char[]){"NOTIFY_SOCKET=x"}, NULL};
    char *const missing[] = {(char[]){"NOTIFY_SOCKET=/nowhere/socket"}, NULL};
    char *const lengthy[] = {longest, NULL};
    assert_ok(process_notify(none, "READY=1", NULL));
    assert_int_equal(process_notify(relative, "READY=1", &error), STATUS_INVALID);
    assert_string_equal(error.message, "NOTIFY_SOCKET: \"x\" is no socket");
    assert_int_equal(process_notify(lengthy, "READY=1", NULL), STATUS_INVALID);
    assert_int_not_equal(process_notify(missing, "READY=1", &error), STATUS_OK);
    assert_message_has(error, "/nowhere/socket");
}

static void a_watchdog_is_known(void **state) {
    (void)state;
    char own[40];
    (void)snprintf(own, sizeof own, "WATCHDOG_PID=%d", (int)getpid());
    char *const none[] = {(char[]){"WATCHDOG_PID=1"}, NULL};
    char *const any[] = {(char[]){"WATCHDOG_USEC=30000000"}, NULL};
    char *const ours[] = {own, (char[]){"WATCHDOG_USEC=20000000"}, NULL};
    char *const others[] = {(char[]){"WATCHDOG_PID=1"}, (char[]){"WATCHDOG_USEC=2"},
                            NULL};
    assert_int_equal(process_watchdog_micros(none), 0);
    assert_int_equal(process_watchdog_micros(any), 30000000);
    assert_int_equal(process_watchdog_micros(ours), 20000000);
    assert_int_equal(process_watchdog_micros(others), 0);
}

static void the_process_knows_itself(void **state) {
    (void)state;
    struct process_facts facts;
    char one[PROCESS_RUN_ID_BYTES], other[PROCESS_RUN_ID_BYTES];
    process_facts(&facts);
    assert_int_equal(facts.id, getpid());
    assert_true(facts.resident_bytes > 100000);
    assert_true(facts.machine_bytes > facts.resident_bytes);
    assert_memory_equal(facts.system, "Linux ", 6);
    process_run_id(one);
    process_run_id(other);
    assert_int_equal(strlen(one), 40);
    assert_int_equal(strspn(one, "0123456789abcdef"), 40);
    assert_string_not_equal(one, other);
}

/* ---- the metrics ----------------------------------------------------------------- */

/* All that is answered, until the other side closes. */
static void ask_http(uint16_t port, const char *request, struct buf *answer) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(
        connect(descriptor, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(descriptor, request, strlen(request)), strlen(request));
    buf_clear(answer);
    for (ssize_t count = 1; count > 0;) {
        assert_ok(buf_reserve(answer, 4096));
        count = read(descriptor, answer->data + answer->length, 4095);
        answer->length += count > 0 ? (size_t)count : 0;
    }
    answer->data[answer->length] = '\0';
    close(descriptor);
}

static void count_nothing(void *state, struct server_counts *counts) {
    (void)state;
    *counts = (struct server_counts){.hits = 42};
}

static void get_metrics(uint16_t port) {
    static const struct {
        const char *request, *first, *has;
    } cases[] = {
        {"GET /metrics HTTP/1.0\r\n\r\n", " 200 OK\r\n", "\nstrata_hits_total 42\n"},
        {"GET /metrics HTTP/1.0\r\n\r\n", " 200 OK\r\n",
         "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"},
        {"GET /metrics HTTP/1.0\r\n\r\n", " 200 OK\r\n",
         "\nstrata_command_calls_total{command=\"get\"} 1\n"},
        {"GET / HTTP/1.0\r\n\r\n", " 404 ", "see /metrics\n"},
        {"PUT /metrics HTTP/1.0\r\n\r\n", " 405 ", "GET only\n"},
        {"nonsense\r\n\r\n", "", ""},
    };
    struct buf answer = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask_http(port, cases[i].request, &answer);
        const char *text = (const char *)answer.data;
        assert_non_null(strstr(text, cases[i].first));
        assert_non_null(strstr(text, cases[i].has));
    }
    buf_free(&answer);
}

/* The library's threads are real, so the world is. */
static void metrics_are_served(void **state) {
    static struct server server;
    static struct command_index index;
    static struct server_log log;
    static const struct server_ops ops = {.count = count_nothing};
    struct kv_options options = kv_options_default();
    struct metrics_http *http = NULL, *second = NULL;
    struct error error = {0};
    struct config config;
    struct kv *kv;
    uint16_t port = 0;
    char *dir = path_join(*state, "db");
    config_default(&config);
    command_index_init(&index);
    assert_ok(kv_open(dir, &options, &kv, NULL));
    assert_ok(server_log_open(&log, &world_system, "", LOGLEVEL_WARNING, NULL));
    const struct server_parts parts = {.world = &world_system,
                                       .kv = kv,
                                       .index = &index,
                                       .log = &log,
                                       .config = &config,
                                       .loops = 1,
                                       .ops = &ops};
    assert_ok(server_open(&server, &parts, NULL));
    command_stats_called(&server.stats[0], command_index_find(&index, slice_of("get")), 5,
                         false);
    assert_ok(metrics_http_open(&server, "127.0.0.1", &port, &http, NULL));
    assert_true(port > 0);
    get_metrics(port);
    assert_int_equal(metrics_http_open(&server, "127.0.0.1", &port, &second, &error),
                     STATUS_IO);
    assert_message_has(error, "metrics-port: cannot listen at 127.0.0.1:");
    assert_int_equal(metrics_http_open(&server, "localhost", &port, &second, &error),
                     STATUS_INVALID);
    assert_string_equal(error.message, "metrics-bind: \"localhost\" is no address");
    metrics_http_close(http);
    server_close(&server);
    server_log_close(&log);
    assert_ok(kv_close(kv, NULL));
    assert_ok(directory_list(&file_system_posix, dir, remove_visited, dir, NULL));
    memory_give(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_golden),
        cmocka_unit_test(the_service_manager_is_told),
        cmocka_unit_test(a_bad_service_manager_is_told_of),
        cmocka_unit_test(a_watchdog_is_known),
        cmocka_unit_test(the_process_knows_itself),
        cmocka_unit_test_setup_teardown(metrics_are_served, directory_setup,
                                        directory_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
