/* redis-benchmark: it asks what it asks, has a reply to everything, and complains of
 * nothing. What it measures is not looked at. */
#include "place.h"

enum { REQUESTS = 2000, ROWS = 6 };

#define BENCHMARK(place, requests, ...)                                                  \
    CLIENT_RUN(&(place)->client, "redis-benchmark", "-p", (place)->port, "--csv", "-t",  \
               "ping_inline,ping_mbulk,set,get,incr,mset", "-n", requests, "-P", "16",   \
               "-c", "20", __VA_ARGS__)

/* A row for each of the tests, with a rate. */
static void has_rows(const struct client *client) {
    static const char *const names[ROWS] = {"PING_INLINE", "PING_MBULK",    "SET", "GET",
                                            "INCR",        "MSET (10 keys)"};
    char text[32];
    for (size_t i = 0; i < ROWS; i++) {
        double rate = 0;
        (void)snprintf(text, sizeof text, "\n\"%s\",\"", names[i]);
        expect_words(client, text);
        const char *row = strstr(client_out(client), text);
        assert_int_equal(sscanf(row + strlen(text), "%lf", &rate), 1);
        assert_true(rate > 0);
    }
}

/* Requests are counted by what they have done. A round of pipelines may go beyond what
 * was asked for. */
static void has_counted(struct place *place, long least) {
    CLI(place, "GET", "counter:__rand_int__");
    long counted = strtol(client_out(&place->client), NULL, 10);
    assert_in_range(counted, least, least + least / 4);
}

static void runs(struct place *place, const char *option, const char *value) {
    BENCHMARK(place, "2000", option, value);
    expect_well(&place->client);
    has_rows(&place->client);
    has_counted(place, REQUESTS);
}

static void pipelined(void **state) {
    runs(*state, "-k", "1");
}

static void threaded(void **state) {
    runs(*state, "--threads", "2");
}

static void with_protocol_3(void **state) {
    runs(*state, "-3", NULL);
}

/* A connection for each pipeline; of that it warns by itself. */
static void without_keepalive(void **state) {
    struct place *place = *state;
    BENCHMARK(place, "2000", "-k", "0");
    expect_code(&place->client, 0);
    assert_string_equal(client_err(&place->client),
                        "WARNING: Keepalive disabled. You probably need 'echo 1 > "
                        "/proc/sys/net/ipv4/tcp_tw_reuse' for Linux and 'sudo sysctl -w "
                        "net.inet.tcp.msl=1000' for Mac OS X in order to use a lot of "
                        "clients/requests\n");
    has_rows(&place->client);
    has_counted(place, REQUESTS);
}

/* It shows what it has asked for: CONFIG GET save, and appendonly. */
static void knows_the_settings(void **state) {
    struct place *place = *state;
    CLIENT_RUN(&place->client, "redis-benchmark", "-s", place->socket, "-n", "1000", "-c",
               "10", "-d", "1000", "-r", "10", "-P", "10", "SET", "k:__rand_int__",
               "v:__data__");
    expect_well(&place->client);
    expect_words(&place->client, "  host configuration \"save\": \n");
    expect_words(&place->client, "  host configuration \"appendonly\": yes\n");
    expect_words(&place->client, "  1000 requests completed in ");
    CLI_SHOWS(place, "10\n", "DBSIZE");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACE_TEST(pipelined),          PLACE_TEST(threaded),
        PLACE_TEST(with_protocol_3),    PLACE_TEST(without_keepalive),
        PLACE_TEST(knows_the_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
