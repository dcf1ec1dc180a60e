/* Where a key stands is found from the bytes of the tables around it. The first and last
 * keys of all tables, sorted, cut the key space into cells: one for each of these keys,
 * one for what is between it and the next. A table's bytes are shared out evenly to the
 * cells from its first key to its last; a cell is as wide as the bytes that it has in all
 * tables together. So of two tables that overlap it shows how much. */
#include "tree_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "program/escape.h"
#include "program/utf8.h"

#define MARKED "\033[33m"
#define URGENT "\033[31m"
#define PLAIN "\033[0m"

enum { COLUMNS_LEAST = 40, COLUMNS_MOST = 400, INDENT = 2 };

/* Level 0: lines of single tables, and how many more make one line of digits. */
enum { LINES_MOST = 8 };

enum { FROZEN_SHOWN = 6, KEY_SHOWN = 24 };

/* ---- where keys stand ------------------------------------------------------------ */

struct axis {
    struct slice *keys; /* sorted, each once */
    size_t count;
    double *ends; /* of the cells: of keys[0], what follows it, keys[1], … */
};

static int compare_keys(const void *left, const void *right) {
    return slice_compare(*(const struct slice *)left, *(const struct slice *)right);
}

static void axis_free(struct axis *axis) {
    memory_give(axis->keys);
    memory_give(axis->ends);
}

static void take_keys(struct axis *axis, const struct tree *tree) {
    size_t count = 0;
    for (size_t i = 0; i < LEVELS; i++) {
        for (size_t j = 0; j < tree->levels[i].count; j++) {
            axis->keys[count++] = buf_slice(&tree->levels[i].tables[j].smallest);
            axis->keys[count++] = buf_slice(&tree->levels[i].tables[j].largest);
        }
    }
    qsort(axis->keys, count, sizeof axis->keys[0], compare_keys);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !slice_equal(axis->keys[i], axis->keys[axis->count - 1])) {
            axis->keys[axis->count++] = axis->keys[i];
        }
    }
}

static size_t cell_of(const struct axis *axis, struct slice key) {
    const struct slice *found =
        bsearch(&key, axis->keys, axis->count, sizeof key, compare_keys);
    return 2 * (size_t)(found - axis->keys);
}

/* The cells from a table's first key to its last; they are at least one, whatever the
 * table says. */
static void cells_of(const struct axis *axis, const struct tree_table *table,
                     size_t *first, size_t *last) {
    *first = cell_of(axis, buf_slice(&table->smallest));
    *last = cell_of(axis, buf_slice(&table->largest));
    *last = *last < *first ? *first : *last;
}

/* Adds what each cell has more than the one before it, then adds up twice. */
static void take_bytes(struct axis *axis, const struct tree *tree) {
    size_t cells = 2 * axis->count;
    for (size_t i = 0; i < LEVELS; i++) {
        for (size_t j = 0; j < tree->levels[i].count; j++) {
            size_t first, last;
            const struct tree_table *table = &tree->levels[i].tables[j];
            cells_of(axis, table, &first, &last);
            double share = ((double)table->bytes + 1) / (double)(last - first + 1);
            axis->ends[first] += share;
            axis->ends[last + 1] -= share;
        }
    }
    double width = 0;
    double end = 0;
    for (size_t i = 0; i < cells; i++) {
        width += axis->ends[i];
        end += width > 0 ? width : 0; /* what is lost in adding is less than nothing */
        axis->ends[i] = end;
    }
}

static enum status axis_of(struct axis *axis, const struct tree *tree, size_t tables) {
    axis->keys = memory_take((2 * tables + 1) * sizeof axis->keys[0]);
    axis->ends = memory_take_zeroed((4 * tables + 2) * sizeof axis->ends[0]);
    if (axis->keys == NULL || axis->ends == NULL) {
        return STATUS_NO_MEMORY;
    }
    take_keys(axis, tree);
    take_bytes(axis, tree);
    return STATUS_OK;
}

/* The columns of a table: from *begin to before *end, which may be *begin. */
static void columns_of(const struct axis *axis, const struct tree_table *table,
                       unsigned columns, unsigned *begin, unsigned *end) {
    size_t first, last;
    cells_of(axis, table, &first, &last);
    double whole = axis->ends[2 * axis->count - 1];
    double from = first == 0 ? 0 : axis->ends[first - 1];
    double scale = whole > 0 ? columns / whole : 0;
    *begin = (unsigned)(from * scale + 0.5);
    *end = (unsigned)(axis->ends[last] * scale + 0.5);
    *begin = *begin < columns ? *begin : columns - 1;
    *end = *end < columns ? *end : columns;
    *end = *end < *begin ? *begin : *end;
}

/* ---- one line of boxes ----------------------------------------------------------- */

struct cell {
    char glyph[4]; /* "": a space */
    bool marked;
    unsigned tables; /* that a digit stands for */
};

struct canvas {
    struct cell cells[COLUMNS_MOST];
    unsigned columns;
    bool colour;
    bool digits; /* some were drawn */
};

static void put(struct canvas *canvas, unsigned at, const char *glyph, bool marked) {
    struct cell *cell = &canvas->cells[at];
    snprintf(cell->glyph, sizeof cell->glyph, "%s", glyph);
    cell->marked = marked;
}

static void put_label(struct canvas *canvas, unsigned begin, unsigned end,
                      const struct tree_table *table) {
    char label[64], bytes[TREE_BYTES_TEXT];
    unsigned room = end - begin - 2;
    int length = snprintf(label, sizeof label, " %" PRIu64 " %s ", table->number,
                          tree_bytes_print(bytes, (double)table->bytes));
    if ((unsigned)length + 2 > room) {
        length = snprintf(label, sizeof label, " %" PRIu64 " ", table->number);
    }
    if ((unsigned)length > room) {
        length = snprintf(label, sizeof label, "%" PRIu64, table->number);
    }
    unsigned at = begin + 1 + (room - (unsigned)length) / 2;
    for (int i = 0; i < length && (unsigned)length <= room; i++) {
        char glyph[2] = {label[i], '\0'};
        put(canvas, at + (unsigned)i, glyph, table->work != 0);
    }
}

static void put_box(struct canvas *canvas, unsigned begin, unsigned end,
                    const struct tree_table *table) {
    bool marked = table->work != 0;
    if (end - begin < 2) {
        put(canvas, begin, marked ? "║" : "│", marked);
        return;
    }
    for (unsigned i = begin + 1; i + 1 < end; i++) {
        put(canvas, i, marked ? "═" : "─", marked);
    }
    put(canvas, begin, marked ? "╠" : "├", marked);
    put(canvas, end - 1, marked ? "╣" : "┤", marked);
    put_label(canvas, begin, end, table);
}

static void put_digits(struct canvas *canvas) {
    for (unsigned i = 0; i < canvas->columns; i++) {
        struct cell *cell = &canvas->cells[i];
        char glyph[2] = {(char)('0' + cell->tables), '\0'};
        if (cell->tables > 0) {
            put(canvas, i,
                cell->marked       ? "*"
                : cell->tables > 9 ? "+"
                                   : glyph,
                cell->marked);
            canvas->digits = true;
        }
    }
}

static void count_table(struct canvas *canvas, unsigned at,
                        const struct tree_table *table) {
    canvas->cells[at].tables++;
    canvas->cells[at].marked |= table->work != 0;
}

/* Prints the line, without the spaces at its end, and empties it. */
static enum status print_canvas(struct canvas *canvas, struct buf *out) {
    enum status status = buf_printf(out, "%*s", INDENT, "");
    unsigned end = canvas->columns;
    bool marked = false;
    while (end > 0 && canvas->cells[end - 1].glyph[0] == '\0') {
        end--;
    }
    for (unsigned i = 0; i < end && status == STATUS_OK; i++) {
        const struct cell *cell = &canvas->cells[i];
        if (canvas->colour && cell->marked != marked) {
            status = buf_append_text(out, cell->marked ? MARKED : PLAIN);
            marked = cell->marked;
        }
        if (status == STATUS_OK) {
            status = buf_append_text(out, cell->glyph[0] == '\0' ? " " : cell->glyph);
        }
    }
    memset(canvas->cells, 0, sizeof canvas->cells);
    return status == STATUS_OK ? buf_append_text(out, marked ? PLAIN "\n" : "\n")
                               : status;
}

/* ---- levels ---------------------------------------------------------------------- */

static enum status draw_flushed(const struct tree_level *level, const struct axis *axis,
                                struct canvas *canvas, struct buf *out) {
    size_t single = level->count <= LINES_MOST ? level->count : LINES_MOST - 1;
    enum status status = STATUS_OK;
    unsigned begin, end;
    for (size_t i = 0; i < single && status == STATUS_OK; i++) {
        columns_of(axis, &level->tables[i], canvas->columns, &begin, &end);
        put_box(canvas, begin, end, &level->tables[i]);
        status = print_canvas(canvas, out);
    }
    for (size_t i = single; i < level->count; i++) {
        columns_of(axis, &level->tables[i], canvas->columns, &begin, &end);
        for (unsigned at = begin; at < end || at == begin; at++) {
            count_table(canvas, at, &level->tables[i]);
        }
    }
    if (single < level->count && status == STATUS_OK) {
        put_digits(canvas);
        status = print_canvas(canvas, out);
    }
    return status;
}

/* Of narrow tables there may be many in a column. A box beside them leaves it to them;
 * where nothing is left of it, it is counted with them. */
static enum status draw_sorted(const struct tree_level *level, const struct axis *axis,
                               struct canvas *canvas, struct buf *out) {
    unsigned begin, end;
    for (size_t i = 0; i < level->count; i++) {
        columns_of(axis, &level->tables[i], canvas->columns, &begin, &end);
        if (end - begin < 2) {
            count_table(canvas, begin, &level->tables[i]);
        }
    }
    for (size_t i = 0; i < level->count; i++) {
        columns_of(axis, &level->tables[i], canvas->columns, &begin, &end);
        if (end - begin < 2) {
            continue;
        }
        unsigned from = begin;
        while (from < end && canvas->cells[from].tables > 0) {
            from++;
        }
        while (end > from && canvas->cells[end - 1].tables > 0) {
            end--;
        }
        if (end > from) {
            put_box(canvas, from, end, &level->tables[i]);
        } else {
            count_table(canvas, begin, &level->tables[i]);
        }
    }
    put_digits(canvas);
    return print_canvas(canvas, out);
}

/* As picker.h has it; 0: not known, or the last level. */
static double target_of(const struct tree *tree, unsigned level) {
    double target = (double)tree->level0_tables;
    if (level == LEVELS - 1) {
        return 0;
    }
    if (level > 0) {
        target *= (double)tree->write_buffer_bytes;
    }
    for (unsigned i = 1; i < level; i++) {
        target *= 10;
    }
    return target;
}

static enum status print_heading(const struct tree *tree, unsigned level, bool colour,
                                 struct buf *out) {
    const struct tree_level *at = &tree->levels[level];
    char bytes[TREE_BYTES_TEXT], of[TREE_BYTES_TEXT];
    double target = target_of(tree, level);
    double has = level == 0 ? (double)at->count : tree_level_bytes(at);
    enum status status = buf_printf(out, "level %u %6zu %s %9s", level, at->count,
                                    at->count == 1 ? "table " : "tables",
                                    tree_bytes_print(bytes, tree_level_bytes(at)));
    if (status != STATUS_OK || target < 1) {
        return status == STATUS_OK ? buf_append_text(out, "\n") : status;
    }
    double score = has / target < 1e6 ? has / target : 1e6;
    if (level == 0) {
        snprintf(of, sizeof of, "%.0f table%s", target < 1e6 ? target : 1e6,
                 target < 2 ? "" : "s");
    } else {
        tree_bytes_print(of, target);
    }
    bool urgent = colour && score >= 1;
    return buf_printf(out, " of %-9s  score %s%.2f%s\n", of, urgent ? URGENT : "", score,
                      urgent ? PLAIN : "");
}

/* ---- what is around them --------------------------------------------------------- */

static enum status print_memory(const struct tree *tree, struct buf *out) {
    bool flushed = false;
    for (size_t i = 0; i < tree->work_count; i++) {
        flushed |= tree->works[i].flush;
    }
    enum status status = buf_append_text(out, "memory  ├ active ┤");
    for (uint64_t i = 0; i < tree->frozen && i < FROZEN_SHOWN && status == STATUS_OK;
         i++) {
        bool last = i + 1 == tree->frozen; /* the oldest is flushed first */
        status = buf_append_text(out, flushed && last ? " ╠ frozen ╣" : " ├ frozen ┤");
    }
    if (status == STATUS_OK && tree->frozen > FROZEN_SHOWN) {
        status = buf_printf(out, " … %" PRIu64 " frozen", tree->frozen);
    }
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

static enum status print_work(const struct tree_work *work, struct buf *out) {
    char bytes[TREE_BYTES_TEXT];
    if (work->flush) {
        return buf_printf(out, "flush %" PRIu64 " is under way\n", work->number);
    }
    enum status status =
        buf_printf(out, "compaction %" PRIu64 " is under way: ", work->number);
    if (status == STATUS_OK && work->level < LEVELS && work->output_level < LEVELS) {
        status = buf_printf(out, "level %u to %u, ", work->level, work->output_level);
    }
    return status == STATUS_OK ? buf_printf(out, "%zu %s %s\n", work->tables,
                                            work->tables == 1 ? "table" : "tables",
                                            tree_bytes_print(bytes, work->bytes))
                               : status;
}

/* Appends the key, cut to so many characters; answers how many they are. */
static enum status append_key(struct slice key, size_t *characters, struct buf *out) {
    struct buf text = {0};
    *characters = 0;
    enum status status = escape_print(key, &text);
    struct slice rest = buf_slice(&text);
    while (rest.length > 0 && *characters < KEY_SHOWN) {
        size_t length = utf8_character(rest);
        slice_advance(&rest, length > 0 ? length : 1);
        ++*characters;
    }
    if (status == STATUS_OK) {
        status = buf_append(out, text.data, text.length - rest.length);
    }
    if (status == STATUS_OK && rest.length > 0) {
        status = buf_append_text(out, "…");
        ++*characters;
    }
    buf_free(&text);
    return status;
}

/* The first key on the left, the last on the right. */
static enum status print_axis(const struct axis *axis, unsigned columns,
                              struct buf *out) {
    struct buf last = {0};
    size_t left = 0, right = 0;
    enum status status = buf_printf(out, "%*s", INDENT, "");
    if (status == STATUS_OK) {
        status = append_key(axis->keys[0], &left, out);
    }
    if (status == STATUS_OK) {
        status = append_key(axis->keys[axis->count - 1], &right, &last);
    }
    size_t gap = left + right + 2 < columns ? columns - left - right : 2;
    if (status == STATUS_OK) {
        status = buf_printf(out, "%*s", (int)gap, "");
    }
    if (status == STATUS_OK) {
        status = buf_append_slice(out, buf_slice(&last));
    }
    buf_free(&last);
    return status == STATUS_OK ? buf_append_text(out, "\n") : status;
}

static enum status draw_levels(const struct tree *tree, unsigned deepest,
                               const struct axis *axis, struct canvas *canvas,
                               struct buf *out) {
    enum status status = STATUS_OK;
    for (unsigned i = 0; i <= deepest && status == STATUS_OK; i++) {
        const struct tree_level *level = &tree->levels[i];
        status = print_heading(tree, i, canvas->colour, out);
        if (status == STATUS_OK && level->count > 0) {
            status = i == 0 ? draw_flushed(level, axis, canvas, out)
                            : draw_sorted(level, axis, canvas, out);
        }
    }
    if (status == STATUS_OK) {
        status = print_axis(axis, canvas->columns, out);
    }
    return status == STATUS_OK && canvas->digits
               ? buf_append_text(out, "  (a digit: so many tables in that column; + "
                                      "ten or more; * under way)\n")
               : status;
}

enum status tree_draw(const struct tree *tree, unsigned columns, bool colour,
                      struct buf *out) {
    struct axis axis = {0};
    size_t tables = 0;
    unsigned deepest = 0;
    columns = columns < COLUMNS_LEAST ? COLUMNS_LEAST : columns;
    columns = columns > COLUMNS_MOST ? COLUMNS_MOST : columns;
    for (unsigned i = 0; i < LEVELS; i++) {
        tables += tree->levels[i].count;
        deepest = tree->levels[i].count > 0 ? i : deepest;
    }
    struct canvas *canvas = memory_take_zeroed(sizeof *canvas);
    enum status status = canvas == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    if (status == STATUS_OK && tree->open) {
        status = print_memory(tree, out);
    }
    if (status == STATUS_OK && tables == 0) {
        status = buf_append_text(out, "no tables\n");
    } else if (status == STATUS_OK) {
        canvas->columns = columns - INDENT;
        canvas->colour = colour;
        status = axis_of(&axis, tree, tables);
        if (status == STATUS_OK) {
            status = draw_levels(tree, deepest, &axis, canvas, out);
        }
    }
    for (size_t i = 0; i < tree->work_count && status == STATUS_OK; i++) {
        status = print_work(&tree->works[i], out);
    }
    axis_free(&axis);
    memory_give(canvas);
    return status;
}
