/* Strata and Redis, side by side: the same streams of random requests, and the same
 * replies, byte by byte. Redis is that of Debian's package redis-tools, 7.0.
 *
 *     STRATA_PROGRAM=build/check/strata-08 build/check/tests/08-clients/test_differential
 *
 * plays the same 100 streams each time. A stream has about 250 requests on a few keys,
 * over three connections in both protocols, as arrays and as lines, in pipelines cut
 * anywhere, with faults of the protocol in between; each has a seed of its own. What
 * follows on the command line's left changes that:
 *
 *     SEED=7         begins with another seed, and counts up from there
 *     STREAMS=1      plays so many
 *     SECONDS=600    goes on for so long, half of it with a password
 *
 * Where the two differ, the stream is made shorter as long as they do, and printed with
 * the line that plays it again. Where they may differ is said in agreement.c. */
#include "clock.h"
#include "duel.h"
#include "requests.h"

static uint64_t number_from(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void play_streams(bool has_password, uint64_t streams) {
    struct duel duel;
    uint64_t seed = test_seed(), seconds = number_from("SECONDS", 0), played = 0;
    uint64_t requests = 0, end = clock_monotonic_micros(&clock_system) + seconds * 500000;
    streams = number_from("STREAMS", streams);
    duel_begin(&duel, has_password ? DUEL_PASSWORD : "");
    while (seconds > 0 ? clock_monotonic_micros(&clock_system) < end : played < streams) {
        struct stream stream = {.seed = seed + played, .has_password = has_password};
        char replay[64];
        (void)snprintf(replay, sizeof replay, "replay: SEED=%" PRIu64 " STREAMS=1",
                       stream.seed);
        requests_make(&stream);
        duel_fight(&duel, &stream, replay);
        requests += stream.count;
        stream_free(&stream);
        played++;
    }
    printf("streams=%" PRIu64 " requests=%" PRIu64 "\n", played, requests);
    duel_end(&duel);
}

static void requests_have_the_same_replies(void **state) {
    (void)state;
    play_streams(false, 80);
}

static void with_a_password_too(void **state) {
    (void)state;
    play_streams(true, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_have_the_same_replies),
        cmocka_unit_test(with_a_password_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
