/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd_notify(3) without its library: a datagram to the socket that a service manager names. */
#ifndef INSULA_BASE_NOTIFY_H
#define INSULA_BASE_NOTIFY_H

#include "base/err.h"

#define NOTIFY_VARIABLE "NOTIFY_SOCKET"

/* Where the service manager listens that started us, or NULL. */
const char *notify_socket(void);
/* `to` is a path, or an abstract address that is written with '@'. Nobody is waited for: EAGAIN. */
int notify_send(const char *to, const char *text, struct err *err);

#endif
