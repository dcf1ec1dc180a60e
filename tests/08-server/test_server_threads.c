/* All parts under real threads, for ThreadSanitizer: two loops, a listener, workers who
 * answer some requests, one who makes things durable and tells both loops; and some
 * hundred clients in threads of their own, of which a part hang up in the middle. */
#define TEST_HAS_STAGE
#include "../common/support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "listener.h"
#include "memory.h"

enum { LOOPS = 2, WORKERS = 2, CLIENT_THREADS = 4, CLIENTS = 60, REQUESTS = 40 };

struct server;
struct side;

struct session {
    struct side *side;
    struct connection *connection;
    struct link touched; /* of its side: it has replies of this tick */
    size_t replies;
    char answer[64];
    struct loop_task answered; /* a worker has the request */
    struct session *next_job;
};

/* A loop and what is its own. */
struct side {
    struct server *server;
    struct loop *loop;
    struct connections set;
    struct thread thread;
    struct link touched;
    uint64_t synced; /* of the durable task */
    struct loop_task durable, end;
    bool ending;
};

struct server {
    struct clients clients;
    struct side sides[LOOPS];
    struct connections *sets[LOOPS];
    struct listener *listener;
    struct mutex lock;
    struct condition work;
    /* guarded by lock */
    struct session *jobs;
    uint64_t sequence; /* the last that a tick's replies wait for */
    bool ending;
    size_t told; /* sides that have run their durable task, of those posted */
    struct thread workers[WORKERS], syncer;
};

/* ---- sessions -------------------------------------------------------------------- */

static void *open_session(void *context, struct connection *connection) {
    struct session *session = calloc(1, sizeof *session);
    session->side = context;
    session->connection = connection;
    link_init(&session->touched, session);
    return session;
}

static void touch(struct session *session) {
    session->replies++;
    link_add(&session->side->touched, &session->touched);
}

static void answer(void *context) {
    struct session *session = context;
    resp_write_simple(connection_writer(session->connection), session->answer);
    touch(session);
    connection_resume(session->connection);
}

/* "w1" goes to a worker, "e1" is answered here; the answer is the request. */
static enum connection_answer carry_out(void *context, const struct resp_request *request,
                                        bool follows) {
    (void)follows;
    struct session *session = context;
    struct slice text = request->arguments[0];
    struct server *server = session->side->server;
    memcpy(session->answer, text.data, text.length);
    session->answer[text.length] = 0;
    if (text.data[0] != 'w') {
        resp_write_simple(connection_writer(session->connection), session->answer);
        touch(session);
        return CONNECTION_DONE;
    }
    mutex_lock(&server->lock);
    session->next_job = server->jobs;
    server->jobs = session;
    condition_broadcast(&server->work);
    mutex_unlock(&server->lock);
    return CONNECTION_PENDING;
}

static void drained(void *context) {
    (void)context;
}

static void close_session(void *context) {
    struct session *session = context;
    link_remove(&session->touched);
    free(session);
}

static const struct connection_handler handler = {open_session, carry_out, drained,
                                                  close_session};

/* ---- threads --------------------------------------------------------------------- */

static void work(void *argument) {
    struct server *server = argument;
    mutex_lock(&server->lock);
    while (!server->ending || server->jobs != NULL) {
        struct session *job = server->jobs;
        if (job == NULL) {
            condition_wait(&server->work, &server->lock);
            continue;
        }
        server->jobs = job->next_job;
        mutex_unlock(&server->lock);
        job->answered = (struct loop_task){.run = answer, .context = job};
        loop_post(job->side->loop, &job->answered);
        mutex_lock(&server->lock);
    }
    mutex_unlock(&server->lock);
}

static void release(void *context) {
    struct side *side = context;
    struct server *server = side->server;
    connections_release(&side->set, side->synced);
    mutex_lock(&server->lock);
    server->told++;
    condition_broadcast(&server->work);
    mutex_unlock(&server->lock);
}

static void sync_all(void *argument) {
    struct server *server = argument;
    uint64_t synced = 0;
    mutex_lock(&server->lock);
    while (!server->ending || server->told < LOOPS) {
        if (server->told < LOOPS || server->ending || synced == server->sequence) {
            condition_wait(&server->work, &server->lock);
            continue;
        }
        synced = server->sequence;
        server->told = 0;
        mutex_unlock(&server->lock);
        for (size_t i = 0; i < LOOPS; i++) {
            struct side *side = &server->sides[i];
            side->synced = synced;
            side->durable = (struct loop_task){.run = release, .context = side};
            loop_post(side->loop, &side->durable);
        }
        mutex_lock(&server->lock);
    }
    mutex_unlock(&server->lock);
}

/* What this tick wrote waits for the next sync. */
static void tick_ends(void *context) {
    struct side *side = context;
    struct server *server = side->server;
    if (!link_alone(&side->touched)) {
        mutex_lock(&server->lock);
        uint64_t sequence = ++server->sequence;
        condition_broadcast(&server->work);
        mutex_unlock(&server->lock);
        struct session *session;
        while ((session = link_take_first(&side->touched)) != NULL) {
            connection_hold(session->connection, sequence, session->replies);
            session->replies = 0;
        }
    }
    if (side->ending && connections_over(&side->set)) {
        loop_stop(side->loop);
    }
}

static void end_side(void *context) {
    struct side *side = context;
    side->ending = true;
    connections_kill(&side->set);
}

static void end_first_side(void *context) {
    struct side *side = context;
    listener_close(side->server->listener);
    for (size_t i = 0; i < LOOPS; i++) {
        struct side *each = &side->server->sides[i];
        each->end = (struct loop_task){.run = end_side, .context = each};
        loop_post(each->loop, &each->end);
    }
}

static void run_side(void *argument) {
    struct side *side = argument;
    loop_run(side->loop);
}

/* ---- clients --------------------------------------------------------------------- */

struct crowd {
    struct thread thread;
    uint64_t number;
    uint16_t port;
    size_t failures; /* cmocka's asserts are for the main thread */
};

static bool hears(int client, const char *text, size_t length) {
    char got[REQUESTS * 16];
    return recv(client, got, length, MSG_WAITALL) == (ssize_t)length &&
           memcmp(got, text, length) == 0;
}

static void be_a_crowd(void *argument) {
    struct crowd *crowd = argument;
    uint64_t seed = crowd->number;
    int clients[CLIENTS];
    char said[CLIENTS][REQUESTS * 16], expected[CLIENTS][REQUESTS * 16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(crowd->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < CLIENTS; i++) {
        size_t said_length = 0, expected_length = 0;
        for (size_t r = 0; r < REQUESTS; r++) {
            char letter = random_below(&seed, 5) == 0 ? 'w' : 'e';
            said_length += (size_t)sprintf(said[i] + said_length, "%c%zu\n", letter, r);
            expected_length +=
                (size_t)sprintf(expected[i] + expected_length, "+%c%zu\r\n", letter, r);
        }
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        crowd->failures +=
            connect(clients[i], (struct sockaddr *)&address, sizeof address) != 0;
        crowd->failures +=
            send(clients[i], said[i], said_length, 0) != (ssize_t)said_length;
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        if (i % 3 != 0) { /* the others hang up */
            crowd->failures += !hears(clients[i], expected[i], strlen(expected[i]));
        }
        close(clients[i]);
    }
}

/* ---- all together ---------------------------------------------------------------- */

static void begin(struct server *server) {
    static const char *const addresses[] = {"127.0.0.1"};
    const struct connection_limits limits = connection_limits_default();
    *server = (struct server){.told = LOOPS};
    atomic_u64_store(&server->clients.most, 1000, memory_order_relaxed);
    assert_ok(mutex_init(&server->lock, &threads_posix));
    assert_ok(condition_init(&server->work, &threads_posix));
    for (size_t i = 0; i < LOOPS; i++) {
        struct side *side = &server->sides[i];
        side->server = server;
        link_init(&side->touched, NULL);
        assert_ok(loop_open(&world_system, &side->loop, NULL));
        connections_init(&side->set, side->loop, &server->clients, &limits, &handler,
                         side);
        loop_set_hook(side->loop, tick_ends, side);
        server->sets[i] = &side->set;
    }
    const struct listener_options options = {.addresses = addresses,
                                             .address_count = 1,
                                             .backlog = 512,
                                             .connections = server->sets,
                                             .connections_count = LOOPS,
                                             .clients = &server->clients};
    assert_ok(listener_open(server->sides[0].loop, &options, &server->listener, NULL));
}

static void start(struct server *server) {
    for (size_t i = 0; i < LOOPS; i++) {
        struct side *side = &server->sides[i];
        assert_ok(thread_create(&side->thread, &threads_posix, run_side, side));
    }
    for (size_t i = 0; i < WORKERS; i++) {
        assert_ok(thread_create(&server->workers[i], &threads_posix, work, server));
    }
    assert_ok(thread_create(&server->syncer, &threads_posix, sync_all, server));
}

static void end(struct server *server) {
    struct loop_task last = {.run = end_first_side, .context = &server->sides[0]};
    loop_post(server->sides[0].loop, &last);
    for (size_t i = 0; i < LOOPS; i++) {
        thread_join(&server->sides[i].thread);
    }
    mutex_lock(&server->lock);
    server->ending = true;
    condition_broadcast(&server->work);
    mutex_unlock(&server->lock);
    for (size_t i = 0; i < WORKERS; i++) {
        thread_join(&server->workers[i]);
    }
    for (bool told = false; !told;) { /* what the syncer may have posted by then */
        for (size_t i = 0; i < LOOPS; i++) {
            loop_tick(server->sides[i].loop, false);
        }
        mutex_lock(&server->lock);
        told = server->told == LOOPS;
        mutex_unlock(&server->lock);
    }
    thread_join(&server->syncer);
    for (size_t i = 0; i < LOOPS; i++) {
        loop_close(server->sides[i].loop);
    }
    for (size_t i = 0; i < LOOPS; i++) {
        assert_true(
            atomic_u64_load(&server->sides[i].set.read_bytes, memory_order_relaxed) > 0);
    }
    assert_int_equal(atomic_u64_load(&server->clients.count, memory_order_relaxed), 0);
    condition_free(&server->work);
    mutex_free(&server->lock);
}

static void test_many_clients(void **state) {
    (void)state;
    static struct server server;
    static struct crowd crowds[CLIENT_THREADS];
    begin(&server);
    uint16_t port = listener_port(server.listener);
    start(&server);
    for (size_t i = 0; i < CLIENT_THREADS; i++) {
        crowds[i] = (struct crowd){.number = i, .port = port};
        assert_ok(
            thread_create(&crowds[i].thread, &threads_posix, be_a_crowd, &crowds[i]));
    }
    for (size_t i = 0; i < CLIENT_THREADS; i++) {
        thread_join(&crowds[i].thread);
    }
    end(&server);
    for (size_t i = 0; i < CLIENT_THREADS; i++) {
        assert_int_equal(crowds[i].failures, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
