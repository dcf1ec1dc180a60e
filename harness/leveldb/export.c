/* Prints what LevelDB finds in a directory, as lines of `export` (escape.h):
 *
 *     build/leveldb-export DIR
 *
 * Nothing of Strata reads the directory here: it is libleveldb that opens it, recovers it
 * as it would any database, with paranoid checks on, and reads all of it. Exit code 1,
 * and LevelDB's words, if it does not like what it finds. */
#include <stdio.h>
#include <stdlib.h>

#include <leveldb/c.h>

#include "program/escape.h"

static int fail(const char *directory, const char *why) {
    fprintf(stderr, "leveldb-export: %s: %s\n", directory, why);
    return EXIT_FAILURE;
}

static struct slice found(const char *bytes, size_t length) {
    return slice_make((const unsigned char *)bytes, length);
}

/* One entry as a line. NO_MEMORY. */
static enum status print_entry(const leveldb_iterator_t *iter, struct buf *line) {
    size_t key_bytes, value_bytes;
    const char *key = leveldb_iter_key(iter, &key_bytes);
    const char *value = leveldb_iter_value(iter, &value_bytes);
    buf_clear(line);
    enum status status = escape_print(found(key, key_bytes), line);
    if (status == STATUS_OK) {
        status = buf_append_text(line, "\t");
    }
    if (status == STATUS_OK) {
        status = escape_print(found(value, value_bytes), line);
    }
    if (status == STATUS_OK) {
        status = buf_append_text(line, "\n");
    }
    fwrite(line->data, 1, status == STATUS_OK ? line->length : 0, stdout);
    return status;
}

static int export_all(leveldb_t *db, const char *directory) {
    leveldb_readoptions_t *options = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(options, 1);
    leveldb_iterator_t *iter = leveldb_create_iterator(db, options);
    struct buf line = {0};
    enum status status = STATUS_OK;
    char *failure = NULL;
    leveldb_iter_seek_to_first(iter);
    while (status == STATUS_OK && leveldb_iter_valid(iter)) {
        status = print_entry(iter, &line);
        leveldb_iter_next(iter);
    }
    leveldb_iter_get_error(iter, &failure);
    int code = EXIT_SUCCESS;
    if (failure != NULL || status != STATUS_OK) {
        code = fail(directory, failure != NULL ? failure : status_words(status));
    } else if (fflush(stdout) != 0) {
        code = fail("standard output", "cannot be written");
    }
    leveldb_free(failure);
    buf_free(&line);
    leveldb_iter_destroy(iter);
    leveldb_readoptions_destroy(options);
    return code;
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: leveldb-export DIR\n");
        return 2;
    }
    const char *directory = arguments[1];
    char *failure = NULL;
    leveldb_options_t *options = leveldb_options_create();
    leveldb_options_set_paranoid_checks(options, 1);
    leveldb_t *db = leveldb_open(options, directory, &failure);
    int code = db == NULL ? fail(directory, failure) : export_all(db, directory);
    if (db != NULL) {
        leveldb_close(db);
    }
    leveldb_free(failure);
    leveldb_options_destroy(options);
    return code;
}
