#include "log_format.h"

#include <string.h>

const unsigned char log_empty_first[LOG_HEADER_BYTES] = {0x64, 0x51, 0xd0,     0xe9,
                                                         0,    0,    LOG_FIRST};

/* memchr on the checksum's last byte, which neither zeros nor text hold, passes over both
 * many bytes at a time; memmem would take as long as all the rest of an append. */
const unsigned char *log_find_empty_first(const unsigned char *data, size_t length) {
    enum { RARE = 3 };
    const unsigned char *end = data + length;
    while (end - data >= LOG_HEADER_BYTES) {
        size_t places = (size_t)(end - data) - (LOG_HEADER_BYTES - 1);
        const unsigned char *rare = memchr(data + RARE, log_empty_first[RARE], places);
        if (rare == NULL) {
            break;
        }
        data = rare - RARE;
        if (memcmp(data, log_empty_first, LOG_HEADER_BYTES) == 0) {
            return data;
        }
        data++;
    }
    return NULL;
}
