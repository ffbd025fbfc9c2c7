/* The methods of the protocol, as functions on an exchange: each answers it, now or later. The table in dispatcher.c
   says which row of methods.def is which. On the exchange's reactor. */
#pragma once
#include "gateway/core/exchange.h"

/* legacy.c */
void method_initialize(struct exchange *exchange);
void method_ping(struct exchange *exchange);
void method_set_level(struct exchange *exchange);
void method_subscribe(struct exchange *exchange);
void method_unsubscribe(struct exchange *exchange);
/* modern.c */
void method_discover(struct exchange *exchange);
/* listing.c */
void method_list(struct exchange *exchange);
/* invoke.c */
void method_tools_call(struct exchange *exchange);
void method_resources_read(struct exchange *exchange);
void method_prompts_get(struct exchange *exchange);
void method_complete(struct exchange *exchange);

/* What each era asks of a request before its method runs. True: fine; false: the exchange is answered. */
bool legacy_admit(struct exchange *exchange);
bool modern_admit(struct exchange *exchange);
/* The session of a legacy exchange, and the version header that must fit it. False: the exchange is answered. */
bool legacy_session(struct exchange *exchange);
/* A notification or a response of a legacy client. */
void legacy_notification(struct exchange *exchange);
void legacy_response(struct exchange *exchange);

/* {"tools":{...},...}: what initialize and server/discover declare. */
void capabilities_add_server(struct text *out, enum era era);
/* An array of messages (2025-03-26 only). */
void batch_begin(struct exchange *exchange);
/* One message whose envelope has been scanned, also as an element of a batch. */
void dispatch_envelope(struct exchange *exchange);
/* Scans exchange->message and dispatches it; `batch_allowed` false: an array is an error. */
void dispatch_bytes(struct exchange *exchange, bool batch_allowed);
