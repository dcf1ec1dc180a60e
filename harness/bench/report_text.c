#include <inttypes.h>
#include <stdio.h>

#include "report.h"
#include "summary.h"

enum { CELL_BYTES = 48 };

/* ---- numbers --------------------------------------------------------------------- */

/* Three digits, or what is before the point. */
static void print_number(char cell[CELL_BYTES], double value) {
    int places = value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(cell, CELL_BYTES, "%.*f", places, value);
}

struct unit {
    double micros;
    const char *name;
};

static struct unit unit_of(double micros) {
    return micros < 1e4   ? (struct unit){1, "us"}
           : micros < 1e6 ? (struct unit){1e3, "ms"}
                          : (struct unit){1e6, "s"};
}

/* Without the spaces that an empty last cell has left. */
static enum status end_line(struct buf *out) {
    while (out->length > 0 && out->data[out->length - 1] == ' ') {
        out->length--;
    }
    return buf_append_text(out, "\n");
}

/* ---- the table of times ---------------------------------------------------------- */

static enum status print_spread(const struct summary *summary, struct buf *out) {
    char least[CELL_BYTES], most[CELL_BYTES], both[2 * CELL_BYTES + 1];
    struct unit unit = unit_of(summary->median);
    print_number(least, summary->least / unit.micros);
    print_number(most, summary->most / unit.micros);
    snprintf(both, sizeof both, "%s-%s", least, most);
    return buf_printf(out, " %-11s", summary->rounds > 1 ? both : "");
}

static enum status print_time(const struct findings *findings, uint64_t rounds,
                              enum row row, size_t contender, struct buf *out) {
    char value[CELL_BYTES] = "-", ratio[CELL_BYTES] = "";
    struct summary summary =
        summary_of_row(findings, rounds, row, contender, MEASURE_MICROS);
    struct summary own = summary_of_row(findings, rounds, row, 0, MEASURE_MICROS);
    struct unit unit = unit_of(summary.median);
    if (summary.rounds > 0) {
        print_number(value, summary.median / unit.micros);
    }
    if (contender > 0 && summary.rounds > 0 && own.rounds > 0 && own.median > 0) {
        snprintf(ratio, sizeof ratio, "x%.2f", summary.median / own.median);
    }
    enum status status =
        buf_printf(out, " %6s %-2s", value, summary.rounds > 0 ? unit.name : "");
    if (status == STATUS_OK && contender > 0) {
        status = buf_printf(out, " %6s", ratio);
    }
    return status == STATUS_OK ? print_spread(&summary, out) : status;
}

static enum status print_times(const struct campaign *campaign,
                               const struct findings *findings, struct buf *out) {
    enum status status = buf_printf(out, "\n%-16s", "time");
    for (size_t i = 0; i < CONTENDERS && status == STATUS_OK; i++) {
        if (campaign->contenders[i]) {
            status = buf_printf(out, " %-*s", i == 0 ? 21 : 28, contenders[i]->name);
        }
    }
    for (enum row row = 0; row < ROWS && status == STATUS_OK; row++) {
        if (!campaign->rows[row]) {
            continue;
        }
        status = end_line(out);
        if (status == STATUS_OK) {
            status = buf_printf(out, "%-16s", rows[row].name);
        }
        for (size_t i = 0; i < CONTENDERS && status == STATUS_OK; i++) {
            if (campaign->contenders[i]) {
                status = print_time(findings, campaign->rounds, row, i, out);
            }
        }
    }
    return status == STATUS_OK ? end_line(out) : status;
}

/* ---- the table of what it took --------------------------------------------------- */

static enum status print_cell(const struct summary *summary, double unit,
                              struct buf *out) {
    char cell[CELL_BYTES] = "-";
    if (summary->rounds > 0) {
        print_number(cell, summary->median / unit);
    }
    return buf_printf(out, " %8s", cell);
}

static const struct {
    enum measure measure;
    double unit;
} columns[] = {
    {MEASURE_CPU_SECONDS, 1}, {MEASURE_PEAK_BYTES, 1e6}, {MEASURE_DISK_BYTES, 1e6}};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static enum status print_costs_title(const struct campaign *campaign, struct buf *out) {
    static const char *const titles[COLUMNS] = {"CPU s", "peak MB", "disk MB"};
    int shown = 0;
    for (size_t i = 0; i < CONTENDERS; i++) {
        shown += campaign->contenders[i];
    }
    enum status status = buf_printf(out, "\n%-16s", "what it took");
    for (size_t column = 0; column < COLUMNS && status == STATUS_OK; column++) {
        status = buf_printf(out, "  %-*s", shown * 9 - 1, titles[column]);
    }
    if (status == STATUS_OK) {
        status = end_line(out);
    }
    if (status == STATUS_OK) {
        status = buf_printf(out, "%-16s", "");
    }
    for (size_t column = 0; column < COLUMNS && status == STATUS_OK; column++) {
        for (size_t i = 0; i < CONTENDERS && status == STATUS_OK; i++) {
            if (campaign->contenders[i]) {
                status = buf_printf(out, " %8s", contenders[i]->name);
            }
        }
    }
    return status;
}

static enum status print_costs(const struct campaign *campaign,
                               const struct findings *findings, enum row row,
                               struct buf *out) {
    enum status status = buf_printf(out, "\n%-16s", rows[row].name);
    for (size_t column = 0; column < COLUMNS; column++) {
        for (size_t i = 0; i < CONTENDERS && status == STATUS_OK; i++) {
            if (campaign->contenders[i]) {
                struct summary summary = summary_of_row(findings, campaign->rounds, row,
                                                        i, columns[column].measure);
                status = print_cell(&summary, columns[column].unit, out);
            }
        }
    }
    return status;
}

static enum status print_all_costs(const struct campaign *campaign,
                                   const struct findings *findings, struct buf *out) {
    enum status status = print_costs_title(campaign, out);
    for (enum row row = 0; row < ROWS && status == STATUS_OK; row++) {
        if (campaign->rows[row]) {
            status = print_costs(campaign, findings, row, out);
        }
    }
    if (status == STATUS_OK) {
        status = buf_printf(out, "\n%-16s", "a whole round");
    }
    for (size_t i = 0; i < CONTENDERS && status == STATUS_OK; i++) {
        if (campaign->contenders[i]) {
            struct summary summary = summary_of_cpu(findings, campaign->rounds, i);
            status = print_cell(&summary, 1, out);
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

/* ---- around them ----------------------------------------------------------------- */

static enum status print_contenders(const struct campaign *campaign, struct buf *out) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < CONTENDERS && status == STATUS_OK; i++) {
        char version[CELL_BYTES];
        if (campaign->contenders[i]) {
            contenders[i]->version(version, sizeof version);
            status = buf_printf(out, "%s%s %s", out->length == 0 ? "" : ", ",
                                contenders[i]->name, version);
        }
    }
    return status;
}

static enum status print_title(const struct campaign *campaign,
                               const struct findings *findings, struct buf *out) {
    const struct kv_options *options = &campaign->options;
    bool snappy = options->compression == TABLE_COMPRESSION_SNAPPY;
    enum status status = print_contenders(campaign, out);
    if (status == STATUS_OK) {
        status = buf_printf(out,
                            "\n%" PRIu64 " entries of %d+%d bytes; write buffer %" PRIu64
                            " KiB, cache %" PRIu64 " KiB, %u filter bits, %s;\n"
                            "checksums verified, durability none; seed %" PRIu64
                            "; load before: %.1f\nrounds: %" PRIu64,
                            campaign->count, ENTRIES_KEY_BYTES, ENTRIES_VALUE_BYTES,
                            options->write_buffer_bytes / 1024,
                            options->block_cache_bytes / 1024, options->filter_bits,
                            snappy ? "snappy" : "no compression", campaign->seed,
                            findings->load, campaign->rounds);
    }
    if (status == STATUS_OK && campaign->rounds > 1) {
        status = buf_append_text(out, ", medians and least-most");
    }
    return status == STATUS_OK ? buf_append_text(out, "; x: as long as strata takes\n")
                               : status;
}

static enum status print_verdict(const struct campaign *campaign,
                                 const struct findings *findings, struct buf *out) {
    struct comparison comparison = summary_compare(findings, campaign->rounds);
    if (comparison.rows == 0) {
        return STATUS_OK;
    }
    size_t ahead = comparison.rows;
    for (enum row row = 0; row < ROWS; row++) {
        ahead -= comparison.behind[row];
    }
    enum status status = buf_printf(out,
                                    "\nThe best other / strata: %.2f by geometric mean; "
                                    "strata is ahead in %zu of %zu.\n",
                                    comparison.geometric_mean, ahead, comparison.rows);
    for (enum row row = 0; row < ROWS && status == STATUS_OK; row++) {
        if (comparison.behind[row]) {
            status = buf_printf(out, "  behind in %s: %.2f\n", rows[row].name,
                                comparison.best[row]);
        }
    }
    return status;
}

enum status report_text(const struct campaign *campaign, const struct findings *findings,
                        struct buf *out) {
    enum status status = print_title(campaign, findings, out);
    if (status == STATUS_OK) {
        status = print_times(campaign, findings, out);
    }
    if (status == STATUS_OK) {
        status = print_all_costs(campaign, findings, out);
    }
    return status == STATUS_OK ? print_verdict(campaign, findings, out) : status;
}
