/* A closed store that is damaged behind the engine's back, and what may then come out.
 *
 * A specimen is what a program left that closed its store cleanly. A damage is one
 * flipped bit of one file, or a file that is cut short. On a tape:
 *
 *     specimen := which values, program
 *     damage   := flip or cut; which file; which bit or length
 *
 * What may be lost by it. Of a log, a flip: the record that holds the bit, and the rest
 * of its block, since the bit may have been a length's; a cut: every record that ends
 * behind it. Of a table: nothing if its data blocks are whole. If not, whatever it holds,
 * since which block holds what is not known here; but nothing that a store opened on it
 * could still read. Of CURRENT and manifests: nothing. */
#ifndef STRATA_DAMAGE_H
#define STRATA_DAMAGE_H

#include "check.h"
#include "records.h"

enum {
    SPECIMEN_FILES_MAX = 16,
    SPECIMEN_RECORDS_MAX = 64,
    SPECIMEN_PATH_BYTES = 256,
    DAMAGE_CHOICES = 3
};

struct specimen {
    struct run *run;        /* its disk is the undamaged one, its model the contents */
    struct program program; /* that made it */
    size_t file_count;      /* files that are not empty */
    struct {
        char path[SPECIMEN_PATH_BYTES];
        size_t bytes;
        struct record records[SPECIMEN_RECORDS_MAX];
        size_t record_count; /* of a table 1 */
        bool table;
    } files[SPECIMEN_FILES_MAX];
};

enum damage_kind { DAMAGE_FLIP, DAMAGE_CUT };

struct damage {
    enum damage_kind kind;
    size_t file;
    uint64_t position;           /* the bit, or the new length in bytes */
    bool readable[PROGRAM_KEYS]; /* keys that were answered rightly in spite of it */
};

/* Runs a program to its clean end. False if that failed (run->failure). */
bool specimen_make(struct specimen *specimen, struct check_run *check, struct tape *tape);

/* How many damages of the kind the file can have. */
uint64_t damage_positions(const struct specimen *specimen, size_t file,
                          enum damage_kind kind);

/* Draws DAMAGE_CHOICES choices. The specimen has a file. */
struct damage damage_draw(const struct specimen *specimen, struct tape *tape);

/* A damaged copy of the specimen's disk. */
struct disk *damage_image(const struct specimen *specimen, const struct damage *damage);

/* The damage, and the records of all files with those that it hit, in words. */
void damage_print(const struct specimen *specimen, const struct damage *damage,
                  FILE *out);

/* What an open may find, if it does not answer CORRUPT. A flip: all. A log that is cut
 * looks as if a crash had lost the tail, which is no damage as long as no mark that is
 * left claims what is missing: at least what those marks claim, and what tables hold. */
struct law damage_law(const struct specimen *specimen, const struct damage *damage);

/* Whether the damaged file is a table. Then reads may fail where open does not. */
bool damage_is_of_table(const struct specimen *specimen, const struct damage *damage);

/* Whether all records of the change with this sequence are hit. */
bool damage_may_lose(const struct specimen *specimen, const struct damage *damage,
                     uint64_t sequence);

/* Whether the words name the damaged file (its name without the directory). */
bool damage_is_named(const struct specimen *specimen, const struct damage *damage,
                     const char *words);

#endif
