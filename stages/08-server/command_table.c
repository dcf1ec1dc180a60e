/* The index is a table of open addressing, filled to less than half. Names are hashed in
 * lower case by FNV-1a (Fowler, Noll, Vo). */
#include "redis_command.h"

#include <assert.h>

#include "commands.h"

const struct command_rows *const command_groups[] = {
    &commands_string, &commands_number, &commands_keys,   &commands_expire,
    &commands_scan,   &commands_client, &commands_config, &commands_connection,
    &commands_server, &commands_table,
};
const size_t command_group_count = sizeof command_groups / sizeof command_groups[0];

enum { NAME_BYTES = 64 };

static unsigned char lower(unsigned char byte) {
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

static bool is_name(const char *name, struct slice text) {
    size_t i = 0;
    while (i < text.length && name[i] != '\0' &&
           (unsigned char)name[i] == lower(text.data[i])) {
        i++;
    }
    return i == text.length && name[i] == '\0';
}

static size_t first_slot(struct slice name) {
    uint32_t hash = UINT32_C(2166136261);
    for (size_t i = 0; i < name.length; i++) {
        hash = (hash ^ lower(name.data[i])) * UINT32_C(16777619);
    }
    return (hash ^ hash >> 15) % COMMAND_SLOTS;
}

static void add(struct command_index *index, const struct redis_command *command) {
    size_t slot = first_slot(slice_of(command->name));
    assert(index->count < COMMAND_SLOTS / 2);
    while (index->slots[slot] != 0) {
        slot = (slot + 1) % COMMAND_SLOTS;
    }
    index->by_number[index->count++] = command;
    index->slots[slot] = (uint16_t)index->count;
    for (size_t i = 0; i < command->subcommand_count; i++) {
        add(index, &command->subcommands[i]);
    }
}

void command_index_init(struct command_index *index) {
    *index = (struct command_index){0};
    for (size_t i = 0; i < command_group_count; i++) {
        for (size_t j = 0; j < command_groups[i]->count; j++) {
            add(index, &command_groups[i]->rows[j]);
        }
    }
}

size_t command_index_find(const struct command_index *index, struct slice name) {
    if (name.length >= NAME_BYTES) {
        return index->count;
    }
    size_t slot = first_slot(name);
    while (index->slots[slot] != 0) {
        size_t number = index->slots[slot] - 1U;
        if (is_name(index->by_number[number]->name, name)) {
            return number;
        }
        slot = (slot + 1) % COMMAND_SLOTS;
    }
    return index->count;
}

size_t command_index_resolve(const struct command_index *index,
                             const struct resp_request *request) {
    struct slice name = request->arguments[0];
    size_t number = command_index_find(index, name);
    if (number == index->count || memchr(name.data, '|', name.length) != NULL) {
        return index->count;
    }
    if (index->by_number[number]->subcommand_count == 0 || request->count == 1) {
        return number;
    }
    unsigned char whole[NAME_BYTES];
    struct slice sub = request->arguments[1];
    if (name.length + 1 + sub.length >= sizeof whole) {
        return index->count;
    }
    memcpy(whole, name.data, name.length);
    whole[name.length] = '|';
    memcpy(whole + name.length + 1, sub.data, sub.length);
    return command_index_find(index, slice_make(whole, name.length + 1 + sub.length));
}
