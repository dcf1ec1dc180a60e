/* CONFIG REWRITE: the file as it would have to be for the server to start with the
 * settings that it has now. Comments, order, includes and lines that still say what is so
 * stay as they are. */
#ifndef STRATA_CONFIG_REWRITE_H
#define STRATA_CONFIG_REWRITE_H

#include "config.h"

/* Replaces the contents of *out by the new text: of `text`, the old one; `path` is for
 * messages. INVALID: the old text, or what it includes, cannot be read; NO_MEMORY. */
MUST_CHECK enum status config_rewrite_text(const struct config *config,
                                           const struct file_system *files,
                                           const char *path, struct slice text,
                                           struct buf *out, struct error *error);

/* The file itself, durably: after a crash it is the old one or the new one. A file beside
 * it, with ".rewrite" behind its name, may be left over; the next call replaces it.
 * Owner and permissions stay (file_copy_access), for it may hold the password: before
 * there is a byte in the new one it is as much of a secret as the old one. */
MUST_CHECK enum status config_rewrite(const struct config *config,
                                      const struct file_system *files, const char *path,
                                      struct error *error);

#endif
