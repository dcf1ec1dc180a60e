/* CLIENT: what a connection chooses, who is there, and who has to go. */
#include "asked.h"

static void a_connection_has_a_name(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply(&asked, "CLIENT ID", ":1|");
    assert_reply(&asked, "CLIENT GETNAME", "$-1|");
    assert_reply(&asked, "CLIENT SETNAME 'a b'",
                 "-ERR Client names cannot contain spaces, newlines or special "
                 "characters.|");
    assert_reply(&asked, "CLIENT SETNAME ab", "+OK|");
    assert_reply(&asked, "CLIENT GETNAME", "$2|ab|");
    assert_reply(&asked, "CLIENT SETNAME ''", "+OK|");
    assert_reply(&asked, "CLIENT GETNAME", "$-1|");
    assert_reply(&asked, "CLIENT SETINFO lib-name redis-py", "+OK|");
    assert_reply(&asked, "CLIENT SETINFO LIB-VER 'a b'",
                 "-ERR lib-ver cannot contain spaces, newlines or special characters.|");
    assert_reply(&asked, "CLIENT SETINFO foo x", "-ERR Unrecognized option 'foo'|");
    assert_reply(&asked, "CLIENT NO-EVICT on", "+OK|");
    assert_reply(&asked, "CLIENT NO-EVICT foo", "-ERR syntax error|");
    assert_reply(&asked, "CLIENT FOO",
                 "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.|");
    asked_end(&asked);
}

static void replies_are_left_out(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    assert_reply(&asked, "CLIENT REPLY foo", "-ERR syntax error|");
    assert_reply(&asked, "CLIENT REPLY SKIP", "");
    assert_reply(&asked, "CLIENT ID", "");
    assert_reply(&asked, "CLIENT ID", ":1|");
    assert_reply(&asked, "CLIENT REPLY OFF", "");
    assert_reply(&asked, "CLIENT ID", "");
    assert_reply(&asked, "CLIENT REPLY SKIP", "");
    assert_reply(&asked, "CLIENT ID", "");
    assert_reply(&asked, "CLIENT ID", "");
    assert_reply(&asked, "CLIENT REPLY ON", "+OK|");
    assert_reply(&asked, "CLIENT ID", ":1|");
    assert_reply(&asked, "CLIENT REPLY SKIP", "");
    assert_reply(&asked, "RESET", "");
    assert_reply(&asked, "CLIENT REPLY OFF", "");
    assert_reply(&asked, "RESET", "+RESET|");
    assert_reply(&asked, "CLIENT ID", ":1|");
    asked_end(&asked);
}

static void all_are_listed(void **state) {
    (void)state;
    struct asked asked;
    asked_begin(&asked, NULL);
    asked.clients[1].writer.protocol = 3;
    (void)ask(&asked, 1, "CLIENT SETNAME bob");
    (void)ask(&asked, 1, "CLIENT SETINFO LIB-NAME py");
    (void)ask(&asked, 1, "CLIENT NO-EVICT ON");
    scheduler_advance(asked.sim.scheduler, 3000000);
    (void)ask(&asked, 2, "MONITOR");
    static const char bob[] =
        "id=2 addr=127.0.0.1:40001 laddr=127.0.0.1:6380 fd=11 name=bob age=3 idle=3 "
        "flags=e db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 "
        "multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r "
        "cmd=client|no-evict user=default redir=-1 resp=3 lib-name=py lib-ver=\n";
    assert_reply_has(&asked, "CLIENT LIST", bob);
    assert_reply_has(&asked, "CLIENT LIST", "id=1 addr=127.0.0.1:40000 ");
    assert_reply_has(&asked, "CLIENT LIST", " flags=O ");
    assert_reply_has(&asked, "CLIENT LIST", "age=3 idle=0 flags=N ");
    assert_reply_has(&asked, "CLIENT LIST ID 1", " cmd=client|list ");
    char expected[512];
    (void)snprintf(expected, sizeof expected, "$%zu|%s|", strlen(bob), bob);
    assert_reply(&asked, "CLIENT LIST ID 2 77", expected);
    assert_memory_equal(ask(&asked, 1, "CLIENT INFO"), "=", 1);
    assert_reply(&asked, "CLIENT LIST ID 77", "$0||");
    assert_reply_has(&asked, "CLIENT LIST TYPE normal", "id=3 ");
    assert_reply(&asked, "CLIENT LIST TYPE replica", "$0||");
    assert_reply(&asked, "CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'|");
    assert_reply(&asked, "CLIENT LIST ID abc", "-ERR Invalid client ID|");
    assert_reply(&asked, "CLIENT LIST ID", "-ERR syntax error|");
    assert_reply(&asked, "CLIENT LIST FOO", "-ERR syntax error|");
    asked_end(&asked);
}

static void some_are_killed(void **state) {
    (void)state;
    static const struct {
        const char *line, *reply;
        uint64_t killed; /* ids, as bits */
        bool closes;
    } cases[] = {
        {"CLIENT KILL foo", "-ERR No such client|", 0, false},
        {"CLIENT KILL 127.0.0.1:40001", "+OK|", 4, false},
        {"CLIENT KILL 127.0.0.1:40000", "+OK|", 0, true},
        {"CLIENT KILL ID 3", ":1|", 8, false},
        {"CLIENT KILL ID 1", ":0|", 0, false},
        {"CLIENT KILL ID 1 SKIPME no", ":1|", 0, true},
        {"CLIENT KILL ID 0", "-ERR client-id should be greater than 0|", 0, false},
        {"CLIENT KILL ID abc", "-ERR client-id should be greater than 0|", 0, false},
        {"CLIENT KILL ID 999", ":0|", 0, false},
        {"CLIENT KILL TYPE normal", ":2|", 12, false},
        {"CLIENT KILL TYPE pubsub", ":0|", 0, false},
        {"CLIENT KILL TYPE foo", "-ERR Unknown client type 'foo'|", 0, false},
        {"CLIENT KILL LADDR 127.0.0.1:6380 SKIPME no", ":3|", 12, true},
        {"CLIENT KILL LADDR 127.0.0.1:6380 ADDR 127.0.0.1:40002", ":1|", 8, false},
        {"CLIENT KILL USER default", ":2|", 12, false},
        {"CLIENT KILL USER nosuch", "-ERR No such user 'nosuch'|", 0, false},
        {"CLIENT KILL FOO bar", "-ERR syntax error|", 0, false},
        {"CLIENT KILL ID 3 SKIPME maybe", "-ERR syntax error|", 0, false},
        {"CLIENT KILL ID 3 SKIPME", "-ERR syntax error|", 0, false},
        {"CLIENT KILL ID foo SKIPME", "-ERR client-id should be greater than 0|", 0,
         false},
    };
    struct asked asked;
    asked_begin(&asked, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        asked.killed = 0;
        asked.clients[0].session.closes = false;
        assert_reply(&asked, cases[i].line, cases[i].reply);
        assert_int_equal(asked.killed, cases[i].killed);
        assert_int_equal(asked.clients[0].session.closes, cases[i].closes);
    }
    asked_end(&asked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_has_a_name),
        cmocka_unit_test(replies_are_left_out),
        cmocka_unit_test(all_are_listed),
        cmocka_unit_test(some_are_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
