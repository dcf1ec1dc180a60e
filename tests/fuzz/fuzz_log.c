/* Logs: reader, marks, dump, and an open that replays them.
 *
 *     input := flags, split fixed16, bytes of a log
 *
 * With FUZZ_SPLIT the bytes behind `split` are a second log. */
#include <stddef.h>

#include "change.h"
#include "dump.h"
#include "log_reader.h"
#include "memory.h"
#include "fuzz.h"

enum { FUZZ_SPLIT = 2, HEADER_BYTES = 3 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t count);

/* A record that is a change has as many operations as it says, none of them outside. */
static void read_change(struct slice payload) {
    struct change_reader reader;
    const char *why = NULL;
    if (!change_read(&reader, payload, &why)) {
        DEMAND(why != NULL, "what is no change says why");
        return;
    }
    struct kv_op op;
    size_t ops = 0;
    while (change_next(&reader, &op)) {
        DEMAND(op.key.data >= payload.data &&
                   op.key.data + op.key.length <= payload.data + payload.length,
               "operation %zu", ops);
        ops++;
    }
    DEMAND(ops == reader.count, "%zu of %u", ops, (unsigned)reader.count);
    DEMAND(reader.rest.length == 0, "%zu bytes behind the last", reader.rest.length);
}

static void read_log(struct file *file, size_t count) {
    struct log_reader reader;
    struct log_item item;
    uint64_t at = 0, sequence, offset;
    DEMAND(log_reader_init(&reader, file, UINT64_MAX, NULL) == STATUS_OK, "init");
    do {
        DEMAND(log_reader_next(&reader, &item, NULL) == STATUS_OK, "at %zu", (size_t)at);
        DEMAND(item.offset >= at && item.end >= item.offset && item.end <= count,
               "[%zu, %zu) behind %zu", (size_t)item.offset, (size_t)item.end,
               (size_t)at);
        if (item.kind == LOG_RECORD) {
            read_change(item.payload);
        }
        DEMAND(item.kind != LOG_DAMAGE || item.why != NULL, "damage says why");
        at = item.end;
    } while (item.kind == LOG_RECORD || item.kind == LOG_MARK);
    log_reader_free(&reader);
    DEMAND(log_find_mark(file, 0, count, &sequence, &offset, NULL) == STATUS_OK, "marks");
    DEMAND(sequence == 0 || offset < count, "a mark at %zu", (size_t)offset);
}

static void ignore(void *context, const char *line) {
    (void)context;
    DEMAND(line[0] != '\0', "an empty line");
}

static void read_file(struct fuzz_world *fuzz, const char *path, size_t count) {
    struct file *file = NULL;
    DEMAND(file_open(fuzz->world.files, path, FILE_READ, &file, NULL) == STATUS_OK, "%s",
           path);
    read_log(file, count);
    file_release(file);
    enum status status = log_dump(path, &fuzz->options, ignore, NULL, NULL);
    DEMAND(status == STATUS_OK || status == STATUS_CORRUPT, "dump: %s",
           status_words(status));
}

static void put_log(struct fuzz_world *fuzz, const char *path, unsigned char *bytes,
                    size_t count, bool repair) {
    if (repair) {
        fuzz_repair_log(bytes, count);
    }
    fuzz_put(fuzz, path, slice_make(bytes, count));
    read_file(fuzz, path, count);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t count) {
    if (count < HEADER_BYTES) {
        return 0;
    }
    struct fuzz_world fuzz;
    unsigned flags = data[0];
    size_t split = (size_t)data[1] | (size_t)data[2] << 8;
    size_t length = count - HEADER_BYTES;
    unsigned char *bytes = malloc(length + 1); /* of its own: its end is watched */
    DEMAND(bytes != NULL, "memory");
    memcpy(bytes, data + HEADER_BYTES, length);
    split = (flags & FUZZ_SPLIT) != 0 && split < length ? split : length;
    bool repair = (flags & FUZZ_REPAIR) != 0;
    fuzz_begin(&fuzz);
    put_log(&fuzz, "db/000003.log", bytes, split, repair);
    if (split < length) {
        put_log(&fuzz, "db/000005.log", bytes + split, length - split, repair);
    }
    fuzz_open_twice(&fuzz);
    fuzz_end(&fuzz);
    free(bytes);
    return 0;
}
