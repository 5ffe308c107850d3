/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which namespaces a container has of its own, which are the host's, and which are another container's.
 *
 * Another container's is looked up twice: here, so that a name which nobody has is refused before anything is
 * made, and at each start, because it is another one each time that container starts. What the record keeps
 * is "container:ID" in place of a path; a start that did not resolve it would fail, not make a new one.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/own.h"
#include "base/proc.h"
#include "engine/launch.h"
#include "engine/request.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"
#include "runtime/rootless.h"

#define BY_CONTAINER LAUNCH_BY_CONTAINER
#define BY_PATH "ns:"

enum {
	MAY_HOST = 1,
	MAY_CONTAINER = 2,
	MAY_PATH = 4,
	MAY_NONE = 8,
	MAY_SHAREABLE = 16,
	MAY_IDS = 32
};

/* One row for each option. */
static const struct {
	const char *flag;
	size_t text; /* of the option's value in struct run_options */
	enum spec_ns kind;
	unsigned int may;
} rows[] = {
	{"--network", offsetof(struct run_options, network), SPEC_NS_NET,
	 MAY_NONE | MAY_HOST | MAY_CONTAINER | MAY_PATH},
	{"--ipc", offsetof(struct run_options, ipc), SPEC_NS_IPC,
	 MAY_HOST | MAY_CONTAINER | MAY_SHAREABLE},
	{"--uts", offsetof(struct run_options, uts), SPEC_NS_UTS, MAY_HOST | MAY_CONTAINER},
	{"--cgroupns", offsetof(struct run_options, cgroupns), SPEC_NS_CGROUP, MAY_HOST},
	{"--pid", offsetof(struct run_options, pid), SPEC_NS_PID, MAY_HOST | MAY_CONTAINER},
	{"--userns", offsetof(struct run_options, userns), SPEC_NS_USER,
	 MAY_HOST | MAY_CONTAINER | MAY_IDS},
};

/* Words that stand alone. */
static const struct {
	const char *word;
	unsigned int may; /* 0: always */
	enum ns_mode mode;
} words[] = {
	{"private", 0, NS_MODE_PRIVATE},
	{"none", MAY_NONE, NS_MODE_PRIVATE},
	{"shareable", MAY_SHAREABLE, NS_MODE_PRIVATE},
	{"keep-id", MAY_IDS, NS_MODE_PRIVATE},
	{"nomap", MAY_IDS, NS_MODE_PRIVATE},
	{"host", MAY_HOST, NS_MODE_HOST},
};

static int unknown_mode(const char *flag, const char *text, unsigned int may, struct err *err)
{
	err_set(err, ERR_USAGE, 0, "%s: there is no mode '%s'", flag, text);
	return err_hint(err, "%s%s%s%s", may & MAY_NONE ? "none" : "private",
			may & MAY_HOST ? ", host" : "",
			may & MAY_CONTAINER ? ", container:NAME" : "",
			may & MAY_PATH	? ", ns:PATH"
			: may & MAY_IDS ? ", keep-id, nomap"
					: "");
}

/* To join what a container shares with the host is to share it with the host, which is to be asked for as such:
 * of processes and ids it means another thing to whoever reads the record later, and an ordinary user has no right
 * to enter what he is in already. */
static int refuse_hosts(const struct container *other, size_t row, struct err *err)
{
	enum spec_ns kind = rows[row].kind;
	bool may = kind != SPEC_NS_PID && kind != SPEC_NS_USER && !other->store->user;

	if (may || other->record.spec.linux_.namespaces[kind].given)
		return 0;
	err_set(err, ERR_STATE, 0, "%s: container '%s' has the host's", rows[row].flag,
		other->record.name);
	return err_hint(err, "%s host shares it as well", rows[row].flag);
}

/* Its namespace must be there by the time of the start; who it is must be known now. */
static int find_other(struct store *store, const char *ref, size_t row, struct ns_request *ret,
		      struct err *err)
{
	const char *flag = rows[row].flag;
	own(container) struct container other = CONTAINER_INIT;

	if (!store)
		return err_set(err, ERR_INTERNAL, 0, "%s: there is no store", flag);
	if (store_find(store, ref, &other, err) < 0 || store_need_spec(&other, err) < 0)
		return err_wrap(err, "%s", flag);
	if (other.status != CT_RUNNING) {
		err_set(err, ERR_STATE, 0, "%s: container '%s' is not running", flag, ref);
		return err_hint(err, "'insula start %s' starts it", ref);
	}
	if (refuse_hosts(&other, row, err) < 0)
		return -1;
	ret->path = str_printf(err, BY_CONTAINER "%s", other.id);
	if (!ret->path)
		return -1;
	ret->mode = NS_MODE_CONTAINER;
	ret->hostname = str_dup(record_hostname(&other.record), err);
	if (!ret->hostname || strv_copy(&ret->hosts, &other.record.hosts, err) < 0 ||
	    strv_copy(&ret->resolv, &other.record.resolv, err) < 0)
		return -1;
	ret->host_names = other.record.host_names;
	if (rows[row].kind != SPEC_NS_USER || !other.record.userns)
		return 0;
	ret->userns = str_dup(other.record.userns, err);
	return ret->userns ? 0 : -1;
}

static int parse_mode(struct store *store, size_t row, const char *text, struct ns_request *ret,
		      struct err *err)
{
	unsigned int may = rows[row].may;
	const char *flag = rows[row].flag;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strcmp(words[i].word, text) && (!words[i].may || words[i].may & may)) {
			ret->mode = words[i].mode;
			return 0;
		}
	if (may & MAY_CONTAINER && str_starts(text, BY_CONTAINER))
		return find_other(store, text + strlen(BY_CONTAINER), row, ret, err);
	if (!(may & MAY_PATH) || !str_starts(text, BY_PATH))
		return unknown_mode(flag, text, may, err);
	if (text[strlen(BY_PATH)] != '/')
		return err_set(err, ERR_USAGE, 0, "%s: '%s' is not an absolute path", flag,
			       text + strlen(BY_PATH));
	ret->mode = NS_MODE_PATH;
	ret->path = str_dup(text + strlen(BY_PATH), err);
	return ret->path ? 0 : -1;
}

void request_namespaces_done(struct request_namespaces *r)
{
	for (size_t i = 0; i < SPEC_NS_COUNT; i++) {
		free(r->of[i].path);
		free(r->of[i].hostname);
		free(r->of[i].userns);
		strv_done(&r->of[i].hosts);
		strv_done(&r->of[i].resolv);
	}
}

/* What only one of the two may ask for. */
static int check_user(const struct store *store, const struct run_options *options, struct err *err)
{
	bool user = store && store->user,
	     ids = str_eq(options->userns, "keep-id") || str_eq(options->userns, "nomap");

	if (ids && !user) {
		err_set(err, ERR_USAGE, 0, "--userns %s is for an ordinary user's containers",
			options->userns);
		return err_hint(err,
				"yours have a range of ids of their own, in which you are not");
	}
	if (!user || !str_eq(options->userns, "host"))
		return 0;
	err_set(err, ERR_DENIED, 0, "--userns host takes root");
	return err_hint(err, "an ordinary user's container has a user namespace in any case");
}

/* Those that an ordinary user joins must be below one user namespace. A start looks again. */
static int check_together(struct store *store, const struct request_namespaces *r, struct err *err)
{
	const char *paths[SPEC_NS_COUNT];
	own_fd int outer_fd = -1;

	for (size_t i = 0; i < SPEC_NS_COUNT; i++)
		paths[i] = r->of[i].path;
	return launch_find_outer(store, paths, &outer_fd, err);
}

int request_namespaces(struct store *store, const struct run_options *options,
		       struct request_namespaces *ret, struct err *err)
{
	*ret = (struct request_namespaces){0};
	if (check_user(store, options, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *text = *(char *const *)((const char *)options + rows[i].text);
		struct ns_request *r = &ret->of[rows[i].kind];

		r->mode = NS_MODE_PRIVATE;
		if (text && parse_mode(store, i, text, r, err) < 0)
			return -1;
	}
	return store && store->user ? check_together(store, ret, err) : 0;
}

int request_set_namespaces(const struct request_namespaces *r, struct spec *spec, struct err *err)
{
	struct spec_namespace *ns = spec->linux_.namespaces;

	ns[SPEC_NS_MNT].given = true;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct ns_request *from = &r->of[rows[i].kind];

		ns[rows[i].kind].given = from->mode != NS_MODE_HOST;
		if (!from->path)
			continue;
		ns[rows[i].kind].path = str_dup(from->path, err);
		if (!ns[rows[i].kind].path)
			return -1;
	}
	return 0;
}

bool engine_wants_host_root(const struct run_options *options)
{
	return geteuid() == 0 && str_eq(options->userns, "host");
}

bool engine_wants_seal(const struct store *store, const struct spec *spec)
{
	return !spec->linux_.namespaces[SPEC_NS_USER].given ||
	       (store->user && rootless_reaches_program());
}
