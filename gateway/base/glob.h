/* Patterns over names: "*" is any run of characters, "?" is one, everything else is itself. Pure; any thread. */
#pragma once
#include "gateway/base/span.h"

/* The whole of `text`. In time that grows with the product of the two sizes at worst. */
bool glob_match(struct span pattern, struct span text);
