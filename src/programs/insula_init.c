/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-init: process 1 of a container made with --init. The runtime executes it, from a descriptor, as
 * the user of the container's command.
 *
 * Privilege: exactly the command's.
 */
#include "kernel/bare.h"

BARE_PROGRAM
