/* What a process's limit of descriptors allows: how many connections and programs there may be so that neither accept()
   nor a program ever finds none left. The kernel gives the lowest number that is free, so a number also tells how many
   are in use: clients get none from `clients` on, whatever those before them have become (a WebSocket needs three).
   Pure. */
#pragma once
#include "gateway/base/defs.h"

struct descriptors_wanted {
    uint64_t limit; /* RLIMIT_NOFILE, the hard one; UINT64_MAX: none */
    unsigned reactors;
    size_t listeners; /* with the admin's */
    bool tls;         /* one of them speaks it: then a connection needs three */
    uint64_t connections;
    uint64_t processes; /* 0: no commands */
};

enum { DESCRIPTORS_MOST_LINGERING = 64 };

struct descriptors_allowed {
    uint64_t connections; /* as wanted, or as many as there may be; at least one */
    uint64_t processes;   /* the same; where it does not suffice, they leave connections three quarters */
    int clients;          /* numbers from here on are not for clients; 0: no bound */
    unsigned lingering;   /* refused connections that each listening socket and each front of a reactor may keep until
                             they have read why */
};

enum { DESCRIPTORS_LOWERED = 1, DESCRIPTORS_TOO_FEW = 2 };
/* 0: all that is wanted may be; DESCRIPTORS_LOWERED; or DESCRIPTORS_TOO_FEW: not even one connection, *ret_allowed is
   untouched. */
MUST_USE int descriptors_allow(const struct descriptors_wanted *wanted, struct descriptors_allowed *ret_allowed);
/* The least limit with which that says anything else. */
uint64_t descriptors_least(const struct descriptors_wanted *wanted);
