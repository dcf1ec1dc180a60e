/* The statistics in print: the counters of kv.h, one row each, and the figures that
 * follow from them. */
#include <inttypes.h>
#include <stdio.h>

#include "kv.h"

struct stat_row {
    const char *name;
    const char *words;
    const char *unit;
    char value[32]; /* "" where it cannot be told */
};

#define KV_STATS_ROW(name, ...) ROW_##name,
#define KV_LEVEL_STATS_COLUMN(name, ...) COLUMN_##name,
enum { KV_STATS_TABLE(KV_STATS_ROW) SCALARS, ROWS = SCALARS + 3 };
enum { KV_LEVEL_STATS_TABLE(KV_LEVEL_STATS_COLUMN) LEVEL_COLUMNS };
#undef KV_LEVEL_STATS_COLUMN
#undef KV_STATS_ROW

static void ratio_print(char value[32], uint64_t part, uint64_t whole) {
    if (whole == 0) {
        value[0] = '\0';
        return;
    }
    /* Without the decimal separator of a locale, which JSON does not have. */
    uint64_t hundredths = (uint64_t)((double)part * 100 / (double)whole + 0.5);
    snprintf(value, 32, "%" PRIu64 ".%02u", hundredths / 100,
             (unsigned)(hundredths % 100));
}

static void derive(const struct kv_stats *stats, struct stat_row rows[3]) {
    uint64_t deepest_bytes = 0;
    uint64_t known = 0;
    uint64_t runs = stats->levels[0].tables;
    for (size_t i = 0; i < KV_LEVELS; i++) {
        known += stats->levels[i].tables;
        if (stats->levels[i].tables > 0) {
            deepest_bytes = stats->levels[i].bytes;
            runs += i > 0;
        }
    }
    rows[0] = (struct stat_row){"write_amplification",
                                "bytes of tables written for one of a user's", "", ""};
    ratio_print(rows[0].value, stats->flush_bytes + stats->compaction_written_bytes,
                stats->write_bytes);
    rows[1] = (struct stat_row){"space_amplification",
                                "bytes of tables for one of the deepest level", "", ""};
    ratio_print(rows[1].value, stats->table_bytes, deepest_bytes);
    rows[2] = (struct stat_row){"read_amplification",
                                "runs of tables that a lookup may ask", "", ""};
    if (known == stats->tables) {
        snprintf(rows[2].value, sizeof rows[2].value, "%" PRIu64, runs);
    }
}

static int wider(int width, int other) {
    return width > other ? width : other;
}

static enum status print_text(const struct stat_row *rows, struct buf *out) {
    int name_width = 0;
    int value_width = 0;
    int unit_width = 0;
    for (size_t i = 0; i < ROWS; i++) {
        name_width = wider(name_width, (int)strlen(rows[i].name));
        value_width = wider(value_width, (int)strlen(rows[i].value));
        unit_width = wider(unit_width, (int)strlen(rows[i].unit));
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < ROWS && status == STATUS_OK; i++) {
        status = buf_printf(out, "%-*s  %*s %-*s  %s\n", name_width, rows[i].name,
                            value_width, rows[i].value[0] == '\0' ? "-" : rows[i].value,
                            unit_width, rows[i].unit, rows[i].words);
    }
    return status;
}

static void level_values(const struct kv_level_stats *level,
                         uint64_t values[LEVEL_COLUMNS]) {
    size_t i = 0;
#define KV_LEVEL_VALUE(name, words) values[i++] = level->name;
    KV_LEVEL_STATS_TABLE(KV_LEVEL_VALUE)
#undef KV_LEVEL_VALUE
}

#define KV_LEVEL_TEXT(name, words) {#name, words},
static const char *const level_columns[][2] = {KV_LEVEL_STATS_TABLE(KV_LEVEL_TEXT)};
#undef KV_LEVEL_TEXT

/* Levels below the deepest that has something to say are left out. */
static enum status print_levels(const struct kv_stats *stats, struct buf *out) {
    uint64_t values[KV_LEVELS][LEVEL_COLUMNS];
    int widths[LEVEL_COLUMNS];
    size_t count = 0;
    for (size_t j = 0; j < LEVEL_COLUMNS; j++) {
        widths[j] = (int)strlen(level_columns[j][1]);
    }
    for (size_t i = 0; i < KV_LEVELS; i++) {
        level_values(&stats->levels[i], values[i]);
        for (size_t j = 0; j < LEVEL_COLUMNS; j++) {
            count = values[i][j] != 0 ? i + 1 : count;
            widths[j] = wider(widths[j], snprintf(NULL, 0, "%" PRIu64, values[i][j]));
        }
    }
    enum status status = count == 0 ? STATUS_OK : buf_append_text(out, "level");
    for (size_t j = 0; j < LEVEL_COLUMNS && status == STATUS_OK && count > 0; j++) {
        status = buf_printf(out, "  %*s", widths[j], level_columns[j][1]);
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = buf_printf(out, "\n%5zu", i);
        for (size_t j = 0; j < LEVEL_COLUMNS && status == STATUS_OK; j++) {
            status = buf_printf(out, "  %*" PRIu64, widths[j], values[i][j]);
        }
    }
    return status == STATUS_OK && count > 0 ? buf_append_text(out, "\n") : status;
}

static enum status print_json(const struct stat_row *rows, const struct kv_stats *stats,
                              struct buf *out) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < ROWS && status == STATUS_OK; i++) {
        status = buf_printf(out, "%s\"%s\": %s", i == 0 ? "{" : ", ", rows[i].name,
                            rows[i].value[0] == '\0' ? "null" : rows[i].value);
    }
    for (size_t i = 0; i < KV_LEVELS && status == STATUS_OK; i++) {
        uint64_t values[LEVEL_COLUMNS];
        level_values(&stats->levels[i], values);
        status = buf_append_text(out, i == 0 ? ", \"levels\": [" : "}, ");
        for (size_t j = 0; j < LEVEL_COLUMNS && status == STATUS_OK; j++) {
            status = buf_printf(out, "%s\"%s\": %" PRIu64, j == 0 ? "{" : ", ",
                                level_columns[j][0], values[j]);
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "}]}\n") : status;
}

enum status kv_stats_print(const struct kv_stats *stats, bool json, struct buf *out) {
    struct stat_row rows[ROWS] = {{0}};
    const struct stat_row scalars[] = {
#define KV_STATS_ROW(name, words, unit) {#name, words, unit, ""},
        KV_STATS_TABLE(KV_STATS_ROW)
#undef KV_STATS_ROW
    };
    const uint64_t values[] = {
#define KV_STATS_VALUE(name, words, unit) stats->name,
        KV_STATS_TABLE(KV_STATS_VALUE)
#undef KV_STATS_VALUE
    };
    for (size_t i = 0; i < SCALARS; i++) {
        rows[i] = scalars[i];
        snprintf(rows[i].value, sizeof rows[i].value, "%" PRIu64, values[i]);
    }
    derive(stats, &rows[SCALARS]);
    if (json) {
        return print_json(rows, stats, out);
    }
    enum status status = print_text(rows, out);
    return status == STATUS_OK ? print_levels(stats, out) : status;
}
