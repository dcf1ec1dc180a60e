/* Faults of the simulated disk: a countdown over the calls of the tenant. Whoever makes
 * the call carries the verdict out; here it is only reached. */
#include "counted_memory.h"
#include "disk_state.h"

static const char *const call_words[] = {
#define CALL_WORDS(name, words) words,
    DISK_CALLS(CALL_WORDS)
#undef CALL_WORDS
};

static bool cuts_short(enum fault_effect effect) {
    return effect == FAULT_SHORT || effect == FAULT_SHORT_ERROR;
}

static enum verdict first_verdict(enum fault_effect effect) {
    return effect == FAULT_BEFORE  ? VERDICT_BEFORE
           : effect == FAULT_AFTER ? VERDICT_AFTER
                                   : VERDICT_SHORT;
}

/* After it has struck. */
static enum verdict later_verdict(struct fault_state *state, size_t transfer) {
    const struct fault *fault = &state->fault;
    if (state->error_follows) {
        state->error_follows = fault->persistent;
        return VERDICT_BEFORE;
    }
    if (!fault->persistent || (cuts_short(fault->effect) && transfer < 2)) {
        return VERDICT_WORK;
    }
    return first_verdict(fault->effect);
}

enum verdict fault_call(struct fault_state *state, enum disk_call call, const char *path,
                        size_t transfer) {
    struct fault *fault = &state->fault;
    state->calls++;
    if (state->struck) {
        enum verdict verdict =
            call == state->call ? later_verdict(state, transfer) : VERDICT_WORK;
        bool again = verdict == VERDICT_WORK && state->second_call > 0 &&
                     --state->second_call == 0;
        return again ? VERDICT_BEFORE : verdict;
    }
    if (fault->countdown == 0 || (cuts_short(fault->effect) && transfer < 2) ||
        --fault->countdown > 0) {
        return VERDICT_WORK;
    }
    state->struck = true;
    state->call = call;
    if (state->second_allocation > 0) {
        counted_memory_fail(state->second_allocation, false);
    }
    state->error_follows = fault->effect == FAULT_SHORT_ERROR;
    snprintf(state->words, sizeof state->words, "%s %.255s", call_words[call], path);
    return first_verdict(fault->effect);
}

void disk_set_fault(struct disk *disk, const struct fault *fault) {
    size_t calls = disk->faults.calls;
    disk->faults = (struct fault_state){.fault = *fault, .calls = calls};
}

void disk_set_second_fault(struct disk *disk, size_t call, size_t allocation) {
    disk->faults.second_call = call;
    disk->faults.second_allocation = allocation;
}

const char *disk_fault_struck(struct disk *disk) {
    return disk->faults.struck ? disk->faults.words : NULL;
}

size_t disk_calls(struct disk *disk) {
    return disk->faults.calls;
}
