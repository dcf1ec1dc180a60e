#include "settings.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "buf.h"
#include "nearest.h"
#include "text_file.h"

/* Rows of the table, in the order in which they are shown. */
enum row {
    ROW_DURABILITY,
    ROW_INTERVAL_MILLIS,
    ROW_INTERVAL_BYTES,
    ROW_LOG_REGION,
    ROW_LOG_BYTES,
    ROW_LOG_STEP_BYTES,
    ROW_MEMORY_BYTES,
    ROW_WRITE_BUFFER_BYTES,
    ROW_BLOCK_CACHE_BYTES,
    ROW_MAX_OPEN_FILES,
    ROW_BLOCK_BYTES,
    ROW_RESTART_INTERVAL,
    ROW_FILTER_BITS,
    ROW_COMPRESSION,
    ROW_WRITE_BUFFERS,
    ROW_TABLE_BYTES,
    ROW_LEVEL0_TABLES,
    ROW_LEVEL0_SLOW_TABLES,
    ROW_LEVEL0_STOP_TABLES,
    ROW_STALL_MILLIS,
    ROW_COMPACTION_THREADS,
    ROW_COMPACTION_BYTES_PER_SECOND,
    ROW_EVENT_LOG_BYTES,
    ROW_AWAKE_SYNC_MICROS,
    ROW_COUNT
};

#define KIB ((uint64_t)1024)
#define GIB (KIB * KIB * KIB)
#define TIB (GIB * KIB)

const struct setting settings[] = {
    [ROW_DURABILITY] = {"durability", SETTING_CHOICE, 0, 2, "always",
                        "none|interval|always",
                        "what an acknowledged write has reached: the system (none), the "
                        "disk soon (interval), the disk (always)"},
    [ROW_INTERVAL_MILLIS] = {"interval-millis", SETTING_MILLIS, 1, 3600000, "1000", NULL,
                             "under durability interval, the time between syncs"},
    [ROW_INTERVAL_BYTES] = {"interval-bytes", SETTING_BYTES, 1, TIB, "8m", NULL,
                            "under durability interval, the most that a loss of power "
                            "may take; writes wait at this mark"},
    [ROW_LOG_REGION] = {"log-region", SETTING_CHOICE, 0, 2, "auto", "write|mapped|auto",
                        "how the log is written: by system calls, through a mapping, or "
                        "by calls under durability always and mapped otherwise"},
    [ROW_LOG_BYTES] = {"log-bytes", SETTING_BYTES, 4 * KIB, TIB, "64m", NULL,
                       "a log longer than this is followed by a new one"},
    [ROW_LOG_STEP_BYTES] = {"log-step-bytes", SETTING_BYTES, 4 * KIB, GIB, "1m", NULL,
                            "space that a log allocates ahead"},
    [ROW_MEMORY_BYTES] = {"memory-bytes", SETTING_BYTES, 64 * KIB, TIB, "256m", NULL,
                          "from stage 02 on, memory for the entries that are kept there"},
    [ROW_WRITE_BUFFER_BYTES] =
        {"write-buffer-bytes", SETTING_BYTES, 4 * KIB, TIB, "16m", NULL,
         "from stage 03 on, entries that are kept in memory before they are written "
         "to a table"},
    [ROW_BLOCK_CACHE_BYTES] =
        {"block-cache-bytes", SETTING_BYTES, 0, TIB, "64m", NULL,
         "from stage 03 on, memory for blocks, filters and indexes of tables"},
    [ROW_MAX_OPEN_FILES] = {"max-open-files", SETTING_COUNT, 1, 1000000, "1000", NULL,
                            "from stage 03 on, tables that are kept open"},
    [ROW_BLOCK_BYTES] =
        {"block-bytes", SETTING_BYTES, 256, 64 * KIB *KIB, "4k", NULL,
         "from stage 03 on, entries in one block of a table, before compression"},
    [ROW_RESTART_INTERVAL] =
        {"restart-interval", SETTING_COUNT, 1, 1000, "16", NULL,
         "from stage 03 on, keys in a block from one that stands whole to the next"},
    [ROW_FILTER_BITS] =
        {"filter-bits", SETTING_COUNT, 0, 40, "10", NULL,
         "from stage 03 on, bits of a table's filter for each key; 0: no filter"},
    [ROW_COMPRESSION] =
        {"compression", SETTING_CHOICE, 0, 3, "snappy", "none|snappy|zstd|lz4",
         "from stage 03 on, how blocks of tables are made smaller; LevelDB cannot read "
         "lz4"},
    [ROW_WRITE_BUFFERS] =
        {"write-buffers", SETTING_COUNT, KV_WRITE_BUFFERS_MIN, KV_WRITE_BUFFERS_MAX, "3",
         NULL,
         "from stage 05 on, write buffers in memory at once: one that takes writes, the "
         "others being written to tables"},
    [ROW_TABLE_BYTES] = {"table-bytes", SETTING_BYTES, 4 * KIB, TIB, "8m", NULL,
                         "from stage 05 on, size of the tables that compactions write"},
    [ROW_LEVEL0_TABLES] = {"level0-tables", SETTING_COUNT, 1, 1000, "4", NULL,
                           "from stage 05 on, tables of level 0 that are compacted"},
    [ROW_LEVEL0_SLOW_TABLES] =
        {"level0-slow-tables", SETTING_COUNT, 1, 10000, "20", NULL,
         "from stage 05 on, tables of level 0 at which writes are slowed down"},
    [ROW_LEVEL0_STOP_TABLES] =
        {"level0-stop-tables", SETTING_COUNT, 1, 10000, "36", NULL,
         "from stage 05 on, tables of level 0 at which writes wait"},
    [ROW_STALL_MILLIS] = {"stall-millis", SETTING_MILLIS, 1, 3600000, "60000", NULL,
                          "from stage 05 on, how long a write waits for flushes and "
                          "compactions before it fails"},
    [ROW_COMPACTION_THREADS] = {"compaction-threads", SETTING_COUNT, 1,
                                KV_COMPACTION_THREADS_MAX, "1", NULL,
                                "from stage 05 on, compactions at the same time"},
    [ROW_COMPACTION_BYTES_PER_SECOND] =
        {"compaction-bytes-per-second", SETTING_BYTES, 0, TIB, "0", NULL,
         "from stage 05 on, the most that compactions write; 0: no limit"},
    [ROW_EVENT_LOG_BYTES] =
        {"event-log-bytes", SETTING_BYTES, 0, TIB, "4m", NULL,
         "from stage 05 on, size at which the event log, the file LOG, is begun anew; 0: "
         "no event log"},
    [ROW_AWAKE_SYNC_MICROS] =
        {"awake-sync-micros", SETTING_COUNT, 0, 1000000, "250", NULL,
         "from stage 06 on, writers wait for a sync without sleeping where syncs take no "
         "longer than this, while processors are idle; 0: they sleep"},
};

const size_t setting_count = ROW_COUNT;

/* Where a row's value is in the options, as a number of four or of eight bytes; choices
 * are counted from `first`. */
static const struct field {
    size_t offset;
    size_t bytes;
    uint64_t first;
} fields[ROW_COUNT] = {
#define FIELD(row, name, first)                                                          \
    [ROW_##row] = {offsetof(struct kv_options, name),                                    \
                   sizeof(((struct kv_options *)0)->name), first}
    FIELD(DURABILITY, durability, DURABILITY_NONE),
    FIELD(INTERVAL_MILLIS, interval_millis, 0),
    FIELD(INTERVAL_BYTES, interval_bytes, 0),
    FIELD(LOG_REGION, log_region, 0),
    FIELD(LOG_BYTES, log_bytes, 0),
    FIELD(LOG_STEP_BYTES, log_step_bytes, 0),
    FIELD(MEMORY_BYTES, memory_bytes, 0),
    FIELD(WRITE_BUFFER_BYTES, write_buffer_bytes, 0),
    FIELD(BLOCK_CACHE_BYTES, block_cache_bytes, 0),
    FIELD(MAX_OPEN_FILES, max_open_files, 0),
    FIELD(BLOCK_BYTES, block_bytes, 0),
    FIELD(RESTART_INTERVAL, restart_interval, 0),
    FIELD(FILTER_BITS, filter_bits, 0),
    FIELD(COMPRESSION, compression, 0),
    FIELD(WRITE_BUFFERS, write_buffers, 0),
    FIELD(TABLE_BYTES, table_bytes, 0),
    FIELD(LEVEL0_TABLES, level0_tables, 0),
    FIELD(LEVEL0_SLOW_TABLES, level0_slow_tables, 0),
    FIELD(LEVEL0_STOP_TABLES, level0_stop_tables, 0),
    FIELD(STALL_MILLIS, stall_millis, 0),
    FIELD(COMPACTION_THREADS, compaction_threads, 0),
    FIELD(COMPACTION_BYTES_PER_SECOND, compaction_bytes_per_second, 0),
    FIELD(EVENT_LOG_BYTES, event_log_bytes, 0),
    FIELD(AWAKE_SYNC_MICROS, awake_sync_micros, 0),
#undef FIELD
};

static uint64_t field_value(const struct kv_options *options, enum row row) {
    const unsigned char *from = (const unsigned char *)options + fields[row].offset;
    uint32_t narrow = 0;
    uint64_t value = 0;
    if (fields[row].bytes == sizeof narrow) {
        memcpy(&narrow, from, sizeof narrow);
        value = narrow;
    } else {
        assert(fields[row].bytes == sizeof value);
        memcpy(&value, from, sizeof value);
    }
    return value - fields[row].first;
}

static void field_set(struct kv_options *options, enum row row, uint64_t value) {
    unsigned char *to = (unsigned char *)options + fields[row].offset;
    uint64_t wide = value + fields[row].first;
    uint32_t narrow = (uint32_t)wide;
    if (fields[row].bytes == sizeof narrow) {
        memcpy(to, &narrow, sizeof narrow);
    } else {
        memcpy(to, &wide, sizeof wide);
    }
}

/* ---- values ---------------------------------------------------------------------- */

/* The choice that is `index`-th in "a|b|c"; absent past the last. */
static struct slice choice_at(const char *choices, uint64_t index) {
    for (; index > 0; index--) {
        choices = strchr(choices, '|');
        if (choices == NULL) {
            return (struct slice){0};
        }
        choices++;
    }
    return slice_make(choices, strcspn(choices, "|"));
}

static bool parse_choice(const char *choices, const char *text, uint64_t *value) {
    for (uint64_t i = 0;; i++) {
        struct slice choice = choice_at(choices, i);
        if (!slice_present(choice)) {
            return false;
        }
        if (slice_equal(choice, slice_of(text))) {
            *value = i;
            return true;
        }
    }
}

/* What a number with this suffix is multiplied with; 0: not a suffix of this kind. */
static uint64_t suffix_factor(enum setting_kind kind, const char *suffix) {
    if (suffix[0] == '\0') {
        return 1;
    }
    if (kind == SETTING_MILLIS) {
        return strcmp(suffix, "ms") == 0 ? 1 : strcmp(suffix, "s") == 0 ? 1000 : 0;
    }
    if (kind != SETTING_BYTES || suffix[1] != '\0') {
        return 0;
    }
    switch (suffix[0]) {
    case 'k':
        return KIB;
    case 'm':
        return KIB * KIB;
    case 'g':
        return GIB;
    case 't':
        return TIB;
    default:
        return 0;
    }
}

/* Digits and a suffix. A number past 64 bits is taken as the largest one: it is out of
 * every range, which is what the user is then told. */
static bool parse_number(enum setting_kind kind, const char *text, uint64_t *value) {
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    uint64_t factor = suffix_factor(kind, at);
    if (at == text || factor == 0) {
        return false;
    }
    *value = number > UINT64_MAX / factor ? UINT64_MAX : number * factor;
    return true;
}

static bool parse_value(const struct setting *setting, const char *text,
                        uint64_t *value) {
    return setting->kind == SETTING_CHOICE ? parse_choice(setting->choices, text, value)
                                           : parse_number(setting->kind, text, value);
}

enum { VALUE_TEXT_BYTES = 40 };

/* Sizes in the largest unit that shows them exactly. */
static void print_value(const struct setting *setting, uint64_t value,
                        char text[VALUE_TEXT_BYTES]) {
    static const char suffixes[][2] = {"", "k", "m", "g", "t"};
    if (setting->kind == SETTING_CHOICE) {
        struct slice choice = choice_at(setting->choices, value);
        (void)snprintf(text, VALUE_TEXT_BYTES, "%.*s", (int)choice.length,
                       slice_present(choice) ? (const char *)choice.data : "");
        return;
    }
    size_t unit = 0;
    while (setting->kind == SETTING_BYTES && value > 0 && value % KIB == 0 &&
           unit + 1 < sizeof suffixes / sizeof suffixes[0]) {
        value /= KIB;
        unit++;
    }
    (void)snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64 "%s", value, suffixes[unit]);
}

/* ---- names ----------------------------------------------------------------------- */

enum { NAME_BYTES_MAX = 63 };

static const char *name_at(size_t index) {
    return settings[index].name;
}

/* ---- sources --------------------------------------------------------------------- */

enum status settings_set(struct kv_options *options, const char *name, const char *value,
                         struct error *error) {
    size_t row = 0;
    while (row < setting_count && strcmp(settings[row].name, name) != 0) {
        row++;
    }
    if (row == setting_count) {
        return error_set(error, STATUS_INVALID,
                         "%s: there is no such setting; the nearest is %s", name,
                         nearest_name(name, name_at, setting_count));
    }
    const struct setting *setting = &settings[row];
    uint64_t number;
    if (!parse_value(setting, value, &number) || number < setting->smallest ||
        number > setting->largest) {
        if (setting->kind == SETTING_CHOICE) {
            return error_set(error, STATUS_INVALID, "%s: \"%s\" is not one of %s", name,
                             value, setting->choices);
        }
        char smallest[VALUE_TEXT_BYTES];
        char largest[VALUE_TEXT_BYTES];
        print_value(setting, setting->smallest, smallest);
        print_value(setting, setting->largest, largest);
        return error_set(error, STATUS_INVALID, "%s: \"%s\" is not from %s to %s%s", name,
                         value, smallest, largest,
                         setting->kind == SETTING_MILLIS ? " milliseconds" : "");
    }
    field_set(options, (enum row)row, number);
    return STATUS_OK;
}

enum status settings_print(const struct kv_options *options, size_t index,
                           struct buf *out) {
    char text[VALUE_TEXT_BYTES];
    print_value(&settings[index], field_value(options, (enum row)index), text);
    return buf_append_text(out, text);
}

static bool is_blank(char letter) {
    return letter == ' ' || letter == '\t' || letter == '\r';
}

/* One line, which is taken apart in place. */
static enum status set_line(struct kv_options *options, char *line, struct error *error) {
    size_t length = strlen(line);
    while (length > 0 && is_blank(line[length - 1])) {
        line[--length] = '\0';
    }
    while (is_blank(*line)) {
        line++;
    }
    if (*line == '\0' || *line == '#') {
        return STATUS_OK;
    }
    char *value = line + strcspn(line, " \t");
    if (*value == '\0') {
        return error_set(error, STATUS_INVALID, "%s: a value is missing", line);
    }
    *value++ = '\0';
    while (is_blank(*value)) {
        value++;
    }
    return settings_set(options, line, value, error);
}

static enum status set_lines(struct kv_options *options, const char *path, char *text,
                             struct error *error) {
    for (size_t number = 1; text != NULL; number++) {
        char *end = strchr(text, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        struct error reason = {0};
        enum status status = set_line(options, text, &reason);
        if (status != STATUS_OK) {
            return error_set(error, status, "%s:%zu: %s", path, number, reason.message);
        }
        text = end;
    }
    return STATUS_OK;
}

enum status settings_read(struct kv_options *options, const char *path,
                          struct error *error) {
    struct buf text = {0};
    struct kv_options changed = *options;
    enum status status = text_file_read(options->world->files, path, &text, error);
    if (status == STATUS_OK) {
        status = set_lines(&changed, path, (char *)text.data, error);
    }
    if (status == STATUS_OK) {
        *options = changed;
    }
    buf_free(&text);
    return status;
}

/* LOG_BYTES -> log-bytes; what does not fit is cut, and no setting is that long. */
static void name_of_variable(const char *variable, size_t length,
                             char name[NAME_BYTES_MAX + 1]) {
    length = length < NAME_BYTES_MAX ? length : NAME_BYTES_MAX;
    for (size_t i = 0; i < length; i++) {
        char letter = variable[i];
        name[i] = letter == '_'                    ? '-'
                  : letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a')
                                                   : letter;
    }
    name[length] = '\0';
}

enum status settings_from_environment(struct kv_options *options,
                                      char *const environment[], struct error *error) {
    static const char prefix[] = "STRATA_";
    struct kv_options changed = *options;
    for (size_t i = 0; environment[i] != NULL; i++) {
        const char *variable = environment[i];
        const char *equals = strchr(variable, '=');
        if (strncmp(variable, prefix, sizeof prefix - 1) != 0 || equals == NULL) {
            continue;
        }
        const char *bare = variable + sizeof prefix - 1;
        char name[NAME_BYTES_MAX + 1];
        name_of_variable(bare, (size_t)(equals - bare), name);
        struct error reason = {0};
        enum status status = settings_set(&changed, name, equals + 1, &reason);
        if (status != STATUS_OK) {
            return error_set(error, status, "%.*s: %s", (int)(equals - variable),
                             variable, reason.message);
        }
    }
    *options = changed;
    return STATUS_OK;
}
