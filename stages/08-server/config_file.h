/* Where the server's settings come from: a file in redis.conf syntax, and the command
 * line, which overrides it.
 *
 *     line := name word* | "include" path | "#" anything | nothing
 *
 * Words are quoted as redis-cli has them (inline_line.h). The last line of a name counts.
 * An included file's path is as the process sees it; files include each other to a depth
 * of CONFIG_INCLUDES_MAX.
 *
 * In all of these: INVALID, naming the file and its line, or the option, and the setting;
 * or as text_file_read. A config is unchanged then. */
#ifndef STRATA_CONFIG_FILE_H
#define STRATA_CONFIG_FILE_H

#include "config.h"

enum { CONFIG_WORDS_MAX = 64, CONFIG_INCLUDES_MAX = 8 };

/* Not settled yet. */
MUST_CHECK enum status config_read(struct config *config, const struct file_system *files,
                                   const char *path, struct error *error);

/* The same for text in memory; `path` is for messages. */
MUST_CHECK enum status config_read_text(struct config *config,
                                        const struct file_system *files, const char *path,
                                        struct slice text, struct error *error);

/* [FILE] [--name word...]...: settled. *path is the argument that is the file; or NULL.
 */
MUST_CHECK enum status config_load(struct config *config, const struct file_system *files,
                                   size_t count, char *const *arguments,
                                   const char **path, struct error *error);

/* The words of one line, unquoted where they stand: *count of them, 0 of one that says
 * nothing. INVALID, with the reason alone. */
MUST_CHECK enum status config_line_words(unsigned char *line, size_t length,
                                         struct slice words[CONFIG_WORDS_MAX],
                                         size_t *count, struct error *error);

#endif
