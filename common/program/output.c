#include "output.h"

#include <errno.h>
#include <stdio.h>

static enum status failed(struct error *error) {
    const char *reason = errno != 0 ? strerror(errno) : "write failed";
    return error_set(error, STATUS_IO, "standard output: %s", reason);
}

enum status output_write(struct slice bytes, struct error *error) {
    errno = 0;
    size_t written = bytes.length == 0 ? 0 : fwrite(bytes.data, 1, bytes.length, stdout);
    return written == bytes.length ? STATUS_OK : failed(error);
}

enum status output_flush(struct error *error) {
    errno = 0;
    bool flushed = fflush(stdout) == 0;
    return flushed && ferror(stdout) == 0 ? STATUS_OK : failed(error);
}

void output_line(void *context, const char *line) {
    (void)context;
    (void)puts(line);
}
