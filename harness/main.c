/* harness-NN: the checks of one stage, from the command line. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "check.h"
#include "watch.h"

enum { OPTION_COMPLETE = 0x100, USAGE = 2 };

enum { FIXED_SEED = 1 };

struct arguments {
    const char *command;
    const char *operand;
    const char *check;
    bool list;
    bool seeded;
    uint64_t seed;
    size_t runs; /* 0: the checks' own */
    double seconds;
    unsigned profiles;
    bool complete;
};

static const char doc[] =
    "Tests this stage of Strata on a simulated computer: a disk that knows every state a "
    "loss of power may leave, threads in any order, memory and calls that fail.\n"
    "\n"
    "Commands:\n"
    "  check     every check, with a fixed seed: the same cases each time\n"
    "  crash     losses of power, with a fresh seed, for --seconds (60)\n"
    "  sweep     every file operation and every allocation fails once\n"
    "  corrupt   every bit of a closed database flips\n"
    "  races     orders of threads\n"
    "  replay    one case, told in words: the text 'CHECK:TAPE' of a failure report, or "
    "a\n"
    "            file that holds it\n"
    "  list      runs every check briefly and prints what it shows and its cases\n"
    "\n"
    "A failing case is made as simple as possible and told as a story: the program in "
    "words, what the disk saw, what it lost, what recovery decided against what the law "
    "allows; and one line that replays it.\n"
    "\v"
    "The last line is always\n"
    "  programs=N states=N states_per_second=N failpoints=HIT/ALL seed=N "
    "verdict=pass|fail\n"
    "A state counts when it is a distinct image within its program, recovered by the "
    "real "
    "kv_open, read in full, closed, and recovered again after a crash inside that "
    "recovery. They are divided by the seconds of those checks that count states.\n"
    "\n"
    "Exit status: 0 pass, 1 fail, 2 usage.\n"
    "\n"
    "Examples:\n"
    "  harness-01 check\n"
    "  harness-01 crash --seconds 600 --profile ext4\n"
    "  harness-01 check --check crash.complete --complete\n"
    "  harness-01 replay 'crash.power:1.0.2.5'\n";

static const struct argp_option options[] = {
    {"seed", 's', "N", 0, "draw all cases from this seed", 0},
    {"runs", 'r', "N", 0, "at most N programs in each check", 0},
    {"seconds", 't', "N", 0, "about N seconds, shared by the checks", 0},
    {"profile", 'p', "posix|ext4|both", 0, "what the disk may do (both)", 0},
    {"check", 'c', "NAME", 0, "only this check", 0},
    {"list", 'l', NULL, 0, "print the names of the checks and run none", 0},
    {"complete", OPTION_COMPLETE, NULL, 0, "enumerations in full: this takes a while", 0},
    {0}};

static uint64_t number(struct argp_state *state, const char *text) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-') {
        argp_error(state, "'%s' is not a number", text);
    }
    return value;
}

static unsigned profiles(struct argp_state *state, const char *text) {
    if (strcmp(text, "posix") == 0) {
        return 1u << DISK_POSIX;
    }
    if (strcmp(text, "ext4") == 0) {
        return 1u << DISK_EXT4;
    }
    if (strcmp(text, "both") != 0) {
        argp_error(state, "'%s' is no profile: posix, ext4 or both", text);
    }
    return 1u << DISK_POSIX | 1u << DISK_EXT4;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct arguments *arguments = state->input;
    switch (key) {
    case 's':
        arguments->seed = number(state, text);
        arguments->seeded = true;
        return 0;
    case 'r':
        arguments->runs = number(state, text);
        return 0;
    case 't':
        arguments->seconds = (double)number(state, text);
        return 0;
    case 'p':
        arguments->profiles = profiles(state, text);
        return 0;
    case 'c':
        arguments->check = text;
        return 0;
    case 'l':
        arguments->list = true;
        return 0;
    case OPTION_COMPLETE:
        arguments->complete = true;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1) {
            argp_error(state, "what is '%s'?", text);
        }
        *(state->arg_num == 0 ? &arguments->command : &arguments->operand) = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->command == NULL && !arguments->list) {
            argp_error(state, "which command?");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- totals ---------------------------------------------------------------------- */

struct totals {
    size_t programs;
    size_t states;
    double seconds; /* of the checks that count states */
    bool failed;
};

static size_t failpoints_listed(void) {
    size_t listed = 0;
    for (int i = 0; i < FAILPOINT_COUNT; i++) {
        listed += points_listed((enum failpoint)i, stage.number);
    }
    return listed;
}

static size_t failpoints_hit(void) {
    size_t hit = 0;
    for (int i = 0; i < FAILPOINT_COUNT; i++) {
        enum failpoint point = (enum failpoint)i;
        hit += points_listed(point, stage.number) && points_hits(point) > 0;
    }
    return hit;
}

/* A point that no check passes is a point at which nothing is tested. */
static bool failpoints_all_hit(void) {
    for (int i = 0; i < FAILPOINT_COUNT; i++) {
        enum failpoint point = (enum failpoint)i;
        if (points_listed(point, stage.number) && points_hits(point) == 0) {
            printf("self.failpoints: FAILED: %s was never passed: %s\n",
                   points_name(point), points_story(point));
        }
    }
    return failpoints_hit() == failpoints_listed();
}

static int finish(const struct totals *totals, uint64_t seed) {
    printf("programs=%zu states=%zu states_per_second=%.0f failpoints=%zu/%zu "
           "seed=%" PRIu64 " verdict=%s\n",
           totals->programs, totals->states,
           totals->seconds > 0 ? (double)totals->states / totals->seconds : 0,
           failpoints_hit(), failpoints_listed(), seed, totals->failed ? "fail" : "pass");
    return totals->failed ? 1 : 0;
}

/* ---- commands -------------------------------------------------------------------- */

static bool wanted(const struct arguments *arguments, const struct check *check) {
    if (arguments->check != NULL) {
        return strcmp(arguments->check, check->name) == 0;
    }
    return strcmp(arguments->command, "check") == 0 ||
           strcmp(arguments->command, "list") == 0 ||
           strcmp(arguments->command, check_kind_name(check->kind)) == 0;
}

static size_t count_wanted(const struct arguments *arguments) {
    size_t count = 0;
    const struct check *check;
    for (size_t i = 0; (check = check_at(i, stage.number)) != NULL; i++) {
        count += wanted(arguments, check);
    }
    return count;
}

/* Each check draws from a seed of its own, made of the run's and its name. */
static uint64_t seed_of(uint64_t seed, const char *name) {
    uint64_t state = seed;
    for (; *name != '\0'; name++) {
        state = random_next(&state) ^ (unsigned char)*name;
    }
    return random_next(&state);
}

static size_t budget(const struct arguments *arguments, const struct check *check) {
    if (arguments->runs > 0) {
        return arguments->runs;
    }
    if (strcmp(arguments->command, "list") == 0) {
        return check->list_runs;
    }
    return arguments->seconds > 0 ? SIZE_MAX : check->runs;
}

static void perform(const struct arguments *arguments, const struct check *check,
                    struct run *run, struct totals *totals, double seconds) {
    double begun = check_seconds();
    struct check_run one = {.check = check,
                            .seed = seed_of(arguments->seed, check->name),
                            .runs = budget(arguments, check),
                            .deadline = seconds > 0 ? begun + seconds : 0,
                            .profiles = arguments->profiles,
                            .complete = arguments->complete,
                            .run = run,
                            .report = stdout};
    totals->failed = !check_perform(&one) || totals->failed;
    totals->programs += one.programs;
    totals->states += one.states;
    totals->seconds += one.states > 0 ? check_seconds() - begun : 0;
    printf("%-4s %-20s programs=%zu cases=%zu states=%zu seconds=%.1f  %s\n",
           one.failed ? "FAIL" : "ok", check->name, one.programs, one.cases, one.states,
           check_seconds() - begun, check->shows);
    fflush(stdout);
}

static int run_checks(const struct arguments *arguments) {
    size_t count = count_wanted(arguments);
    if (count == 0) {
        fprintf(stderr, "harness-%02d: stage %s has no such check; see --list\n",
                stage.number, stage.name);
        return USAGE;
    }
    struct run run;
    struct totals totals = {0};
    double begun = check_seconds();
    run_init(&run);
    points_watch();
    const struct check *check;
    for (size_t i = 0; (check = check_at(i, stage.number)) != NULL; i++) {
        if (wanted(arguments, check)) {
            double left = arguments->seconds - (check_seconds() - begun);
            left = arguments->seconds > 0 && left <= 0 ? 1e-3 : left;
            perform(arguments, check, &run, &totals, left / (double)count--);
        }
    }
    if (strcmp(arguments->command, "check") == 0 && arguments->check == NULL) {
        totals.failed = !failpoints_all_hit() || totals.failed;
    }
    run_free(&run);
    int code = finish(&totals, arguments->seed);
    points_unwatch();
    return code;
}

static int replay(const struct arguments *arguments) {
    if (arguments->operand == NULL) {
        fputs("replay what? a text 'CHECK:TAPE', or a file that holds it\n", stderr);
        return USAGE;
    }
    char *text = strdup(arguments->operand);
    FILE *file = fopen(arguments->operand, "r");
    size_t bytes = 0;
    if (file != NULL) {
        free(text);
        text = NULL;
        if (getline(&text, &bytes, file) < 0) {
            fprintf(stderr, "%s: cannot be read, or is empty\n", arguments->operand);
            free(text);
            fclose(file);
            return USAGE;
        }
        text[strcspn(text, "\n")] = '\0';
        fclose(file);
    }
    struct run run;
    run_init(&run);
    points_watch();
    struct totals totals = {.programs = 1};
    struct check_run one = {
        .profiles = arguments->profiles, .run = &run, .story = stdout, .report = stdout};
    int code = text == NULL ? USAGE : check_replay(text, &one);
    if (code == USAGE) {
        fprintf(stderr, "'%s' is not a case of this stage: CHECK:TAPE\n",
                arguments->operand);
    } else {
        totals.failed = code != 0;
        finish(&totals, arguments->seed);
    }
    run_free(&run);
    points_unwatch();
    free(text);
    return code;
}

static void list_names(void) {
    const struct check *check;
    for (size_t i = 0; (check = check_at(i, stage.number)) != NULL; i++) {
        printf("%-20s %-8s %s\n", check->name, check_kind_name(check->kind),
               check->shows);
    }
}

int main(int count, char **texts) {
    static const struct argp argp = {
        options, parse, "check|crash|sweep|corrupt|races|list\nreplay FILE|TEXT",
        doc,     NULL,  NULL,
        NULL};
    struct arguments arguments = {.seed = FIXED_SEED,
                                  .profiles = 1u << DISK_POSIX | 1u << DISK_EXT4};
    argp_err_exit_status = USAGE;
    /* Every state takes and gives back the same few large blocks: keep them. */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    watch_start();
    argp_parse(&argp, count, texts, 0, NULL, &arguments);
    if (arguments.list) {
        list_names();
        return 0;
    }
    bool fixed = strcmp(arguments.command, "check") == 0 ||
                 strcmp(arguments.command, "list") == 0 ||
                 strcmp(arguments.command, "replay") == 0;
    if (!fixed && !arguments.seeded &&
        getrandom(&arguments.seed, sizeof arguments.seed / 2, 0) < 0) {
        arguments.seed = (uint64_t)(check_seconds() * 1e6);
    }
    if (strcmp(arguments.command, "crash") == 0 && arguments.runs == 0 &&
        arguments.seconds <= 0) {
        arguments.seconds = 60;
    }
    if (strcmp(arguments.command, "replay") == 0) {
        return replay(&arguments);
    }
    printf("harness-%02d %s, seed %" PRIu64 "\n", stage.number, arguments.command,
           arguments.seed);
    return run_checks(&arguments);
}
