/* Telling the service manager how far we are: sd_notify(3). Its protocol is one datagram to the socket that
   NOTIFY_SOCKET names, so it is spoken here rather than by a library that every gateway would load for it. Without
   NOTIFY_SOCKET, all of it does nothing. Main thread. */
#pragma once

/* The gateway can serve. */
void notify_ready(void);
/* A reload begins; notify_ready() ends it. */
void notify_reloading(void);
/* The drain begins. */
void notify_stopping(void);
