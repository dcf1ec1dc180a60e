#include "monitor_line.h"

#include <inttypes.h>

/* Quoted, so that it can be typed again at redis-cli (sds.c: sdscatrepr). */
static enum status append_quoted(struct buf *line, struct slice bytes) {
    static const char escapes[] = "\n\r\t\a\b", letters[] = "nrtab";
    enum status status = buf_append_text(line, " \"");
    for (size_t i = 0; i < bytes.length && status == STATUS_OK; i++) {
        unsigned char byte = bytes.data[i];
        const char *escape = byte != 0 ? strchr(escapes, byte) : NULL;
        if (byte == '"' || byte == '\\') {
            status = buf_printf(line, "\\%c", byte);
        } else if (escape != NULL) {
            status = buf_printf(line, "\\%c", letters[escape - escapes]);
        } else if (byte >= 0x20 && byte < 0x7f) {
            status = buf_append(line, &byte, 1);
        } else {
            status = buf_printf(line, "\\x%02x", byte);
        }
    }
    return status == STATUS_OK ? buf_append_text(line, "\"") : status;
}

enum status monitor_line(struct buf *line, uint64_t wall_micros, struct slice peer,
                         bool unix_socket, const struct resp_request *request) {
    enum status status =
        buf_printf(line, "+%" PRIu64 ".%06" PRIu64 " [0 %s%.*s]", wall_micros / 1000000,
                   wall_micros % 1000000, unix_socket ? "unix:" : "", (int)peer.length,
                   (const char *)peer.data);
    for (size_t i = 0; i < request->count && status == STATUS_OK; i++) {
        status = append_quoted(line, request->arguments[i]);
    }
    return status == STATUS_OK ? buf_append_text(line, "\r\n") : status;
}
