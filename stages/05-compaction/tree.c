/* A line of an event log is one of the objects that event_log.c writes. cJSON reads it.
 * What is not of the expected type is taken for absent; a table that is named twice, or
 * goes without having come, does no harm. */
#include "tree.h"

#include <inttypes.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "internal_key.h"
#include "memory.h"
#include "program/escape.h"
#include "table_file.h"

/* More than any database has; a line that says otherwise must not take all memory, nor
 * all time. */
enum { LEVEL_TABLES_MAX = 1 << 15, WORKS_MAX = 64 };

/* ---- tables ---------------------------------------------------------------------- */

static void table_free(struct tree_table *table) {
    buf_free(&table->smallest);
    buf_free(&table->largest);
}

static void level_free(struct tree_level *level) {
    for (size_t i = 0; i < level->count; i++) {
        table_free(&level->tables[i]);
    }
    memory_give(level->tables);
    *level = (struct tree_level){0};
}

void tree_free(struct tree *tree) {
    for (size_t i = 0; i < LEVELS; i++) {
        level_free(&tree->levels[i]);
    }
    memory_give(tree->works);
    *tree = (struct tree){0};
}

/* Takes over what the table owns, whatever it answers. */
static enum status insert(struct tree_level *level, size_t at, struct tree_table table) {
    if (level->count == LEVEL_TABLES_MAX) {
        table_free(&table);
        return STATUS_OK;
    }
    if (level->count == level->room) {
        size_t room = level->room == 0 ? 8 : 2 * level->room;
        struct tree_table *tables =
            memory_resize(level->tables, room * sizeof *level->tables);
        if (tables == NULL) {
            table_free(&table);
            return STATUS_NO_MEMORY;
        }
        level->tables = tables;
        level->room = room;
    }
    memmove(&level->tables[at + 1], &level->tables[at],
            (level->count - at) * sizeof table);
    level->tables[at] = table;
    level->count++;
    return STATUS_OK;
}

/* Where a table goes that comes to this level. */
static size_t place_of(const struct tree *tree, unsigned level,
                       const struct tree_table *table) {
    const struct tree_level *in = &tree->levels[level];
    size_t at = level == 0 ? 0 : in->count;
    while (at > 0 && slice_compare(buf_slice(&table->smallest),
                                   buf_slice(&in->tables[at - 1].smallest)) < 0) {
        at--;
    }
    return at;
}

/* Answers how many bytes went. */
static double remove_table(struct tree_level *level, uint64_t number) {
    for (size_t i = 0; i < level->count; i++) {
        if (level->tables[i].number == number) {
            double bytes = (double)level->tables[i].bytes;
            table_free(&level->tables[i]);
            memmove(&level->tables[i], &level->tables[i + 1],
                    (--level->count - i) * sizeof level->tables[0]);
            return bytes;
        }
    }
    return 0;
}

double tree_level_bytes(const struct tree_level *level) {
    double bytes = 0;
    for (size_t i = 0; i < level->count; i++) {
        bytes += (double)level->tables[i].bytes;
    }
    return bytes;
}

static enum status user_key(struct buf *to, const struct buf *internal) {
    struct slice key = buf_slice(internal);
    return buf_assign(to, internal_key_legal(key) ? internal_key_user(key) : key);
}

enum status tree_from_version(struct tree *tree, const struct version *version) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < version->run_count; i++) {
        const struct sorted_run *run = &version->runs[i];
        struct tree_level *level = &tree->levels[run->level];
        for (size_t j = 0; j < run->count && status == STATUS_OK; j++) {
            const struct table_meta *meta = &run->files[j]->meta;
            struct tree_table table = {.number = meta->number, .bytes = meta->bytes};
            status = user_key(&table.smallest, &meta->smallest);
            if (status == STATUS_OK) {
                status = user_key(&table.largest, &meta->largest);
            }
            if (status != STATUS_OK) {
                table_free(&table);
            } else {
                status = insert(level, level->count, table);
            }
        }
    }
    if (status != STATUS_OK) {
        tree_free(tree);
    }
    return status;
}

/* ---- work ------------------------------------------------------------------------ */

static void mark(struct tree *tree, uint64_t from, uint64_t to) {
    for (size_t i = 0; i < LEVELS; i++) {
        for (size_t j = 0; j < tree->levels[i].count; j++) {
            struct tree_table *table = &tree->levels[i].tables[j];
            table->work = table->work == from ? to : table->work;
        }
    }
}

static struct tree_table *find(struct tree *tree, uint64_t number) {
    for (size_t i = 0; i < LEVELS; i++) {
        for (size_t j = 0; j < tree->levels[i].count; j++) {
            if (tree->levels[i].tables[j].number == number) {
                return &tree->levels[i].tables[j];
            }
        }
    }
    return NULL;
}

/* *ended says no more than the number where no such work is known. */
static void end_work(struct tree *tree, uint64_t number, struct tree_work *ended) {
    *ended =
        (struct tree_work){.number = number, .level = LEVELS, .output_level = LEVELS};
    for (size_t i = 0; i < tree->work_count; i++) {
        if (tree->works[i].number == number) {
            *ended = tree->works[i];
            memmove(&tree->works[i], &tree->works[i + 1],
                    (--tree->work_count - i) * sizeof tree->works[0]);
            mark(tree, number, 0);
            return;
        }
    }
}

static enum status begin_work(struct tree *tree, struct tree_work work) {
    struct tree_work before;
    end_work(tree, work.number, &before); /* told once more at the top of a new file */
    if (tree->work_count == WORKS_MAX) {
        end_work(tree, tree->works[0].number, &before);
    }
    if (tree->works == NULL) {
        tree->works = memory_take(WORKS_MAX * sizeof *tree->works);
        if (tree->works == NULL) {
            return STATUS_NO_MEMORY;
        }
    }
    tree->works[tree->work_count++] = work;
    return STATUS_OK;
}

enum status tree_take_work(struct tree *tree, const struct tree *log) {
    tree->write_buffer_bytes = log->write_buffer_bytes;
    tree->level0_tables = log->level0_tables;
    tree->open = log->open;
    tree->frozen = log->frozen;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < log->work_count && status == STATUS_OK; i++) {
        status = begin_work(tree, log->works[i]);
    }
    for (size_t i = 0; i < LEVELS; i++) {
        for (size_t j = 0; j < log->levels[i].count; j++) {
            const struct tree_table *marked = &log->levels[i].tables[j];
            struct tree_table *table =
                marked->work == 0 ? NULL : find(tree, marked->number);
            if (table != NULL) {
                table->work = marked->work;
            }
        }
    }
    return status;
}

/* ---- reading JSON ---------------------------------------------------------------- */

/* 0 where it is absent. Above 2^53 a double is not exact, and nothing is that large. */
static uint64_t number_of(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    double value = cJSON_IsNumber(item) ? item->valuedouble : 0;
    return value >= 0 && value <= 9007199254740992.0 ? (uint64_t)value : 0;
}

static unsigned level_of(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    uint64_t level = number_of(object, name);
    return cJSON_IsNumber(item) && level < LEVELS ? (unsigned)level : LEVELS;
}

/* "" where it is absent. */
static struct slice text_of(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return slice_of(cJSON_IsString(item) ? item->valuestring : "");
}

/* Escaped bytes as they were; as they stand there if that is no escape. */
static enum status bytes_of_text(const cJSON *object, const char *name, struct buf *key) {
    struct slice text = text_of(object, name);
    struct error error;
    enum status status = escape_parse(text, key, &error);
    return status == STATUS_INVALID ? buf_assign(key, text) : status;
}

static enum status table_of(const cJSON *object, struct tree_table *table) {
    *table = (struct tree_table){.number = number_of(object, "table"),
                                 .bytes = number_of(object, "bytes")};
    enum status status = bytes_of_text(object, "smallest", &table->smallest);
    if (status == STATUS_OK) {
        status = bytes_of_text(object, "largest", &table->largest);
    }
    if (status != STATUS_OK) {
        table_free(table);
    }
    return status;
}

/* ---- words ----------------------------------------------------------------------- */

const char *tree_bytes_print(char text[TREE_BYTES_TEXT], double bytes) {
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    if (bytes < 999.5) {
        snprintf(text, TREE_BYTES_TEXT, "%.0f B", bytes);
        return text;
    }
    for (bytes /= 1000; bytes >= 999.95 && unit < 4; unit++) {
        bytes /= 1000;
    }
    snprintf(text, TREE_BYTES_TEXT, "%.1f %s", bytes < 1e9 ? bytes : 1e9, units[unit]);
    return text;
}

static enum status say_tables(struct buf *words, size_t count, double bytes) {
    char text[TREE_BYTES_TEXT];
    return count == 0
               ? buf_append_text(words, "nothing")
               : buf_printf(words, "%zu %s %s", count, count == 1 ? "table" : "tables",
                            tree_bytes_print(text, bytes));
}

static enum status say_levels(struct buf *words, const struct tree_work *work) {
    if (work->level >= LEVELS || work->output_level >= LEVELS) {
        return STATUS_OK;
    }
    return work->level == work->output_level
               ? buf_printf(words, "level %u, ", work->level)
               : buf_printf(words, "level %u + %u, ", work->level, work->output_level);
}

static enum status say_text(struct buf *words, const cJSON *event, const char *name) {
    struct buf bytes = {0};
    enum status status = bytes_of_text(event, name, &bytes);
    status = status == STATUS_OK ? escape_print(buf_slice(&bytes), words) : status;
    buf_free(&bytes);
    return status;
}

/* ---- events ---------------------------------------------------------------------- */

static enum status take_tree(struct tree *tree, const cJSON *event, struct buf *words) {
    size_t count = 0;
    double bytes = 0;
    unsigned level = 0;
    const cJSON *tables, *object;
    enum status status = STATUS_OK;
    tree_free(tree);
    tree->open = true;
    tree->frozen = number_of(event, "frozen");
    tree->write_buffer_bytes = number_of(event, "write_buffer_bytes");
    tree->level0_tables = number_of(event, "level0_tables");
    cJSON_ArrayForEach(tables, cJSON_GetObjectItemCaseSensitive(event, "levels")) {
        struct tree_level *in = &tree->levels[level];
        cJSON_ArrayForEach(object, tables) {
            struct tree_table table;
            status = status == STATUS_OK ? table_of(object, &table) : status;
            status = status == STATUS_OK ? insert(in, in->count, table) : status;
        }
        count += in->count;
        bytes += tree_level_bytes(in);
        if (++level == LEVELS) {
            break;
        }
    }
    if (status == STATUS_OK) {
        status = buf_append_text(words, "the tree: ");
    }
    return status == STATUS_OK ? say_tables(words, count, bytes) : status;
}

/* Number 0 is no work's. */
static enum status take_begin(struct tree *tree, const cJSON *event, bool flush,
                              struct buf *words) {
    struct tree_work work = {.number = number_of(event, "work"),
                             .flush = flush,
                             .level = level_of(event, "level"),
                             .output_level = level_of(event, "output_level"),
                             .bytes = (double)number_of(event, "bytes")};
    static const char *const lists[] = {"upper", "lower"};
    if (work.number == 0) {
        return STATUS_OK;
    }
    enum status status = begin_work(tree, work);
    for (size_t i = 0; i < 2 && status == STATUS_OK && !flush; i++) {
        const cJSON *number;
        cJSON_ArrayForEach(number, cJSON_GetObjectItemCaseSensitive(event, lists[i])) {
            double value = cJSON_IsNumber(number) ? number->valuedouble : -1;
            struct tree_table *table =
                value >= 0 && value < 1e15 ? find(tree, (uint64_t)value) : NULL;
            if (++work.tables == 2 * LEVEL_TABLES_MAX) {
                break;
            }
            if (table != NULL) {
                table->work = work.number;
            }
        }
    }
    if (status != STATUS_OK || flush) {
        return status;
    }
    tree->works[tree->work_count - 1] = work;
    status = buf_printf(words, "compaction %" PRIu64 " begins: ", work.number);
    if (status == STATUS_OK) {
        status = say_levels(words, &work);
    }
    return status == STATUS_OK ? say_tables(words, work.tables, work.bytes) : status;
}

struct sums {
    size_t removed, added;
    double removed_bytes, added_bytes;
};

static enum status take_edit(struct tree *tree, const cJSON *event, struct sums *sums) {
    const cJSON *object;
    enum status status = STATUS_OK;
    cJSON_ArrayForEach(object, cJSON_GetObjectItemCaseSensitive(event, "removed")) {
        unsigned level = level_of(object, "level");
        if (level < LEVELS) {
            sums->removed++;
            sums->removed_bytes +=
                remove_table(&tree->levels[level], number_of(object, "table"));
        }
    }
    cJSON_ArrayForEach(object, cJSON_GetObjectItemCaseSensitive(event, "added")) {
        unsigned level = level_of(object, "level");
        struct tree_table table;
        if (status != STATUS_OK || level >= LEVELS) {
            continue;
        }
        status = table_of(object, &table);
        if (status == STATUS_OK) {
            sums->added++;
            sums->added_bytes += (double)table.bytes;
            status = insert(&tree->levels[level], place_of(tree, level, &table), table);
        }
    }
    return status;
}

static enum status take_end(struct tree *tree, const cJSON *event, bool flush,
                            struct buf *words) {
    struct tree_work work;
    struct sums sums = {0};
    end_work(tree, number_of(event, "work"), &work);
    enum status status = buf_printf(words, "%s %" PRIu64, flush ? "flush" : "compaction",
                                    number_of(event, "work"));
    if (status == STATUS_OK &&
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(event, "stopped"))) {
        return buf_append_text(words, " was cut off");
    }
    if (status == STATUS_OK && text_of(event, "error").length > 0) {
        status = buf_append_text(words, " failed: ");
        return status == STATUS_OK ? say_text(words, event, "error") : status;
    }
    tree->frozen -= flush && tree->frozen > 0;
    work.level = level_of(event, "level");
    work.output_level = level_of(event, "output_level");
    if (status == STATUS_OK) {
        status = take_edit(tree, event, &sums);
    }
    if (status == STATUS_OK) {
        status = buf_append_text(words, ": ");
    }
    if (status == STATUS_OK && !flush) {
        status = say_levels(words, &work);
    }
    if (status == STATUS_OK && !flush) {
        status = say_tables(words, sums.removed, sums.removed_bytes);
    }
    if (status == STATUS_OK && !flush) {
        status = buf_append_text(words, number_of(event, "tables_moved") > 0 ? " moved → "
                                                                             : " → ");
    }
    if (status == STATUS_OK) {
        status = say_tables(words, sums.added, sums.added_bytes);
    }
    return status == STATUS_OK
               ? buf_printf(words, ", %.2f s", (double)number_of(event, "micros") / 1e6)
               : status;
}

static enum status take_stall(const cJSON *event, struct buf *words) {
    enum status status = buf_printf(
        words, "a writer waited %.2f s: ", (double)number_of(event, "micros") / 1e6);
    return status == STATUS_OK ? say_text(words, event, "why") : status;
}

static enum status take_close(struct tree *tree, struct buf *words) {
    tree->open = false;
    tree->frozen = 0;
    while (tree->work_count > 0) {
        struct tree_work ended;
        end_work(tree, tree->works[0].number, &ended);
    }
    return buf_append_text(words, "closed");
}

static bool is(struct slice name, const char *text) {
    return slice_equal(name, slice_of(text));
}

static enum status take(struct tree *tree, const cJSON *event, struct buf *words,
                        enum tree_step *step) {
    struct slice name = text_of(event, "event");
    *step = TREE_CHANGED;
    if (is(name, "tree")) {
        return take_tree(tree, event, words);
    }
    if (is(name, "compaction_begins")) {
        return take_begin(tree, event, false, words);
    }
    if (is(name, "flush") || is(name, "compaction")) {
        return take_end(tree, event, is(name, "flush"), words);
    }
    *step = TREE_TOLD;
    if (is(name, "stall")) {
        return take_stall(event, words);
    }
    if (is(name, "close")) {
        return take_close(tree, words);
    }
    *step = TREE_PASSED;
    if (is(name, "flush_begins")) {
        return take_begin(tree, event, true, words);
    }
    if (is(name, "frozen")) {
        tree->frozen = number_of(event, "frozen");
    }
    return STATUS_OK;
}

enum status tree_apply(struct tree *tree, struct slice line, struct buf *words,
                       enum tree_step *step) {
    buf_clear(words);
    *step = TREE_PASSED;
    if (line.length == 0 || line.data[0] != '{') {
        return STATUS_OK;
    }
    cJSON *event = cJSON_ParseWithLength((const char *)line.data, line.length);
    enum status status =
        cJSON_IsObject(event) ? take(tree, event, words, step) : STATUS_OK;
    cJSON_Delete(event);
    if (words->length == 0) { /* work without a number, say */
        *step = TREE_PASSED;
    }
    return status;
}
