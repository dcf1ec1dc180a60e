#include "slowlog.h"

#include <inttypes.h>
#include <stdio.h>

#include "memory.h"

enum { MORE_BYTES = 48 }; /* "... (18446744073709551615 more arguments)" */

enum status slowlog_init(struct slowlog *slowlog, const struct threads *threads) {
    *slowlog = (struct slowlog){.threshold_micros = {SLOWLOG_OFF}};
    return mutex_init(&slowlog->mutex, threads);
}

/* What is behind the newest `most` is taken out of the log. */
static struct slowlog_entry *cut(struct slowlog *slowlog, size_t most) {
    struct slowlog_entry **at = &slowlog->newest;
    for (size_t i = 0; i < most && *at != NULL; i++) {
        at = &(*at)->older;
    }
    struct slowlog_entry *rest = *at;
    *at = NULL;
    slowlog->length = slowlog->length < most ? slowlog->length : most;
    return rest;
}

static void give_all(struct slowlog_entry *entry) {
    while (entry != NULL) {
        struct slowlog_entry *older = entry->older;
        memory_give(entry);
        entry = older;
    }
}

void slowlog_free(struct slowlog *slowlog) {
    give_all(slowlog->newest);
    slowlog->newest = NULL;
    mutex_free(&slowlog->mutex);
}

void slowlog_configure(struct slowlog *slowlog, int64_t threshold_micros, size_t most) {
    atomic_u64_store(&slowlog->threshold_micros,
                     threshold_micros < 0 || most == 0 ? SLOWLOG_OFF
                                                       : (uint64_t)threshold_micros,
                     memory_order_relaxed);
    mutex_lock(&slowlog->mutex);
    slowlog->most = most;
    struct slowlog_entry *rest = cut(slowlog, most);
    mutex_unlock(&slowlog->mutex);
    give_all(rest);
}

/* ---- one entry ------------------------------------------------------------------- */

/* The end of what is cut: of an argument with so many bytes left out. */
static size_t more_bytes(char text[MORE_BYTES], size_t left_out) {
    return (size_t)snprintf(text, MORE_BYTES, "... (%zu more bytes)", left_out);
}

static size_t more_arguments(char text[MORE_BYTES], size_t left_out) {
    return (size_t)snprintf(text, MORE_BYTES, "... (%zu more arguments)", left_out);
}

static size_t kept_bytes(struct slice argument) {
    char more[MORE_BYTES];
    return argument.length <= SLOWLOG_ARGUMENT_BYTES_MAX
               ? argument.length
               : SLOWLOG_ARGUMENT_BYTES_MAX +
                     more_bytes(more, argument.length - SLOWLOG_ARGUMENT_BYTES_MAX);
}

/* Copies with a terminator, and moves *to behind it. */
static struct slice copy_text(char **to, const void *bytes, size_t count) {
    char *begin = *to;
    memcpy(begin, bytes, count);
    begin[count] = '\0';
    *to += count + 1;
    return slice_make(begin, count);
}

static struct slice copy_argument(char **to, struct slice argument) {
    char more[MORE_BYTES];
    if (argument.length <= SLOWLOG_ARGUMENT_BYTES_MAX) {
        return copy_text(to, argument.data, argument.length);
    }
    size_t length = more_bytes(more, argument.length - SLOWLOG_ARGUMENT_BYTES_MAX);
    char *begin = *to;
    memcpy(begin, argument.data, SLOWLOG_ARGUMENT_BYTES_MAX);
    *to += SLOWLOG_ARGUMENT_BYTES_MAX;
    (void)copy_text(to, more, length);
    return slice_make(begin, SLOWLOG_ARGUMENT_BYTES_MAX + length);
}

static struct slowlog_entry *new_entry(const struct resp_request *request,
                                       struct slice peer, struct slice name) {
    bool all = request->count <= SLOWLOG_ARGUMENTS_MAX;
    size_t whole = all ? request->count : SLOWLOG_ARGUMENTS_MAX - 1;
    size_t bytes = sizeof(struct slowlog_entry) + peer.length + 1 + name.length + 1;
    for (size_t i = 0; i < whole; i++) {
        bytes += kept_bytes(request->arguments[i]) + 1;
    }
    struct slowlog_entry *entry = memory_take(bytes + (all ? 0 : MORE_BYTES));
    if (entry == NULL) {
        return NULL;
    }
    char *to = (char *)(entry + 1);
    *entry = (struct slowlog_entry){.count = whole};
    entry->peer = copy_text(&to, peer.data, peer.length);
    entry->name = copy_text(&to, name.data, name.length);
    for (size_t i = 0; i < whole; i++) {
        entry->arguments[i] = copy_argument(&to, request->arguments[i]);
    }
    if (!all) {
        char more[MORE_BYTES];
        size_t length = more_arguments(more, request->count - whole);
        entry->arguments[entry->count++] = copy_text(&to, more, length);
    }
    return entry;
}

void slowlog_add(struct slowlog *slowlog, const struct resp_request *request,
                 uint64_t micros, uint64_t unix_seconds, struct slice peer,
                 struct slice name) {
    struct slowlog_entry *entry = new_entry(request, peer, name);
    if (entry == NULL) {
        return;
    }
    entry->micros = micros;
    entry->seconds = unix_seconds;
    mutex_lock(&slowlog->mutex);
    entry->id = slowlog->next_id++;
    entry->older = slowlog->newest;
    slowlog->newest = entry;
    slowlog->length++;
    struct slowlog_entry *rest = cut(slowlog, slowlog->most);
    mutex_unlock(&slowlog->mutex);
    give_all(rest);
}

/* ---- looking at it --------------------------------------------------------------- */

size_t slowlog_length(struct slowlog *slowlog) {
    mutex_lock(&slowlog->mutex);
    size_t length = slowlog->length;
    mutex_unlock(&slowlog->mutex);
    return length;
}

void slowlog_reset(struct slowlog *slowlog) {
    mutex_lock(&slowlog->mutex);
    struct slowlog_entry *rest = cut(slowlog, 0);
    mutex_unlock(&slowlog->mutex);
    give_all(rest);
}

void slowlog_visit(struct slowlog *slowlog, size_t most,
                   void (*begin)(void *context, size_t count),
                   void (*visit)(void *context, const struct slowlog_entry *entry),
                   void *context) {
    mutex_lock(&slowlog->mutex);
    size_t count = most < slowlog->length ? most : slowlog->length;
    begin(context, count);
    for (const struct slowlog_entry *entry = slowlog->newest; count > 0; count--) {
        visit(context, entry);
        entry = entry->older;
    }
    mutex_unlock(&slowlog->mutex);
}
