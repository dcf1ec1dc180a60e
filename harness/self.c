/* The harness held against itself. A harness that cannot fail shows nothing, so each of
 * these would notice one of its possible lies. */
#include "check.h"

#include "run_reads.h"

/* ---- the model ------------------------------------------------------------------- */

enum { CHANGES_MAX = 10, OPS_MAX = 2 * CHANGES_MAX };

/* A list of operations, and how many of them each change ends with; of these, none before
 * the first that counts are there. */
struct naive {
    struct kv_op ops[OPS_MAX];
    size_t ends[CHANGES_MAX + 1], counts_from[CHANGES_MAX + 1];
    size_t changes;
};

static void draw_naive(struct naive *naive, struct model *model, struct tape *tape) {
    size_t count = 0;
    while (naive->changes < CHANGES_MAX && tape_choose(tape, 8) > 0) {
        size_t before = count, change = ++naive->changes;
        naive->counts_from[change] = naive->counts_from[change - 1];
        if (tape_choose(tape, 6) == 5) {
            naive->counts_from[change] = count;
            model_erase(model);
        } else {
            for (uint64_t more = 1 + tape_choose(tape, 2); more > 0; more--, count++) {
                naive->ops[count] =
                    (struct kv_op){tape_choose(tape, 3) < 2 ? KV_PUT : KV_DELETE,
                                   program_key(tape_choose(tape, PROGRAM_KEYS)),
                                   program_value(count, 8)};
            }
            model_apply(model, naive->ops + before, count - before);
        }
        naive->ends[change] = count;
    }
}

/* The model against a naive replay of a list, in every state and of every key. */
static bool one_model(struct check_run *check, struct tape *tape) {
    struct naive naive = {0};
    struct model model = {0};
    draw_naive(&naive, &model, tape);
    bool holds = true;
    for (size_t changes = 0; changes <= naive.changes; changes++) {
        for (size_t key = 0; key < PROGRAM_KEYS; key++, check->cases++) {
            const struct kv_op *newest = NULL;
            for (size_t i = naive.counts_from[changes]; i < naive.ends[changes]; i++) {
                if (slice_equal(naive.ops[i].key, program_key(key))) {
                    newest = naive.ops[i].type == KV_PUT ? &naive.ops[i] : NULL;
                }
            }
            const struct model_version *found =
                model_get(&model, program_key(key), (struct model_at){changes, 0});
            holds = holds && (found == NULL) == (newest == NULL) &&
                    (found == NULL || slice_equal(found->value, newest->value));
        }
    }
    if (!holds && check->story != NULL) {
        fprintf(check->story, "the model and a replay of its %zu changes differ\n",
                naive.changes);
    }
    model_free(&model);
    return holds;
}

/* ---- the comparison -------------------------------------------------------------- */

/* The last visible put of the model's state; NULL if it is empty or has no bytes. */
static struct model_version *last_put(struct model *model) {
    const struct model_at now = {model->change_count, model_millis(model)};
    const struct model_version *last = model_previous(model, (struct slice){0}, now);
    for (size_t i = 0; last != NULL && i < model->version_count; i++) {
        if (&model->versions[i] == last && last->value.length > 0) {
            return &model->versions[i];
        }
    }
    return NULL;
}

static bool objected(struct check_run *check, enum status status, const char *lie) {
    check->cases++;
    if (status == STATUS_CORRUPT) {
        return true;
    }
    if (check->story != NULL) {
        fprintf(check->story, "the comparison did not notice %s\n", lie);
    }
    return false;
}

/* The open store is right; the model is not. A scan must notice. */
static bool scan_objects(struct check_run *check, const struct model *model,
                         struct law law, const char *lie) {
    char words[200];
    size_t changes;
    return objected(
        check,
        run_read_all(model, check->run->kv, law, false, &changes, words, sizeof words),
        lie);
}

/* And so must a get. */
static bool get_objects(struct check_run *check, const struct model *model,
                        struct slice key, const char *lie) {
    char text[200] = "";
    struct law all = {model->change_count, model->change_count};
    return objected(check,
                    read_key(model, check->run->kv, all, NULL, key,
                             (struct words){text, sizeof text}),
                    lie);
}

/* Lies about one put: its value, then whether it is there. */
static bool notices_contents(struct check_run *check, struct model *lie) {
    struct model_version *put = last_put(lie);
    struct law law = {lie->change_count, lie->change_count};
    if (put == NULL) {
        return true;
    }
    put->value.data++;
    bool holds = scan_objects(check, lie, law, "a wrong value in a scan") &&
                 get_objects(check, lie, put->key, "a wrong value");
    put->type = KV_DELETE;
    return holds && scan_objects(check, lie, law, "a deleted key in a scan") &&
           get_objects(check, lie, put->key, "a deleted key");
}

static void draw(struct check_run *check, struct program *program, struct tape *tape) {
    const struct program_limits limits = {.profiles = check->profiles};
    program_draw(program, tape, stage.number, &limits);
}

/* A store that is right, compared with what is wrong. */
static bool one_comparison(struct check_run *check, struct tape *tape) {
    struct program program;
    draw(check, &program, tape);
    struct run *run = check->run;
    run_begin(run, &program, NULL);
    struct model lie = {0};
    bool holds = run_steps(run);
    size_t all = run->model.change_count;
    if (holds && all > 0) {
        const struct kv_op more = {KV_PUT, slice_of("c"), slice_of("v")};
        model_copy(&lie, &run->model, all);
        /* An erasure has no sequence to be known by, perhaps nothing to erase either. */
        bool erased = model_sequence(&lie, all) == model_sequence(&lie, all - 1);
        holds = (erased || scan_objects(check, &lie, (struct law){0, all - 1},
                                        "a change too many")) &&
                notices_contents(check, &lie);
        model_apply(&lie, &more, 1);
        holds = holds && scan_objects(check, &lie, (struct law){all + 1, all + 1},
                                      "a lost change");
    }
    holds = run_end(run) && holds;
    if (run->failed && check->story != NULL) {
        run_print(run, check->story);
    }
    model_free(&lie);
    return holds;
}

/* ---- the law --------------------------------------------------------------------- */

static bool expect(struct check_run *check, size_t operation, size_t least, size_t most) {
    struct law law = run_law(check->run, operation);
    check->cases++;
    if (law.least >= least && law.most <= most && law.least <= law.most) {
        return true;
    }
    if (check->story != NULL) {
        run_print(check->run, check->story);
        fprintf(
            check->story,
            "before disk operation %zu the law allows %zu to %zu changes; it must not "
            "be wider than %zu to %zu\n",
            operation, law.least, law.most, least, most);
    }
    return false;
}

/* The law counted anew from the program alone: behind a step that asked for durability
 * all changes so far are durable, and before a step its change has not been issued. */
static bool one_law(struct check_run *check, struct tape *tape) {
    const struct program_limits limits = {
        .operations = OPERATION_BIT(PUT) | OPERATION_BIT(DELETE) | OPERATION_BIT(CHANGE) |
                      OPERATION_BIT(SYNC) | OPERATION_BIT(GET) | OPERATION_BIT(REOPEN),
        .value_bytes = 100,
        .profiles = check->profiles};
    struct program program;
    program_draw(&program, tape, stage.number, &limits);
    struct run *run = check->run;
    run_begin(run, &program, NULL);
    bool holds = run_steps(run);
    size_t changes = 0, durable = 0;
    for (size_t i = 0; holds && i < program.count; i++) {
        const struct step *step = &program.steps[i];
        enum durability mode = step->durability != DURABILITY_DEFAULT
                                   ? step->durability
                                   : program.options.durability;
        holds = expect(check, run->ends[i], durable, changes);
        changes += step->op_count > 0;
        if (step->operation == OPERATION_SYNC || step->operation == OPERATION_REOPEN ||
            (step->op_count > 0 && mode == DURABILITY_ALWAYS)) {
            durable = changes;
        }
        holds = holds && expect(check, run->ends[i + 1], durable, changes);
    }
    holds = run_end(run) && holds;
    return holds && expect(check, disk_operations(run->disk), changes, changes);
}

/* ---- determinism ----------------------------------------------------------------- */

struct trace {
    size_t operations;
    size_t calls;
    uint64_t fingerprint;
};

static struct trace trace(struct run *run, const struct program *program, uint64_t seed) {
    struct tape schedule = {0};
    tape_seed(&schedule, seed);
    run_begin(run, program, &schedule);
    if (run_steps(run)) {
        run_end(run);
    }
    tape_free(&schedule);
    return (struct trace){disk_operations(run->disk), disk_calls(run->disk),
                          disk_fingerprint(run->disk)};
}

/* The same tape, the same run: without that no failure could be replayed. */
static bool one_replay(struct check_run *check, struct tape *tape) {
    struct program program;
    draw(check, &program, tape);
    uint64_t seed = tape_choose(tape, 1000);
    struct trace a = trace(check->run, &program, seed);
    struct trace b = trace(check->run, &program, seed);
    check->cases++;
    bool same = a.operations == b.operations && a.calls == b.calls &&
                a.fingerprint == b.fingerprint;
    if (!same && check->story != NULL) {
        program_print(&program, check->story);
        fprintf(check->story,
                "run twice, it made %zu and %zu disk operations, %zu and %zu calls\n",
                a.operations, b.operations, a.calls, b.calls);
    }
    return same;
}

const struct check self_checks[] = {
    {"self.model", CHECK_CHECK, 1, 0, 500, 20,
     "the model answers as a naive replay of all operations does", one_model, NULL},
    {"self.comparison", CHECK_CHECK, 1, 0, 200, 10,
     "comparing a store with a wrong state is noticed", one_comparison, NULL},
    {"self.law", CHECK_CHECK, 1, 0, 500, 20,
     "what a crash may leave is no more and no less than the program promised", one_law,
     NULL},
    {"self.replay", CHECK_CHECK, 1, 0, 100, 5, "a tape runs the same way each time",
     one_replay, NULL},
    {0},
};
