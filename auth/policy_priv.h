/* What policy.c (judging) and policy_explain.c (saying why) share. */
#pragma once
#include "auth/glob.h"
#include "auth/policy.h"

struct globs {
    struct glob *glob;
    size_t count;
};

/* Templates are matched with the patterns of resources. */
struct rule {
    const struct policy_rule_settings *settings;
    struct globs keys, subjects, paths;
    struct globs allow[POLICY_KINDS], deny[POLICY_KINDS];
};

struct policy {
    size_t rules;
    struct rule rule[];
};

/* What keeps a rule from being for a caller; the first that does. */
enum policy_obstacle {
    OBSTACLE_NONE,
    OBSTACLE_ENDPOINT,
    OBSTACLE_PROOF,
    OBSTACLE_KEY,
    OBSTACLE_SUBJECT,
    OBSTACLE_ISSUER,
    OBSTACLE_SCOPE,
};
enum policy_obstacle policy_obstacle(const struct rule *rule, const struct policy_caller *caller);

/* The first pattern of a rule that denies or allows the name; NULL if there is none. */
const struct glob *policy_denies(const struct rule *rule, enum policy_kind kind, struct span name);
const struct glob *policy_allows(const struct rule *rule, enum policy_kind kind, struct span name);
