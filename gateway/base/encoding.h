/* Base64 (RFC 4648: the standard alphabet of section 4 and the URL-safe one of section 5), hexadecimal and
   percent-decoding. Strict: what is not canonical is refused, and then nothing was added to `out`. Any thread. */
#pragma once
#include "gateway/base/text.h"

enum base64_alphabet {
    BASE64_STANDARD, /* padded; padding is required when decoding */
    BASE64_URL,      /* unpadded; padding is refused when decoding */
};
void base64_encode(enum base64_alphabet alphabet, struct span bytes, struct text *out);
/* 0, -EINVAL (alphabet, length, padding, trailing bits that are not zero), or out's error. */
MUST_USE int base64_decode(enum base64_alphabet alphabet, struct span encoded, struct text *out);
void hex_encode(struct span bytes, struct text *out);
/* Either case. 0, -EINVAL or out's error. */
MUST_USE int hex_decode(struct span encoded, struct text *out);
/* RFC 3986, 2.1. 0, -EINVAL (a '%' without two digits) or out's error. */
MUST_USE int percent_decode(struct span encoded, struct text *out);
