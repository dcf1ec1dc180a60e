/* Clients on threads of their own, on a few keys: what reads and writes in one command is
 * one step to all others. Simulated threads in random orders, and real ones.
 *
 *     n0 n1      are counted up: none is lost
 *     p0 p1      are always set together, so they are equal to who reads both
 *     t0 t1 t2   one of them is there, and it is moved from one to another: in all orders
 *                of two keys, so that whoever took locks in that order would hang */
#include "../01-wal/simulation.h"

#include "client.h"

enum { CLIENTS = 3 };

struct worker {
    struct thread thread;
    struct client client;
    uint64_t random;
    size_t requests;
    size_t counted[2];
    bool wrong;
    char said[200];
};

static void must(struct worker *worker, bool right, const char *line, const char *reply) {
    if (!right && !worker->wrong) {
        worker->wrong = true;
        snprintf(worker->said, sizeof worker->said, "%s: %s", line, reply);
    }
}

static void ask_one(struct worker *worker) {
    char line[100];
    uint64_t number = random_below(&worker->random, 2);
    uint64_t choice = random_below(&worker->random, 6);
    const char *reply;
    if (choice < 2) {
        snprintf(line, sizeof line, "incr n%" PRIu64, number);
        reply = client_ask(&worker->client, line);
        must(worker, reply[0] == ':', line, reply);
        worker->counted[number]++;
    } else if (choice == 2) {
        uint64_t value = random_below(&worker->random, 10);
        snprintf(line, sizeof line, "mset p0 %" PRIu64 " p1 %" PRIu64, value, value);
        reply = client_ask(&worker->client, line);
        must(worker, strcmp(reply, "+OK|") == 0, line, reply);
    } else if (choice == 3) {
        reply = client_ask(&worker->client, "mget p0 p1");
        must(worker, strlen(reply) == 13 && reply[6] == reply[11], "mget", reply);
    } else if (choice == 4) {
        reply = client_ask(&worker->client, "mget t0 t1 t2");
        must(worker, strlen(reply) == 16, "mget", reply); /* $-1| $-1| $1|x| */
    } else {
        snprintf(line, sizeof line, "renamenx t%" PRIu64 " t%" PRIu64,
                 random_below(&worker->random, 3), random_below(&worker->random, 3));
        reply = client_ask(&worker->client, line);
        must(worker, reply[0] == ':' || reply[0] == '-', line, reply);
    }
}

static void work(void *argument) {
    struct worker *worker = argument;
    for (size_t i = 0; i < worker->requests; i++) {
        ask_one(worker);
    }
}

static void run_clients(const struct world *world, struct kv *kv, uint64_t seed,
                        size_t requests) {
    struct service service;
    struct worker workers[CLIENTS] = {0};
    struct client client;
    size_t counted[2] = {0};
    char reply[40];
    assert_ok(service_begin(&service, kv, world));
    client_begin(&client, &service);
    client_expect(&client, "mset p0 0 p1 0 t0 x n0 0 n1 0", "+OK|", __FILE__, __LINE__);
    for (size_t i = 0; i < CLIENTS; i++) {
        workers[i].random = seed + i;
        workers[i].requests = requests;
        client_begin(&workers[i].client, &service);
        assert_ok(thread_create(&workers[i].thread, world->threads, work, &workers[i]));
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        thread_join(&workers[i].thread);
        client_end(&workers[i].client);
        counted[0] += workers[i].counted[0];
        counted[1] += workers[i].counted[1];
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        if (workers[i].wrong) {
            fail_msg("%s", workers[i].said);
        }
    }
    snprintf(reply, sizeof reply, "%zu", counted[0]);
    const char *found = client_ask(&client, "get n0");
    if (strstr(found, reply) == NULL) {
        fail_msg("counted %s, found %s", reply, found);
    }
    snprintf(reply, sizeof reply, "%zu", counted[1]);
    assert_non_null(strstr(client_ask(&client, "get n1"), reply));
    client_expect(&client, "exists t0 t1 t2", ":1|", __FILE__, __LINE__);
    client_end(&client);
    service_end(&service);
}

static uint64_t choose(void *context, uint64_t bound) {
    uint64_t *random = context;
    return random_below(random, 3) != 0 ? 0 : random_below(random, bound);
}

static void in_random_orders(void **state) {
    uint64_t seed = test_seed();
    (void)state;
    for (size_t i = 0; i < 30; i++) {
        struct simulation sim;
        struct kv *kv;
        uint64_t random = seed + i;
        simulation_begin_with(&sim, choose, &random);
        assert_ok(kv_open("db", &sim.options, &kv, NULL));
        run_clients(&sim.world, kv, seed + i, 60);
        assert_ok(kv_close(kv, NULL));
        simulation_end(&sim);
    }
}

static void on_real_threads(void **state) {
    char path[] = "/tmp/strata-commands-XXXXXX";
    char command[100];
    struct kv_options options = kv_options_default();
    struct kv *kv;
    (void)state;
    assert_non_null(mkdtemp(path));
    assert_ok(kv_open(path, &options, &kv, NULL));
    run_clients(&world_system, kv, test_seed(), 3000);
    assert_ok(kv_close(kv, NULL));
    snprintf(command, sizeof command, "rm -r %s", path);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_random_orders),
        cmocka_unit_test(on_real_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
