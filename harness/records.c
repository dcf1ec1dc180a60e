#include "records.h"

#include <string.h>

enum { BLOCK = 32768, HEADER = 7, FULL = 1, FIRST = 2, MIDDLE = 3, LAST = 4, HEAD = 12 };

/* The fragment under the cursor. */
struct cursor {
    struct slice log;
    size_t at;
    unsigned type;
    size_t length;
};

static bool fragment_at(struct cursor *cursor) {
    size_t left = BLOCK - cursor->at % BLOCK;
    cursor->at += left < HEADER ? left : 0;
    if (cursor->at + HEADER > cursor->log.length) {
        return false;
    }
    const unsigned char *header = cursor->log.data + cursor->at;
    cursor->length = header[4] + 256u * header[5];
    cursor->type = header[6];
    return cursor->type >= FULL && cursor->type <= LAST &&
           cursor->at + HEADER + cursor->length <= cursor->log.length;
}

static uint64_t little_endian(const unsigned char *bytes, size_t count) {
    uint64_t value = 0;
    for (size_t i = count; i > 0; i--) {
        value = value << 8 | bytes[i - 1];
    }
    return value;
}

/* Reads one record; false at the end. */
static bool next_record(struct cursor *cursor, struct record *record) {
    unsigned char head[HEAD];
    size_t have = 0, fragments = 0, bytes = 0;
    unsigned type;
    *record = (struct record){0};
    do {
        if (!fragment_at(cursor)) {
            return false;
        }
        type = cursor->type;
        if (type == FULL || type == FIRST) { /* an empty first one may be filler */
            record->begin = cursor->at;
            have = fragments = bytes = 0;
        }
        const unsigned char *data = cursor->log.data + cursor->at + HEADER;
        for (size_t i = 0; i < cursor->length && have < HEAD; i++) {
            head[have++] = data[i];
        }
        fragments++;
        bytes += cursor->length;
        cursor->at += HEADER + cursor->length;
    } while (type == FIRST || type == MIDDLE);
    if (have < HEAD) {
        return false;
    }
    record->end = cursor->at;
    record->sequence = little_endian(head, 8);
    record->count = (uint32_t)little_endian(head + 8, 4);
    record->mark = fragments == 2 && bytes == HEAD && record->count == 0;
    return true;
}

size_t records_read(struct slice log, struct record *records, size_t room) {
    struct cursor cursor = {.log = log};
    size_t count = 0;
    while (count < room && next_record(&cursor, &records[count])) {
        count++;
    }
    return count;
}

/* ---- tables ---------------------------------------------------------------------- */

enum { FOOTER = 48, TRAILER = 5, NAME_ROOM = 64 };

/* 0 at the end, too: what is read here is intact. */
static uint64_t take_varint(struct slice *from) {
    uint64_t value = 0;
    for (unsigned shift = 0; from->length > 0 && shift < 64; shift += 7) {
        unsigned char byte = from->data[0];
        slice_advance(from, 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            break;
        }
    }
    return value;
}

/* A handle's block, which is not packed, without its restart points. */
static bool take_block(struct slice table, struct slice *handle, struct slice *entries,
                       uint64_t *offset) {
    *offset = take_varint(handle);
    uint64_t bytes = take_varint(handle);
    if (bytes < 8 || *offset + bytes + TRAILER > table.length ||
        table.data[*offset + bytes] != 0) {
        return false;
    }
    uint64_t restarts = little_endian(table.data + *offset + bytes - 4, 4);
    if (restarts > bytes / 4 - 1) {
        return false;
    }
    *entries = slice_make(table.data + *offset, (size_t)(bytes - 4 - 4 * restarts));
    return true;
}

/* The next entry; `name` keeps the bytes that the next one may share. */
static bool take_entry(struct slice *entries, char name[NAME_ROOM], struct slice *value) {
    uint64_t shared = take_varint(entries);
    uint64_t unshared = take_varint(entries);
    uint64_t bytes = take_varint(entries);
    if (shared + unshared >= NAME_ROOM || unshared + bytes > entries->length) {
        return false;
    }
    memcpy(name + shared, entries->data, (size_t)unshared);
    name[shared + unshared] = '\0';
    *value = slice_make(entries->data + unshared, (size_t)bytes);
    slice_advance(entries, (size_t)(unshared + bytes));
    return true;
}

bool records_read_table(struct slice table, struct record *record) {
    char name[NAME_ROOM] = "";
    struct slice entries, value, properties = {0};
    uint64_t offset, first = 0, last = 0;
    if (table.length < FOOTER) {
        return false;
    }
    struct slice footer = slice_make(table.data + table.length - FOOTER, FOOTER);
    if (!take_block(table, &footer, &entries, &offset)) {
        return false;
    }
    record->end = (size_t)offset;
    while (entries.length > 0 && take_entry(&entries, name, &value)) {
        struct slice handle = value;
        uint64_t start = take_varint(&handle);
        record->end = start < record->end ? (size_t)start : record->end;
        if (strcmp(name, "strata.properties") == 0 &&
            !take_block(table, &value, &properties, &offset)) {
            return false;
        }
    }
    while (properties.length > 0 && take_entry(&properties, name, &value)) {
        if (strcmp(name, "smallest_sequence") == 0) {
            first = take_varint(&value);
        } else if (strcmp(name, "largest_sequence") == 0) {
            last = take_varint(&value);
        }
    }
    record->begin = 0;
    record->sequence = first;
    record->count = (uint32_t)(last - first + 1);
    record->mark = false;
    return first > 0;
}
