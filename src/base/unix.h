/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unix sockets of engines, agents and logs: somebody listens, we connect, and tell. */
#ifndef INSULA_BASE_UNIX_H
#define INSULA_BASE_UNIX_H

#include "base/err.h"

/* Connect a stream socket to a path of any length, which addresses of unix sockets have not. Nobody waits
 * longer than timeout_s seconds for it, then or later: a send ends with EAGAIN. */
int unix_connect(const char *path, int timeout_s, struct err *err);
/* The same for one that takes datagrams. */
int unix_connect_datagram(const char *path, int timeout_s, struct err *err);

#endif
