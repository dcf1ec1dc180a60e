#include "client_list.h"

#include <inttypes.h>

#include "session.h"

enum status client_list_init(struct client_list *list, const struct threads *threads) {
    *list = (struct client_list){0};
    return mutex_init(&list->mutex, threads);
}

void client_list_free(struct client_list *list) {
    mutex_free(&list->mutex);
}

static void set(struct atomic_u64 *number, uint64_t value) {
    atomic_u64_store(number, value, memory_order_relaxed);
}

static uint64_t get(const struct atomic_u64 *number) {
    return atomic_u64_load(number, memory_order_relaxed);
}

void client_list_add(struct client_list *list, struct client_entry *entry) {
    set(&entry->active_micros, entry->since_micros);
    set(&entry->number, 0);
    set(&entry->protocol, 2);
    set(&entry->monitors, 0);
    set(&entry->no_evict, 0);
    set(&entry->output_bytes, 0);
    set(&entry->query_bytes, 0);
    entry->name = entry->library_name = entry->library_version = (struct buf){0};
    mutex_lock(&list->mutex);
    entry->before = list->last;
    entry->after = NULL;
    *(list->last != NULL ? &list->last->after : &list->first) = entry;
    list->last = entry;
    list->count++;
    mutex_unlock(&list->mutex);
}

void client_list_remove(struct client_list *list, struct client_entry *entry) {
    mutex_lock(&list->mutex);
    *(entry->before != NULL ? &entry->before->after : &list->first) = entry->after;
    *(entry->after != NULL ? &entry->after->before : &list->last) = entry->before;
    list->count--;
    mutex_unlock(&list->mutex);
    buf_free(&entry->name);
    buf_free(&entry->library_name);
    buf_free(&entry->library_version);
}

size_t client_list_count(struct client_list *list) {
    mutex_lock(&list->mutex);
    size_t count = list->count;
    mutex_unlock(&list->mutex);
    return count;
}

/* Only the owner changes the text, so it may compare without the mutex. */
static void note_text(struct client_list *list, struct buf *text, const struct buf *now) {
    if (text->length == now->length && slice_equal(buf_slice(text), buf_slice(now))) {
        return;
    }
    mutex_lock(&list->mutex);
    if (buf_assign(text, buf_slice(now)) != STATUS_OK) {
        buf_clear(text);
    }
    mutex_unlock(&list->mutex);
}

void client_entry_began(struct client_entry *entry, const struct session *session,
                        uint64_t now_micros) {
    set(&entry->active_micros, now_micros);
    set(&entry->number, session->number + 1);
}

void client_list_note(struct client_list *list, struct client_entry *entry,
                      const struct session *session, uint64_t now_micros) {
    client_entry_began(entry, session, now_micros);
    set(&entry->protocol, (uint64_t)session->writer->protocol);
    set(&entry->monitors, session->monitors);
    set(&entry->no_evict, session->no_evict);
    note_text(list, &entry->name, &session->name);
    note_text(list, &entry->library_name, &session->library_name);
    note_text(list, &entry->library_version, &session->library_version);
}

void client_list_visit(struct client_list *list,
                       void (*visit)(void *context, struct client_entry *entry),
                       void *context) {
    mutex_lock(&list->mutex);
    for (struct client_entry *entry = list->first, *after; entry != NULL; entry = after) {
        after = entry->after;
        visit(context, entry);
    }
    mutex_unlock(&list->mutex);
}

/* ---- its line -------------------------------------------------------------------- */

static uint64_t seconds_since(uint64_t then, uint64_t now) {
    return now > then ? (now - then) / 1000000 : 0;
}

static const char *command_name(const struct client_entry *entry,
                                const struct command_index *index) {
    uint64_t number = get(&entry->number);
    return number == 0 || number > index->count ? "NULL"
                                                : index->by_number[number - 1]->name;
}

static void flags_of(const struct client_entry *entry, char flags[8]) {
    size_t used = 0;
    if (get(&entry->monitors) != 0) {
        flags[used++] = 'O';
    }
    if (entry->local_socket) {
        flags[used++] = 'U';
    }
    if (get(&entry->no_evict) != 0) {
        flags[used++] = 'e';
    }
    if (used == 0) {
        flags[used++] = 'N';
    }
    flags[used] = '\0';
}

enum status client_entry_print(const struct client_entry *entry,
                               const struct command_index *index, uint64_t now_micros,
                               struct buf *out) {
    char flags[8];
    flags_of(entry, flags);
    uint64_t query = get(&entry->query_bytes), output = get(&entry->output_bytes);
    enum status status =
        buf_printf(out, "id=%" PRIu64 " addr=%s laddr=%s fd=%d name=%.*s age=%" PRIu64,
                   entry->id, entry->peer, entry->local, entry->descriptor,
                   (int)entry->name.length, (const char *)buf_slice(&entry->name).data,
                   seconds_since(entry->since_micros, now_micros));
    if (status == STATUS_OK) {
        status = buf_printf(
            out,
            " idle=%" PRIu64 " flags=%s db=0 sub=0 psub=0 ssub=0 multi=-1"
            " qbuf=%" PRIu64 " qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0"
            " oll=0 omem=%" PRIu64 " tot-mem=%" PRIu64 " events=r cmd=%s user=default"
            " redir=-1 resp=%" PRIu64,
            seconds_since(get(&entry->active_micros), now_micros), flags, query, output,
            query + output, command_name(entry, index), get(&entry->protocol));
    }
    if (status == STATUS_OK) {
        status = buf_printf(out, " lib-name=%.*s lib-ver=%.*s\n",
                            (int)entry->library_name.length,
                            (const char *)buf_slice(&entry->library_name).data,
                            (int)entry->library_version.length,
                            (const char *)buf_slice(&entry->library_version).data);
    }
    return status;
}
