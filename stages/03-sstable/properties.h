/* What a table says of itself, in a block of its own: names, ascending, each with a
 * varint64. LevelDB does not read it. */
#ifndef STRATA_PROPERTIES_H
#define STRATA_PROPERTIES_H

#include <stdint.h>

#include "block_builder.h"

enum { PROPERTIES_FORMAT = 1 };

/* name, words, unit; in the order of the names. */
#define PROPERTIES_TABLE(X)                                                              \
    X(compression, "compression asked for", "")                                          \
    X(created_seconds, "created, in seconds since 1970", "s")                            \
    X(data_blocks, "data blocks", "")                                                    \
    X(entries, "puts and deletes", "")                                                   \
    X(format_version, "version of these properties", "")                                 \
    X(largest_sequence, "last change that it stands for", "")                            \
    X(raw_key_bytes, "internal keys, unpacked", "bytes")                                 \
    X(raw_value_bytes, "values, unpacked", "bytes")                                      \
    X(shadowed, "puts and deletes behind a newer one of their key", "")                  \
    X(smallest_sequence, "first change that it stands for", "")                          \
    X(tombstones, "deletes", "")

struct properties {
#define PROPERTIES_FIELD(name, words, unit) uint64_t name;
    PROPERTIES_TABLE(PROPERTIES_FIELD)
#undef PROPERTIES_FIELD
};

/* Counts one more entry: its internal key (internal_key.h) and its value. data_blocks and
 * shadowed are left to the caller. */
void properties_count(struct properties *properties, struct slice key,
                      struct slice value);

/* Adds them to an empty builder. NO_MEMORY. */
MUST_CHECK enum status properties_build(const struct properties *properties,
                                        struct block_builder *builder);

/* Reads a block's contents. What is not in it is 0; names that are not known are passed
 * over. CORRUPT, with the reason in *why, and NO_MEMORY. */
MUST_CHECK enum status properties_read(struct properties *properties,
                                       struct slice contents, const char **why);

#endif
