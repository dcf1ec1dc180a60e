/* Replies that promise what is not durable yet, over a store that is made durable, or
 * fails, when the test says so. */
#include "serving.h"

#include "kv_async.h"
#include "promises.h"

/* ---- the store ------------------------------------------------------------------- */

enum { ASKED_MOST = 64 };

struct asked_notice {
    uint64_t sequence;
    enum durability durability;
    kv_told *told;
    void *context;
};

struct fake {
    uint64_t durable;
    bool stopped;
    enum status refusal; /* of notices; OK: none */
    struct asked_notice asked[ASKED_MOST];
    size_t count, told;
};

static struct fake fake;

static enum status fake_open(const char *dir, const struct kv_options *options,
                             void **store, struct error *error) {
    (void)dir, (void)options, (void)error;
    *store = &fake;
    return STATUS_OK;
}

static enum status fake_close(void *store, struct error *error) {
    (void)store, (void)error;
    return STATUS_OK;
}

static void fake_progress(void *store, struct kv_progress *progress) {
    (void)store;
    *progress = (struct kv_progress){.durable = fake.durable, .stopped = fake.stopped};
}

static enum status fake_notify(void *store, uint64_t sequence, enum durability durability,
                               kv_told *told, void *context, struct error *error) {
    (void)store;
    if (fake.refusal != STATUS_OK) {
        return error_set(error, fake.refusal, "refused");
    }
    assert_true(fake.count < ASKED_MOST);
    fake.asked[fake.count++] = (struct asked_notice){sequence, durability, told, context};
    return STATUS_OK;
}

static const struct store_ops fake_ops = {.open = fake_open,
                                          .close = fake_close,
                                          .progress = fake_progress,
                                          .notify = fake_notify};

const struct stage stage = {.number = 8, .name = "08-fake", .store = &fake_ops};

/* Tells of the notice that was asked for first, of those not told yet. One of the
 * interval is told of before it is durable. */
static void tell(enum status status) {
    struct asked_notice *notice = &fake.asked[fake.told++];
    struct error error = {.status = status, .message = "the disk is broken"};
    assert_true(fake.told <= fake.count);
    if (status == STATUS_OK && notice->durability == DURABILITY_ALWAYS &&
        fake.durable < notice->sequence) {
        fake.durable = notice->sequence;
    }
    notice->told(notice->context, notice->sequence, status, &error);
}

/* ---- a loop with two clients ----------------------------------------------------- */

struct promising {
    struct serving serving;
    struct promise_rules rules;
    struct promises promises;
    struct promise made[2];
    int clients[2];
    struct kv *kv;
    size_t told;
};

static struct promising p;

static void tick_ends(void *context) {
    (void)context;
    promises_tick_ends(&p.promises);
}

static void note_told(void *context) {
    (void)context;
    p.told++;
}

static void begin(enum config_appendfsync mode) {
    memset(&p, 0, sizeof p);
    fake = (struct fake){.durable = 3};
    serving_begin(&p.serving);
    assert_ok(kv_open("nowhere", NULL, &p.kv, NULL));
    p.rules.appendfsync = (struct atomic_u64){mode};
    assert_ok(
        promises_init(&p.promises, p.kv, &p.serving.set, &p.rules, note_told, NULL));
    loop_set_hook(p.serving.looping.loop, tick_ends, NULL);
    for (size_t i = 0; i < 2; i++) {
        p.clients[i] = client_come(&p.serving);
        turn(&p.serving);
        promise_init(&p.made[i], p.serving.sessions[i].connection);
    }
}

static void end(void) {
    assert_true(promises_idle(&p.promises));
    assert_int_equal(p.told, fake.told);
    promises_free(&p.promises);
    close(p.clients[0]);
    close(p.clients[1]);
    assert_ok(kv_close(p.kv, NULL));
    serving_end(&p.serving);
}

/* A client is replied, to what observed or wrote that sequence. */
static void reply(size_t client, const char *text, uint64_t sequence, bool wrote) {
    struct connection *connection = p.serving.sessions[client].connection;
    resp_write_simple(connection_writer(connection), text);
    promises_note(&p.promises, &p.made[client], sequence, wrote, true);
    connection_written(connection);
}

static void assert_client(size_t client, const char *text) {
    turn(&p.serving);
    assert_received(p.clients[client], text, false);
}

/* ---- the tests ------------------------------------------------------------------- */

static void test_always(void **state) {
    (void)state;
    begin(APPENDFSYNC_ALWAYS);
    reply(0, "old", 3, false);
    assert_client(0, "+old\r\n");
    assert_int_equal(fake.count, 0);
    reply(0, "ping", 0, false);
    reply(0, "write", 7, true);
    reply(1, "read", 5, false);
    assert_client(0, "");
    assert_client(1, "");
    assert_int_equal(fake.count, 1); /* one for both, for the greatest */
    assert_int_equal(fake.asked[0].sequence, 7);
    assert_int_equal(fake.asked[0].durability, DURABILITY_ALWAYS);
    reply(0, "more", 9, true);
    assert_client(0, "");
    assert_int_equal(fake.count, 2); /* while the first is under way */
    tell(STATUS_OK);
    assert_client(0, "+ping\r\n+write\r\n");
    assert_client(1, "+read\r\n");
    tell(STATUS_OK);
    assert_client(0, "+more\r\n");
    end();
}

/* More ticks than there may be notices: the last ones wait for one to be free. */
static void test_many_ticks(void **state) {
    (void)state;
    begin(APPENDFSYNC_ALWAYS);
    for (uint64_t i = 0; i < 2 * PROMISE_NOTICES; i++) {
        reply(0, "OK", 10 + i, true);
        assert_client(0, "");
    }
    assert_int_equal(fake.count, PROMISE_NOTICES);
    struct buf all = {0};
    while (fake.told < fake.count) {
        tell(STATUS_OK);
        turn(&p.serving);
        assert_false(client_receive(p.clients[0], &all));
    }
    assert_int_equal(all.length, 2 * PROMISE_NOTICES * strlen("+OK\r\n"));
    buf_free(&all);
    end();
}

/* What is asked of a store without room or memory is asked again: nothing has failed yet,
 * and what reads observe is still to be waited for. */
static void test_refused(void **state) {
    (void)state;
    static const enum status refusals[] = {STATUS_STALLED, STATUS_NO_MEMORY};
    for (size_t i = 0; i < 2; i++) {
        begin(APPENDFSYNC_ALWAYS);
        fake.refusal = refusals[i];
        reply(0, "OK", 10, true);
        assert_client(0, "");
        assert_false(promise_rules_broken(&p.rules));
        reply(1, "read", 10, false);
        assert_client(1, "");
        fake.refusal = STATUS_OK;
        pass(&p.serving, 1000);
        assert_int_equal(fake.count, 1);
        tell(STATUS_OK);
        assert_client(0, "+OK\r\n");
        assert_client(1, "+read\r\n");
        end();
    }
}

static void test_failure(void **state) {
    (void)state;
    begin(APPENDFSYNC_ALWAYS);
    reply(0, "write", 7, true);
    reply(1, "read", 7, false);
    turn(&p.serving);
    reply(1, "write", 8, true);
    turn(&p.serving);
    fake.stopped = true;
    tell(STATUS_IO);
    assert_client(0, "-IOERR the disk is broken\r\n");
    assert_client(1, "-IOERR the disk is broken\r\n-IOERR the disk is broken\r\n");
    assert_true(promise_rules_broken(&p.rules));
    reply(0, "read", 8, false);
    assert_client(0, "+read\r\n"); /* reads go on */
    reply(0, "write", 9, true);
    assert_client(0, "");
    atomic_u64_add(&p.rules.resumes, 1, memory_order_release);
    tell(STATUS_IO); /* those are of the time before */
    tell(STATUS_IO);
    assert_client(0, "-IOERR the disk is broken\r\n");
    fake.stopped = false;
    assert_false(promise_rules_broken(&p.rules));
    reply(0, "read", 8,
          false); /* a sequence that was not kept is given to another change */
    assert_client(0, "");
    assert_int_equal(fake.count, 4);
    tell(STATUS_OK);
    assert_client(0, "+read\r\n");
    end();
}

static void test_everysec(void **state) {
    (void)state;
    begin(APPENDFSYNC_EVERYSEC);
    reply(0, "read", 9, false);
    assert_client(0, "+read\r\n");
    assert_int_equal(fake.count, 0); /* who wrote that has asked */
    for (uint64_t i = 10; i < 13; i++) {
        reply(0, "write", i, true);
        assert_client(0, "+write\r\n");
    }
    assert_int_equal(fake.count, 1);
    assert_int_equal(fake.asked[0].durability, DURABILITY_INTERVAL);
    tell(STATUS_OK);
    turn(&p.serving);
    assert_int_equal(fake.count, 1); /* not yet again */
    pass(&p.serving, 99999);
    assert_int_equal(fake.count, 1);
    pass(&p.serving, 1);
    assert_int_equal(fake.count, 2);
    assert_int_equal(fake.asked[1].sequence, 12);
    tell(STATUS_OK);
    pass(&p.serving, 200000);
    assert_int_equal(fake.count, 2);
    reply(0, "write", 13, true);
    assert_client(0, "+write\r\n");
    assert_int_equal(fake.count, 3); /* at once */
    tell(STATUS_OK);
    turn(&p.serving);
    end();
}

/* Others may see what somebody wrote who was gone before the tick's end. */
static void test_writer_leaves(void **state) {
    (void)state;
    begin(APPENDFSYNC_EVERYSEC);
    reply(0, "write", 10, true);
    promise_forget(&p.made[0]);
    assert_client(0, "+write\r\n");
    assert_int_equal(fake.count, 1);
    assert_int_equal(fake.asked[0].sequence, 10);
    tell(STATUS_OK);
    turn(&p.serving);
    end();
}

/* A pause, and a tick, may outlast the last client; the loop may be closed by then. */
static void test_nothing_after_the_end(void **state) {
    (void)state;
    begin(APPENDFSYNC_EVERYSEC);
    reply(0, "write", 10, true);
    assert_client(0, "+write\r\n");
    tell(STATUS_OK);
    reply(0, "write", 11, true);
    assert_client(0, "+write\r\n");
    assert_true(promises_idle(&p.promises));
    promises_end(&p.promises);
    reply(0, "write", 12, true);
    assert_client(0, "+write\r\n");
    pass(&p.serving, 200000);
    assert_int_equal(fake.count, 1);
    end();
}

static void test_no(void **state) {
    (void)state;
    begin(APPENDFSYNC_NO);
    reply(0, "write", 10, true);
    assert_client(0, "+write\r\n");
    assert_int_equal(fake.count, 0);
    end();
}

static void set_mode(enum config_appendfsync mode) {
    atomic_u64_store(&p.rules.appendfsync, (uint64_t)mode, memory_order_relaxed);
}

/* What is held after a change of the mode waits for a sync, and gets one. */
static void test_stricter_mode(void **state) {
    (void)state;
    begin(APPENDFSYNC_EVERYSEC);
    reply(0, "write", 10, true);
    assert_client(0, "+write\r\n");
    set_mode(APPENDFSYNC_ALWAYS);
    reply(1, "read", 10, false);
    assert_client(1, "");
    assert_int_equal(fake.count, 2);
    assert_int_equal(fake.asked[1].durability, DURABILITY_ALWAYS);
    tell(STATUS_OK); /* that of the interval */
    assert_client(1, "");
    tell(STATUS_OK);
    assert_client(1, "+read\r\n");
    end();
}

static void test_laxer_mode(void **state) {
    (void)state;
    begin(APPENDFSYNC_ALWAYS);
    fake.refusal = STATUS_STALLED;
    reply(0, "write", 10, true);
    assert_client(0, "");
    set_mode(APPENDFSYNC_NO);
    pass(&p.serving, 1000);
    assert_client(0, "+write\r\n");
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_always),
        cmocka_unit_test(test_many_ticks),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_everysec),
        cmocka_unit_test(test_writer_leaves),
        cmocka_unit_test(test_no),
        cmocka_unit_test(test_nothing_after_the_end),
        cmocka_unit_test(test_stricter_mode),
        cmocka_unit_test(test_laxer_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
