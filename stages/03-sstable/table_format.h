/* The frame of a table file, LevelDB's (google/leveldb, doc/table_format.md and
 * table/format.h): blocks one behind the other, each with a trailer, then a footer.
 *
 *     table   := data block*, meta block*, metaindex block, index block, footer
 *     stored  := contents, packed as the type says; trailer
 *     trailer := type (1 byte, compression.h), masked CRC-32C of contents and type
 *     footer  := metaindex handle, index handle, zeros up to 40 bytes, magic fixed64
 *     handle  := offset varint64, bytes varint64 (of the contents, without the trailer)
 *
 * Any thread may call these. */
#ifndef STRATA_TABLE_FORMAT_H
#define STRATA_TABLE_FORMAT_H

#include <stdint.h>

#include "buf.h"
#include "coding.h"
#include "compression.h"
#include "file.h"

#define TABLE_MAGIC UINT64_C(0xdb4775248b80fb57)

/* Meta blocks, by their names in the metaindex. */
#define TABLE_LEVELDB_FILTER "filter.leveldb.BuiltinBloomFilter2"
#define TABLE_FILTER "strata.filter.blocked-bloom"
#define TABLE_PROPERTIES "strata.properties"

enum {
    BLOCK_TRAILER_BYTES = 5,
    BLOCK_HANDLE_BYTES_MAX = 2 * VARINT64_BYTES_MAX,
    FOOTER_BYTES = 48
};

/* Where a block stands in its file. */
struct block_handle {
    uint64_t offset;
    uint64_t bytes;
};

/* Returns the bytes written. */
size_t block_handle_encode(unsigned char to[BLOCK_HANDLE_BYTES_MAX],
                           struct block_handle handle);

/* Takes one off the front of *from; false, and *from unchanged, if there is none. What it
 * says is not checked. */
bool take_block_handle(struct slice *from, struct block_handle *handle);

struct footer {
    struct block_handle metaindex;
    struct block_handle index;
};

void footer_encode(unsigned char to[FOOTER_BYTES], const struct footer *footer);

/* CORRUPT, with *why, where the magic or the handles cannot be read. The filling between
 * them is not looked at. */
MUST_CHECK enum status footer_decode(const unsigned char from[FOOTER_BYTES],
                                     struct footer *footer, const char **why);

/* Reads a file's footer, and its size. CORRUPT also where metaindex, index and footer do
 * not follow one another up to the end: the handles' own bits have no checksum, and that
 * keeps a damaged one from leading to some other block that is whole. IO. */
MUST_CHECK enum status footer_read(struct file *file, uint64_t *file_bytes,
                                   struct footer *footer, struct error *error);

/* Reads the block at `handle` of a file of file_bytes, verifies its checksum and unpacks
 * it to a block of memory that becomes the caller's (memory_give). CORRUPT, naming file
 * and offset; IO; NO_MEMORY. */
MUST_CHECK enum status block_load(struct file *file, uint64_t file_bytes,
                                  struct block_handle handle, unsigned char **data,
                                  size_t *bytes, struct error *error);

/* The same, but a block that unpacked has no more than room_bytes is put into `room`, and
 * *data == room; any other becomes the caller's. */
MUST_CHECK enum status block_load_into(struct file *file, uint64_t file_bytes,
                                       struct block_handle handle, unsigned char *room,
                                       size_t room_bytes, unsigned char **data,
                                       size_t *bytes, struct error *error);

/* The same in two steps, for who reads many blocks at once: whether one of that handle
 * can be in the file (CORRUPT: not), and the block of what is stored there, contents and
 * trailer, which the caller has read. *contents is borrowed from `stored`, or from *room
 * where it was packed. CORRUPT, NO_MEMORY. */
MUST_CHECK enum status block_check_handle(const struct file *file, uint64_t file_bytes,
                                          struct block_handle handle,
                                          struct error *error);
MUST_CHECK enum status block_unpack(const struct file *file, struct block_handle handle,
                                    const unsigned char *stored, struct buf *room,
                                    struct slice *contents, struct error *error);

/* Where the block that begins at `offset` ends, if nothing but its own bytes tells: where
 * the checksum of all that is before it stands, and a type that there is. *found: there
 * is one. IO, NO_MEMORY. */
MUST_CHECK enum status block_find(struct file *file, uint64_t offset,
                                  struct block_handle *handle, bool *found,
                                  struct error *error);

/* Appends the block as it is stored to *out: packed, unless that saves less than an
 * eighth, and its trailer. handle->offset is the caller's, who knows where `out` goes;
 * handle->bytes is set. `scratch` is any buffer, kept from call to call for its memory.
 * NO_MEMORY, with *out as it was. */
MUST_CHECK enum status block_store(struct buf *out, struct slice contents,
                                   enum compression compression, struct buf *scratch,
                                   struct block_handle *handle);

#endif
