/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A container in the foreground of insula-runtime. Private to cli/. */
#ifndef INSULA_CLI_OCI_FOREGROUND_H
#define INSULA_CLI_OCI_FOREGROUND_H

#include "base/proc.h"

/* Before the container is made: signals are held, so that none is lost. */
int oci_foreground_prepare(struct err *err);
/* Until the process, our child, has ended: signals are handed on to it, and its terminal (console_fd, or
 * -1) is joined to ours. Its exit code, or 128 + the signal. Where they cannot be, it is killed. */
int oci_foreground(struct proc *process, int console_fd, int *ret_code, struct err *err);

#endif
