#include "records.h"

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
