#include "notices.h"

#include <inttypes.h>

#include "kv_async.h"

/* By a thread of the store. From here on no loss of power may take what was promised. */
static void told(void *context, uint64_t sequence, enum status status,
                 const struct error *error) {
    struct notice *notice = context;
    struct run *run = notice->run;
    if (!notice->waits) {
        run_fails(run, "somebody was told twice");
        return;
    }
    notice->waits = false;
    if (status != STATUS_OK) {
        run_excuses(run, "what somebody waited for", status, error);
        return;
    }
    if (sequence < model_sequence(&run->model, notice->changes)) {
        run_fails(run, "somebody was told of sequence %" PRIu64 " only", sequence);
    } else if (notice->durability == DURABILITY_ALWAYS) {
        run->durable = notice->changes > run->durable ? notice->changes : run->durable;
    }
}

/* Who answers reads, or writes that nobody synced, asks to be told. */
bool run_notify(struct run *run, const struct step *step) {
    struct notice *notice = &run->notices[run->notice_count];
    enum durability durability = step->durability != DURABILITY_DEFAULT
                                     ? step->durability
                                     : run->options.durability;
    *notice = (struct notice){run, run->acknowledged, durability, true};
    run->notice_count++;
    struct error error = {0};
    enum status status = kv_notify(run->kv, model_sequence(&run->model, notice->changes),
                                   notice->durability, told, notice, &error);
    if (status == STATUS_OK) {
        return !run->failed;
    }
    if (!notice->waits) {
        return run_fails(run, "somebody was told of a notice that was refused");
    }
    notice->waits = false;
    return run_excuses(run, "a notice", status, &error);
}

bool notices_are_told(struct run *run) {
    bool good = !run->failed;
    for (size_t i = 0; i < run->notice_count; i++) {
        good =
            good && (!run->notices[i].waits ||
                     run_fails(run, "the store is closed, and somebody was never told"));
    }
    run->notice_count = 0;
    return good;
}
