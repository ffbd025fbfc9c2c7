/* Streams of legacy sessions: every event gets an id "STREAM-NUMBER" and is kept for a while, so that a client that
   lost its connection can fetch what it missed (2025-11-25, basic/transports "Resumability and Redelivery"). Stream 0
   is the session's standing one (GET); every POST that is answered by a stream has a number of its own. Bounded by
   limits.max_replay per session. */
#pragma once
#include "gateway/core/exchange.h"

enum { STREAM_EVENT_ID_BYTES = 48, STREAM_MAX_EVENTS = 1024, STREAM_RETRY_MS = 3000 };

struct stream;

/* Sends on the exchange's own stream, making it with the first event (that of a 2025-11-25 client is primed with an
   event that has an id and no data). When the client has come back by GET, the event goes there. On the exchange's
   reactor. 0, FRONT_GONE (kept for later, if a stream had begun) or -ENOMEM. */
MUST_USE int stream_send(struct exchange *exchange, struct span message);
/* The same for the last event: keeps it, and delivers it if the client listens elsewhere (true); otherwise the
   exchange's front is to send it, with the id that is written to `event_id`. Ends the exchange's use of the stream. */
bool stream_finish(struct exchange *exchange, struct span message, char event_id[STREAM_EVENT_ID_BYTES]);
/* The exchange (a GET) is no outlet any more. */
void stream_detach(struct exchange *exchange);
/* GET: the exchange becomes the outlet of the session's standing stream, or of the stream that `last_event_id` names,
   after what was missed there, and sends its first event at once, so that the client has an answer. The newest outlet
   wins: an older one is ended. An answer of which nothing is kept any more is refused: another stream in its place
   would never bring it. */
void stream_attach(struct exchange *exchange, struct span last_event_id);
