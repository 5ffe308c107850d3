/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Transient scopes of the service manager, by way of the helper program insula-systemd.
 *
 * A scope needs a process in it from the start, and ends with its last one. So the helper forks one that
 * does nothing (the placeholder), has the manager make the scope around it, and keeps it there while we
 * make directories, write limits, and give birth to the container's first process inside. scope_settle()
 * lets the placeholder go. Where that is never said, because a step failed or we died, the helper sees
 * the end of the socket and stops the unit: a start that was killed at any moment leaves no scope.
 *
 * The protocol: one request and one answer over a SOCK_SEQPACKET pair that is the helper's descriptor 0,
 * each a single bounded message: the request is a JSON object along the tables of scope_message.c, the
 * answer struct scope_reply. Values of properties carry their D-Bus type. After a start, further requests
 * that attach processes may follow, each with its answer; one byte from us settles. Every wait of the helper
 * has the request's deadline.
 *
 * An ordinary user whose process is outside of his manager's part of the tree (in a login session's scope)
 * may not move a process into it, nor bear one there: that takes a right over what is above both. The
 * manager may, with the help of the system's: SCOPE_ATTACH asks for it.
 */
#ifndef INSULA_RUNTIME_SCOPE_H
#define INSULA_RUNTIME_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/proc.h"
#include "base/str.h"
#include "kernel/cgroup.h"

#define SCOPE_REQUEST_MAX 65536 /* bytes of JSON */
#define SCOPE_PATH_MAX 512

enum scope_verb { SCOPE_START, SCOPE_SET, SCOPE_STOP, SCOPE_ATTACH };

/* Types: "b" "s" "t" "u" "i" "x" "d" (one value), "as" "ay" "au" "at" (any number). Numbers are decimal,
 * a boolean is "true" or "false". */
struct scope_property {
	char *name;
	char *type;
	struct strv values;
};

struct scope_properties {
	struct scope_property *items;
	size_t count;
};

struct scope_request {
	int verb;		   /* enum scope_verb */
	bool user;		   /* the user's manager, on the session bus */
	char *unit;		   /* "x.scope" */
	char *slice, *description; /* of a start */
	/* As the manager's pid namespace has it. Of a start: this process instead of a placeholder. */
	uint64_t pid;
	char *subgroup; /* of SCOPE_ATTACH: directory of the unit, "container"; NULL or "": its own */
	uint64_t timeout_ms;
	struct scope_properties properties;
};

#define SCOPE_REPLY_VERSION 1

struct scope_reply {
	uint32_t version;
	int32_t failed;	     /* else err is meaningless */
	int32_t placeholder; /* its pid in our namespace, 0: none */
	char path
		[SCOPE_PATH_MAX]; /* the unit's control group, with a leading slash; "" where it has none */
	struct err err;
};

void scope_request_done(struct scope_request *request);
/* Both directions of the JSON message. */
int scope_request_print(const struct scope_request *request, struct str *out, struct err *err);
int scope_request_parse(const char *text, size_t size, struct scope_request *ret, struct err *err);

/* One more property; the format is that of its single value. */
int scope_add(struct scope_properties *p, const char *name, const char *type, struct err *err,
	      const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A property in GVariant's text format, as engines write org.systemd.property.NAME annotations:
 * "uint64 5", "true", "'text'", "['a', 'b']". A name that ends in "Sec" means seconds, and becomes
 * "...USec". ERR_INVALID where it cannot be read. */
int scope_add_annotation(struct scope_properties *p, const char *name, const char *text,
			 struct err *err);
/* Those that systemd has a property for, of what is asked for. The others are written by us alone. */
int scope_add_resources(struct scope_properties *p, const struct cgroup_host *host,
			const struct cgroup_resources *r, struct err *err);
/* A property without a value yet. */
struct scope_property *scope_append(struct scope_properties *p, const char *name, const char *type,
				    struct err *err);
void scope_properties_done(struct scope_properties *p);

/* A scope that is being made. */
struct scope {
	struct proc helper;
	int sock_fd;
};

#define SCOPE_INIT ((struct scope){.helper = PROC_INIT, .sock_fd = -1})

/* Ask the helper. SCOPE_START: *ret stays open until scope_settle or scope_done; others: ret is NULL.
 * ERR_EXISTS where a unit of that name is active, ERR_NOT_FOUND where SCOPE_SET finds none (stopping
 * what is not there succeeds). */
int scope_ask(const struct scope_request *request, struct scope *ret, struct scope_reply *ret_reply,
	      struct err *err);
/* Of a start that is not settled yet: one more request, SCOPE_ATTACH. */
int scope_ask_more(const struct scope *scope, const struct scope_request *request, struct err *err);
/* The container's first process is in the scope: the placeholder goes, and the helper ends. */
int scope_settle(struct scope *scope, struct err *err);
/* Unsettled: the unit is stopped. */
void scope_done(struct scope *scope);

/* Is systemd the init of this host (sd_booted(3)), and is its bus there? For who decides by himself. */
bool scope_available(bool user);
/* Does systemd run this host, whether or not it answers? */
bool scope_host_has_manager(void);

#endif
