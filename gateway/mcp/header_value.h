/* The value of the Mcp-Name and Mcp-Param-* header fields (2026-07-28, basic/transports/streamable-http, "Value
   Encoding"). Any thread. */
#pragma once
#include "gateway/base/text.h"

/* Appends the value that a field carries: optional blanks around it removed, "=?base64?...?=" decoded, everything else
   as it is (without prefix or without suffix it is a literal). 0; -EINVAL when it holds bytes that no field may hold,
   bad base64, or base64 of something that is not UTF-8; or out's error. */
MUST_USE int header_value_decode(struct span value, struct text *out);
/* Appends what a client sends for `value` (UTF-8): itself where a field can carry it as it is, else its
   "=?base64?...?=" form. Fails as a text does (out->error). */
void header_value_encode(struct span value, struct text *out);
