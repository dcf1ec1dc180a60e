#include "report.h"

#include <stdarg.h>
#include <stdio.h>

void report_line(const struct report *report, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    report->line(report->context, line);
}

const char *report_bytes(char text[REPORT_TEXT_BYTES], struct slice bytes) {
    size_t shown = bytes.length < REPORT_BYTES_MAX ? bytes.length : REPORT_BYTES_MAX;
    char *at = text;
    *at++ = '"';
    for (size_t i = 0; i < shown; i++) {
        unsigned char byte = bytes.data[i];
        bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
        at += snprintf(at, 5, plain ? "%c" : "\\x%02x", byte);
    }
    *at++ = '"';
    *at = '\0';
    if (shown < bytes.length) {
        snprintf(at, 40, "… (%zu bytes)", bytes.length);
    }
    return text;
}
