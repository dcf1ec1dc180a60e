/* Compactions as they are chosen change nothing that a reader sees. Tables are simulated:
 * their entries are kept in arrays, by number; flushes fill level 0, and a plain merge
 * carries compactions out, as this engine does, or as another may that splits a key's
 * versions between tables. Sometimes two run at once, each on what it was chosen from. */
#include "../common/support.h"

#include "internal_key.h"
#include "picker.h"
#include "table_file.h"

enum { KEYS = 40, TABLES_MAX = 4000, ENTRIES_MAX = 2000, ENTRY_BYTES = 10 };
enum { OWN_OUTPUT = 4 }; /* entries */

struct entry {
    unsigned char key;
    uint64_t sequence;
    bool is_put;
};

struct entries {
    struct entry items[ENTRIES_MAX];
    size_t count;
};

/* One database. */
struct simulated {
    struct version *version;
    struct buf pointers[LEVELS];
    struct entry *tables[TABLES_MAX]; /* by number */
    size_t counts[TABLES_MAX];
    uint64_t next_number;
    uint64_t sequence;
    struct entry newest[KEYS]; /* what readers must see */
    bool splits;               /* keeps all versions, and ends tables anywhere */
    uint64_t *random;
};

static const struct picker_options options = {
    .level0_tables = 2, .base_bytes = 2 * ENTRY_BYTES, .table_bytes = 4 * ENTRY_BYTES};

static int compare_entries(const void *left, const void *right) {
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return (a->sequence < b->sequence) - (a->sequence > b->sequence);
}

static enum status entry_key(struct buf *key, const struct entry *entry) {
    return internal_key_build(
        key, slice_make(&entry->key, 1),
        tag_make(entry->sequence, entry->is_put ? KV_PUT : KV_DELETE));
}

static void add_table(struct simulated *db, struct edit *edit, unsigned level,
                      const struct entry *items, size_t count) {
    uint64_t number = db->next_number++;
    struct table_meta meta = {.number = number, .bytes = count * ENTRY_BYTES};
    assert_true(number < TABLES_MAX);
    db->tables[number] = malloc(count * sizeof *items);
    assert_non_null(db->tables[number]);
    memcpy(db->tables[number], items, count * sizeof *items);
    db->counts[number] = count;
    assert_ok(entry_key(&meta.smallest, &items[0]));
    assert_ok(entry_key(&meta.largest, &items[count - 1]));
    struct table_file *file = table_file_open(&meta);
    assert_non_null(file);
    assert_ok(edit_add(edit, level, file));
    table_file_unref(file);
    table_meta_free(&meta);
}

static void apply(struct simulated *db, struct edit *edit) {
    struct version *after;
    struct error error = {0};
    if (version_apply(db->version, edit, &after, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    version_unref(db->version);
    db->version = after;
    edit_free(edit);
}

static void flush(struct simulated *db) {
    struct entry items[12];
    size_t count = 1 + random_below(db->random, 12);
    uint64_t width = 1 + random_below(db->random, KEYS);
    uint64_t base = random_below(db->random, KEYS + 1 - width);
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct entry){(unsigned char)(base + random_below(db->random, width)),
                                  ++db->sequence, random_below(db->random, 3) > 0};
        db->newest[items[i].key] = items[i];
    }
    qsort(items, count, sizeof items[0], compare_entries);
    struct edit edit = {0};
    add_table(db, &edit, 0, items, count);
    apply(db, &edit);
}

/* ---- what readers see ------------------------------------------------------------ */

/* The newest version in a run; NULL: it has none. Files of a run do not overlap. */
static const struct entry *find(const struct simulated *db, const struct sorted_run *run,
                                unsigned char key) {
    for (size_t f = 0; f < run->count; f++) {
        uint64_t number = run->files[f]->meta.number;
        for (size_t i = 0; i < db->counts[number]; i++) {
            if (db->tables[number][i].key == key) {
                return &db->tables[number][i];
            }
        }
    }
    return NULL;
}

static void assert_contents(const struct simulated *db) {
    for (unsigned char key = 0; key < KEYS; key++) {
        const struct entry *found = NULL;
        for (size_t i = 0; i < db->version->run_count && found == NULL; i++) {
            found = find(db, &db->version->runs[i], key);
        }
        const struct entry *wanted = &db->newest[key];
        uint64_t shown = found != NULL && found->is_put ? found->sequence : 0;
        if (shown != (wanted->is_put ? wanted->sequence : 0)) {
            fail_msg("key %u shows %" PRIu64 ", its newest version is %" PRIu64, key,
                     shown, wanted->sequence);
        }
    }
}

/* ---- compactions ----------------------------------------------------------------- */

static void take_inputs(const struct simulated *db, struct entries *entries,
                        struct edit *edit, unsigned level, struct table_file **files,
                        size_t count) {
    for (size_t f = 0; f < count; f++) {
        uint64_t number = files[f]->meta.number;
        assert_true(entries->count + db->counts[number] <= ENTRIES_MAX);
        memcpy(entries->items + entries->count, db->tables[number],
               db->counts[number] * sizeof entries->items[0]);
        entries->count += db->counts[number];
        assert_ok(edit_remove(edit, level, number));
    }
}

/* Of each key the newest version, and no tombstone that hides nothing. */
static void drop_old(struct entries *entries, const struct compaction *compaction) {
    size_t kept = 0;
    for (size_t i = 0; i < entries->count; i++) {
        struct entry entry = entries->items[i];
        if ((i == 0 || entries->items[i - 1].key != entry.key) &&
            (entry.is_put ||
             compaction_key_is_deeper(compaction, slice_make(&entry.key, 1)))) {
            entries->items[kept++] = entry;
        }
    }
    entries->count = kept;
}

static void write_outputs(struct simulated *db, struct edit *edit, unsigned level,
                          const struct entries *entries) {
    const struct entry *items = entries->items;
    for (size_t begin = 0, end; begin < entries->count; begin = end) {
        size_t least = db->splits ? 1 + random_below(db->random, 6) : OWN_OUTPUT;
        end = begin + least < entries->count ? begin + least : entries->count;
        while (!db->splits && end < entries->count &&
               items[end].key == items[end - 1].key) {
            end++;
        }
        add_table(db, edit, level, items + begin, end - begin);
    }
}

/* Tables that this engine wrote, those from a number on, share no key with others. */
static void assert_whole(const struct simulated *db, unsigned level, uint64_t number) {
    for (size_t i = 0; i < db->version->run_count; i++) {
        const struct sorted_run *run = &db->version->runs[i];
        for (size_t f = 1; f < run->count && run->level == level; f++) {
            const struct table_meta *one = &run->files[f - 1]->meta;
            const struct table_meta *next = &run->files[f]->meta;
            bool written = one->number >= number || next->number >= number;
            assert_false(written &&
                         slice_equal(internal_key_user(buf_slice(&one->largest)),
                                     internal_key_user(buf_slice(&next->smallest))));
        }
    }
}

static void move(struct edit *edit, const struct compaction *compaction) {
    for (size_t i = 0; i < compaction->upper_count; i++) {
        assert_ok(
            edit_remove(edit, compaction->level, compaction->upper[i]->meta.number));
        assert_ok(edit_add(edit, compaction->output_level, compaction->upper[i]));
    }
}

/* What may move may be merged too. */
static void carry_out(struct simulated *db, struct compaction *compaction) {
    static struct entries entries;
    struct edit edit = {0};
    uint64_t first_output = db->next_number;
    entries.count = 0;
    if (compaction->may_move && random_below(db->random, 2) == 0) {
        move(&edit, compaction);
    } else {
        take_inputs(db, &entries, &edit, compaction->level, compaction->upper,
                    compaction->upper_count);
        take_inputs(db, &entries, &edit, compaction->output_level, compaction->lower,
                    compaction->lower_count);
        qsort(entries.items, entries.count, sizeof entries.items[0], compare_entries);
        if (!db->splits) {
            drop_old(&entries, compaction);
        }
        write_outputs(db, &edit, compaction->output_level, &entries);
    }
    apply(db, &edit);
    if (!db->splits) {
        assert_whole(db, compaction->output_level, first_output);
    }
    struct buf old = db->pointers[compaction->level];
    db->pointers[compaction->level] = compaction->next_pointer;
    compaction->next_pointer = old;
    compaction_free(compaction);
    assert_contents(db);
}

static struct compaction *pick(struct simulated *db, unsigned busy) {
    struct compaction *compaction;
    assert_ok(picker_pick(db->version, &options, db->pointers, busy, &compaction, NULL));
    return compaction;
}

/* Two that are chosen one while the other runs; a flush comes between. */
static bool compact_two(struct simulated *db) {
    struct compaction *one = pick(db, 0);
    if (one == NULL) {
        return false;
    }
    struct compaction *two = pick(db, 1u << one->level | 1u << one->output_level);
    flush(db);
    carry_out(db, one);
    if (two != NULL) {
        carry_out(db, two);
    }
    return two != NULL;
}

static void compact_range(struct simulated *db) {
    struct compaction *compaction;
    unsigned level = (unsigned)random_below(db->random, LEVELS);
    unsigned output = level + (level < LEVELS - 1);
    if (level > 0 && random_below(db->random, 4) == 0) {
        output = level;
    }
    unsigned char from = (unsigned char)random_below(db->random, KEYS);
    unsigned char to = (unsigned char)(from + random_below(db->random, KEYS));
    assert_ok(picker_pick_range(db->version, &options, level, output,
                                slice_make(&from, 1), slice_make(&to, 1), &compaction,
                                NULL));
    if (compaction != NULL) {
        carry_out(db, compaction);
    }
}

/* Until no level wants to be compacted, which must come. */
static void compact_all(struct simulated *db) {
    struct compaction *compaction;
    for (int steps = 0; (compaction = pick(db, 0)) != NULL; steps++) {
        assert_true(steps < 1000);
        carry_out(db, compaction);
    }
}

static size_t split_keys(const struct version *version) {
    size_t count = 0;
    for (size_t i = 0; i < version->run_count; i++) {
        const struct sorted_run *run = &version->runs[i];
        for (size_t f = 1; f < run->count; f++) {
            count += slice_equal(
                internal_key_user(buf_slice(&run->files[f - 1]->meta.largest)),
                internal_key_user(buf_slice(&run->files[f]->meta.smallest)));
        }
    }
    return count;
}

static void simulated_end(struct simulated *db) {
    version_unref(db->version);
    for (unsigned level = 0; level < LEVELS; level++) {
        buf_free(&db->pointers[level]);
    }
    for (size_t i = 0; i < db->next_number; i++) {
        free(db->tables[i]);
    }
    memset(db, 0, sizeof *db);
}

/* First another engine, then this one, on what that left. */
static void compactions_change_no_contents(void **state) {
    (void)state;
    static struct simulated db;
    uint64_t random = test_seed();
    size_t splits = 0, pairs = 0, left = 0;
    for (int round = 0; round < 400; round++) {
        db.random = &random;
        db.splits = true;
        assert_ok(version_empty(&db.version, NULL));
        for (int step = 0; step < 60; step++) {
            if (step == 30) {
                splits += split_keys(db.version);
                db.splits = false;
            }
            switch (random_below(&random, 8)) {
            case 0:
            case 1:
                pairs += compact_two(&db);
                break;
            case 2:
                compact_range(&db);
                break;
            case 3:
                compact_all(&db);
                break;
            default:
                flush(&db);
                assert_contents(&db);
            }
        }
        left += split_keys(db.version);
        simulated_end(&db);
    }
    printf("%zu splits, %zu left, %zu pairs\n", splits, left, pairs);
    assert_true(splits > 100 && pairs > 100 && left < splits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compactions_change_no_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
