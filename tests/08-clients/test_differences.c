/* Where Strata differs from Redis: in what notes/protocol.md says, and as long as it says
 * so. And COMMAND, which tells the same of every command that both have. */
#include "agreement.h"
#include "duel.h"
#include "reply.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- the table of the notes ------------------------------------------------------ */

enum witness {
    DIFFERS, /* the replies to these requests do */
    SAME,    /* they do not; nor is it said */
    UNSEEN   /* replies do not show it, or not always: why */
};

struct difference {
    const char *row;
    enum witness witness;
    const char *words; /* requests, or why there are none */
};

#define LONG_KEY "SET key-of-65537-bytes v"
#define ENDS_WITH_ZERO "ECHO a\r\nECHO b"

static const struct difference differences[] = {
    {"types", DIFFERS, "LPUSH k v"},
    {"MULTI and WATCH, scripts, publish and subscribe", DIFFERS, "MULTI"},
    {"databases", UNSEEN, "this Redis was started with one"},
    {"keys", DIFFERS, LONG_KEY},
    {"order of KEYS and SCAN", DIFFERS,
     "MSET a 1 b 1 c 1 d 1 e 1 f 1 g 1 h 1 i 1 j 1 k 1 l 1 m 1\r\nKEYS *"},
    {"SCAN's cursor", DIFFERS, "SCAN 77"},
    {"DBSIZE", DIFFERS, "SET k v PXAT 1\r\nDBSIZE"},
    {"RANDOMKEY", UNSEEN, "it is random"},
    {"OBJECT ENCODING", DIFFERS, "SET k ab\r\nAPPEND k c\r\nOBJECT ENCODING k"},
    {"OBJECT REFCOUNT, IDLETIME", DIFFERS, "SET k 1\r\nOBJECT REFCOUNT k"},
    {"WAIT", UNSEEN, "Redis waits"},
    {"WRONGTYPE", UNSEEN, "there is nothing to ask for"},
    {"COMMAND INFO", DIFFERS, "COMMAND INFO get"},
    {"COMMAND DOCS", DIFFERS, "COMMAND DOCS get"},
    {"HELP", DIFFERS, "OBJECT HELP"},
    {"SAVE, BGSAVE", UNSEEN, "files are no replies"},
    {"CONFIG SET", DIFFERS, "CONFIG SET maxmemory 0"},
    {"`save`, `appendonly`, `databases`, `maxmemory-policy`", SAME,
     "CONFIG GET maxmemory-policy"},
    {"INFO, the number of keys", UNSEEN, "it depends on when it was counted"},
    {"LATENCY", UNSEEN, "what is slow depends on the machine"},
    {"CLIENT LIST", DIFFERS, "CLIENT LIST"},
    {"DEBUG", DIFFERS, "DEBUG JMAP"},
    {"patterns: ranges of bytes from 128 on", UNSEEN, "Redis depends on the machine"},
    {"arguments of a request", DIFFERS, "*1048577"},
    {"a byte 0 in a line", DIFFERS, ENDS_WITH_ZERO},
    {"a client that has not authenticated, and does not read", UNSEEN,
     "Redis depends on what is read meanwhile"},
    {"protocol errors after CLIENT REPLY OFF", DIFFERS, "CLIENT REPLY OFF\r\n*x"},
};

/* Those whose words cannot stand there as they are. */
static void write_requests(const struct difference *difference, struct buf *bytes) {
    static const char key_of_65537_bytes[65538];
    assert_ok(buf_assign(bytes, slice_of("FLUSHALL\r\n")));
    if (strcmp(difference->words, LONG_KEY) == 0) {
        assert_ok(buf_append_text(bytes, "*3\r\n$3\r\nSET\r\n$65537\r\n"));
        assert_ok(buf_append(bytes, key_of_65537_bytes, 65537));
        assert_ok(buf_append_text(bytes, "\r\n$1\r\nv"));
    } else {
        assert_ok(buf_append_text(bytes, difference->words));
    }
    if (strcmp(difference->words, ENDS_WITH_ZERO) == 0) {
        assert_ok(buf_append(bytes, "", 1));
    }
    assert_ok(buf_append_text(bytes, "\r\n"));
}

/* All that a side says to these bytes, and to the end of a connection behind them. */
static void hear_all(struct duel *duel, enum side side, struct slice bytes,
                     struct buf *said) {
    struct caller caller;
    buf_clear(said);
    call(&caller, &duel->served[side]);
    (void)try_say(&caller, bytes);
    say_no_more(&caller);
    while (hear_reply(&caller, said)) {
    }
    assert_false(caller.is_late);
    hang_up(&caller);
}

static void differences_are_real(void **state) {
    struct duel duel;
    struct buf request = {0}, strata = {0}, redis = {0};
    (void)state;
    duel_begin(&duel, "");
    for (size_t i = 0; i < COUNT(differences); i++) {
        const struct difference *difference = &differences[i];
        if (difference->witness == UNSEEN) {
            continue;
        }
        write_requests(difference, &request);
        hear_all(&duel, STRATA, buf_slice(&request), &strata);
        hear_all(&duel, REDIS, buf_slice(&request), &redis);
        bool same = slice_equal(buf_slice(&strata), buf_slice(&redis));
        if (same != (difference->witness == SAME)) {
            fail_msg("%s: the replies are%s the same", difference->row,
                     same ? "" : " not");
        }
    }
    buf_free(&request);
    buf_free(&strata);
    buf_free(&redis);
    duel_end(&duel);
}

static bool has_row(const char *row) {
    for (size_t i = 0; i < COUNT(differences); i++) {
        if (strcmp(differences[i].row, row) == 0) {
            return true;
        }
    }
    return false;
}

/* The notes have these rows, in this order, and no other; and nothing else is a reason
 * for random requests to have other replies. */
static void differences_are_told(void **state) {
    char line[1024];
    size_t rows = 0;
    bool inside = false;
    FILE *note = fopen("notes/protocol.md", "r");
    (void)state;
    assert_non_null(note);
    while (fgets(line, sizeof line, note) != NULL) {
        if (strncmp(line, "## ", 3) == 0) {
            inside = strncmp(line, "## What differs from Redis", 26) == 0;
        }
        char *end = inside && strncmp(line, "| ", 2) == 0 ? strstr(line + 2, " |") : NULL;
        if (end == NULL || end == line + 1 || line[2] == '|') {
            continue; /* none, or the head of the table */
        }
        *end = '\0';
        assert_true(rows < COUNT(differences));
        assert_string_equal(line + 2, differences[rows++].row);
    }
    (void)fclose(note);
    assert_int_equal(rows, COUNT(differences));
    for (size_t i = 0; agreement_reason(i) != NULL; i++) {
        const char *reason = agreement_reason(i);
        if (reason[0] != '(' && !has_row(reason)) {
            fail_msg("notes/protocol.md does not say: %s", reason);
        }
    }
}

/* ---- COMMAND --------------------------------------------------------------------- */

struct told {
    bool known;
    long long arity, first_key, last_key, step;
    struct slice flags[ELEMENTS_MAX], categories[ELEMENTS_MAX];
    size_t flag_count, category_count;
    struct buf reply; /* that the slices are of */
};

static void ask_info(struct duel *duel, enum side side, struct slice name,
                     struct told *told) {
    char line[128];
    (void)snprintf(line, sizeof line, "COMMAND INFO %.*s", (int)name.length,
                   (const char *)name.data);
    duel_ask(duel, side, line, &told->reply);
    struct slice rest = buf_slice(&told->reply), same;
    assert_int_equal(reply_number(reply_take_line(&rest)), 1);
    told->known = reply_number(reply_take_line(&rest)) == 10;
    if (told->known) {
        assert_true(reply_take_string(&rest, &same));
        assert_true(slice_equal(same, name));
        told->arity = reply_number(reply_take_line(&rest));
        assert_true(reply_take_elements(&rest, told->flags, &told->flag_count));
        told->first_key = reply_number(reply_take_line(&rest));
        told->last_key = reply_number(reply_take_line(&rest));
        told->step = reply_number(reply_take_line(&rest));
        assert_true(reply_take_elements(&rest, told->categories, &told->category_count));
    }
}

/* What is told otherwise: of a command (NULL: of any), and what (NULL: anything). */
static const struct {
    const char *command;
    const char *word;
    const char *reason;
} otherwise[] = {
    {NULL, "allow_busy", "no script is ever busy"},
    {NULL, "no_multi", "there is no MULTI"},
    {NULL, "no_async_loading", "there is no replica that loads"},
    {"client|kill", "arguments", "Redis marks each of several choices as optional"},
    {"command|getkeys", "arguments", "Redis does not tell them"},
    {"config|set", "skip_slowlog", "nobody sees its passwords"},
    {"debug", NULL, "it has subcommands here"},
    {"function", "scripting", "the group has nothing in it"},
    {"function|flush", "@scripting", "the group has nothing in it"},
    {"function|flush", "@write", "it writes nothing"},
    {"function|flush", "noscript", "the group has nothing in it"},
    {"function|flush", "scripting", "the group has nothing in it"},
    {"function|flush", "write", "it writes nothing"},
    {"function|help", "@scripting", "the group has nothing in it"},
    {"function|help", "scripting", "the group has nothing in it"},
    {"lastsave", "@admin", "what it tells is no secret"},
};

static bool may_differ(struct slice command, struct slice word) {
    for (size_t i = 0; i < COUNT(otherwise); i++) {
        if ((otherwise[i].command == NULL ||
             slice_equal(command, slice_of(otherwise[i].command))) &&
            (otherwise[i].word == NULL ||
             slice_equal(word, slice_of(otherwise[i].word)))) {
            return true;
        }
    }
    return false;
}

static void assert_each_in(struct slice command, const char *who,
                           const struct slice *words, size_t count,
                           const struct slice *others, size_t other_count) {
    for (size_t i = 0; i < count; i++) {
        bool found = may_differ(command, words[i]);
        for (size_t j = 0; j < other_count; j++) {
            found |= slice_equal(words[i], others[j]);
        }
        if (!found) {
            fail_msg("%.*s: only %s says %.*s", (int)command.length,
                     (const char *)command.data, who, (int)words[i].length,
                     (const char *)words[i].data);
        }
    }
}

static void compare_info(struct slice name, const struct told *strata,
                         const struct told *redis) {
    if (strata->arity != redis->arity || strata->first_key != redis->first_key ||
        strata->last_key != redis->last_key || strata->step != redis->step) {
        fail_msg("%.*s: arity, keys: %lld %lld %lld %lld, not %lld %lld %lld %lld",
                 (int)name.length, (const char *)name.data, strata->arity,
                 strata->first_key, strata->last_key, strata->step, redis->arity,
                 redis->first_key, redis->last_key, redis->step);
    }
    assert_each_in(name, "Strata", strata->flags, strata->flag_count, redis->flags,
                   redis->flag_count);
    assert_each_in(name, "Redis", redis->flags, redis->flag_count, strata->flags,
                   strata->flag_count);
    assert_each_in(name, "Strata", strata->categories, strata->category_count,
                   redis->categories, redis->category_count);
    assert_each_in(name, "Redis", redis->categories, redis->category_count,
                   strata->categories, strata->category_count);
}

/* The shape of the arguments at the front: type, token, flags and parts of each; their
 * names and their words are Strata's own. */
static void tell_arguments(struct slice *rest, struct buf *shape) {
    struct slice flags[ELEMENTS_MAX], field, word;
    size_t flag_count;
    for (long long left = reply_number(reply_take_line(rest)); left > 0; left--) {
        assert_ok(buf_append_text(shape, "("));
        for (long long at = reply_number(reply_take_line(rest)); at > 0; at -= 2) {
            assert_true(reply_take_string(rest, &field));
            if (slice_equal(field, slice_of("arguments"))) {
                tell_arguments(rest, shape);
            } else if (slice_equal(field, slice_of("flags"))) {
                assert_true(reply_take_elements(rest, flags, &flag_count));
                for (size_t i = 0; i < flag_count; i++) {
                    assert_ok(buf_append_text(shape, " "));
                    assert_ok(buf_append_slice(shape, flags[i]));
                }
            } else if (!reply_take_string(rest, &word)) {
                (void)reply_take_line(rest); /* a number */
            } else if (slice_equal(field, slice_of("type")) ||
                       slice_equal(field, slice_of("token"))) {
                assert_ok(buf_append_text(shape, " "));
                assert_ok(buf_append_slice(shape, word));
            }
        }
        assert_ok(buf_append_text(shape, ")"));
    }
}

static void compare_arguments(struct slice name, const struct buf replies[SIDES]) {
    static const char title[] = "$9\r\narguments\r\n";
    struct buf shapes[SIDES] = {{0}, {0}};
    for (size_t side = 0; side < SIDES; side++) {
        struct slice all = buf_slice(&replies[side]);
        const unsigned char *at = memmem(all.data, all.length, title, strlen(title));
        if (at != NULL) {
            slice_advance(&all, (size_t)(at - all.data) + strlen(title));
            tell_arguments(&all, &shapes[side]);
        }
        assert_ok(buf_append(&shapes[side], "", 1));
    }
    if (!slice_equal(buf_slice(&shapes[STRATA]), buf_slice(&shapes[REDIS])) &&
        !may_differ(name, slice_of("arguments"))) {
        fail_msg("%.*s: arguments %s, not %s", (int)name.length, (const char *)name.data,
                 (const char *)shapes[STRATA].data, (const char *)shapes[REDIS].data);
    }
    buf_free(&shapes[STRATA]);
    buf_free(&shapes[REDIS]);
}

/* Since when, of which group, and with what arguments. */
static void compare_docs(struct duel *duel, struct slice name) {
    static const char *const fields[] = {"$5\r\nsince\r\n", "$5\r\ngroup\r\n"};
    static const char parts[] = "$11\r\nsubcommands\r\n";
    struct buf replies[SIDES] = {{0}, {0}};
    char line[128];
    (void)snprintf(line, sizeof line, "COMMAND DOCS %.*s", (int)name.length,
                   (const char *)name.data);
    duel_ask(duel, STRATA, line, &replies[STRATA]);
    duel_ask(duel, REDIS, line, &replies[REDIS]);
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct slice values[SIDES];
        for (size_t side = 0; side < SIDES; side++) {
            struct slice all = buf_slice(&replies[side]);
            const unsigned char *at =
                memmem(all.data, all.length, fields[i], strlen(fields[i]));
            assert_non_null(at);
            slice_advance(&all, (size_t)(at - all.data) + strlen(fields[i]));
            assert_true(reply_take_string(&all, &values[side]));
        }
        if (!slice_equal(values[STRATA], values[REDIS]) &&
            !may_differ(name, values[REDIS])) {
            fail_msg("%.*s: %.*s, not %.*s", (int)name.length, (const char *)name.data,
                     (int)values[STRATA].length, (const char *)values[STRATA].data,
                     (int)values[REDIS].length, (const char *)values[REDIS].data);
        }
    }
    if (memmem(replies[STRATA].data, replies[STRATA].length, parts, strlen(parts)) ==
        NULL) {
        compare_arguments(name, replies);
    }
    buf_free(&replies[STRATA]);
    buf_free(&replies[REDIS]);
}

static void commands_are_told_the_same(void **state) {
    struct duel duel;
    struct slice names[ELEMENTS_MAX];
    struct buf list = {0};
    struct told strata = {0}, redis = {0};
    size_t count, both = 0;
    (void)state;
    duel_begin(&duel, "");
    duel_ask(&duel, STRATA, "COMMAND LIST", &list);
    struct slice rest = buf_slice(&list);
    assert_true(reply_take_elements(&rest, names, &count));
    for (size_t i = 0; i < count; i++) {
        ask_info(&duel, STRATA, names[i], &strata);
        ask_info(&duel, REDIS, names[i], &redis);
        assert_true(strata.known);
        if (redis.known) {
            compare_info(names[i], &strata, &redis);
            compare_docs(&duel, names[i]);
            both++;
        }
    }
    assert_true(both > 90);
    buf_free(&list);
    buf_free(&strata.reply);
    buf_free(&redis.reply);
    duel_end(&duel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_are_real),
        cmocka_unit_test(differences_are_told),
        cmocka_unit_test(commands_are_told_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
