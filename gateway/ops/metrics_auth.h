/* What the guard knows of callers, as metrics: the table of verified credentials, and the issuers that tokens are of.
 */
#pragma once
#include "gateway/core/gateway.h"

enum { METRICS_MAX_ISSUER_NAME = 256 /* bytes; an issuer with a longer name has no series of its own */ };

/* weir_credential_cache_… and weir_issuer_… of the newest snapshot; nothing where nobody is asked who they are. The
   counts of the table begin again at zero when a reload changes who is let in. As many issuers as `auth.jwt` may have,
   told apart by their place in it. Any thread. */
void metrics_auth_add(struct text *out, struct gateway *gateway);
