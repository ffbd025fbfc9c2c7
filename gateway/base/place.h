/* Small records that settings of all layers are made of. */
#pragma once
#include "gateway/base/defs.h"

/* Where an entry stands in the configuration file; 0: in none. */
struct place {
    unsigned line;
    unsigned column;
};

struct name_list {
    char **name;
    size_t count;
};
