#include <inttypes.h>

#include "report.h"
#include "stage.h"
#include "summary.h"

static enum status print_settings(const struct campaign *campaign,
                                  const struct findings *findings, struct buf *out) {
    const struct kv_options *options = &campaign->options;
    return buf_printf(
        out,
        "{\"benchmark\":\"bench\",\"stage\":\"%s\",\"count\":%" PRIu64
        ",\"key_bytes\":%d,\"value_bytes\":%d,\"rounds\":%" PRIu64 ",\"seed\":%" PRIu64
        ",\"write_buffer_bytes\":%" PRIu64 ",\"block_cache_bytes\":%" PRIu64
        ",\"filter_bits\":%u,\"compression\":\"%s\",\"durability\":\"none\",\"load\":%."
        "2f",
        stage.name, campaign->count, ENTRIES_KEY_BYTES, ENTRIES_VALUE_BYTES,
        campaign->rounds, campaign->seed, options->write_buffer_bytes,
        options->block_cache_bytes, options->filter_bits,
        options->compression == TABLE_COMPRESSION_SNAPPY ? "snappy" : "none",
        findings->load);
}

static enum status print_contenders(const struct campaign *campaign,
                                    const struct findings *findings, struct buf *out) {
    enum status status = buf_append_text(out, ",\"contenders\":[");
    const char *before = "";
    for (size_t i = 0; i < CONTENDERS && status == STATUS_OK; i++) {
        if (campaign->contenders[i]) {
            char version[32];
            contenders[i]->version(version, sizeof version);
            status = buf_printf(
                out, "%s{\"name\":\"%s\",\"version\":\"%s\",\"cpu_seconds\":%.3f}",
                before, contenders[i]->name, version,
                summary_of_cpu(findings, campaign->rounds, i).median);
            before = ",";
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "],\"rows\":[") : status;
}

static enum status print_rounds(const struct campaign *campaign,
                                const struct findings *findings, enum row row,
                                size_t contender, struct buf *out) {
    enum status status = buf_append_text(out, ",\"micros_of_rounds\":[");
    const char *before = "";
    for (uint64_t round = 0; round < campaign->rounds && status == STATUS_OK; round++) {
        const struct sample *sample = &findings->samples[row][contender][round];
        if (sample->operations > 0) {
            status = buf_printf(out, "%s%.4f", before,
                                (double)sample->micros / (double)sample->operations);
            before = ",";
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "]}") : status;
}

static enum status print_result(const struct campaign *campaign,
                                const struct findings *findings, enum row row,
                                size_t contender, const char *before, struct buf *out) {
    uint64_t rounds = campaign->rounds;
    struct summary micros =
        summary_of_row(findings, rounds, row, contender, MEASURE_MICROS);
    struct summary cpu =
        summary_of_row(findings, rounds, row, contender, MEASURE_CPU_SECONDS);
    struct summary peak =
        summary_of_row(findings, rounds, row, contender, MEASURE_PEAK_BYTES);
    struct summary disk =
        summary_of_row(findings, rounds, row, contender, MEASURE_DISK_BYTES);
    enum status status =
        buf_printf(out,
                   "%s{\"contender\":\"%s\",\"operations\":%" PRIu64
                   ",\"micros\":%.4f,\"micros_least\":%.4f,\"micros_most\":%.4f,"
                   "\"cpu_seconds\":%.4f,\"peak_bytes\":%.0f,\"disk_bytes\":%.0f",
                   before, contenders[contender]->name,
                   findings->samples[row][contender][0].operations, micros.median,
                   micros.least, micros.most, cpu.median, peak.median, disk.median);
    return status == STATUS_OK ? print_rounds(campaign, findings, row, contender, out)
                               : status;
}

static enum status print_row(const struct campaign *campaign,
                             const struct findings *findings,
                             const struct comparison *comparison, enum row row,
                             const char *before, struct buf *out) {
    enum status status =
        buf_printf(out, "%s{\"name\":\"%s\",\"counted\":%s", before, rows[row].name,
                   rows[row].kind == ROW_COUNTED ? "true" : "false");
    if (status == STATUS_OK && comparison->best[row] > 0) {
        status = buf_printf(out, ",\"best_ratio\":%.4f", comparison->best[row]);
    }
    if (status == STATUS_OK) {
        status = buf_append_text(out, ",\"results\":[");
    }
    const char *between = "";
    for (size_t i = 0; i < CONTENDERS && status == STATUS_OK; i++) {
        if (findings->samples[row][i][0].operations > 0) {
            status = print_result(campaign, findings, row, i, between, out);
            between = ",";
        }
    }
    return status == STATUS_OK ? buf_append_text(out, "]}") : status;
}

enum status report_json(const struct campaign *campaign, const struct findings *findings,
                        struct buf *out) {
    struct comparison comparison = summary_compare(findings, campaign->rounds);
    enum status status = print_settings(campaign, findings, out);
    if (status == STATUS_OK) {
        status = print_contenders(campaign, findings, out);
    }
    const char *before = "";
    for (enum row row = 0; row < ROWS && status == STATUS_OK; row++) {
        if (campaign->rows[row]) {
            status = print_row(campaign, findings, &comparison, row, before, out);
            before = ",";
        }
    }
    if (status == STATUS_OK && comparison.rows > 0) {
        status = buf_printf(out, "],\"geometric_mean\":%.4f,\"compared_rows\":%zu}\n",
                            comparison.geometric_mean, comparison.rows);
    } else if (status == STATUS_OK) {
        status = buf_append_text(out, "]}\n");
    }
    return status;
}
