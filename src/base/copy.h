/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copying a tree that somebody else has made into an empty one that is ours. */
#ifndef INSULA_BASE_COPY_H
#define INSULA_BASE_COPY_H

#include "base/err.h"

/* Everything below the directory from_fd (O_PATH will do) into the directory to_fd, which nobody else can
 * write to: files with their contents, links, FIFOs and device nodes, each with its owner, mode, times and
 * extended attributes. No link is followed, nothing but a regular file is opened, and no mount is entered
 * (its directory is left empty). What exists in to_fd is an error. Hard links become copies. */
int copy_tree(int from_fd, int to_fd, struct err *err);

#endif
