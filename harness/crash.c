/* Power loss: programs are run once on a disk that keeps a journal; then for every point
 * of the journal the states that the disk may have been left in are explored, in the
 * order of disk.h, and each distinct one leads its lives (lives.h).
 *
 * A state counts when it is a distinct image within its program. An image met again is
 * not opened again; but the law may be another one at another point, and is held against
 * what the image was recovered as.
 *
 * tidy: long because sampling and enumeration share one campaign and its witnesses. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "copies.h"
#include "grow.h"
#include "lives.h"
#include "points.h"
#include "watch.h"

/* ---- one case: a program, a crash, lives ----------------------------------------- */

/* Draws the program; each step is one span, and no others are made. */
typedef void program_drawer(struct check_run *check, struct program *program,
                            struct tape *tape);

/* The order of threads is drawn from a seed of its own, so that it stays the same for a
 * program that is cut. */
static bool run_program(struct check_run *check, const struct program *program,
                        struct tape *tape) {
    struct tape schedule = {0};
    bool switching = tape_choose(tape, 4) == 3;
    if (switching) {
        tape_seed(&schedule, tape_choose(tape, 1 << 16));
    }
    run_begin(check->run, program, switching ? &schedule : NULL);
    bool holds = run_steps(check->run);
    holds = run_end(check->run) && holds;
    tape_free(&schedule);
    return holds;
}

/* What becomes of the image, which it consumes: the copies that it holds are looked at,
 * then lives are led on it. */
static bool lead(struct lives *lives, struct disk *image, size_t operation,
                 struct law law, struct tape *tape, unsigned *whole) {
    if (!copies_hold(lives->run, image, operation, whole, lives->failure,
                     sizeof lives->failure)) {
        if (lives->story != NULL) {
            fputs("the files found:\n", lives->story);
            disk_print(image, lives->story);
        }
        run_kill(lives->run, image);
        disk_free(image);
        return false;
    }
    return lives_lead(lives, image, law, tape);
}

static bool one_case(struct check_run *check, struct tape *tape, program_drawer *draw) {
    struct program program;
    draw(check, &program, tape);
    struct run *run = check->run;
    bool holds = run_program(check, &program, tape);
    if (check->story != NULL) {
        run_print(run, check->story);
    }
    if (!holds) {
        return false;
    }
    struct lives lives = {.run = run, .profiles = check->profiles, .story = check->story};
    tape_begin(tape);
    struct crash crash = crash_draw(run->disk, check->profiles, run->first_point, tape);
    tape_end(tape);
    struct law law = run_law(run, crash.operation);
    if (check->story != NULL) {
        crash_tell(run->disk, &crash, law, check->story);
    }
    unsigned whole;
    holds =
        lead(&lives, disk_crash(run->disk, &crash), crash.operation, law, tape, &whole);
    if (!holds && check->story != NULL) {
        fprintf(check->story, "%s\n", lives.failure);
    }
    lives_free(&lives);
    return holds;
}

/* ---- many states of one program -------------------------------------------------- */

enum { SEEN_SLOTS = 1 << 12, ENUMERATED_PIECES_MAX = 12 };

/* An image that was opened. */
struct seen {
    uint64_t fingerprint;
    uint32_t program; /* the slot is taken if this is the program's number */
    uint32_t changes; /* that it was recovered as */
    unsigned whole;   /* copies: copies_hold */
};

/* How much of the states of a program is looked at. */
struct depth {
    bool complete;     /* every assignment of fates (disk_enumerate_next), or: */
    size_t systematic; /* states of each crash point, in the order of exploration, */
    size_t random;     /* and then so many random ones */
    bool last_step;    /* only crash points in the last step: the others are those of
                          shorter programs, which are looked at too */
};

/* What a campaign must have met, or its crashes do not happen. */
struct witness {
    size_t altered; /* images other than that of nothing lost */
    size_t lost;    /* recoveries without the last change issued */
    size_t kept;    /* recoveries with it */
    size_t range;   /* crash points whose law allows several states, none of them empty */
    size_t partial; /* images in which a copy that was begun is not there, */
    size_t whole;   /* and those in which all are */
};

struct campaign {
    struct check_run *check;
    program_drawer *draw;
    struct depth depth;
    struct lives lives;
    struct program program;
    struct tape tape;          /* the program's choices, and the schedule's: */
    size_t program_made;       /* from here on */
    const struct crash *crash; /* the state that is looked at, or NULL */
    struct tape tail;          /* those of the lives behind a crash */
    uint64_t random;
    struct seen *seen; /* a hash table that is never more than half full */
    size_t slots;
    uint32_t number; /* of the program, from 1 */
    size_t states;   /* of the program */
    size_t points;   /* crash points looked at, and of these those with more pending */
    size_t cut;      /* pieces than are enumerated */
    struct witness witness;
};

static struct seen *new_slots(size_t count) {
    struct seen *slots = calloc(count, sizeof *slots);
    if (slots == NULL) {
        fputs("harness: out of memory\n", stderr);
        abort();
    }
    return slots;
}

static void campaign_begin(struct campaign *campaign, struct check_run *check,
                           program_drawer *draw) {
    *campaign = (struct campaign){.check = check, .draw = draw, .random = check->seed};
    campaign->lives =
        (struct lives){.run = check->run, .profiles = check->profiles, .again = true};
    campaign->slots = SEEN_SLOTS;
    campaign->seen = new_slots(campaign->slots);
}

static void campaign_end(struct campaign *campaign) {
    watch_case(NULL, NULL, NULL);
    free(campaign->seen);
    lives_free(&campaign->lives);
    tape_free(&campaign->tape);
    tape_free(&campaign->tail);
}

/* The image's slot, taken or free. */
static struct seen *find_seen(struct campaign *campaign, uint64_t fingerprint) {
    size_t at = fingerprint & (campaign->slots - 1);
    while (campaign->seen[at].program == campaign->number &&
           campaign->seen[at].fingerprint != fingerprint) {
        at = (at + 1) & (campaign->slots - 1);
    }
    return &campaign->seen[at];
}

static void make_room(struct campaign *campaign) {
    if (campaign->states < campaign->slots / 2) {
        return;
    }
    struct seen *old = campaign->seen;
    size_t count = campaign->slots;
    campaign->slots *= 2;
    campaign->seen = new_slots(campaign->slots);
    for (size_t i = 0; i < count; i++) {
        if (old[i].program == campaign->number) {
            *find_seen(campaign, old[i].fingerprint) = old[i];
        }
    }
    free(old);
}

/* The case that is looked at, with all steps of its program. */
static void write_whole(void *context, struct tape *out) {
    struct campaign *campaign = context;
    watch_write_tape(&campaign->tape, out);
    if (campaign->crash != NULL) {
        crash_note(campaign->crash, campaign->check->run->disk, out);
        for (size_t i = 0; i < campaign->tail.made; i++) {
            tape_note(out, campaign->tail.choices[i]);
        }
    }
}

/* Draws and runs the next program from the tape. False, and reported, if a step failed.
 */
static bool begin_program(struct campaign *campaign) {
    struct check_run *check = campaign->check;
    campaign->number++;
    campaign->states = 0;
    check->programs++;
    watch_case(check->check, write_whole, campaign);
    campaign->draw(check, &campaign->program, &campaign->tape);
    campaign->program_made = campaign->tape.made;
    if (!run_program(check, &campaign->program, &campaign->tape)) {
        check_failed(check, &campaign->tape);
        return false;
    }
    return true;
}

/* The program cut to `steps` steps, its schedule, the crash, the tail: one case. */
static void write_case(struct campaign *campaign, size_t steps, const struct crash *crash,
                       struct tape *out) {
    const struct tape *from = &campaign->tape;
    bool cut = steps < campaign->program.count;
    size_t end = cut ? from->spans[steps].begin : campaign->program_made;
    tape_replay(out, NULL, 0);
    for (size_t i = 0; i < end; i++) {
        tape_note(out, from->choices[i]);
    }
    if (cut) {
        tape_note(out, 0);
    }
    for (size_t i = campaign->program_made; i < from->made; i++) {
        tape_note(out, from->choices[i]);
    }
    struct tape again = {0};
    struct program program;
    tape_replay(&again, out->choices, out->made);
    campaign->draw(campaign->check, &program, &again);
    if (run_program(campaign->check, &program, &again)) {
        crash_note(crash, campaign->check->run->disk, out);
    }
    for (size_t i = 0; i < campaign->tail.made; i++) {
        tape_note(out, campaign->tail.choices[i]);
    }
    tape_free(&again);
}

/* What comes after a crash cannot have caused it, so the program is cut behind the step
 * in which it happened; should that not fail, the whole program is the case. */
static void fail(struct campaign *campaign, const struct crash *crash) {
    struct check_run *check = campaign->check;
    const struct run *run = check->run;
    size_t steps = run->first_step;
    while (steps < campaign->program.count && run->ends[steps] < crash->operation) {
        steps++;
    }
    struct tape tape = {0}, trial = {0};
    struct check_run quiet = *check;
    write_case(campaign, steps, crash, &tape);
    tape_replay(&trial, tape.choices, tape.made);
    if (check->check->one(&quiet, &trial)) {
        write_case(campaign, campaign->program.count, crash, &tape);
        tape_replay(&trial, tape.choices, tape.made);
        check->check->one(&quiet, &trial);
    }
    check_failed(check, &trial);
    tape_free(&tape);
    tape_free(&trial);
}

/* Lives on one state. */
static bool try_state(struct campaign *campaign, const struct crash *crash,
                      struct law law) {
    struct check_run *check = campaign->check;
    struct disk *image = disk_crash(check->run->disk, crash);
    make_room(campaign);
    uint64_t fingerprint = disk_fingerprint(image);
    struct seen *seen = find_seen(campaign, fingerprint);
    tape_seed(&campaign->tail, random_next(&campaign->random));
    bool holds;
    if (seen->program == campaign->number) {
        holds = seen->changes >= law.least && seen->changes <= law.most &&
                (copies_due(check->run, crash->operation) & ~seen->whole) == 0;
        disk_free(image);
    } else {
        seen->fingerprint = fingerprint;
        seen->program = campaign->number;
        campaign->crash = crash;
        holds = lead(&campaign->lives, image, crash->operation, law, &campaign->tail,
                     &seen->whole);
        campaign->crash = NULL;
        seen->changes = (uint32_t)campaign->lives.changes;
        campaign->witness.lost +=
            campaign->lives.changes < check->run->model.change_count;
        campaign->witness.kept +=
            campaign->lives.changes == check->run->model.change_count;
        unsigned begun = copies_begun(check->run, crash->operation);
        campaign->witness.partial += begun != seen->whole;
        campaign->witness.whole += begun != 0 && begun == seen->whole;
        campaign->states++;
        check->states++;
        check->cases++;
    }
    if (!holds) {
        fail(campaign, crash);
    }
    return holds;
}

static bool next_state(struct campaign *campaign, struct exploration *exploration,
                       size_t tried) {
    const struct depth *depth = &campaign->depth;
    struct disk *disk = campaign->check->run->disk;
    if (depth->complete) {
        return disk_enumerate_next(disk, exploration);
    }
    if (tried < depth->systematic && disk_explore_next(disk, exploration, NULL)) {
        return true;
    }
    return tried < depth->systematic + depth->random &&
           random_below(&campaign->random, depth->random + 1) > 0 &&
           disk_explore_next(disk, exploration, &campaign->random);
}

/* All states of one crash point and one profile. */
static bool try_states(struct campaign *campaign, enum disk_profile profile,
                       size_t operation) {
    struct run *run = campaign->check->run;
    struct law law = run_law(run, operation);
    struct exploration exploration;
    disk_explore_begin(&exploration, profile, operation);
    campaign->points++;
    campaign->cut += disk_pending(run->disk, profile, operation) > ENUMERATED_PIECES_MAX;
    campaign->witness.range += law.least > 0 && law.least < law.most;
    for (size_t tried = 0; next_state(campaign, &exploration, tried); tried++) {
        size_t before = campaign->states;
        if (!try_state(campaign, &exploration.crash, law)) {
            return false;
        }
        campaign->witness.altered += tried > 0 && campaign->states > before;
    }
    return true;
}

static bool try_point(struct campaign *campaign, size_t operation) {
    unsigned profiles = campaign->check->profiles;
    return ((profiles >> DISK_POSIX & 1) == 0 ||
            try_states(campaign, DISK_POSIX, operation)) &&
           ((profiles >> DISK_EXT4 & 1) == 0 ||
            try_states(campaign, DISK_EXT4, operation));
}

static void try_program(struct campaign *campaign) {
    const struct run *run = campaign->check->run;
    size_t first = run->first_point;
    size_t count = campaign->program.count;
    if (campaign->depth.last_step && count > 0 && run->ends[count - 1] > first) {
        first = run->ends[count - 1];
    }
    for (size_t i = first; i <= disk_operations(run->disk); i++) {
        if (!try_point(campaign, i)) {
            return;
        }
    }
}

/* ---- sampled --------------------------------------------------------------------- */

static void draw_small(struct check_run *check, struct program *program,
                       struct tape *tape) {
    const struct program_limits limits = {.value_bytes = 1700,
                                          .profiles = check->profiles};
    program_draw(program, tape, stage.number, &limits);
}

static void draw_blocks(struct check_run *check, struct program *program,
                        struct tape *tape) {
    const struct program_limits limits = {.steps = 6, .profiles = check->profiles};
    program_draw(program, tape, stage.number, &limits);
}

/* One program in eight is looked at more closely. */
static struct witness sample(struct check_run *check, program_drawer *draw) {
    struct campaign campaign;
    campaign_begin(&campaign, check, draw);
    while (check_goes_on(check)) {
        tape_seed(&campaign.tape, check_tape_seed(check, check->programs));
        bool close = random_below(&campaign.random, 8) == 0;
        campaign.depth = close ? (struct depth){.systematic = 200, .random = 40}
                               : (struct depth){.systematic = 16, .random = 4};
        if (begin_program(&campaign)) {
            try_program(&campaign);
        }
    }
    campaign_end(&campaign);
    return campaign.witness;
}

static bool one_small(struct check_run *check, struct tape *tape) {
    return one_case(check, tape, draw_small);
}

static bool one_blocks(struct check_run *check, struct tape *tape) {
    return one_case(check, tape, draw_blocks);
}

static void sample_small(struct check_run *check) {
    sample(check, draw_small);
}

static void sample_blocks(struct check_run *check) {
    sample(check, draw_blocks);
}

/* ---- at the moments of the engine's own story -------------------------------------- */

enum { MOMENTS_MAX = 256 };

/* Where on the journal of the run's disk a MOMENT of faults/failpoints.h was passed. The
 * disk is known by its first step: a later one may have got its address. */
struct moments {
    const struct run *run;
    size_t first_step;
    size_t count;
    size_t operations[MOMENTS_MAX];
};

static void note_moment(void *context) {
    struct moments *moments = context;
    const struct run *run = moments->run;
    if (run->first_step != moments->first_step) {
        moments->first_step = run->first_step;
        moments->count = 0; /* those were of a disk that is gone */
    }
    if (run->disk != NULL && moments->count < MOMENTS_MAX) {
        moments->operations[moments->count++] = disk_operations(run->disk);
    }
}

/* Few crash points, those that the engine's authors feared, and many states of each. */
static void crash_at_moments(struct check_run *check) {
    struct campaign campaign;
    struct moments moments = {.run = check->run};
    campaign_begin(&campaign, check, draw_small);
    campaign.depth = (struct depth){.systematic = 200, .random = 60};
    while (check_goes_on(check)) {
        const struct run *run = check->run;
        moments.first_step = 0;
        moments.count = 0;
        points_observe(note_moment, &moments);
        tape_seed(&campaign.tape, check_tape_seed(check, check->programs));
        bool begun = begin_program(&campaign);
        points_observe(NULL, NULL);
        begun = begun && moments.first_step == run->first_step;
        for (size_t i = 0; begun && i < moments.count; i++) {
            size_t operation = moments.operations[i];
            bool repeated = i > 0 && moments.operations[i - 1] == operation;
            if (operation >= run->first_point && !repeated &&
                !try_point(&campaign, operation)) {
                break;
            }
        }
    }
    campaign_end(&campaign);
}

/* ---- copies ---------------------------------------------------------------------- */

static void draw_copied(struct check_run *check, struct program *program,
                        struct tape *tape) {
    const struct program_limits limits = {
        .operations = OPERATION_BIT(CHANGE) | OPERATION_BIT(FLUSH) |
                      OPERATION_BIT(COMPACT) | OPERATION_BIT(POWER) |
                      OPERATION_BIT(COPY) | OPERATION_BIT(ERASE),
        .steps = 6,
        .value_bytes = 600,
        .profiles = check->profiles};
    program_draw(program, tape, stage.number, &limits);
}

static bool one_copied(struct check_run *check, struct tape *tape) {
    return one_case(check, tape, draw_copied);
}

/* From the first copy's beginning to the end. */
static void crash_copies(struct check_run *check) {
    struct campaign campaign;
    const struct run *run = check->run;
    campaign_begin(&campaign, check, draw_copied);
    campaign.depth = (struct depth){.systematic = 12, .random = 4};
    while (check_goes_on(check)) {
        tape_seed(&campaign.tape, check_tape_seed(check, check->programs));
        size_t at = !begin_program(&campaign) || run->copy_count == 0
                        ? SIZE_MAX
                        : run->copies[0].begun;
        at = at > run->first_point ? at : run->first_point;
        while (at <= disk_operations(run->disk) && try_point(&campaign, at)) {
            at++;
        }
    }
    campaign_end(&campaign);
    if (!check->failed &&
        (campaign.witness.partial == 0 || campaign.witness.whole == 0)) {
        check->failed = true;
        fprintf(
            check->report,
            "%s: FAILED: of %zu states %zu are of a copy that was cut off, and %zu of "
            "whole ones\n",
            check->check->name, check->states, campaign.witness.partial,
            campaign.witness.whole);
    }
}

/* A campaign that loses nothing would find every store right. */
static void crashes_happen(struct check_run *check) {
    struct witness witness = sample(check, draw_small);
    if (!check->failed && (witness.altered == 0 || witness.lost == 0 ||
                           witness.kept == 0 || witness.range == 0)) {
        check->failed = true;
        fprintf(check->report,
                "%s: FAILED: of %zu states %zu are of a disk that lost something, %zu "
                "recoveries miss the last change and %zu have it; %zu crash points leave "
                "the choice\n",
                check->check->name, check->states, witness.altered, witness.lost,
                witness.kept, witness.range);
    }
}

/* ---- complete -------------------------------------------------------------------- */

/* All programs of up to COMPLETE_STEPS steps of this alphabet, by both append regions,
 * with and without rotation after every change; every crash point, both profiles, every
 * assignment of kept, lost and zero to up to 12 pending pieces. */
enum { COMPLETE_STEPS = 3, COMPLETE_SHORT = 2, COMPLETE_STORES = 4 };

static const struct {
    enum operation operation;
    enum durability durability;
    enum kv_op_type type;
    unsigned char key; /* of the first op */
    unsigned short bytes;
    unsigned char ops;
} alphabet[] = {
    {OPERATION_PUT, DURABILITY_ALWAYS, KV_PUT, 0, 3, 1},
    {OPERATION_PUT, DURABILITY_NONE, KV_PUT, 0, 3, 1},
    {OPERATION_PUT, DURABILITY_NONE, KV_PUT, 1, 600, 1},
    {OPERATION_DELETE, DURABILITY_NONE, KV_DELETE, 0, 0, 1},
    {OPERATION_CHANGE, DURABILITY_ALWAYS, KV_PUT, 0, 3, 2},
    {OPERATION_SYNC, DURABILITY_DEFAULT, KV_PUT, 0, 0, 0},
    {OPERATION_REOPEN, DURABILITY_DEFAULT, KV_PUT, 0, 0, 0},
    {OPERATION_KILL, DURABILITY_DEFAULT, KV_PUT, 0, 0, 0},
    {OPERATION_FLUSH, DURABILITY_DEFAULT, KV_PUT, 0, 0, 0}, /* from stage 03 on */
    {OPERATION_ERASE, DURABILITY_DEFAULT, KV_PUT, 0, 0, 0}, /* from stage 08 on */
};

static size_t letters(void) {
    size_t all = sizeof alphabet / sizeof alphabet[0];
    return all - (stage.number < 3) - !stage_has(FEATURE_ERASE);
}

static void draw_letter(struct program *program, struct tape *tape) {
    uint64_t letter = tape_choose(tape, letters());
    struct step *step = &program->steps[program->count];
    step->operation = alphabet[letter].operation;
    step->durability = alphabet[letter].durability;
    step->op_count = alphabet[letter].ops;
    for (size_t i = 0; i < step->op_count; i++) {
        step->ops[i] =
            (struct kv_op){alphabet[letter].type, program_key(alphabet[letter].key + i),
                           program_value(8 * program->count + i, alphabet[letter].bytes)};
    }
    program->count++;
}

static void draw_complete(struct check_run *check, struct program *program,
                          struct tape *tape) {
    (void)check;
    *program = (struct program){0};
    uint64_t store = tape_choose(tape, COMPLETE_STORES);
    program->options = kv_options_default();
    program->options.create = true;
    program->options.log_region = (store & 1) == 0 ? APPEND_WRITE : APPEND_MAPPED;
    program->options.log_bytes = (store & 2) == 0 ? 1 << 20 : 30;
    program->options.log_step_bytes = 4096;
    program->options.block_cache_bytes = 16384;
    bool more = true;
    while (more && program->count < COMPLETE_STEPS) {
        tape_begin(tape);
        more = tape_choose(tape, 2) != 0;
        if (more) {
            draw_letter(program, tape);
        }
        tape_end(tape);
    }
}

/* The choices of the index-th program of `steps` steps, for one store. */
static void write_program(struct tape *tape, size_t store, size_t steps, size_t index) {
    uint64_t choices[2 + 2 * COMPLETE_STEPS];
    size_t count = 0;
    choices[count++] = store;
    for (size_t i = 0; i < steps; i++) {
        choices[count++] = 1;
        choices[count++] = index % letters();
        index /= letters();
    }
    choices[count++] = 0; /* the end, or the schedule: always stay */
    tape_replay(tape, choices, count);
}

static bool one_complete(struct check_run *check, struct tape *tape) {
    return one_case(check, tape, draw_complete);
}

static void complete(struct check_run *check) {
    struct campaign campaign;
    campaign_begin(&campaign, check, draw_complete);
    campaign.depth = (struct depth){.complete = true, .last_step = true};
    size_t longest = check->complete ? COMPLETE_STEPS : COMPLETE_SHORT;
    size_t programs = 1;
    for (size_t steps = 0; steps <= longest; steps++, programs *= letters()) {
        for (size_t i = 0; i < programs * COMPLETE_STORES; i++) {
            if (!check_goes_on(check)) {
                goto out; /* not complete: nothing to say */
            }
            write_program(&campaign.tape, i % COMPLETE_STORES, steps,
                          i / COMPLETE_STORES);
            if (begin_program(&campaign)) {
                try_program(&campaign);
            }
        }
    }
    if (!check->failed) {
        fprintf(
            check->report,
            "%s: %zu programs of up to %zu of %zu steps on %d stores, %zu crash points, "
            "%zu of them with more than %d pending pieces, %zu states\n",
            check->check->name, check->programs, longest, letters(), COMPLETE_STORES,
            campaign.points, campaign.cut, ENUMERATED_PIECES_MAX, check->states);
        check->failed = campaign.cut > 0; /* it was not complete */
    }
out:
    campaign_end(&campaign);
}

const struct check crash_checks[] = {
    {"self.crashes", CHECK_CHECK, 1, 0, 40, 20,
     "the losses of power do happen: some recoveries miss what was issued, some do not",
     one_small, crashes_happen},
    {"crash.complete", CHECK_CRASH, 1, 0, SIZE_MAX, 50,
     "every state after a crash of every small program obeys the law", one_complete,
     complete},
    {"crash.power", CHECK_CRASH, 1, 0, 1000, 10,
     "after a loss of power anywhere the state is that after k whole changes, D <= k <= "
     "issued, and recovery is final and repeatable",
     one_small, sample_small},
    {"crash.blocks", CHECK_CRASH, 1, 0, 200, 5,
     "the same with records that end near the edges of 32 KiB log blocks", one_blocks,
     sample_blocks},
    {"crash.moments", CHECK_CRASH, 1, 0, 100, 5,
     "the same, closely, at the failpoints that are moments of the engine's own story",
     one_small, crash_at_moments},
    {"crash.copies", CHECK_CRASH, 7, 0, 800, 20,
     "a checkpoint, a backup or a restored store is whole or not there, and stays once "
     "it "
     "was made",
     one_copied, crash_copies},
    {0},
};
