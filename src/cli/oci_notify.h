/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Readiness of a service, sd_notify(3): whoever starts us as a service manager does gives a socket in
 * NOTIFY_SOCKET, and the container's command says READY=1 to one of its own. Private to cli/.
 */
#ifndef INSULA_CLI_OCI_NOTIFY_H
#define INSULA_CLI_OCI_NOTIFY_H

#include "runtime/state.h"
#include "spec/spec.h"

/* Where NOTIFY_SOCKET is set: a directory of the container's state, bound on /run/notify, and the name of
 * the socket that will be in it in the command's environment. */
int notify_prepare(const struct state_dir *dir, struct spec *spec, struct err *err);
/* Listen in it, before the command runs. -1 with ERR_NONE where there is none. */
int notify_listen(const struct state_dir *dir, struct err *err);
/* Until the command says READY=1, which is handed on with its number as MAINPID, or until it has ended. */
int notify_relay(int socket_fd, const struct state_dir *dir, struct err *err);

#endif
