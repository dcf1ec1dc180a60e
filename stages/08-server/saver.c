#include "saver.h"

#include <inttypes.h>
#include <stdio.h>

enum status saver_open(struct saver *saver, struct kv *kv, const struct world *world,
                       struct server_log *log, const char *dir) {
    *saver = (struct saver){.kv = kv, .world = world, .log = log};
    (void)snprintf(saver->dir, sizeof saver->dir, "%s", dir);
    saver->facts.last_seconds = clock_wall_micros(world->clock) / 1000000;
    return mutex_init(&saver->mutex, world->threads);
}

void saver_close(struct saver *saver) {
    if (saver->has_thread) {
        thread_join(&saver->thread);
    }
    mutex_free(&saver->mutex);
}

/* The mutex is held. */
static enum status start(struct saver *saver, struct error *error) {
    if (saver->facts.running) {
        return error_set(error, STATUS_BUSY, "a checkpoint is being made");
    }
    saver->facts.running = true;
    saver->begun_micros = clock_monotonic_micros(saver->world->clock);
    return STATUS_OK;
}

/* Between start and its end. */
static enum status save(struct saver *saver, struct error *error) {
    char path[CONFIG_TEXT_BYTES + 40];
    (void)snprintf(path, sizeof path, "%s.checkpoint-%" PRIu64, saver->dir,
                   clock_wall_micros(saver->world->clock) / 1000);
    enum status status = kv_checkpoint(saver->kv, path, NULL, error);
    uint64_t now = clock_monotonic_micros(saver->world->clock);
    mutex_lock(&saver->mutex);
    struct saver_facts *facts = &saver->facts;
    facts->running = false;
    facts->last_failed = status != STATUS_OK;
    facts->last_micros = now - saver->begun_micros;
    if (status == STATUS_OK) {
        facts->last_seconds = clock_wall_micros(saver->world->clock) / 1000000;
        facts->saves++;
    }
    mutex_unlock(&saver->mutex);
    if (status == STATUS_OK) {
        server_log(saver->log, LOGLEVEL_NOTICE, "checkpoint %s is made", path);
    } else {
        server_log(saver->log, LOGLEVEL_WARNING, "checkpoint failed: %s", error->message);
    }
    return status;
}

enum status saver_save(struct saver *saver, struct error *error) {
    mutex_lock(&saver->mutex);
    enum status status = start(saver, error);
    mutex_unlock(&saver->mutex);
    return status == STATUS_OK ? save(saver, error) : status;
}

static void save_in_thread(void *argument) {
    struct saver *saver = argument;
    struct error error = {0};
    enum status status = save(saver, &error);
    (void)status; /* it is in the log, and in the facts */
}

enum status saver_begin(struct saver *saver, struct error *error) {
    mutex_lock(&saver->mutex);
    enum status status = start(saver, error);
    if (status == STATUS_OK && saver->has_thread) {
        thread_join(&saver->thread); /* it has done all that needs the mutex */
        saver->has_thread = false;
    }
    if (status == STATUS_OK) {
        status =
            thread_create(&saver->thread, saver->world->threads, save_in_thread, saver);
        saver->has_thread = status == STATUS_OK;
        saver->facts.running = status == STATUS_OK;
        if (status != STATUS_OK) {
            (void)error_no_memory(error, "a thread", 0);
        }
    }
    mutex_unlock(&saver->mutex);
    return status;
}

void saver_tell(struct saver *saver, struct saver_facts *facts) {
    uint64_t now = clock_monotonic_micros(saver->world->clock);
    mutex_lock(&saver->mutex);
    *facts = saver->facts;
    facts->running_micros = facts->running ? now - saver->begun_micros : 0;
    mutex_unlock(&saver->mutex);
}
