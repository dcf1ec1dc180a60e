/* Random requests against a model: an array of keys in order, each with a value and an
 * end. The model makes the reply that it expects, byte for byte, with rules of its own.
 * Meanwhile time passes, and the store is flushed, compacted and opened again, so that
 * values come from memory and from tables, and some reads have to wait. */
#include "../01-wal/simulation.h"

#include "client.h"

enum { KEYS = 7, VALUE_BYTES = 400, REQUESTS = 20000, REPLY_BYTES = 8000 };

static const char *const names[KEYS] = {"", "a", "a:1", "a:2", "ab", "b", "c"};

struct entry {
    bool there;
    char value[VALUE_BYTES];
    uint64_t end; /* 0: none */
};

struct run {
    struct simulation sim;
    struct kv *kv;
    struct service service;
    struct client client;
    uint64_t random;
    struct entry model[KEYS];
    char line[2000];
    char reply[REPLY_BYTES];
};

static uint64_t draw(struct run *run, uint64_t bound) {
    return random_below(&run->random, bound);
}

static uint64_t now(const struct run *run) {
    return clock_wall_micros(run->sim.world.clock) / 1000;
}

static struct entry *look(struct run *run, size_t key) {
    struct entry *entry = &run->model[key];
    if (entry->there && entry->end != 0 && entry->end <= now(run)) {
        *entry = (struct entry){0};
    }
    return entry;
}

#define ASKS(...) ((void)snprintf(run->line, sizeof run->line, __VA_ARGS__))
#define EXPECTS(...) ((void)snprintf(run->reply, sizeof run->reply, __VA_ARGS__))

static void tell_value(struct run *run, const struct entry *entry) {
    if (entry->there) {
        EXPECTS("$%zu|%.*s|", strlen(entry->value), VALUE_BYTES, entry->value);
    } else {
        EXPECTS("$-1|");
    }
}

static void put(struct run *run, size_t key, const char *value, uint64_t end) {
    struct entry *entry = look(run, key);
    char copy[VALUE_BYTES];
    snprintf(copy, sizeof copy, "%s", value);
    *entry = (struct entry){.there = true, .end = end};
    memcpy(entry->value, copy, sizeof copy);
}

/* ---- requests -------------------------------------------------------------------- */

static void ask_set(struct run *run, size_t key) {
    struct entry *entry = look(run, key);
    uint64_t end = draw(run, 3) == 0 ? draw(run, 50) + 1 : 0;
    bool keeps = end == 0 && draw(run, 3) == 0;
    unsigned condition = (unsigned)draw(run, 4); /* 1: NX, 2: XX */
    bool gets = draw(run, 3) == 0;
    char options[60] = "";
    char value[40];
    snprintf(value, sizeof value, "%" PRIu64,
             draw(run, 2) == 0 ? draw(run, 1000) : 9 + draw(run, 2));
    if (end > 0) {
        snprintf(options, sizeof options, " px %" PRIu64, end);
    }
    ASKS("set \"%s\" %s%s%s%s%s", names[key], value,
         condition == 1   ? " nx"
         : condition == 2 ? " XX"
                          : "",
         keeps ? " keepttl" : "", options, gets ? " get" : "");
    bool done = !(condition == 1 && entry->there) && !(condition == 2 && !entry->there);
    if (gets) {
        tell_value(run, entry);
    } else {
        EXPECTS("%s", done ? "+OK|" : "$-1|");
    }
    if (done) {
        put(run, key, value, end > 0 ? now(run) + end : keeps ? entry->end : 0);
    }
}

static void ask_add(struct run *run, size_t key) {
    struct entry *entry = look(run, key);
    int64_t addend = (int64_t)draw(run, 100) - 50;
    char *behind = entry->value;
    long long number = entry->there ? strtoll(entry->value, &behind, 10) : 0;
    bool is_number = !entry->there || (entry->value[0] != '\0' && *behind == '\0' &&
                                       strlen(entry->value) < 18);
    char text[30];
    ASKS("%s \"%s\" %" PRId64, addend < 0 ? "decrby" : "incrby", names[key],
         addend < 0 ? -addend : addend);
    if (!is_number) {
        EXPECTS("-ERR value is not an integer or out of range|");
        return;
    }
    snprintf(text, sizeof text, "%lld", number + addend);
    EXPECTS(":%s|", text);
    put(run, key, text, entry->end);
}

static void ask_append(struct run *run, size_t key) {
    struct entry *entry = look(run, key);
    char value[VALUE_BYTES];
    snprintf(value, sizeof value, "%s", entry->value);
    if (strlen(value) > VALUE_BYTES - 10) {
        value[0] = '\0';
        ASKS("getset \"%s\" x", names[key]);
        tell_value(run, entry);
        put(run, key, "x", 0);
        return;
    }
    strcat(value, "-xyz");
    ASKS("append \"%s\" -xyz", names[key]);
    EXPECTS(":%zu|", strlen(value));
    put(run, key, value, entry->end);
}

static void ask_expire(struct run *run, size_t key) {
    static const char *const conditions[] = {"", " nx", " xx", " gt", " lt"};
    struct entry *entry = look(run, key);
    size_t condition = draw(run, 5);
    uint64_t present = entry->end == 0 ? UINT64_MAX : entry->end;
    uint64_t left = draw(run, 60);
    uint64_t end = now(run) + left;
    bool holds = entry->there &&
                 (condition == 0 || (condition == 1 && entry->end == 0) ||
                  (condition == 2 && entry->end != 0) ||
                  (condition == 3 && end > present) || (condition == 4 && end < present));
    ASKS("pexpire \"%s\" %" PRIu64 "%s", names[key], left, conditions[condition]);
    EXPECTS(":%d|", holds);
    if (holds) {
        entry->end = end; /* which may be now */
    }
}

static void ask_small(struct run *run, size_t key) {
    struct entry *entry = look(run, key);
    switch (draw(run, 5)) {
    case 0:
        ASKS("get \"%s\"", names[key]);
        tell_value(run, entry);
        break;
    case 1:
        ASKS("pttl \"%s\"", names[key]);
        EXPECTS(":%lld|", !entry->there     ? -2LL
                          : entry->end == 0 ? -1LL
                                            : (long long)(entry->end - now(run)));
        break;
    case 2:
        ASKS("persist \"%s\"", names[key]);
        EXPECTS(":%d|", entry->there && entry->end != 0);
        entry->end = 0;
        break;
    case 3:
        ASKS("getdel \"%s\"", names[key]);
        tell_value(run, entry);
        *entry = (struct entry){0};
        break;
    default:
        ASKS("getex \"%s\" px 30", names[key]);
        tell_value(run, entry);
        entry->end = entry->there ? now(run) + 30 : 0;
        break;
    }
}

static void ask_two(struct run *run, size_t key) {
    size_t other = draw(run, KEYS);
    struct entry *from = look(run, key);
    struct entry *to = look(run, other);
    bool there = from->there;
    bool blocked = to->there;
    switch (draw(run, 4)) {
    case 0:
        ASKS("rename \"%s\" \"%s\"", names[key], names[other]);
        EXPECTS("%s", there ? "+OK|" : "-ERR no such key|");
        if (there && from != to) {
            *to = *from;
            *from = (struct entry){0};
        }
        break;
    case 1:
        ASKS("copy \"%s\" \"%s\"%s", names[key], names[other], blocked ? "" : " replace");
        EXPECTS("%s", from == to ? "-ERR source and destination objects are the same|"
                      : there && !blocked ? ":1|"
                                          : ":0|");
        if (there && !blocked && from != to) {
            *to = *from;
        }
        break;
    case 2:
        ASKS("del \"%s\" \"%s\"", names[key], names[other]);
        EXPECTS(":%d|", there + (from != to && blocked));
        *from = (struct entry){0};
        *to = (struct entry){0};
        break;
    default:
        ASKS("msetnx \"%s\" 1 \"%s\" 2", names[key], names[other]);
        EXPECTS(":%d|", !there && !blocked);
        if (!there && !blocked) {
            put(run, key, "1", 0);
            put(run, other, "2", 0);
        }
        break;
    }
}

/* KEYS, RSCAN, MGET, DBSIZE: all that there is, or a part of it. */
static void ask_all(struct run *run) {
    size_t from = draw(run, KEYS);
    size_t to = draw(run, KEYS);
    bool reverse = draw(run, 2) == 0;
    uint64_t limit = draw(run, KEYS);
    uint64_t told = 0;
    char body[REPLY_BYTES - 32] = ""; /* the count stands before it */
    for (size_t i = 0; i < KEYS; i++) {
        size_t key = reverse ? KEYS - 1 - i : i;
        const struct entry *entry = look(run, key);
        if (entry->there && key >= from && key < to && told < limit) {
            told++;
            snprintf(body + strlen(body), sizeof body - strlen(body), "$%zu|%s|$%zu|%s|",
                     strlen(names[key]), names[key], strlen(entry->value), entry->value);
        }
    }
    ASKS("rscan \"%s\" \"%s\" limit %" PRIu64 "%s", names[from], names[to], limit,
         reverse ? " rev" : "");
    EXPECTS("*%" PRIu64 "|%s", 2 * told, body);
}

/* By SCAN, some at a time; the request is the last one of it. */
static void ask_scan(struct run *run) {
    char cursor[30] = "0";
    char found[REPLY_BYTES] = "";
    size_t count = 0;
    size_t there = 0;
    char all[REPLY_BYTES] = "";
    for (size_t key = 0; key < KEYS; key++) {
        if (look(run, key)->there) {
            there++;
            snprintf(all + strlen(all), sizeof all - strlen(all), "$%zu|%s|",
                     strlen(names[key]), names[key]);
        }
    }
    do {
        size_t length;
        char line[60];
        snprintf(line, sizeof line, "scan %s count %" PRIu64, cursor, 1 + draw(run, 3));
        const char *reply = client_ask(&run->client, line);
        assert_int_equal(sscanf(reply, "*2|$%*u|%29[0-9]|*%zu|", cursor, &length), 2);
        const char *body = strchr(strchr(strchr(reply, '|') + 1, '|') + 1, '|') + 1;
        snprintf(found + strlen(found), sizeof found - strlen(found), "%s",
                 strchr(body, '|') + 1);
        count += length;
    } while (strcmp(cursor, "0") != 0);
    assert_int_equal(count, there);
    assert_string_equal(found, all);
    ASKS("dbsize");
    EXPECTS(":%zu|", there);
}

/* ---- the store ------------------------------------------------------------------- */

static void begin(struct run *run) {
    assert_ok(kv_open("db", &run->sim.options, &run->kv, NULL));
    assert_ok(service_begin(&run->service, run->kv, &run->sim.world));
    client_begin(&run->client, &run->service);
}

static void end(struct run *run) {
    client_end(&run->client);
    service_end(&run->service);
    assert_ok(kv_close(run->kv, NULL));
}

static void disturb(struct run *run) {
    const struct slice unbounded = {0};
    switch (draw(run, 60)) {
    case 0:
        assert_ok(kv_flush(run->kv, NULL));
        break;
    case 1:
        assert_ok(kv_compact(run->kv, unbounded, unbounded, NULL));
        break;
    case 2:
        end(run);
        begin(run);
        break;
    case 3:
        client_expect(&run->client, "flushall", "+OK|", __FILE__, __LINE__);
        memset(run->model, 0, sizeof run->model);
        break;
    default:
        scheduler_advance(run->sim.scheduler, draw(run, 3) * 1000);
        break;
    }
}

static void ask_one(struct run *run) {
    size_t key = draw(run, KEYS);
    switch (draw(run, 9)) {
    case 0:
    case 1:
        ask_set(run, key);
        break;
    case 2:
        ask_add(run, key);
        break;
    case 3:
        ask_append(run, key);
        break;
    case 4:
        ask_expire(run, key);
        break;
    case 5:
        ask_two(run, key);
        break;
    case 6:
        ask_all(run);
        break;
    case 7:
        if (draw(run, 3) == 0) {
            ask_scan(run);
        } else {
            ask_small(run, key);
        }
        break;
    default:
        ask_small(run, key);
        break;
    }
}

static void requests_and_a_model(void **state) {
    struct run *run = calloc(1, sizeof *run);
    size_t waited = 0;
    (void)state;
    assert_non_null(run);
    run->random = test_seed();
    simulation_begin(&run->sim);
    begin(run);
    for (size_t i = 0; i < REQUESTS; i++) {
        size_t before = run->client.waited;
        disturb(run);
        ask_one(run);
        bool goes_over = strncmp(run->line, "rscan", 5) == 0 || run->line[0] == 'd';
        before = run->client.waited < before ? 0 : run->client.waited;
        client_expect(&run->client, run->line, run->reply, __FILE__, __LINE__);
        waited += !goes_over && run->client.waited > before;
    }
    assert_true(waited > 0); /* some were refused at first, and then done */
    end(run);
    simulation_end(&run->sim);
    free(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests_and_a_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
