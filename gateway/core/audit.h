/* The audit log: who got in and who did not, what the policy denied, what was administered. A stream of its own, one
   line per event; events are named audit_*. Any thread.

   An attacker must not be able to fill a disk: what strangers cause is written at most so often for each address (IPv6:
   /64) and so often in all. What is beyond is counted (weir_audit_lines_lost_total), and each second one line says how
   many lines were left out. Administration is never left out. */
#pragma once
#include "auth/identity.h"
#include "gateway/base/log.h"

struct gateway;
struct audit;

enum { AUDIT_PER_SECOND = 10, AUDIT_BURST = 20, AUDIT_ALL_PER_SECOND = 100, AUDIT_ALL_BURST = 500 };

/* Off. `gateway` counts what is lost. 0 or -ENOMEM. */
MUST_USE int audit_new(struct gateway *gateway, struct audit **ret_audit);
void audit_free(struct audit *audit); /* NULL is fine */
/* "stderr" (in the format of the log), "off", or the path of a file, which is appended to, in JSON; made with mode
   0640. Called again, after its file was moved away, it makes a new one. 0 or -errno: then all is as it was. */
MUST_USE int audit_open(struct audit *audit, const char *target);
/* Once a second: says how many lines were left out. */
void audit_tick(struct audit *audit);

/* `from` NULL: administration. */
void audit_write(struct gateway *gateway, const struct address *from, const char *event, const struct log_field *fields,
                 size_t count);
/* audit_administered(gateway, "audit_reload", LOG_TEXT("config", path)); */
#define audit_administered(gateway, event, ...)                                                                        \
    do {                                                                                                               \
        const struct log_field audit_fields[] = {{.key = NULL}, ##__VA_ARGS__};                                        \
        audit_write(gateway, NULL, event, audit_fields + 1, ARRAY_SIZE(audit_fields) - 1);                             \
    } while (0)

/* A credential was verified, for the first time since it was last forgotten. */
void audit_authenticated(struct gateway *gateway, const struct identity *identity, const char *front);
/* One was wrong, `why` says how ("expired"), or missing where one is needed. */
void audit_refused(struct gateway *gateway, const struct address *from, const char *why, const char *front);
/* One was not looked at: the address has had its attempts. */
void audit_limited(struct gateway *gateway, const struct address *from, const char *front);
