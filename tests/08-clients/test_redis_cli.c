/* redis-cli, in the ways in which people use it. What it shows of Strata is what it shows
 * of Redis: session.txt and session-resp3.txt were printed by both. */
#include "caller.h"
#include "place.h"

#include "memory.h"

/* ---- sessions -------------------------------------------------------------------- */

/* Takes it apart, into what is typed and what is shown. */
static size_t read_session(const char *path, struct buf *typed, struct buf *shown) {
    char line[512];
    size_t count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "> ", 2) == 0) {
            assert_ok(buf_append_text(typed, line + 2));
            count++;
        } else if (line[0] != '#' && line[0] != '\n') {
            assert_ok(buf_append_text(shown, line));
        }
    }
    (void)fclose(file);
    assert_ok(buf_append(shown, "", 1));
    return count;
}

static void is_as_in(struct place *place, const char *path, const char *option) {
    struct buf typed = {0}, shown = {0};
    assert_true(read_session(path, &typed, &shown) > 30);
    CLI_WITH(place, buf_slice(&typed), "--no-raw", option);
    expect_printed(&place->client, (const char *)shown.data);
    buf_free(&typed);
    buf_free(&shown);
}

static void shows_what_redis_shows(void **state) {
    is_as_in(*state, "tests/08-clients/session.txt", "-2");
    is_as_in(*state, "tests/08-clients/session-resp3.txt", "-3");
}

/* What only Strata has. */
static void shows_ranges(void **state) {
    struct place *place = *state;
    CLI(place, "MSET", "a", "1", "b", "2", "c", "3", "d", "4");
    CLI_SHOWS(place, "b\n2\nc\n3\n", "RSCAN", "b", "d");
    CLI_SHOWS(place, "d\nc\n", "RSCAN", "", "LIMIT", "2", "REV", "KEYS");
    CLI_SHOWS(place, "[\"a\",\"1\"]\n", "--json", "RSCAN", "", "LIMIT", "1");
    CLI_SHOWS(place, "\n", "RSCAN", "e");
}

static void tells_what_it_is(void **state) {
    struct place *place = *state;
    char words[64];
    (void)snprintf(words, sizeof words, "tcp_port:%s\r\n", place->port);
    CLI(place, "INFO");
    expect_words(&place->client, words);
    expect_words(&place->client, "# Lsm\r\n");
    CLI_SHOWS(place, "OK\n", "SET", "k", "v");
    CLI_SHOWS(place, "# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n", "INFO",
              "keyspace");
    CLI(place, "INFO", "commandstats");
    expect_words(&place->client, "cmdstat_set:calls=1,");
    CLI(place, "CONFIG", "GET", "*");
    expect_words(&place->client, place->served.dir);
    CLI(place, "-3", "--json", "HELLO");
    expect_words(&place->client, "{\"server\":\"redis\",\"version\":\"7.");
    expect_words(&place->client, ",\"proto\":3,\"id\":");
    expect_words(&place->client,
                 "\"mode\":\"standalone\",\"role\":\"master\",\"modules\":[]}");
    CLI(place, "--json", "COMMAND", "DOCS", "get", "rscan");
    expect_words(&place->client, "\"group\":\"string\"");
    expect_words(&place->client, "\"group\":\"strata\"");
    CLI(place, "CLIENT", "LIST");
    (void)snprintf(words, sizeof words, " laddr=127.0.0.1:%s ", place->port);
    expect_words(&place->client, words);
    expect_words(&place->client, " cmd=client|list ");
}

/* ---- options --------------------------------------------------------------------- */

static void prints_as_asked(void **state) {
    struct place *place = *state;
    CLI_SHOWS(place, "\"OK\"\n", "--csv", "SET", "k", "v");
    CLI_SHOWS(place, "\"v\",NULL\n", "--csv", "MGET", "k", "nothing");
    CLI_SHOWS(place, "1\n", "--csv", "INCR", "n");
    CLI_SHOWS(place, "\"timeout\",\"0\"\n", "--csv", "CONFIG", "GET", "timeout");
    CLI_SHOWS(place, "[\"v\",null]\n", "--json", "MGET", "k", "nothing");
    CLI_SHOWS(place, "{\"timeout\":\"0\"}\n", "--json", "CONFIG", "GET", "timeout");
    CLI_SHOWS(place, "[\"timeout\",\"0\"]\n", "--json", "-2", "CONFIG", "GET", "timeout");
    CLI_SHOWS(place, "error:\"ERR wrong number of arguments for 'get' command\"\n",
              "--json", "GET");
    CLI_SHOWS(place, "v||", "-d", "|", "-D", "|", "MGET", "k", "nothing");
    CLI_SHOWS(place, "2\n3\n4\n", "-r", "3", "INCR", "n");
    CLI_SHOWS(place, "v\n", "--quoted-input", "GET", "\"\\x6b\"");
    CLI(place, "-e", "GET");
    expect_code(&place->client, 1);
    assert_non_null(strstr(client_err(&place->client), "ERR wrong number of arguments"));
}

static void connects_as_asked(void **state) {
    struct place *place = *state;
    char uri[64];
    (void)snprintf(uri, sizeof uri, "redis://127.0.0.1:%s/0", place->port);
    CLIENT_RUN(&place->client, "redis-cli", "-u", uri, "PING");
    expect_printed(&place->client, "PONG\n");
    CLIENT_RUN(&place->client, "redis-cli", "-s", place->socket, "PING");
    expect_printed(&place->client, "PONG\n");
    CLI(place, "-n", "3", "PING");
    assert_non_null(strstr(client_err(&place->client), "DB index is out of range"));
    CLI_SHOWS(place, "OK\n", "CONFIG", "SET", "requirepass", "secret");
    CLI_SHOWS(place, "NOAUTH Authentication required.\n\n", "PING");
    CLI_SHOWS(place, "PONG\n", "--no-auth-warning", "-a", "secret", "PING");
    CLI_SHOWS(place, "PONG\n", "--no-auth-warning", "--user", "default", "--pass",
              "secret", "-3", "PING");
    CLI(place, "--no-auth-warning", "-a", "wrong", "PING");
    assert_non_null(strstr(client_err(&place->client), "WRONGPASS"));
    CLI_SHOWS(place, "", "--no-auth-warning", "-a", "secret", "SHUTDOWN");
    assert_int_equal(read_to_end(&place->served), 0);
    place->served.process = 0;
}

/* All bytes there are, and a megabyte of them. */
static void keeps_bytes(void **state) {
    enum { BYTES = 1 << 20 };
    struct place *place = *state;
    unsigned char *bytes = memory_take(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (unsigned char)(i ^ i >> 8);
    }
    CLI_WITH(place, slice_make(bytes, BYTES), "-x", "SET", "k");
    expect_printed(&place->client, "OK\n");
    CLI_SHOWS(place, "1048576\n", "STRLEN", "k");
    CLI(place, "-D", "", "GET", "k");
    expect_well(&place->client);
    assert_int_equal(place->client.out.length, BYTES);
    assert_memory_equal(client_out(&place->client), bytes, BYTES);
    CLI_WITH(place, slice_of("in the middle"), "-X", "here", "SET", "k", "here", "NX",
             "GET");
    assert_int_equal(place->client.out.length, BYTES + 1);
    CLI_SHOWS(place, "\"\\xff\\x01\\x00\"\n", "--no-raw", "GETRANGE", "k", "255", "257");
    memory_give(bytes);
}

/* ---- many keys ------------------------------------------------------------------- */

enum { KEYS = 10000 };

/* Three commands for each of the keys. */
static void fill(struct place *place, struct buf *keys) {
    struct buf requests = {0};
    for (size_t i = 0; i < KEYS; i++) {
        assert_ok(buf_printf(&requests,
                             "*3\r\n$3\r\nSET\r\n$8\r\nkey:%04zu\r\n$6\r\n\r\n%04zu\r\n"
                             "*2\r\n$3\r\nGET\r\n$8\r\nkey:%04zu\r\n"
                             "*2\r\n$4\r\nINCR\r\n$5\r\ncount\r\n",
                             i, i, i));
        assert_ok(buf_printf(keys, "key:%04zu\n", i));
    }
    assert_ok(buf_append(keys, "", 1));
    CLI_WITH(place, buf_slice(&requests), "--pipe");
    expect_well(&place->client);
    expect_words(&place->client, "errors: 0, replies: 30000\n");
    CLI_SHOWS(place, "10000\n", "GETDEL", "count");
    buf_free(&requests);
}

static void takes_a_mass_and_scans_it(void **state) {
    struct place *place = *state;
    struct buf keys = {0};
    fill(place, &keys);
    CLI_SHOWS(place, "10000\n", "DBSIZE");
    CLI_SHOWS(place, "\"\\r\\n0815\"\n", "--no-raw", "GET", "key:0815");
    CLI_SHOWS(place, (const char *)keys.data, "--scan");
    CLI_SHOWS(place, "key:0815\nkey:1815\n", "--scan", "--pattern", "*[01]815");
    CLI_SHOWS(place, "key:1230\nkey:1235\n", "--scan", "--quoted-pattern",
              "\"key:\\x3123[05]\"");
    CLI(place, "--bigkeys");
    expect_well(&place->client);
    expect_words(&place->client, "Sampled 10000 keys in the keyspace!");
    expect_words(&place->client, "10000 strings with 60000 bytes (100.00% of keys");
    CLI(place, "--memkeys");
    expect_well(&place->client);
    expect_words(&place->client, "10000 strings with ");
    buf_free(&keys);
}

static void counts_errors_in_a_mass(void **state) {
    struct place *place = *state;
    CLI_WITH(place, slice_of("SET k v\r\nNONSENSE\r\nSET k\r\nGET \"k\"\r\n"), "--pipe");
    expect_code(&place->client, 1);
    expect_words(&place->client, "errors: 2, replies: 4\n");
}

/* ---- watching -------------------------------------------------------------------- */

static void measures(void **state) {
    struct place *place = *state;
    unsigned least, most, count;
    float average;
    CLI(place, "--latency", "--raw", "-i", "0.05");
    expect_well(&place->client);
    assert_int_equal(sscanf(client_out(&place->client), "%u %u %f %u", &least, &most,
                            &average, &count),
                     4);
    assert_true(least <= most && count > 0);
}

/* ---- without a client ------------------------------------------------------------ */

static void takes_lines(void **state) {
    struct place *place = *state;
    struct caller caller;
    call(&caller, &place->served);
    ask(&caller, "  set 'a key'   \"\\x61\\tz\" ", "+OK");
    ask_for(&caller, "GET \"a\\x20key\"", "a\tz");
    ask_for(&caller, "ECHO 'it\\'s'", "it's");
    ask_for(&caller, "ECHO \"\"", "");
    ask_for(&caller, "ECHO mid\"dle\"", "middle");
    say(&caller, "\r\n\r\nECHO one\nECHO two\r\n");
    expect_line(&caller, "$3");
    expect_line(&caller, "one");
    expect_line(&caller, "$3");
    expect_line(&caller, "two");
    ask(&caller, "ECHO \"one\"two", "-ERR Protocol error: unbalanced quotes in request");
    expect_end(&caller);
    hang_up(&caller);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACE_TEST(shows_what_redis_shows),
        PLACE_TEST(shows_ranges),
        PLACE_TEST(tells_what_it_is),
        PLACE_TEST(prints_as_asked),
        PLACE_TEST(connects_as_asked),
        PLACE_TEST(keeps_bytes),
        PLACE_TEST(takes_a_mass_and_scans_it),
        PLACE_TEST(counts_errors_in_a_mass),
        PLACE_TEST(measures),
        PLACE_TEST(takes_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
