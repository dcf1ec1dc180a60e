#include "screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS = 80 };

bool screen_shown(void) {
    return isatty(STDOUT_FILENO) == 1;
}

unsigned screen_columns(void) {
    struct winsize size = {0};
    bool told = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return told ? size.ws_col : COLUMNS;
}
