#include "world.h"

const struct world world_system = {&file_system_posix, &threads_posix, &clock_system};
