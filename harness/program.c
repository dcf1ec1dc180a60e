/* A program on the tape:
 *
 *     program := profile? options step* 0
 *     step    := more (not 0), operation, what the operation draws
 *
 * Choices are arranged so that 0 is the simplest: a put of a short value under the first
 * key, with the store's durability, which is `always`. A 0 where a step would begin ends
 * the program, so any whole step can be deleted from the tape.
 *
 * Values at block edges. Where a record ends within its 32 KiB block depends on all that
 * stands before it in the log, so the drawing keeps account of the log's length as the
 * format has it (google/leveldb doc/log_format.md; durable marks of 26 bytes at the head
 * of a log and with the write after a sync). The account may be wrong, after a recovery
 * for example: then the value has some other length, which is no harm.
 *
 * tidy: long because each operation is a row, drawn and put into words here. */
#include "program.h"

#include <ctype.h>
#include <inttypes.h>

#include "checksum.h"
#include "model.h"
#include "scheduler.h"
#include "stage.h"

enum {
    BLOCK = 32768,
    RECORD_HEADER = 7,
    MARK = 26,
    CHANGE_HEADER = 12,
    NOISE_STARTS = 8191,
    NOISE_STRIDE = 61,
    FORGED_BYTES = 26,
    FORGED_EVERY = 331
};

/* ---- keys and values ------------------------------------------------------------- */

static const char *const keys[PROGRAM_KEYS] = {"a", "", "ab", "b"};

struct slice program_key(size_t index) {
    return slice_of(keys[index]);
}

/* A durable mark as the log has it (notes/formats.md), with a sequence that no program
 * reaches: whoever finds it in a log takes it for a promise that was broken. */
static void forge_mark(unsigned char mark[FORGED_BYTES]) {
    static const unsigned char shape[FORGED_BYTES] = {
        [6] = 2, [11] = 12, [13] = 4, [15] = 4};
    memcpy(mark, shape, FORGED_BYTES);
    uint32_t first = checksum_mask(checksum(mark + 6, 1));
    uint32_t last = checksum_mask(checksum(mark + 13, 1 + 12));
    for (int i = 0; i < 4; i++) {
        mark[i] = (unsigned char)(first >> 8 * i);
        mark[7 + i] = (unsigned char)(last >> 8 * i);
    }
}

/* All values are windows into one noise, so they cost nothing and live for ever. In the
 * noise stand forged marks, so that every longer value holds one. */
struct slice program_value(uint64_t id, size_t bytes) {
    static unsigned char noise[NOISE_STARTS + PROGRAM_VALUE_BYTES_MAX];
    static bool filled;
    if (!filled) {
        uint64_t state = 1;
        for (size_t i = 0; i < sizeof noise; i++) {
            noise[i] = (unsigned char)(random_next(&state) >> 32);
        }
        for (size_t i = 7; i + FORGED_BYTES < sizeof noise; i += FORGED_EVERY) {
            forge_mark(noise + i);
        }
        filled = true;
    }
    return slice_make(noise + id * NOISE_STRIDE % NOISE_STARTS, bytes);
}

/* Behind the header of stage 08 (notes/formats.md): over from the beginning, soon, later,
 * never. */
static struct slice ending_value(uint64_t id, size_t bytes, size_t end) {
    enum { ENDS = 4, IDS = 64, HEADER = 12, BYTES = 40 };
    static const uint64_t millis[ENDS] = {0, 12, 1500, UINT64_MAX};
    static unsigned char values[ENDS][IDS][HEADER + BYTES];
    unsigned char *value = values[end % ENDS][id % IDS];
    uint64_t at = millis[end % ENDS];
    at = at == UINT64_MAX ? 0 : scheduler_start_millis() + at;
    memcpy(value, "\xfeXTL", 4);
    for (int i = 0; i < 8; i++) {
        value[4 + i] = (unsigned char)(at >> 8 * i);
    }
    memcpy(value + HEADER, program_value(id % IDS, BYTES).data, BYTES);
    return slice_make(value, HEADER + bytes % (BYTES + 1));
}

/* ---- drawing --------------------------------------------------------------------- */

/* An account of the log that is being written. */
struct layout {
    uint64_t end;
    bool mark_due;
};

struct drawing {
    struct program *program;
    struct tape *tape;
    const struct program_limits *limits;
    struct layout log;
    uint64_t next_id;
    unsigned operations;
    bool ends; /* values may end */
};

static size_t put_bytes(struct slice key, size_t value) {
    size_t length_bytes = value < 128 ? 1 : value < 16384 ? 2 : 3;
    return 2 + key.length + length_bytes + value;
}

/* Where a record of `payload` bytes that begins at `at` ends. */
static uint64_t record_end(uint64_t at, uint64_t payload) {
    for (;;) {
        uint64_t left = BLOCK - at % BLOCK;
        if (left < RECORD_HEADER) {
            at += left;
            left = BLOCK;
        }
        if (RECORD_HEADER + payload <= left) {
            return at + RECORD_HEADER + payload;
        }
        payload -= left - RECORD_HEADER;
        at += left;
    }
}

static void account(struct drawing *drawing, const struct step *step) {
    const struct kv_options *options = &drawing->program->options;
    struct layout *log = &drawing->log;
    uint64_t payload = CHANGE_HEADER;
    for (size_t i = 0; i < step->op_count; i++) {
        payload += put_bytes(step->ops[i].key, step->ops[i].value.length);
    }
    if (log->end > options->log_bytes) {
        *log = (struct layout){MARK, false};
    }
    log->end = record_end(log->end + (log->mark_due ? MARK : 0), payload);
    enum durability mode =
        step->durability != DURABILITY_DEFAULT ? step->durability : options->durability;
    log->mark_due = mode == DURABILITY_ALWAYS;
}

/* A length that makes a put of `key` alone end `left` bytes before the end of the
 * `blocks`-th block from here; 0 if there is none. */
static size_t edge_bytes(const struct layout *log, struct slice key, uint64_t left,
                         uint64_t blocks) {
    uint64_t begin = log->end + (log->mark_due ? MARK : 0);
    uint64_t target = (begin / BLOCK + blocks) * BLOCK - left;
    uint64_t fixed = blocks * RECORD_HEADER + CHANGE_HEADER + put_bytes(key, 0) + 2;
    return target > begin + fixed ? (size_t)(target - begin - fixed) : 0;
}

static size_t draw_value_bytes(struct drawing *drawing, struct slice key) {
    struct tape *tape = drawing->tape;
    uint64_t size = tape_choose(tape, 16);
    size_t bytes;
    if (size < 11) {
        bytes = (size_t)tape_choose(tape, 40);
    } else if (size < 14) {
        bytes = 480 + (size_t)tape_choose(tape, 1200);
    } else {
        uint64_t left = tape_choose(tape, 32);
        bytes = edge_bytes(&drawing->log, key, left, 1 + tape_choose(tape, 2));
    }
    size_t most = drawing->limits->value_bytes;
    most = most == 0 ? PROGRAM_VALUE_BYTES_MAX : most;
    return bytes < most ? bytes : most;
}

static struct slice draw_key(struct tape *tape) {
    return program_key((size_t)tape_choose(tape, PROGRAM_KEYS));
}

static struct kv_op draw_put_op(struct drawing *drawing) {
    struct slice key = draw_key(drawing->tape);
    size_t bytes = draw_value_bytes(drawing, key);
    uint64_t id = drawing->next_id++;
    uint64_t end = drawing->ends ? tape_choose(drawing->tape, 16) : 0;
    return (struct kv_op){KV_PUT, key,
                          end < 12 ? program_value(id, bytes)
                                   : ending_value(id, bytes, (size_t)end - 12)};
}

static struct kv_op draw_delete_op(struct drawing *drawing) {
    drawing->next_id++;
    return (struct kv_op){KV_DELETE, draw_key(drawing->tape), slice_of("")};
}

static enum durability draw_durability(struct tape *tape) {
    static const enum durability modes[] = {
        DURABILITY_DEFAULT, DURABILITY_DEFAULT, DURABILITY_DEFAULT, DURABILITY_DEFAULT,
        DURABILITY_ALWAYS,  DURABILITY_NONE,    DURABILITY_INTERVAL};
    return modes[tape_choose(tape, sizeof modes / sizeof modes[0])];
}

static void draw_put(struct drawing *drawing, struct step *step) {
    step->durability = draw_durability(drawing->tape);
    step->ops[step->op_count++] = draw_put_op(drawing);
    account(drawing, step);
}

static void draw_delete(struct drawing *drawing, struct step *step) {
    step->durability = draw_durability(drawing->tape);
    step->ops[step->op_count++] = draw_delete_op(drawing);
    account(drawing, step);
}

static void draw_change(struct drawing *drawing, struct step *step) {
    step->durability = draw_durability(drawing->tape);
    size_t count = 1 + (size_t)tape_choose(drawing->tape, CHANGE_OPS_MAX);
    while (step->op_count < count) {
        bool put = tape_choose(drawing->tape, 4) < 3;
        step->ops[step->op_count++] =
            put ? draw_put_op(drawing) : draw_delete_op(drawing);
    }
    account(drawing, step);
}

static void draw_sync(struct drawing *drawing, struct step *step) {
    (void)step;
    drawing->log.mark_due = true;
}

static void draw_get(struct drawing *drawing, struct step *step) {
    step->key = draw_key(drawing->tape);
}

static void draw_scan(struct drawing *drawing, struct step *step) {
    struct tape *tape = drawing->tape;
    uint64_t from = tape_choose(tape, PROGRAM_KEYS + 1);
    uint64_t to = tape_choose(tape, PROGRAM_KEYS + 1);
    step->from = from > 0 ? program_key((size_t)from - 1) : (struct slice){0};
    step->to = to > 0 ? program_key((size_t)to - 1) : (struct slice){0};
    step->key = draw_key(tape);
    step->move_count = (size_t)tape_choose(tape, SCAN_MOVES_MAX + 1);
    for (size_t i = 0; i < step->move_count; i++) {
        step->moves[i] = (enum move)tape_choose(tape, MOVE_COUNT);
    }
}

static void draw_advance(struct drawing *drawing, struct step *step) {
    uint64_t half = (uint64_t)drawing->program->options.interval_millis * 500;
    step->micros = half * (5 - tape_choose(drawing->tape, 5));
}

static void draw_reopen(struct drawing *drawing, struct step *step) {
    (void)step;
    drawing->log = (struct layout){MARK, false};
}

static void draw_kill(struct drawing *drawing, struct step *step) {
    draw_reopen(drawing, step);
}

static void draw_power(struct drawing *drawing, struct step *step) {
    for (size_t i = 0; i < POWER_FATES; i++) {
        step->fates[i] = (unsigned char)tape_choose(drawing->tape, FATE_COUNT);
    }
    draw_reopen(drawing, step);
}

static void draw_resume(struct drawing *drawing, struct step *step) {
    (void)drawing;
    (void)step;
}

/* The next change begins a log of its own. */
static void draw_flush(struct drawing *drawing, struct step *step) {
    draw_reopen(drawing, step);
}

/* It flushes first. */
static void draw_compact(struct drawing *drawing, struct step *step) {
    struct tape *tape = drawing->tape;
    uint64_t from = tape_choose(tape, PROGRAM_KEYS + 1);
    uint64_t to = tape_choose(tape, PROGRAM_KEYS + 1);
    step->from = from > 0 ? program_key((size_t)from - 1) : (struct slice){0};
    step->to = to > 0 ? program_key((size_t)to - 1) : (struct slice){0};
    draw_reopen(drawing, step);
}

static void draw_snapshot(struct drawing *drawing, struct step *step) {
    (void)drawing;
    (void)step;
}

static void draw_release(struct drawing *drawing, struct step *step) {
    step->snapshot = (size_t)tape_choose(drawing->tape, PROGRAM_SNAPSHOTS_MAX);
}

static void draw_look_back(struct drawing *drawing, struct step *step) {
    draw_release(drawing, step);
    draw_scan(drawing, step);
}

static void draw_walk(struct drawing *drawing, struct step *step) {
    struct tape *tape = drawing->tape;
    step->iter = (size_t)tape_choose(tape, PROGRAM_ITERS_MAX);
    step->snapshot = (size_t)tape_choose(tape, PROGRAM_SNAPSHOTS_MAX + 1);
    step->last = tape_choose(tape, 4) == 3;
    draw_scan(drawing, step);
}

/* All but a restore flush first. */
static void draw_copy(struct drawing *drawing, struct step *step) {
    step->copy = (enum copy_kind)tape_choose(drawing->tape, COPY_KIND_COUNT);
    step->source = (size_t)tape_choose(drawing->tape, PROGRAM_COPIES_MAX);
    draw_reopen(drawing, step);
}

static void draw_notify(struct drawing *drawing, struct step *step) {
    step->durability = draw_durability(drawing->tape);
}

/* As a flush. */
static void draw_erase(struct drawing *drawing, struct step *step) {
    draw_reopen(drawing, step);
}

static const struct {
    const char *name;
    int first;
    unsigned weight;
    void (*draw)(struct drawing *drawing, struct step *step);
} operations[OPERATION_COUNT] = {
#define OPERATION_ROW(name, suffix, first, weight)                                       \
    {#suffix, first, weight, draw_##suffix},
    OPERATION_TABLE(OPERATION_ROW)
#undef OPERATION_ROW
};

static unsigned weight_of(const struct drawing *drawing, size_t operation) {
    return (drawing->operations >> operation & 1) != 0 ? operations[operation].weight : 0;
}

static enum operation draw_operation(struct drawing *drawing) {
    uint64_t total = 0;
    for (size_t i = 0; i < OPERATION_COUNT; i++) {
        total += weight_of(drawing, i);
    }
    uint64_t drawn = tape_choose(drawing->tape, total);
    size_t i = 0;
    while (drawn >= weight_of(drawing, i)) {
        drawn -= weight_of(drawing, i++);
    }
    return (enum operation)i;
}

static void draw_options(struct kv_options *options, struct tape *tape) {
    static const enum durability modes[] = {DURABILITY_ALWAYS, DURABILITY_NONE,
                                            DURABILITY_INTERVAL};
    static const uint64_t log_bytes[] = {1 << 20, PROGRAM_LOG_BYTES_MIN, 1000, 40000};
    static const uint32_t steps[] = {4096, 4096, 4096, 4096, 8192, 65536};
    *options = kv_options_default();
    options->create = true;
    options->world = NULL;
    options->durability = modes[tape_choose(tape, 3)];
    options->log_region = tape_choose(tape, 2) == 0 ? APPEND_WRITE : APPEND_MAPPED;
    options->log_bytes = log_bytes[tape_choose(tape, 4)];
    options->log_step_bytes = steps[tape_choose(tape, 6)];
    options->interval_millis = tape_choose(tape, 2) == 0 ? 1000 : 10;
    options->interval_bytes = tape_choose(tape, 3) < 2 ? 1 << 20 : 100;
}

/* From stage 03 on: buffers that a change or two fill, blocks of an entry or two, and
 * caches that hold next to nothing. */
static void draw_table_options(struct program *program, struct tape *tape) {
    struct kv_options *options = &program->options;
    static const uint64_t buffers[] = {1 << 20, 100, 2000};
    static const uint32_t blocks[] = {4096, 64, 700};
    static const uint32_t intervals[] = {16, 1, 2};
    static const uint64_t caches[] = {16384, 0, 1500};
    options->write_buffer_bytes = buffers[tape_choose(tape, 3)];
    options->block_bytes = blocks[tape_choose(tape, 3)];
    options->restart_interval = intervals[tape_choose(tape, 3)];
    options->block_cache_bytes = caches[tape_choose(tape, 3)];
    options->filter_bits = tape_choose(tape, 3) < 2 ? 10 : 0;
    options->compression = (enum table_compression)tape_choose(tape, 4);
    options->max_open_files = tape_choose(tape, 2) == 0 ? 100 : 1;
    program->later_buffer_bytes = buffers[tape_choose(tape, 3)];
}

/* From stage 05 on: outputs of an entry or two, levels that are soon full, writers that are
 * slowed and stopped. The limits come seldom: a compaction that waits for time leaves less
 * to do for all else, and each line of an event log is one more pending piece at every
 * crash point behind it. */
static void draw_upkeep_options(struct kv_options *options, struct tape *tape) {
    static const uint64_t tables[] = {8 << 20, 100, 1000};
    static const uint32_t level0[] = {4, 1, 2, 3};
    options->write_buffers = 2 + (uint32_t)tape_choose(tape, 2);
    options->table_bytes = tables[tape_choose(tape, 3)];
    options->level0_tables = level0[tape_choose(tape, 4)];
    uint32_t patience = (uint32_t)tape_choose(tape, 3);
    if (patience > 0) {
        options->level0_slow_tables = options->level0_tables;
        options->level0_stop_tables = options->level0_tables + patience;
    }
    options->stall_millis = tape_choose(tape, 2) == 0 ? 60000 : 20;
    options->compaction_threads = 1 + (uint32_t)tape_choose(tape, 2);
    options->compaction_bytes_per_second = tape_choose(tape, 16) < 15 ? 0 : 10000;
    options->event_log_bytes = tape_choose(tape, 32) < 31 ? 0 : 2000;
}

static unsigned operations_of(int number, const struct program_limits *limits) {
    unsigned allowed = limits->operations != 0 ? limits->operations : OPERATIONS_ALL;
    for (size_t i = 0; i < OPERATION_COUNT; i++) {
        if (operations[i].first > number) {
            allowed &= ~(1u << i);
        }
    }
    return allowed;
}

enum disk_profile profile_draw(struct tape *tape, unsigned allowed) {
    enum disk_profile profile = tape_choose(tape, 2) == 0 ? DISK_POSIX : DISK_EXT4;
    enum disk_profile other = profile == DISK_POSIX ? DISK_EXT4 : DISK_POSIX;
    if (allowed == 1u << other) {
        profile = other;
        tape->choices[tape->made - 1] = profile == DISK_POSIX ? 0 : 1;
    }
    return profile;
}

void program_draw(struct program *program, struct tape *tape, int number,
                  const struct program_limits *limits) {
    *program = (struct program){0};
    struct drawing drawing = {.program = program,
                              .tape = tape,
                              .limits = limits,
                              .log = {MARK, false},
                              .operations = operations_of(number, limits),
                              .ends = number >= 8};
    program->profile = profile_draw(tape, limits->profiles);
    draw_options(&program->options, tape);
    if (number >= 3) {
        draw_table_options(program, tape);
    }
    if (number >= 5) {
        draw_upkeep_options(&program->options, tape);
    }
    size_t most = limits->steps != 0 && limits->steps < PROGRAM_STEPS_MAX
                      ? limits->steps
                      : PROGRAM_STEPS_MAX;
    while (program->count < most) {
        tape_begin(tape);
        bool more = tape_choose(tape, 8) != 0;
        if (more) {
            struct step *step = &program->steps[program->count++];
            step->operation = draw_operation(&drawing);
            operations[step->operation].draw(&drawing, step);
        }
        tape_end(tape);
        if (!more) {
            return;
        }
    }
    /* Without an end of its own a longest program would, with a step deleted, read on in
     * what follows it on the tape. */
    tape_choose(tape, 1);
}

/* ---- in words -------------------------------------------------------------------- */

void slice_print(struct slice slice, FILE *out) {
    if (!slice_present(slice)) {
        fputs("(none)", out);
        return;
    }
    fputc('"', out);
    for (size_t i = 0; i < slice.length && i < 40; i++) {
        int byte = slice.data[i];
        if (isprint(byte) && byte != '"' && byte != '\\') {
            fputc(byte, out);
        } else {
            fprintf(out, "\\x%02x", (unsigned)byte);
        }
    }
    fputs(slice.length > 40 ? "…\"" : "\"", out);
}

static const char *const durability_words[] = {"", ", none", ", interval", ", always"};

static void print_ops(const struct step *step, uint64_t first, FILE *out) {
    for (size_t i = 0; i < step->op_count; i++) {
        const struct kv_op *op = &step->ops[i];
        if (i > 0) {
            fputs("; ", out);
        }
        if (first > 0) {
            fprintf(out, "#%" PRIu64 " ", first + i);
        }
        fputs(op->type == KV_PUT ? "put " : "delete ", out);
        slice_print(op->key, out);
        if (op->type == KV_PUT) {
            fprintf(out, " = %zu bytes%s", op->value.length,
                    model_is_over(op->value, UINT64_MAX) ? " that end" : "");
        }
    }
    fputs(durability_words[step->durability], out);
}

static void print_scan(const struct step *step, const char *what, FILE *out) {
    static const char *const words[MOVE_COUNT] = {"first", "next", "prev",
                                                  "last",  "seek", "seek-before"};
    fprintf(out, "%s from ", what);
    slice_print(step->from, out);
    fputs(" to ", out);
    slice_print(step->to, out);
    for (size_t i = 0; i < step->move_count; i++) {
        fprintf(out, " %s", words[step->moves[i]]);
        if (step->moves[i] == MOVE_SEEK || step->moves[i] == MOVE_SEEK_BEFORE) {
            fputc(' ', out);
            slice_print(step->key, out);
        }
    }
}

static void print_walk(const struct step *step, FILE *out) {
    fprintf(out, "iterator %zu, ", step->iter);
    if (step->snapshot > 0) {
        fprintf(out, "if new at snapshot %zu: ", step->snapshot - 1);
    }
    print_scan(step, "if new", out);
    fputs(step->last ? "; closed" : "", out);
}

static void print_copy(const struct step *step, FILE *out) {
    static const char *const words[COPY_KIND_COUNT] = {"checkpoint", "backup", "restore"};
    fputs(words[step->copy], out);
    if (step->copy == COPY_RESTORE) {
        fprintf(out, " of copy %zu", step->source);
    }
}

static void print_power(const struct step *step, FILE *out) {
    static const char *const words[FATE_COUNT] = {"kept", "lost", "zero", "noise",
                                                  "stale"};
    fputs("power loss, what is pending", out);
    for (size_t i = 0; i < POWER_FATES; i++) {
        fprintf(out, "%s %s", i > 0 ? "," : "", words[step->fates[i]]);
    }
    fputs(", and so on; open", out);
}

static void print_compact(const struct step *step, FILE *out) {
    fputs("compact from ", out);
    slice_print(step->from, out);
    fputs(" to ", out);
    slice_print(step->to, out);
}

void step_print(const struct step *step, uint64_t first, FILE *out) {
    switch (step->operation) {
    case OPERATION_PUT:
    case OPERATION_DELETE:
        print_ops(step, first, out);
        break;
    case OPERATION_CHANGE:
        fputs("change { ", out);
        print_ops(step, first, out);
        fputs(" }", out);
        break;
    case OPERATION_GET:
        fputs("get ", out);
        slice_print(step->key, out);
        break;
    case OPERATION_SCAN:
        print_scan(step, "scan", out);
        break;
    case OPERATION_ADVANCE:
        fprintf(out, "%" PRIu64 " ms pass", step->micros / 1000);
        break;
    case OPERATION_REOPEN:
        fputs("close; open", out);
        break;
    case OPERATION_KILL:
        fputs("the process dies; open", out);
        break;
    case OPERATION_POWER:
        print_power(step, out);
        break;
    case OPERATION_COMPACT:
        print_compact(step, out);
        break;
    case OPERATION_RELEASE:
        fprintf(out, "release snapshot %zu", step->snapshot);
        break;
    case OPERATION_LOOK_BACK:
        fprintf(out, "at snapshot %zu: ", step->snapshot);
        print_scan(step, "scan", out);
        break;
    case OPERATION_WALK:
        print_walk(step, out);
        break;
    case OPERATION_COPY:
        print_copy(step, out);
        break;
    case OPERATION_NOTIFY:
        fprintf(out, "ask to be told%s", durability_words[step->durability]);
        break;
    case OPERATION_SYNC:
    case OPERATION_RESUME:
    case OPERATION_FLUSH:
    case OPERATION_SNAPSHOT:
    case OPERATION_ERASE:
    case OPERATION_COUNT:
    default:
        fputs(operations[step->operation].name, out);
        break;
    }
}

static void print_options(const struct program *program, FILE *out) {
    static const char *const modes[] = {"default", "none", "interval", "always"};
    const struct kv_options *options = &program->options;
    fprintf(out,
            "  store: durability %s, log-region %s, log-bytes %" PRIu64
            ", log-step-bytes %" PRIu32 ", interval %" PRIu32 " ms, %" PRIu64
            " bytes; disk: %s\n",
            modes[options->durability],
            options->log_region == APPEND_MAPPED ? "mapped" : "write", options->log_bytes,
            options->log_step_bytes, options->interval_millis, options->interval_bytes,
            program->profile == DISK_EXT4 ? "ext4" : "posix");
    if (program->later_buffer_bytes > 0) {
        fprintf(out,
                "  tables: write-buffer-bytes %" PRIu64 ", later %" PRIu64
                ", block-bytes %" PRIu32 ", restart-interval %" PRIu32
                ", block-cache-bytes %" PRIu64 ", filter-bits %" PRIu32 "\n",
                options->write_buffer_bytes, program->later_buffer_bytes,
                options->block_bytes, options->restart_interval,
                options->block_cache_bytes, options->filter_bits);
    }
    if (stage_has(FEATURE_COMPACT)) {
        fprintf(out,
                "  upkeep: write-buffers %" PRIu32 ", table-bytes %" PRIu64
                ", level0-tables %" PRIu32 ", slow %" PRIu32 ", stop %" PRIu32
                ", stall-millis %" PRIu32 ", compaction-threads %" PRIu32
                ", compaction-bytes-per-second %" PRIu64 ", event-log-bytes %" PRIu64
                "\n",
                options->write_buffers, options->table_bytes, options->level0_tables,
                options->level0_slow_tables, options->level0_stop_tables,
                options->stall_millis, options->compaction_threads,
                options->compaction_bytes_per_second, options->event_log_bytes);
    }
}

void program_print_steps(const struct program *program, const uint64_t *first_sequences,
                         size_t count, FILE *out) {
    print_options(program, out);
    for (size_t i = 0; i < count && i < program->count; i++) {
        fprintf(out, "  %2zu  ", i + 1);
        step_print(&program->steps[i], first_sequences != NULL ? first_sequences[i] : 0,
                   out);
        fputc('\n', out);
    }
}

void program_print(const struct program *program, FILE *out) {
    program_print_steps(program, NULL, program->count, out);
}
