/* The contract of the gateway's own HTTP surface: openapi/gateway.yaml, as it was when the program was built. */
#pragma once
#include "gateway/base/span.h"

/* The whole document. Constant; any thread. */
struct span contract_document(void);
