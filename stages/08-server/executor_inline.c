#include "executor.h"

static void give(void *state, struct executor_job *job) {
    (void)state;
    job->run(job->context);
}

static void close_nothing(void *state) {
    (void)state;
}

static const struct executor_ops ops = {give, close_nothing};

struct executor executor_inline(void) {
    return (struct executor){&ops, NULL};
}
