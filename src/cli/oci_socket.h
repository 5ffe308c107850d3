/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors that go to an engine. Private to cli/. */
#ifndef INSULA_CLI_OCI_SOCKET_H
#define INSULA_CLI_OCI_SOCKET_H

#include "base/err.h"

/* Connect to the stream socket at `path` (of any length) and send one descriptor with a text. */
int oci_send_descriptor(const char *path, const char *text, int fd, struct err *err);

#endif
