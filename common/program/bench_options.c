#include "bench_options.h"

#include <inttypes.h>

error_t bench_parse(int key, char *argument, struct argp_state *state) {
    struct command_run *run = state->input;
    struct bench_values *values = run->values;
    switch (key) {
    case BENCH_KEY_JSON:
        values->json = true;
        return 0;
    case BENCH_KEY_COUNT:
        return command_number(run, "count", argument, 2, UINT64_MAX, &values->count);
    case BENCH_KEY_ROUNDS:
        return command_number(run, "rounds", argument, 1, UINT64_MAX, &values->rounds);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

enum status bench_at_most(const struct command_run *run, const char *name,
                          uint64_t number, uint64_t most) {
    return number <= most ? STATUS_OK
                          : error_set(run->error, STATUS_INVALID,
                                      "--%s: at most %" PRIu64, name, most);
}
