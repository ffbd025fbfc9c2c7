/* Reads the fields in which credentials come. Any thread; owns nothing but a decoded subprotocol. */
#include "auth/credential.h"

#include <errno.h>

#include "gateway/base/encoding.h"

enum { FINGERPRINT_BYTES = 32 };

static int malformed(const char *why, const char **ret_why)
{
    *ret_why = why;
    return CREDENTIAL_MALFORMED;
}

/* ---- one field each ---- */

static int read_authorization(struct span value, struct credential *credential, const char **ret_why)
{
    struct span rest = span_trim(value);
    struct span scheme = span_cut(&rest, ' ');
    if (scheme.size == 0)
        return malformed("empty Authorization", ret_why);
    if (span_equal_nocase(scheme, SPAN("Bearer"))) {
        credential->kind = CREDENTIAL_BEARER;
    } else if (span_equal_nocase(scheme, SPAN("DPoP"))) {
        credential->kind = CREDENTIAL_DPOP;
    } else {
        *ret_why = "unsupported authorization scheme";
        return CREDENTIAL_REFUSED;
    }
    credential->secret = span_trim(rest);
    return credential->secret.size <= CREDENTIAL_MAX_BYTES ? 0 : malformed("token too long", ret_why);
}

static int read_subprotocol(struct span value, struct credential *credential, const char **ret_why)
{
    credential->kind = CREDENTIAL_BEARER;
    credential->secret = value;
    if (value.size > 0 && memchr(value.at, '%', value.size)) {
        credential->decoded = TEXT(CREDENTIAL_MAX_BYTES);
        int result = percent_decode(value, &credential->decoded);
        if (result == -ENOMEM)
            return result;
        if (result < 0)
            return malformed(result == -EMSGSIZE ? "token too long" : "wrong percent encoding", ret_why);
        credential->secret = text_span(&credential->decoded);
    }
    return credential->secret.size <= CREDENTIAL_MAX_BYTES ? 0 : malformed("token too long", ret_why);
}

static int read_api_key(struct span value, struct credential *credential, const char **ret_why)
{
    credential->kind = CREDENTIAL_API_KEY;
    credential->secret = span_trim(value);
    return credential->secret.size <= CREDENTIAL_MAX_BYTES ? 0 : malformed("key too long", ret_why);
}

/* ---- together ---- */

/* In the order of who counts. */
static const struct field {
    size_t offset; /* of its span in struct credentials */
    int (*read)(struct span value, struct credential *credential, const char **ret_why);
} fields[] = {
    {offsetof(struct credentials, authorization), read_authorization},
    {offsetof(struct credentials, subprotocol), read_subprotocol},
    {offsetof(struct credentials, api_key), read_api_key},
};

static struct span field_value(const struct credentials *credentials, const struct field *field)
{
    return *(const struct span *)(const void *)((const char *)credentials + field->offset);
}

/* The first one is kept; another must say the same. */
static int keep_one(struct credential *kept, struct credential *other, bool first, const char **ret_why)
{
    if (first) {
        *kept = *other;
        return 0;
    }
    bool same = span_equal(kept->secret, other->secret) && kept->kind != CREDENTIAL_DPOP;
    credential_done(other);
    return same ? 0 : malformed("two different credentials", ret_why);
}

static int read_certificate(const struct credentials *credentials, bool certificates, struct credential *credential)
{
    if (!certificates || !credentials->certificate_fingerprint || credentials->certificate_subject.size == 0)
        return CREDENTIAL_NONE;
    credential->kind = CREDENTIAL_CERTIFICATE;
    credential->secret = (struct span){(const char *)credentials->certificate_fingerprint, FINGERPRINT_BYTES};
    return 0;
}

int credential_read(const struct credentials *credentials, bool certificates, struct credential *ret_credential,
                    const char **ret_why)
{
    struct credential kept = {.kind = CREDENTIAL_BEARER};
    bool first = true;
    int result = 0;
    for (size_t i = 0; i < ARRAY_SIZE(fields) && result == 0; i++) {
        struct credential one = {.kind = CREDENTIAL_BEARER};
        struct span value = field_value(credentials, &fields[i]);
        if (span_absent(value))
            continue;
        result = fields[i].read(value, &one, ret_why);
        if (result == 0)
            result = keep_one(&kept, &one, first, ret_why);
        else
            credential_done(&one);
        first = false;
    }
    if (result == 0 && first)
        result = read_certificate(credentials, certificates, &kept);
    if (result == 0)
        *ret_credential = kept;
    else
        credential_done(&kept);
    return result;
}

/* ---- what a secret may be made of ---- */

/* RFC 6750, 2.1: what a b64token is made of, but for the padding. */
static const bool token_bytes[256] = {
    ['-'] = true, ['.'] = true,         ['_'] = true,         ['~'] = true,         ['+'] = true,
    ['/'] = true, ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

static bool is_bearer_token(struct span text)
{
    while (text.size > 0 && text.at[text.size - 1] == '=')
        text.size--;
    for (size_t i = 0; i < text.size; i++)
        if (!token_bytes[(unsigned char)text.at[i]])
            return false;
    return text.size > 0;
}

static bool is_visible(struct span text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] > '~')
            return false;
    return text.size > 0;
}

int credential_check(const struct credential *credential, const char **ret_why)
{
    switch (credential->kind) {
    case CREDENTIAL_CERTIFICATE:
        return 0;
    case CREDENTIAL_API_KEY:
        return is_visible(credential->secret) ? 0 : malformed("not an API key", ret_why);
    default:
        return is_bearer_token(credential->secret) ? 0 : malformed("not a bearer token", ret_why);
    }
}

void credential_done(struct credential *credential)
{
    text_done(&credential->decoded);
}
