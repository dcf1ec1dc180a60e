/* Text files that people write: read whole, since they are short. Any thread. */
#ifndef STRATA_TEXT_FILE_H
#define STRATA_TEXT_FILE_H

#include "buf.h"
#include "file.h"

enum { TEXT_FILE_BYTES_MAX = 1024 * 1024 };

/* Replaces the contents of *text, also if it fails; behind them stands a terminator that
 * is not counted. INVALID: longer than that, or it has a zero byte. Else as file_read, or
 * NO_MEMORY. */
MUST_CHECK enum status text_file_read(const struct file_system *files, const char *path,
                                      struct buf *text, struct error *error);

#endif
