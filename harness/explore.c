/* The order in which the states after one crash point are looked at: from those that real
 * machines leave most often to those that only chance would find.
 *
 *     prefix    the pieces reached the disk in order, up to one
 *     omit      all but one, which is lost or (a write) read as zeros
 *     split     one write torn at each sector boundary, everything after it lost, or kept
 *     omit two  all but two
 *     random    any legal fates */
#include "crash_state.h"

enum { PREFIX, OMIT, SPLIT, OMIT_TWO, RANDOM };

enum { ENUMERATED_PIECES_MAX = 12, ENUMERATED_FATES = 3 };

void disk_explore_begin(struct exploration *exploration, enum disk_profile profile,
                        size_t operation) {
    *exploration = (struct exploration){
        .crash = {.profile = profile, .operation = operation}, .phase = PREFIX};
}

static size_t fate_count(const struct crash_state *state) {
    return state->piece_count < CRASH_PIECES_MAX ? state->piece_count : CRASH_PIECES_MAX;
}

static bool piece_is_data(const struct disk *disk, const struct crash_state *state,
                          size_t index) {
    return operation_is_data(disk->operations[state->pieces[index].operation].kind);
}

static void lose_from(struct crash *crash, size_t first, size_t count) {
    for (size_t i = first; i < count; i++) {
        crash->fates[i] = FATE_LOST;
    }
}

static void keep_all(struct crash *crash) {
    *crash = (struct crash){.profile = crash->profile, .operation = crash->operation};
}

/* ---- the systematic phases: each makes the next plan, or answers false ----------- */

static bool next_prefix(struct exploration *at, size_t count) {
    if (at->first > count) {
        return false;
    }
    lose_from(&at->crash, count - at->first, count);
    at->first++;
    return true;
}

/* `second` is 1 when the piece at `first` has been lost and is still to be zeros. */
static bool next_omission(const struct disk *disk, const struct crash_state *state,
                          struct exploration *at, size_t count) {
    if (at->first == count) {
        return false;
    }
    at->crash.fates[at->first] = at->second == 1 ? FATE_ZERO : FATE_LOST;
    if (at->second == 0 && piece_is_data(disk, state, at->first)) {
        at->second = 1;
    } else {
        at->second = 0;
        at->first++;
    }
    return true;
}

/* `second` counts two plans for each sector boundary. */
static bool next_split(const struct disk *disk, const struct crash_state *state,
                       struct exploration *at, size_t count) {
    for (; at->first < count; at->first++, at->second = 0) {
        size_t sectors = piece_is_data(disk, state, at->first)
                             ? piece_sectors(&state->pieces[at->first])
                             : 0;
        if (sectors < 2 || at->second >= 2 * (sectors - 1)) {
            continue;
        }
        bool later_lost = at->second % 2 == 0;
        lose_from(&at->crash, at->first, later_lost ? count : at->first + 1);
        at->crash.split_piece = at->first;
        at->crash.split_sectors = at->second / 2 + 1;
        at->second++;
        return true;
    }
    return false;
}

static bool next_pair(struct exploration *at, size_t count) {
    at->second++;
    if (at->second >= count) {
        at->first++;
        at->second = at->first + 1;
    }
    if (at->second >= count) {
        return false;
    }
    at->crash.fates[at->first] = FATE_LOST;
    at->crash.fates[at->second] = FATE_LOST;
    return true;
}

/* ---- the random phase ------------------------------------------------------------ */

/* splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
 * 2014). */
static uint64_t draw(uint64_t *random, uint64_t bound) {
    *random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = *random;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    mixed ^= mixed >> 31;
    return mixed % bound;
}

/* In half of the plans all metadata is kept: lost names hide what befell the data. In
 * ext4, where only a prefix is legal, the first lost one is drawn. */
static void draw_plan(const struct disk *disk, const struct crash_state *state,
                      struct crash *crash, size_t count, uint64_t *random) {
    uint64_t fates = crash->profile == DISK_POSIX ? FATE_COUNT : FATE_ZERO + 1;
    bool keep_metadata = draw(random, 2) == 0;
    size_t lost = (size_t)draw(random, count + 1);
    for (size_t i = 0; i < count; i++) {
        bool keep = draw(random, 2) == 0;
        if (piece_is_data(disk, state, i)) {
            crash->fates[i] =
                keep ? FATE_KEPT : (unsigned char)(1 + draw(random, fates - 1));
        } else if (!keep_metadata) {
            keep = crash->profile == DISK_POSIX ? keep : i < lost;
            crash->fates[i] = keep ? FATE_KEPT : FATE_LOST;
        }
    }
    size_t split = (size_t)draw(random, count);
    size_t sectors = piece_sectors(&state->pieces[split]);
    if (sectors > 1 && crash->fates[split] != FATE_KEPT && draw(random, 2) == 0) {
        crash->split_piece = split;
        crash->split_sectors = (size_t)(1 + draw(random, sectors - 1));
    }
}

static bool next_plan(const struct disk *disk, const struct crash_state *state,
                      struct exploration *at, size_t count, uint64_t *random) {
    switch (at->phase) {
    case PREFIX:
        return next_prefix(at, count);
    case OMIT:
        return next_omission(disk, state, at, count);
    case SPLIT:
        return next_split(disk, state, at, count);
    case OMIT_TWO:
        return next_pair(at, count);
    default:
        if (random != NULL && count > 0) {
            draw_plan(disk, state, &at->crash, count, random);
        }
        return random != NULL && count > 0;
    }
}

bool disk_explore_next(struct disk *disk, struct exploration *exploration,
                       uint64_t *random) {
    const struct crash_state *state =
        crash_state_at(disk, exploration->crash.profile, exploration->crash.operation);
    size_t count = fate_count(state);
    keep_all(&exploration->crash);
    while (!next_plan(disk, state, exploration, count, random)) {
        if (exploration->phase == RANDOM) {
            return false;
        }
        exploration->phase++;
        exploration->first = 0;
        exploration->second = 0;
    }
    crash_make_legal(disk, state, &exploration->crash);
    return true;
}

/* `first` is the number of assignments looked at; its digits to the base 3 are the next
 * one's fates. One that has to be changed to be legal is another one's double. */
bool disk_enumerate_next(struct disk *disk, struct exploration *exploration) {
    const struct crash_state *state =
        crash_state_at(disk, exploration->crash.profile, exploration->crash.operation);
    size_t count = state->piece_count;
    if (count > ENUMERATED_PIECES_MAX) {
        return false;
    }
    for (;;) {
        keep_all(&exploration->crash);
        size_t digits = exploration->first;
        for (size_t i = 0; i < count; i++) {
            exploration->crash.fates[i] = (unsigned char)(digits % ENUMERATED_FATES);
            digits /= ENUMERATED_FATES;
        }
        if (digits > 0) {
            return false;
        }
        exploration->first++;
        struct crash asked = exploration->crash;
        crash_make_legal(disk, state, &exploration->crash);
        if (memcmp(asked.fates, exploration->crash.fates, sizeof asked.fates) == 0) {
            return true;
        }
    }
}
