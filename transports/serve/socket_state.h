/* What the kernel knows about a connected stream socket. Any thread; nothing blocks. */
#pragma once
#include "gateway/base/defs.h"

/* Bytes that the peer sent so far, read by us or not, its end being one more; 0 where the kernel does not count (Unix
 * sockets). */
uint64_t socket_state_received(int fd);
/* A number that grows as the peer takes what was sent to it. */
uint64_t socket_state_progress(int fd);
/* Whether the peer has closed, at least its sending side, and everything before that has been read; or the socket is
 * broken. */
bool socket_state_at_end(int fd);
/* Whether bytes wait to be read. */
bool socket_state_has_input(int fd);
/* From now on closing it forgets what the peer has not taken, and resets the connection. Otherwise the kernel would
 * keep that for minutes for a peer that reads nothing. */
void socket_state_forget(int fd);
