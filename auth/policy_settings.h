/* The rules of a policy: plain records, filled by gateway/config; policy.h says what they mean. */
#pragma once
#include "gateway/base/place.h"

enum { POLICY_MAX_RULES = 256, POLICY_MAX_PATTERN_BYTES = 256 };

struct policy_names {
    struct name_list tools, resources, prompts; /* patterns (auth/glob.h) */
};

struct policy_rule_settings {
    struct place place;
    char *name;
    struct {
        struct name_list keys;     /* patterns: names of API keys */
        struct name_list subjects; /* patterns: subjects of tokens and certificates */
        struct name_list issuers;  /* of tokens, exactly */
        struct name_list scopes;   /* all of them are needed */
        unsigned proofs;           /* 1 << enum identity_proof; 0: any */
    } who;
    struct name_list endpoints; /* paths or addresses of listeners; "stdio" */
    struct policy_names allow, deny;
};
