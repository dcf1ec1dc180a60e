/* File names of a database directory, as LevelDB gives them (google/leveldb, doc/impl.md
 * and db/filename.cc), and two names of Strata's own. Numbers are decimal, at least six
 * digits.
 *
 *     000007.log       write-ahead log            000007.ldb        table (old: .sst)
 *     MANIFEST-000002  which tables live          CURRENT           which manifest is it
 *     LOCK             held while open            LOG, LOG.old      LevelDB's text log
 *     000007.dbtmp     being written, no part of the database
 *     000007.repaired  what a repair saved, complete but not yet in place (repair.h)
 *     lost/            what a repair set aside    lost+found        the file system's own
 */
#ifndef STRATA_NAMES_H
#define STRATA_NAMES_H

#include <stdint.h>

enum name_kind {
    NAME_FOREIGN, /* nothing of ours */
    NAME_LOG,
    NAME_TABLE,
    NAME_OLD_TABLE, /* .sst: the same, as LevelDB named it before version 1.14 */
    NAME_MANIFEST,
    NAME_CURRENT,
    NAME_LOCK,
    NAME_TEXT_LOG,
    NAME_TEMPORARY,
    NAME_REPAIRED,
    NAME_LOST,
    NAME_LOST_AND_FOUND
};

struct name {
    enum name_kind kind;
    uint64_t number; /* 0 where the kind has none */
};

enum { NAME_BYTES = 40 }; /* room for any of them with its terminator */

/* What a directory entry is. A number that does not fit 64 bits is NAME_FOREIGN. */
struct name name_parse(const char *text);

/* The name of a numbered file, of one of the kinds that have numbers. */
void name_print(char text[NAME_BYTES], enum name_kind kind, uint64_t number);

#endif
