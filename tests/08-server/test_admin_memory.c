/* Whatever allocation fails, the server's commands reply an error or nothing more, leave
 * nothing behind, and work again afterwards. */
#include "asked.h"

static const char *const lines[] = {
    "CONFIG GET *",
    "CONFIG SET timeout 5 slowlog-log-slower-than 0 latency-monitor-threshold 1",
    "CONFIG REWRITE",
    "CLIENT SETNAME bob",
    "CLIENT SETINFO LIB-NAME py",
    "CLIENT LIST",
    "CLIENT KILL ID 2",
    "INFO everything",
    "INFO keyspace",
    "SLOWLOG GET",
    "LATENCY LATEST",
    "LATENCY HISTOGRAM",
    "LATENCY DOCTOR",
    "MEMORY USAGE k1",
    "DEBUG SLEEP 0",
    "SAVE",
    "BGSAVE",
    "COMPACT",
    "MONITOR",
    "SET a b",
};

/* As ask, but what it comes to is the caller's to look at. */
static void ask_anyhow(struct asked *asked, const char *line) {
    struct client *client = &asked->clients[0];
    struct slice words[8];
    size_t count = 0;
    for (const char *at = line; *at != '\0'; at += strcspn(at, " ")) {
        at += *at == ' ';
        words[count++] = slice_make(at, strcspn(at, " "));
    }
    const struct resp_request request = {words, count};
    server_feed(&asked->server, client->session.monitors, &client->session,
                &asked->entries[0], &request);
    client_run(client, &request);
    server_note(&asked->server, 0, &asked->entries[0], &client->session, &request,
                clock_monotonic_micros(asked->sim.world.clock), 20000);
}

/* The client's connection would be closed: it gets a new output. */
static void renew(struct client *client) {
    output_free(&client->output);
    client->output = (struct output){0};
    client->session.closes = false;
    client->session.monitors = false;
    client->status = STATUS_OK;
    buf_clear(&client->reply);
}

static size_t sweep(const char *line) {
    struct asked asked;
    size_t failures = 0;
    bool failed = true;
    asked_begin(&asked, NULL);
    asked.server.parts.config_path = "a.conf";
    put_number(asked.service.kv, 1, DURABILITY_ALWAYS);
    for (size_t countdown = 1; failed && countdown < 400; countdown++) {
        struct client *client = &asked.clients[0];
        scheduler_advance(asked.sim.scheduler, 2000);
        counted_memory_fail(countdown, false);
        ask_anyhow(&asked, line);
        failed = counted_memory_failed();
        counted_memory_fail(0, false);
        scheduler_settle(asked.sim.scheduler);
        failures += failed;
        renew(client);
        assert_ok(kv_resume(asked.service.kv, NULL));
        assert_string_equal(ask(&asked, 0, "CLIENT ID"), ":1|");
    }
    assert_false(failed);
    asked_end(&asked);
    return failures;
}

static void no_memory_is_survived(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        size_t failures = sweep(lines[i]);
        if (failures == 0) {
            fail_msg("%s: takes no memory", lines[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
