/* What a choice must keep true: in the order in which readers search (version.h), no
 * version of a user key stands behind an older one. A compaction takes tables from
 * `level` to the place right below, where they meet those of output_level. So
 *
 *   - what stays in `level` must hold nothing that is older than what goes,
 *   - nothing may stay in output_level that overlaps with what comes,
 *   - and no level is passed over: one with older versions would then stand above.
 *
 * All overlap is that of user keys, ends included.
 *
 * From level 1 on the files of a level do not overlap, but another program may have
 * split the versions of a user key between neighbours: the newer ones end one file, the
 * older ones begin the next. If the first went alone, the older versions would stand
 * above (google/leveldb issue 320). So files that share a user key are one *group*, which
 * goes as a whole, in both levels and in both directions. More is taken than the order
 * asks for: the second file might go alone. But so all versions of a key that are in the
 * two levels are merged, a tombstone is not dropped beside what it hides, and the key is
 * whole again in the output.
 *
 * In level 0 older tables stand behind newer ones. So a set may go if with each of its
 * tables all older ones go that overlap with it. Two such sets are used, and no others:
 * all tables, and the oldest ones up to some table. All go to be merged. But if some of
 * the oldest may move as they are, they do, and only they: that writes nothing, and what
 * stays is newer. A load in ascending order is so never written twice. Flushes add tables
 * in front of these while the compaction runs: newer ones, which stay above.
 *
 * Tables move as they are where they share no user key among them, where none of
 * output_level is between the first and the last key of all, and where each of them
 * alone overlaps little below that: one that overlaps much there would cost much when
 * it is its turn, and merging ends outputs in time instead. As nothing is between, a
 * caller may merge what may move. */
#include "picker.h"

#include "internal_key.h"
#include "memory.h"
#include "table_file.h"

enum { OVERLAP_TABLES = 10, WIDENED_TABLES = 25, LEVEL_FACTOR = 10 };

/* User keys, both included. */
struct range {
    struct slice first;
    struct slice last;
};

/* Neighbouring files of a level from 1 on: those from begin on and before end. */
struct span {
    struct table_file **files; /* all of the level */
    size_t file_count;
    size_t begin, end;
};

static struct slice first_key(const struct table_file *file) {
    return internal_key_user(buf_slice(&file->meta.smallest));
}

static struct slice last_key(const struct table_file *file) {
    return internal_key_user(buf_slice(&file->meta.largest));
}

static struct range range_of(const struct table_file *file) {
    return (struct range){first_key(file), last_key(file)};
}

static void range_include(struct range *range, struct range other) {
    if (slice_compare(other.first, range->first) < 0) {
        range->first = other.first;
    }
    if (slice_compare(other.last, range->last) > 0) {
        range->last = other.last;
    }
}

static struct range range_of_all(struct table_file **files, size_t count) {
    struct range range = range_of(files[0]);
    for (size_t i = 1; i < count; i++) {
        range_include(&range, range_of(files[i]));
    }
    return range;
}

static bool overlap(struct range a, struct range b) {
    return slice_compare(a.first, b.last) <= 0 && slice_compare(b.first, a.last) <= 0;
}

static uint64_t bytes_of(struct table_file **files, size_t count) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += files[i]->meta.bytes;
    }
    return bytes;
}

/* ---- levels from 1 on ------------------------------------------------------------ */

/* The index of the first file that has the user key or ends behind it. */
static size_t find_file(struct table_file **files, size_t count, struct slice user) {
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(last_key(files[middle]), user) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Of a level, all of its files, and none of them yet. A level that there is not has none.
 */
static struct span level_span(const struct version *version, unsigned level) {
    for (size_t i = 0; i < version->run_count; i++) {
        if (version->runs[i].level == level) {
            return (struct span){version->runs[i].files, version->runs[i].count, 0, 0};
        }
    }
    return (struct span){0};
}

static size_t span_count(const struct span *span) {
    return span->end - span->begin;
}

static struct table_file **span_files(const struct span *span) {
    return span_count(span) > 0 ? span->files + span->begin : NULL;
}

static uint64_t span_bytes(const struct span *span) {
    return bytes_of(span_files(span), span_count(span));
}

static struct span overlapping(const struct version *version, unsigned level,
                               struct range range) {
    struct span span = level_span(version, level);
    span.begin = find_file(span.files, span.file_count, range.first);
    span.end = span.begin;
    while (span.end < span.file_count &&
           slice_compare(first_key(span.files[span.end]), range.last) <= 0) {
        span.end++;
    }
    return span;
}

/* Whether a user key goes on from a file in the next. */
static bool joined(const struct span *span, size_t next) {
    return slice_equal(last_key(span->files[next - 1]), first_key(span->files[next]));
}

/* Grows by what belongs to the groups of its files. */
static struct span whole_groups(struct span span) {
    if (span_count(&span) > 0) {
        while (span.begin > 0 && joined(&span, span.begin)) {
            span.begin--;
        }
        while (span.end < span.file_count && joined(&span, span.end)) {
            span.end++;
        }
    }
    return span;
}

static void set_upper(struct compaction *compaction, const struct span *span) {
    compaction->upper = span_files(span);
    compaction->upper_count = span_count(span);
}

static void set_lower(struct compaction *compaction, const struct span *span) {
    compaction->lower = span_files(span);
    compaction->lower_count = span_count(span);
}

static struct range range_of_inputs(const struct compaction *compaction) {
    struct range range = range_of_all(compaction->upper, compaction->upper_count);
    if (compaction->lower_count > 0) {
        range_include(&range, range_of_all(compaction->lower, compaction->lower_count));
    }
    return range;
}

/* ---- scores ---------------------------------------------------------------------- */

uint64_t picker_target(const struct picker_options *options, unsigned level) {
    uint64_t target = options->base_bytes;
    for (unsigned i = 1; i < level; i++) {
        if (__builtin_mul_overflow(target, (uint64_t)LEVEL_FACTOR, &target)) {
            return UINT64_MAX;
        }
    }
    return target;
}

static size_t level0_count(const struct version *version) {
    size_t count = 0;
    while (count < version->run_count && version->runs[count].level == 0) {
        count++;
    }
    return count;
}

double picker_score(const struct version *version, const struct picker_options *options,
                    unsigned level) {
    if (level >= LEVELS - 1) {
        return 0;
    }
    if (level == 0) {
        return (double)level0_count(version) / options->level0_tables;
    }
    struct span span = level_span(version, level);
    return (double)bytes_of(span.files, span.file_count) /
           (double)picker_target(options, level);
}

/* The level to be compacted, or LEVELS. Of equals the upper one. */
static unsigned best_level(const struct version *version,
                           const struct picker_options *options, unsigned busy) {
    unsigned best = LEVELS;
    double best_score = 0;
    for (unsigned level = 0; level < LEVELS - 1; level++) {
        double score = picker_score(version, options, level);
        bool is_busy = (busy & (3u << level)) != 0; /* it, or its output level */
        if (!is_busy && score >= 1 && score > best_score) {
            best = level;
            best_score = score;
        }
    }
    return best;
}

/* ---- the parts of a choice ------------------------------------------------------- */

/* The upper inputs are chosen: the tables below that must come too. */
static void take_lower(struct compaction *compaction) {
    if (compaction->output_level != compaction->level) {
        struct span lower = whole_groups(
            overlapping(compaction->version, compaction->output_level,
                        range_of_all(compaction->upper, compaction->upper_count)));
        set_lower(compaction, &lower);
    }
}

/* Takes what else of `level` is in the range of all inputs, if the lower ones stay the
 * same: it costs the reading of no other table, and one compaction less. */
static void widen(struct compaction *compaction, const struct picker_options *options) {
    if (compaction->level == 0 || compaction->lower_count == 0) {
        return;
    }
    struct compaction wide = *compaction;
    struct span upper = whole_groups(
        overlapping(compaction->version, compaction->level, range_of_inputs(compaction)));
    set_upper(&wide, &upper);
    take_lower(&wide);
    if (wide.lower_count == compaction->lower_count &&
        bytes_of(wide.upper, wide.upper_count) + bytes_of(wide.lower, wide.lower_count) <=
            WIDENED_TABLES * options->table_bytes) {
        *compaction = wide;
    }
}

/* How many upper tables may move, from the last one on: of level 0 from the oldest. None
 * in place, since they are in the way of themselves. */
static size_t count_movable(const struct compaction *compaction,
                            const struct picker_options *options) {
    const struct version *version = compaction->version;
    struct range all = {0};
    size_t moved = 0;
    for (; moved < compaction->upper_count; moved++) {
        struct table_file **file =
            compaction->upper + (compaction->upper_count - 1 - moved);
        struct range own = range_of(*file);
        if (moved == 0) {
            all = own;
        }
        range_include(&all, own);
        struct span between = overlapping(version, compaction->output_level, all);
        struct span below = overlapping(version, compaction->output_level + 1, own);
        bool shares = false; /* below level 0 with the next one, if with any */
        for (size_t i = 1; i <= (compaction->level == 0 ? moved : moved > 0); i++) {
            shares = shares || overlap(own, range_of(file[i]));
        }
        if (shares || span_count(&between) > 0 ||
            span_bytes(&below) > OVERLAP_TABLES * options->table_bytes) {
            break;
        }
    }
    return moved;
}

static enum status take_pointer(struct compaction *compaction, struct error *error) {
    struct slice largest = buf_slice(&compaction->upper[0]->meta.largest);
    for (size_t i = 1; i < compaction->upper_count; i++) {
        struct slice other = buf_slice(&compaction->upper[i]->meta.largest);
        if (internal_key_compare(other, largest) > 0) {
            largest = other;
        }
    }
    enum status status = buf_assign(&compaction->next_pointer, largest);
    return status == STATUS_OK
               ? STATUS_OK
               : error_no_memory(error, "a compaction's last key", largest.length);
}

/* The upper inputs are chosen: all that follows from them. Hands out `made`, or frees it
 * if there are none. */
static enum status complete(struct compaction *made, const struct picker_options *options,
                            struct compaction **compaction, struct error *error) {
    if (made->upper_count == 0) {
        compaction_free(made);
        *compaction = NULL;
        return STATUS_OK;
    }
    take_lower(made);
    widen(made, options);
    made->may_move = count_movable(made, options) == made->upper_count;
    struct span below =
        overlapping(made->version, made->output_level + 1, range_of_inputs(made));
    made->grandparents = span_files(&below);
    made->grandparent_count = span_count(&below);
    enum status status = take_pointer(made, error);
    if (status == STATUS_OK) {
        *compaction = made;
    } else {
        compaction_free(made);
    }
    return status;
}

/* ---- choosing -------------------------------------------------------------------- */

/* With room for all tables of level 0: there each is a run of its own, and no array of
 * the version lists them. */
static enum status make(struct version *version, unsigned level, unsigned output_level,
                        struct compaction **compaction, struct error *error) {
    size_t room = level == 0 ? level0_count(version) : 0;
    size_t bytes = sizeof **compaction + room * sizeof(struct table_file *);
    struct compaction *made = memory_take_zeroed(bytes);
    if (made == NULL) {
        return error_no_memory(error, "a compaction", bytes);
    }
    version_ref(version);
    made->version = version;
    made->level = level;
    made->output_level = output_level;
    *compaction = made;
    return STATUS_OK;
}

static void take_level0(struct compaction *compaction) {
    compaction->upper = (struct table_file **)(compaction + 1);
    compaction->upper_count = level0_count(compaction->version);
    for (size_t i = 0; i < compaction->upper_count; i++) {
        compaction->upper[i] = compaction->version->runs[i].files[0];
    }
}

/* Only those that may move, if there are such. */
static void keep_movable(struct compaction *compaction,
                         const struct picker_options *options) {
    size_t movable = count_movable(compaction, options);
    if (movable > 0) {
        compaction->upper += compaction->upper_count - movable;
        compaction->upper_count = movable;
    }
}

/* The first file with keys behind the pointer, or the level's first, and its group. */
static struct span next_in_turn(const struct version *version, unsigned level,
                                const struct buf *pointer) {
    struct span span = level_span(version, level);
    if (pointer->length > 0) {
        struct slice user = internal_key_user(buf_slice(pointer));
        span.begin = find_file(span.files, span.file_count, user);
        while (span.begin < span.file_count &&
               slice_equal(last_key(span.files[span.begin]), user)) {
            span.begin++;
        }
        if (span.begin == span.file_count) {
            span.begin = 0;
        }
    }
    span.end = span.begin + 1;
    return whole_groups(span);
}

enum status picker_pick(struct version *version, const struct picker_options *options,
                        const struct buf pointers[LEVELS], unsigned busy,
                        struct compaction **compaction, struct error *error) {
    unsigned level = best_level(version, options, busy);
    if (level == LEVELS) {
        *compaction = NULL;
        return STATUS_OK;
    }
    struct compaction *made;
    enum status status = make(version, level, level + 1, &made, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (level == 0) {
        take_level0(made);
        keep_movable(made, options);
    } else {
        struct span upper = next_in_turn(version, level, &pointers[level]);
        set_upper(made, &upper);
    }
    return complete(made, options, compaction, error);
}

/* ---- a range --------------------------------------------------------------------- */

static bool in_bounds(const struct table_file *file, struct slice from, struct slice to) {
    return (!slice_present(from) || slice_compare(last_key(file), from) >= 0) &&
           (!slice_present(to) || slice_compare(first_key(file), to) < 0);
}

/* All tables of level 0 if one is in bounds, else none: an older one that overlaps with
 * one in bounds need not be in them itself. */
static void take_level0_range(struct compaction *compaction, struct slice from,
                              struct slice to) {
    bool some = false;
    take_level0(compaction);
    for (size_t i = 0; i < compaction->upper_count && !some; i++) {
        some = in_bounds(compaction->upper[i], from, to);
    }
    compaction->upper_count = some ? compaction->upper_count : 0;
}

static struct span in_range(const struct version *version, unsigned level,
                            struct slice from, struct slice to) {
    struct span span = level_span(version, level);
    while (span.begin < span.file_count && !in_bounds(span.files[span.begin], from, to)) {
        span.begin++;
    }
    span.end = span.begin;
    while (span.end < span.file_count && in_bounds(span.files[span.end], from, to)) {
        span.end++;
    }
    return whole_groups(span);
}

enum status picker_pick_range(struct version *version,
                              const struct picker_options *options, unsigned level,
                              unsigned output_level, struct slice from, struct slice to,
                              struct compaction **compaction, struct error *error) {
    struct compaction *made;
    enum status status = make(version, level, output_level, &made, error);
    if (status != STATUS_OK) {
        return status;
    }
    if (slice_present(from) && slice_present(to) && slice_compare(from, to) >= 0) {
        made->upper_count = 0; /* no key is in bounds, whatever tables span */
    } else if (level == 0) {
        take_level0_range(made, from, to);
    } else {
        struct span upper = in_range(version, level, from, to);
        set_upper(made, &upper);
    }
    return complete(made, options, compaction, error);
}

/* ---- while it is carried out ------------------------------------------------------ */

void compaction_free(struct compaction *compaction) {
    if (compaction != NULL) {
        version_unref(compaction->version);
        buf_free(&compaction->next_pointer);
        memory_give(compaction);
    }
}

bool compaction_key_is_deeper(const struct compaction *compaction,
                              struct slice user_key) {
    for (unsigned level = compaction->output_level + 1; level < LEVELS; level++) {
        struct span span =
            overlapping(compaction->version, level, (struct range){user_key, user_key});
        if (span_count(&span) > 0) {
            return true;
        }
    }
    return false;
}
