/* Memory that is missing, at every allocation of every kind of request: the reply is the
 * right one, or an error that says so, or the connection is given up; and the store holds
 * what it held before, or what the request makes of it. */
#include "../01-wal/simulation.h"

#include "client.h"

struct fixture {
    struct simulation sim;
    struct kv *kv;
    struct service service;
};

/* What is asked, of a store with a = 1, b = 2, and what is then in it. */
struct example {
    const char *line;
    const char *after;
};

static const struct example examples[] = {
    {"get a", NULL},
    {"set a 7", "*4|$1|a|$1|7|$1|b|$1|2|"},
    {"set c 7 px 100", "*6|$1|a|$1|1|$1|b|$1|2|$1|c|$1|7|"},
    {"set a 7 get keepttl", "*4|$1|a|$1|7|$1|b|$1|2|"},
    {"getex a px 100", NULL},
    {"getdel a", "*2|$1|b|$1|2|"},
    {"incr b", "*4|$1|a|$1|1|$1|b|$1|3|"},
    {"incrbyfloat b 0.5", "*4|$1|a|$1|1|$1|b|$3|2.5|"},
    {"append a xyz", "*4|$1|a|$4|1xyz|$1|b|$1|2|"},
    {"setrange a 1 x", "*4|$1|a|$2|1x|$1|b|$1|2|"},
    {"getrange a 0 0", NULL},
    {"mget a b nosuch", NULL},
    {"mset a 3 b 4", "*4|$1|a|$1|3|$1|b|$1|4|"},
    {"msetnx c 3 d 4", "*8|$1|a|$1|1|$1|b|$1|2|$1|c|$1|3|$1|d|$1|4|"},
    {"del a b a", "*0|"},
    {"exists a b", NULL},
    {"rename a c", "*4|$1|b|$1|2|$1|c|$1|1|"},
    {"copy a c", "*6|$1|a|$1|1|$1|b|$1|2|$1|c|$1|1|"},
    {"expire a 100", NULL},
    {"expire a -1", "*2|$1|b|$1|2|"},
    {"ttl a", NULL},
    {"object encoding a", NULL},
    {"dbsize", NULL},
    {"keys *", NULL},
    {"rscan a rev", NULL},
    {"scan 0 count 2 match *", NULL},
    {"randomkey", NULL},
    {"hello 3 setname me", NULL},
    {"auth default secret", NULL},
    {"command docs", NULL},
    {"command info", NULL},
    {"command list", NULL},
    {"object help", NULL},
    {"nosuch a b", NULL},
};

static const char before[] = "*4|$1|a|$1|1|$1|b|$1|2|";

static void open_all(struct fixture *fixture) {
    simulation_begin(&fixture->sim);
    assert_ok(kv_open("db", &fixture->sim.options, &fixture->kv, NULL));
    assert_ok(service_begin(&fixture->service, fixture->kv, &fixture->sim.world));
}

static void close_all(struct fixture *fixture) {
    service_end(&fixture->service);
    assert_ok(kv_close(fixture->kv, NULL));
    simulation_end(&fixture->sim);
}

static size_t split(char *line, struct slice *words) {
    size_t count = 0;
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        words[count++] = slice_of(word);
    }
    return count;
}

/* Whether the request went well: all memory was there, as far as it needed it. */
static bool try(struct fixture *fixture, const struct example *example,
                size_t countdown) {
    struct client client;
    struct slice words[8];
    char line[100];
    snprintf(line, sizeof line, "%s", example->line);
    const struct resp_request request = {words, split(line, words)};
    client_begin(&client, &fixture->service);
    client_expect(&client, "mset a 1 b 2", "+OK|", __FILE__, __LINE__);
    buf_clear(&client.reply);
    assert_ok(buf_reserve(&client.reply, 65536));
    counted_memory_fail(countdown, false);
    client_run(&client, &request);
    bool failed = counted_memory_failed();
    counted_memory_fail(0, false);
    bool refused = client.reply.length > 4 && memcmp(client.reply.data, "-OOM", 4) == 0;
    bool given_up = client.status != STATUS_OK;
    if (!failed) {
        assert_false(refused || given_up);
    }
    client_end(&client);
    client_begin(&client, &fixture->service);
    const char *after = example->after != NULL ? example->after : before;
    const char *found = client_ask(&client, "rscan \"\"");
    bool unchanged = strcmp(found, before) == 0;
    if (!(strcmp(found, after) == 0 && !refused) &&
        !(unchanged && (refused || given_up))) {
        fail_msg("%s, allocation %zu: %s", example->line, countdown, found);
    }
    client_end(&client);
    return !failed;
}

static void every_allocation(void **state) {
    size_t failures = 0;
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct fixture fixture;
        size_t countdown = 1;
        open_all(&fixture);
        while (!try(&fixture, &examples[i], countdown)) {
            struct client client;
            failures++;
            countdown++;
            client_begin(&client, &fixture.service);
            client_expect(&client, "del c d", client_ask(&client, "exists c d"), __FILE__,
                          __LINE__);
            client_end(&client);
        }
        close_all(&fixture);
    }
    printf("%zu allocations failed\n", failures);
    assert_true(failures > 50);
}

static void opening(void **state) {
    (void)state;
    for (size_t countdown = 1;; countdown++) {
        struct fixture fixture;
        struct service service;
        open_all(&fixture);
        counted_memory_fail(countdown, false);
        enum status status = service_begin(&service, fixture.kv, &fixture.sim.world);
        bool failed = counted_memory_failed();
        counted_memory_fail(0, false);
        assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
        service_end(&service);
        close_all(&fixture);
        if (!failed) {
            assert_true(countdown > 3);
            return;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation),
        cmocka_unit_test(opening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
