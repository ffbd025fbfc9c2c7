/* A snapshot: settings and catalogue as they stood at one moment, immutable and counted. Each reactor holds one; an
   exchange takes a reference for its life, so a reload or a changed catalogue can never tear a request. Any thread. */
#pragma once
#include "gateway/core/catalogue.h"
#include "gateway/core/settings.h"

struct policy;
struct guard;

struct snapshot {
    const struct settings *settings;
    struct guard *guard; /* of the settings (guard.h); NULL: nobody is asked who they are */
    const struct catalogue *catalogue;
    const struct policy *policy; /* of the settings; NULL: everything is allowed */
};

/* Takes both references: the settings (with settings_free from whoever made them) and the catalogue. 0 or -ENOMEM; then
   nothing is taken. */
struct settings_holder;
MUST_USE int snapshot_new(struct settings_holder *settings, struct catalogue *catalogue,
                          struct snapshot **ret_snapshot);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is fine */

/* Settings outlive every snapshot that shows them: counted, too. `release` frees them. Their policy is compiled here. 0
   or -ENOMEM; then they are still the caller's. */
MUST_USE int settings_holder_new(struct settings *settings, void (*release)(struct settings *settings),
                                 struct settings_holder **ret_holder);
struct settings_holder *settings_holder_ref(struct settings_holder *holder);
void settings_holder_unref(struct settings_holder *holder);
const struct settings *settings_holder_get(const struct settings_holder *holder);
/* The guard that goes with them, before they are part of a snapshot. Takes the reference. */
void settings_holder_set_guard(struct settings_holder *holder, struct guard *guard);
struct guard *settings_holder_guard(const struct settings_holder *holder); /* borrowed; NULL: none */
/* Borrowed from the snapshot, for making its successor. */
struct settings_holder *snapshot_settings(struct snapshot *snapshot);
struct catalogue *snapshot_catalogue(struct snapshot *snapshot);
