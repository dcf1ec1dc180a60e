/* Writes the inputs that the fuzz targets begin with: small databases of many kinds are
 * made on a simulated disk, and each of their files becomes an input.
 *
 *     seeds DIRECTORY    fills DIRECTORY/log, DIRECTORY/table, DIRECTORY/manifest and
 *                        DIRECTORY/resp
 *
 * Of a manifest each edit becomes an input too. Those for resp are what clients send. */
#include <stddef.h>
#include <sys/stat.h>

#include "log_reader.h"
#include "names.h"
#include "tape.h"
#include "fuzz.h"

enum { DATABASES = 16, CHANGES = 40 };

struct seeds {
    struct fuzz_world fuzz;
    const char *directory;
    unsigned database;
    unsigned written;
};

/* ---- inputs ---------------------------------------------------------------------- */

static void write_input(struct seeds *seeds, const char *target, struct slice header,
                        struct slice bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/%02u-%03u", seeds->directory, target,
             seeds->database, seeds->written++);
    FILE *out = fopen(path, "wb");
    DEMAND(out != NULL, "%s", path);
    DEMAND(fwrite(header.data, 1, header.length, out) == header.length &&
               fwrite(bytes.data, 1, bytes.length, out) == bytes.length &&
               fclose(out) == 0,
           "%s", path);
}

/* Without the space that was allocated ahead, but for a little. */
static struct slice trimmed(struct slice bytes) {
    enum { LEFT = 8 };
    size_t length = bytes.length;
    while (length > LEFT && bytes.data[length - 1] == 0 &&
           bytes.data[length - LEFT - 1] == 0) {
        length--;
    }
    return slice_make(bytes.data, length);
}

static void write_edits(struct seeds *seeds, const char *path) {
    struct file *file = NULL;
    struct log_reader reader;
    struct log_item item;
    DEMAND(file_open(disk_files(seeds->fuzz.disk), path, FILE_READ, &file, NULL) ==
               STATUS_OK,
           "%s", path);
    DEMAND(log_reader_init(&reader, file, UINT64_MAX, NULL) == STATUS_OK, "memory");
    while (log_reader_next(&reader, &item, NULL) == STATUS_OK &&
           item.kind == LOG_RECORD) {
        write_input(seeds, "manifest", slice_of("\2"), item.payload);
    }
    log_reader_free(&reader);
    file_release(file);
}

static void write_file_inputs(void *context, const char *path) {
    struct seeds *seeds = context;
    struct slice bytes;
    struct name name = name_parse(path + strlen("db/"));
    if (!disk_read_file(seeds->fuzz.disk, path, &bytes)) {
        return;
    }
    if (name.kind == NAME_LOG) {
        bytes = trimmed(bytes);
        unsigned char header[] = {(unsigned char)(seeds->database % 4),
                                  (unsigned char)(bytes.length / 2),
                                  (unsigned char)(bytes.length / 2 >> 8)};
        write_input(seeds, "log", slice_make(header, sizeof header), bytes);
    } else if (name.kind == NAME_TABLE) {
        write_input(seeds, "table", slice_of("\1"), bytes);
    } else if (name.kind == NAME_MANIFEST) {
        write_input(seeds, "manifest", slice_of("\1"), trimmed(bytes));
        write_edits(seeds, path);
    }
}

/* ---- databases ------------------------------------------------------------------- */

static void write_change(struct kv *kv, uint64_t *random) {
    char keys[3][16], values[3][80];
    struct kv_op ops[3];
    size_t count = 1 + (size_t)random_below(random, 3);
    struct kv_write_options options = {
        .durability = random_below(random, 3) == 0 ? DURABILITY_ALWAYS : DURABILITY_NONE};
    for (size_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], "key%u", (unsigned)random_below(random, 20));
        snprintf(values[i], sizeof values[i], "%0*u", (int)random_below(random, 60) + 1,
                 (unsigned)random_below(random, 1000));
        bool put = random_below(random, 4) > 0;
        ops[i] = (struct kv_op){put ? KV_PUT : KV_DELETE, slice_of(keys[i]),
                                put ? slice_of(values[i]) : (struct slice){0}};
    }
    DEMAND(kv_write(kv, ops, count, &options, NULL) == STATUS_OK, "write");
}

static void make_database(struct seeds *seeds) {
    static const enum table_compression compressions[] = {
        TABLE_COMPRESSION_NONE, TABLE_COMPRESSION_SNAPPY, TABLE_COMPRESSION_ZSTD,
        TABLE_COMPRESSION_LZ4};
    unsigned number = seeds->database;
    uint64_t random = number + 1;
    struct kv *kv = NULL;
    fuzz_begin(&seeds->fuzz);
    seeds->fuzz.options.compression = compressions[number % 4];
    seeds->fuzz.options.filter_bits = number / 4 % 2 * 10;
    seeds->fuzz.options.restart_interval = 1 + number % 5;
    for (unsigned life = 0; life < 2 + number % 2; life++) {
        DEMAND(kv_open("db", &seeds->fuzz.options, &kv, NULL) == STATUS_OK, "open");
        for (unsigned i = 0; i < CHANGES; i++) {
            write_change(kv, &random);
            if (random_below(&random, 12) == 0) {
                DEMAND(kv_flush(kv, NULL) == STATUS_OK, "flush");
            }
        }
        disk_list_files(seeds->fuzz.disk, write_file_inputs, seeds);
        DEMAND(kv_close(kv, NULL) == STATUS_OK, "close");
    }
    disk_list_files(seeds->fuzz.disk, write_file_inputs, seeds);
    fuzz_end(&seeds->fuzz);
}

/* ---- requests -------------------------------------------------------------------- */

#define STREAM(text)                                                                     \
    { (const unsigned char *)(text), sizeof(text) - 1 }

/* More than a parser's first buffer holds: a line, and a request of many arguments. */
static void write_long_streams(struct seeds *seeds) {
    static const char *const pieces[] = {"word\t  ", "$1\r\nx\r\n"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct buf stream = {0};
        DEMAND(buf_append_text(&stream, i == 0 ? "echo " : "*2600\r\n") == STATUS_OK,
               "memory");
        for (int piece = 0; piece < 2600; piece++) {
            DEMAND(buf_append_text(&stream, pieces[i]) == STATUS_OK, "memory");
        }
        write_input(seeds, "resp", slice_make("\1\0", 2), buf_slice(&stream));
        buf_free(&stream);
    }
}

static void write_streams(struct seeds *seeds) {
    static const struct slice streams[] = {
        STREAM("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n"),
        STREAM("*2\r\n$4\r\nECHO\r\n$6\r\n\r\n\0*1$\r\n*1\r\n$4\r\nPING\r\n"),
        STREAM("PING\r\n\r\n*0\r\n*-10\r\nGET key\n"),
        STREAM("set k \"a b\\n\\x41\\\"\" 'it\\'s'\r\n"),
        STREAM("echo \"unbalanced\r\n"),
        STREAM("*1\r\n$-10\r\n"),
        STREAM("*3000000000\r\n"),
        STREAM("*2\r\n$2000000000\r\n"),
        STREAM("*2\r\n$3\r\nGET\r\nkey\r\n"),
        STREAM("*2\r\n$16384\r\n"),
        STREAM("*2\r\n$33000\r\nxxxxxxxxxxxxxxxx"),
        STREAM("*a*a*a*a*b aaaaaaaaaaaaaaaaaa k?y[^a-z]\\* key\r\n"),
        STREAM("*1000000\r\n$0\r\n\r\n$0\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        unsigned char header[] = {(unsigned char)(i % 4), (unsigned char)i};
        write_input(seeds, "resp", slice_make(header, sizeof header), streams[i]);
    }
}

int main(int count, char **arguments) {
    static const char *const targets[] = {"log", "table", "manifest", "resp"};
    DEMAND(count == 2, "usage: seeds DIRECTORY");
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", arguments[1], targets[i]);
        mkdir(path, 0777); /* one that is there will do */
    }
    struct seeds seeds = {.directory = arguments[1]};
    for (; seeds.database < DATABASES; seeds.database++) {
        make_database(&seeds);
    }
    write_streams(&seeds);
    write_long_streams(&seeds);
    printf("%u inputs in %s\n", seeds.written, arguments[1]);
    return 0;
}
