/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files of live.h share. Private to runtime/. */
#ifndef INSULA_RUNTIME_LIVE_INSIDE_H
#define INSULA_RUNTIME_LIVE_INSIDE_H

#include "runtime/live.h"
#include "runtime/start.h"

struct live {
	const struct runtime_live *request;
	struct plan plan;
	struct start start; /* of which little is used: no container is started */
	pid_t init_pid;	    /* as start.proc_fd has it */
	int namespaces;	    /* CLONE_NEWUSER and CLONE_NEWNS, where they are not ours */
	bool ordinary;	    /* user */
	int made_fd;	    /* what the maker has made */
	bool directory;	    /* it is one */
	const struct spec_device *device;
	struct mount_identity identity;
	bool lazy;
	int sync_fd, helper_fd; /* the caller's and the child's end */
};

struct live_message {
	enum { LIVE_FOUND, LIVE_DONE } kind;
	int value;
	struct mount_identity identity;
};

/* In a child. The result, or -1; of a maker: the mount. */
typedef int live_fn(struct live *l, struct err *err);

/* live_inside.c: the bringer. */
int live_attach(struct live *l, struct err *err);
int live_attach_node(struct live *l, struct err *err);
int live_detach(struct live *l, struct err *err);
int live_unlink_node(struct live *l, struct err *err);

#endif
