#include "audit.h"

#include <stdarg.h>
#include <string.h>

#include "image.h"

/* One look, and where to say what is wrong. */
struct look {
    struct run *run;
    char *words;
    size_t bytes;
};

static bool fails(const struct look *look, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fails(const struct look *look, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(look->words, look->bytes, format, arguments);
    va_end(arguments);
    return false;
}

enum { NAMES_MAX = 200, NAME_ROOM = 32 };

struct names {
    char texts[NAMES_MAX][NAME_ROOM];
    size_t count;
    bool too_many;
};

static void add_name(struct names *names, const char *text, size_t length) {
    if (names->count == NAMES_MAX || length >= NAME_ROOM) {
        names->too_many = true;
        return;
    }
    memcpy(names->texts[names->count], text, length);
    names->texts[names->count++][length] = '\0';
}

static bool has_name(const struct names *names, const char *text) {
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->texts[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), bytes = strlen(end);
    return length >= bytes && strcmp(text + length - bytes, end) == 0;
}

/* ---- what verify says ------------------------------------------------------------ */

struct account {
    struct names named; /* the files that lines begin with */
    char damage[200];   /* the first line that tells of any, or of a user key that two
                           tables of a level share; or empty */
};

static void take_line(void *context, const char *line) {
    struct account *account = context;
    const char *colon = strchr(line, ':');
    if (colon != NULL) {
        add_name(&account->named, line, (size_t)(colon - line));
    }
    if (account->damage[0] == '\0' && (strstr(line, "then damage") != NULL ||
                                       strstr(line, "its last key goes on") != NULL)) {
        snprintf(account->damage, sizeof account->damage, "%s", line);
    }
}

static bool verifies(const struct look *look, struct disk *disk, const char *when,
                     struct account *account) {
    struct world world = run_world_on(look->run, disk);
    struct kv_options options = image_options(look->run, &world);
    struct error error = {0};
    size_t blocks = counted_memory_blocks();
    *account = (struct account){0};
    enum status status = kv_verify(RUN_DIRECTORY, &options, take_line, account, &error);
    if (status != STATUS_OK) {
        return fails(look, "verify %s: %s: %s", when, status_words(status),
                     error.message);
    }
    return (counted_memory_blocks() == blocks && disk_open_handles(disk) == 0) ||
           fails(look, "verify leaves memory or files behind");
}

/* ---- what the directory holds ---------------------------------------------------- */

static void take_file(void *context, const char *name) {
    add_name(context, name, strlen(name));
}

static bool holds_no_more(const struct look *look, struct disk *disk,
                          const struct account *account) {
    struct names files = {0};
    struct error error = {0};
    size_t manifests = 0;
    if (directory_list(disk_files(disk), RUN_DIRECTORY, take_file, &files, &error) !=
        STATUS_OK) {
        return fails(look, "the audit cannot list: %s", error.message);
    }
    for (size_t i = 0; i < files.count; i++) {
        const char *name = files.texts[i];
        bool numbered =
            ends_with(name, ".ldb") || ends_with(name, ".sst") || ends_with(name, ".log");
        manifests += strncmp(name, "MANIFEST-", 9) == 0;
        if (ends_with(name, ".dbtmp")) {
            return fails(look, "a temporary file is left: %s", name);
        }
        if (numbered && !has_name(&account->named, name)) {
            return fails(look, "a file is left that the database does not name: %s",
                         name);
        }
    }
    if (manifests > 1 || files.too_many || account->named.too_many) {
        return fails(look, "%zu files are left, %zu of them manifests", files.count,
                     manifests);
    }
    return true;
}

/* ---------------------------------------------------------------------------------- */

bool audit(struct run *run, struct disk *disk, char *words, size_t bytes) {
    const struct look look = {run, words, bytes};
    struct account account;
    struct disk *powerless = image_powerless(disk, DISK_POSIX);
    bool holds =
        verifies(&look, powerless, "after a close and a loss of power", &account);
    disk_free(powerless);
    holds = holds && verifies(&look, disk, "after a close", &account);
    if (holds && account.damage[0] != '\0') {
        return fails(&look, "after a close verify tells of %s", account.damage);
    }
    return holds && holds_no_more(&look, disk, &account);
}
