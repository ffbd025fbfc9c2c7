/* The settings of authentication: plain records, filled by gateway/config. Durations are milliseconds. */
#pragma once
#include "gateway/base/place.h"

struct api_key_settings {
    struct place place;
    char *name;   /* the identity's subject; several keys may share one (rotation) */
    char *sha256; /* 64 hex digits; of a key that is high-entropy by nature */
    struct name_list scopes;
};

/* An issuer of tokens: either its keys are known (jwks) or it is asked about each token (introspection). */
struct issuer_settings {
    struct place place;
    char *issuer;                    /* exactly the token's iss */
    char *audience;                  /* this gateway's own resource URL (RFC 8707) */
    char *jwks;                      /* https URL (http on loopback only), or file:PATH */
    char *introspection;             /* RFC 7662 endpoint, in place of jwks */
    char *client_id, *client_secret; /* for introspection: HTTP Basic */
    struct name_list algorithms;     /* allowed; none: RS256, PS256, ES256, EdDSA and their longer kin, never HMAC */
    char *ca;                        /* PEM; NULL: the system's */
};

struct auth_settings {
    bool required; /* nobody anonymous */
    struct api_key_settings *api_key;
    size_t api_keys;
    struct issuer_settings *issuer;
    size_t issuers;
    bool certificates;    /* a verified client certificate is an identity */
    uint64_t leeway_ms;   /* of exp and nbf */
    uint64_t cache_ms;    /* a verified credential is believed so long without a new look (never beyond its exp) */
    uint64_t jwks_ttl_ms; /* keys are fetched again after it, in the background */
    size_t max_cached;    /* verified credentials that are remembered */
};

/* Whether they say the same, secrets too; where it stands in the file does not count. */
bool auth_settings_equal(const struct auth_settings *one, const struct auth_settings *other);
