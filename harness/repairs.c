/* Repairs of damaged stores: crashed before every disk operation, and with every call and
 * allocation failing; each must be finished by another repair, and lose nothing more.
 *
 * On the tape: specimen and damage (damage.h), then what fails (plan.h). */
#include "repairs.h"

#include <string.h>

#include "image.h"
#include "plan.h"

/* ---- what a repair must save ----------------------------------------------------- */

static void ignore_line(void *context, const char *line) {
    (void)context;
    (void)line;
}

/* What a get after a repair may answer for the key; see the top. */
static bool key_is_saved(const struct specimen *specimen, const struct damage *damage,
                         struct slice key, bool found, struct slice value) {
    const struct model *model = &specimen->run->model;
    bool readable = false;
    for (size_t i = 0; i < PROGRAM_KEYS; i++) {
        readable |= slice_equal(program_key(i), key) && damage->readable[i];
    }
    for (size_t i = 0; i < model->version_count; i++) {
        const struct model_version *version = &model->versions[i];
        if (!slice_equal(version->key, key)) {
            continue;
        }
        bool same = version->type == KV_PUT ? found && slice_equal(value, version->value)
                                            : !found;
        if (same) {
            return true;
        }
        if (readable || !damage_may_lose(specimen, damage, version->sequence)) {
            return false;
        }
    }
    return !found;
}

/* `whole`: no read may fail any more. If not, one may, if it says why. */
static bool read_may_fail(enum status status, const struct error *error, bool whole) {
    return !whole && status == STATUS_CORRUPT && error->message[0] != '\0';
}

static bool all_is_saved(const struct specimen *specimen, const struct damage *damage,
                         struct kv *kv, bool whole) {
    struct run *run = specimen->run;
    struct error error = {0};
    struct buf value = {0};
    struct iter *iter = NULL;
    bool holds = true;
    for (size_t i = 0; i < PROGRAM_KEYS && holds; i++) {
        struct slice key = program_key(i);
        enum status status = kv_get(kv, key, &value, NULL, &error);
        if (read_may_fail(status, &error, whole)) {
            continue;
        }
        if ((status != STATUS_OK && status != STATUS_NOT_FOUND) ||
            !key_is_saved(specimen, damage, key, status == STATUS_OK,
                          buf_slice(&value))) {
            holds = run_fails(run, "get \"%.*s\" after the repair: %s, %zu bytes",
                              (int)key.length, (const char *)key.data,
                              status_words(status), value.length);
        }
    }
    if (holds && kv_iter(kv, &(struct kv_iter_options){0}, &iter, &error) != STATUS_OK) {
        holds = run_fails(run, "scan after the repair: %s", error.message);
    }
    for (holds ? iter_first(iter) : (void)0; holds && iter->valid; iter_next(iter)) {
        if (!key_is_saved(specimen, damage, iter->key, true, iter->value)) {
            holds =
                run_fails(run, "a scan after the repair shows what was never written");
        }
    }
    if (holds && iter->error.status != STATUS_OK &&
        !read_may_fail(iter->error.status, &iter->error, whole)) {
        holds = run_fails(run, "scan after the repair: %s", iter->error.message);
    }
    iter_close(iter);
    buf_free(&value);
    return holds;
}

/* Opens the repaired store, reads it, writes to it, and finds that again. */
static bool repaired_lives(const struct specimen *specimen, const struct damage *damage,
                           struct disk *image) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    enum status status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    if (status != STATUS_OK) {
        return run_fails(run, "open after the repair: %s", error.message);
    }
    if (!all_is_saved(specimen, damage, kv, true)) {
        return false;
    }
    struct slice key = slice_of("after"), value = slice_of("the repair");
    struct buf found = {0};
    status = kv_put(kv, key, value, NULL, &error);
    enum status closed = kv_close(kv, &error);
    if (status != STATUS_OK || closed != STATUS_OK) {
        return run_fails(run, "put and close after the repair: %s", error.message);
    }
    status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    if (status != STATUS_OK) {
        return run_fails(run, "second open after the repair: %s", error.message);
    }
    status = kv_get(kv, key, &found, NULL, &error);
    bool same = status == STATUS_OK && slice_equal(buf_slice(&found), value);
    buf_free(&found);
    closed = kv_close(kv, &error);
    if (!same || closed != STATUS_OK) {
        return run_fails(run, "what was put after the repair: %s", error.message);
    }
    status = kv_verify(RUN_DIRECTORY, &options, ignore_line, NULL, &error);
    return status == STATUS_OK || run_fails(run, "verify after the repair: %s: %s",
                                            status_words(status), error.message);
}

static bool repair(const struct specimen *specimen, struct disk *image,
                   const char *when) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    size_t blocks = counted_memory_blocks();
    enum status status = kv_repair(RUN_DIRECTORY, &options, ignore_line, NULL, &error);
    if (status != STATUS_OK) {
        return run_fails(run, "%s: %s: %s", when, status_words(status), error.message);
    }
    return image_left_nothing(run, image, blocks, when);
}

bool repair_holds(const struct specimen *specimen, const struct damage *damage,
                  struct disk *image, const char *when) {
    return repair(specimen, image, when) && repaired_lives(specimen, damage, image);
}

/* ---- cut off --------------------------------------------------------------------- */

/* Opens what a repair that was cut off has left: it may refuse, in words. */
static bool unrepaired_is_fine(const struct specimen *specimen,
                               const struct damage *damage, struct disk *image) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    struct kv *kv = NULL;
    enum status status = kv_open(RUN_DIRECTORY, &options, &kv, &error);
    if (status != STATUS_OK) {
        return error.message[0] != '\0' ||
               run_fails(run, "open after half a repair refuses without words");
    }
    bool holds = all_is_saved(specimen, damage, kv, false);
    status = kv_close(kv, &error);
    return holds && (status == STATUS_OK ||
                     run_fails(run, "close after half a repair: %s", error.message));
}

/* No file is lost: each is where it was, or set aside; CURRENT may be a new one. */
static bool files_are_kept(const struct specimen *specimen, struct disk *found) {
    for (size_t f = 0; f < specimen->file_count; f++) {
        const char *path = specimen->files[f].path;
        char aside[SPECIMEN_PATH_BYTES + 8];
        struct slice contents;
        snprintf(aside, sizeof aside, RUN_DIRECTORY "/lost/%s", strrchr(path, '/') + 1);
        if (!disk_read_file(found, path, &contents) &&
            !disk_read_file(found, aside, &contents)) {
            return run_fails(specimen->run, "%s is gone, and not in lost/", path);
        }
    }
    return true;
}

/* What a crash left of a repair that had returned, or not yet. */
static bool survives(const struct specimen *specimen, const struct damage *damage,
                     struct disk *found, bool returned) {
    if (!files_are_kept(specimen, found)) {
        return false;
    }
    if (returned) {
        return repaired_lives(specimen, damage, found);
    }
    struct disk *meanwhile = image_copy(found);
    bool holds =
        unrepaired_is_fine(specimen, damage, meanwhile) &&
        repair_holds(specimen, damage, found, "repair after a repair that was cut off");
    if (!holds) {
        run_kill(specimen->run, meanwhile);
    }
    disk_free(meanwhile);
    return holds;
}

/* How what was pending fares: all kept; all lost, by each profile's rules; out of order,
 * only the last or all but the last kept, and every second. */
enum { VARIANTS = 7 };

static bool variant_keeps(int variant, size_t piece, size_t count) {
    switch (variant) {
    case 0:
        return true;
    case 3:
        return piece + 1 == count;
    case 4:
        return piece + 1 < count;
    case 5:
        return piece % 2 == 0;
    case 6:
        return piece % 2 == 1;
    default:
        return false;
    }
}

/* The repair that ran on the image from operation `begun` on, cut off before each of its
 * operations. */
static bool repair_survives_crashes(const struct specimen *specimen,
                                    const struct damage *damage, struct disk *image,
                                    size_t begun) {
    bool holds = true;
    for (size_t at = begun; at <= disk_operations(image) && holds; at++) {
        for (int variant = 0; variant < VARIANTS && holds; variant++) {
            struct crash crash = {.profile = variant == 2 ? DISK_EXT4 : DISK_POSIX,
                                  .operation = at};
            size_t pieces = disk_pending(image, crash.profile, at);
            crash.piece_count = pieces < CRASH_PIECES_MAX ? pieces : CRASH_PIECES_MAX;
            for (size_t i = 0; i < CRASH_PIECES_MAX; i++) {
                bool kept = variant_keeps(variant, i, crash.piece_count);
                crash.fates[i] = kept ? FATE_KEPT : FATE_LOST;
            }
            struct disk *found = disk_crash(image, &crash);
            holds = survives(specimen, damage, found, at == disk_operations(image));
            if (!holds) {
                run_fails(specimen->run, "(crash at operation %zu of the repair)",
                          at - begun);
                run_kill(specimen->run, found);
            }
            disk_free(found);
        }
    }
    return holds;
}

static void tell(struct check_run *check, const struct specimen *specimen,
                 const struct damage *damage) {
    if (check->story != NULL) {
        damage_print(specimen, damage, check->story);
        run_print(check->run, check->story);
    }
}

static bool crash_one(struct check_run *check, struct tape *tape) {
    struct specimen specimen;
    bool holds = specimen_make(&specimen, check, tape);
    if (!holds || specimen.file_count == 0) {
        return holds;
    }
    struct damage damage = damage_draw(&specimen, tape);
    struct disk *image = damage_image(&specimen, &damage);
    size_t begun = disk_operations(image);
    holds = repair(&specimen, image, "repair") &&
            repair_survives_crashes(&specimen, &damage, image, begun);
    check->cases += disk_operations(image) > begun;
    tell(check, &specimen, &damage);
    run_kill(check->run, image);
    disk_free(image);
    return holds;
}

/* ---- under faults ---------------------------------------------------------------- */

static bool repair_under_fault(const struct specimen *specimen, struct disk *image,
                               const struct plan *plan, char *struck) {
    struct run *run = specimen->run;
    struct world world = run_world_on(run, image);
    struct kv_options options = image_options(run, &world);
    struct error error = {0};
    size_t blocks = counted_memory_blocks();
    plan_arm(plan, image);
    enum status status = kv_repair(RUN_DIRECTORY, &options, ignore_line, NULL, &error);
    plan_struck(image, struck);
    run->struck = plan_disarm(image);
    if (status != STATUS_OK && !run->struck) {
        return run_fails(run, "repair fails though nothing was made to fail: %s",
                         error.message);
    }
    return image_error_told(run, "repair", status, &error) &&
           image_left_nothing(run, image, blocks, "repair under a fault");
}

static bool finished_by_another(const struct specimen *specimen,
                                const struct damage *damage, struct disk *image) {
    struct disk *copies[] = {image_powerless(image, DISK_POSIX),
                             image_powerless(image, DISK_EXT4)};
    struct disk *meanwhile = image_copy(image);
    bool holds =
        unrepaired_is_fine(specimen, damage, meanwhile) &&
        repair_holds(specimen, damage, copies[0], "repair after a fault and a crash") &&
        repair_holds(specimen, damage, copies[1], "repair after a fault and a crash") &&
        repair_holds(specimen, damage, image, "repair again, when the fault is gone");
    for (size_t i = 0; i < 2; i++) {
        run_kill(specimen->run, copies[i]);
        disk_free(copies[i]);
    }
    run_kill(specimen->run, meanwhile);
    disk_free(meanwhile);
    return holds;
}

static bool fault_one(struct check_run *check, struct tape *tape) {
    struct specimen specimen;
    char struck[PLAN_STRUCK_BYTES] = "";
    bool holds = specimen_make(&specimen, check, tape);
    if (!holds) {
        return false;
    }
    struct damage damage = {.kind = DAMAGE_FLIP};
    if (specimen.file_count > 0) {
        damage = damage_draw(&specimen, tape);
    }
    struct plan plan = plan_draw(tape);
    if (specimen.file_count == 0) {
        return true;
    }
    struct disk *image = damage_image(&specimen, &damage);
    holds = repair_under_fault(&specimen, image, &plan, struck) &&
            finished_by_another(&specimen, &damage, image);
    check->cases += check->run->struck;
    if (check->story != NULL) {
        plan_print(&plan, struck, check->story);
    }
    tell(check, &specimen, &damage);
    run_kill(check->run, image);
    disk_free(image);
    return holds;
}

const struct check repair_checks[] = {
    {"repair.crash", CHECK_CORRUPT, 1, 0, 600, 20,
     "a repair that is cut off anywhere can be finished, and loses nothing more",
     crash_one, NULL},
    {"repair.fault", CHECK_SWEEP, 1, 0, 30, 4,
     "a repair in which anything fails can be finished, and loses nothing more",
     fault_one, plan_campaign},
    {0}};
