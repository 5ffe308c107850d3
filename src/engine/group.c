/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the control groups of the engine's containers are (group.h has the contract). On a host that systemd
 * runs, whatever we would make beside its tree it could take away, and what stays in the group of a login
 * session ends with the session; so a keeper, and with it its container, lives in a scope that is asked of
 * systemd. Elsewhere a group is a directory of our own.
 */
#include "engine/group.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/store.h"
#include "kernel/ns.h"
#include "kernel/procattr.h"
#include "runtime/place.h"
#include "runtime/scope.h"

#define SLICE "machine.slice"
#define USER_SLICE "user.slice"
#define SCOPE_TIMEOUT_MS 30000
#define PARENT_MAX 160 /* with a container's own name it is to be one that the kernel side takes */
#define CLEAR_UP_MS 10000			      /* of a keeper whose container has ended */
#define STOP_MS_MAX (UINT64_MAX / 1000 - CLEAR_UP_MS) /* more is as good as never */

void group_place_done(struct group_place *place)
{
	free(place->name);
	*place = GROUP_PLACE_INIT;
}

/* A slice makes the path that systemd has it at, also where systemd does not make the group itself. */
static char *parent_path(const char *parent, struct err *err)
{
	return str_ends(parent, ".slice") && !strchr(parent, '/')
		       ? cgroup_place_slice_path(parent, err)
		       : str_dup(parent, err);
}

static char *plain_name(const char *id, const char *parent, struct err *err)
{
	own_free char *above = parent ? parent_path(parent, err) : NULL;

	if (parent && !above)
		return NULL;
	return str_printf(err, "%s%s" STORE_CGROUP_PREFIX "%s", above ? above : "",
			  above ? "/" : "", id);
}

char *group_unit(const char *id, struct err *err)
{
	return str_printf(err, STORE_CGROUP_PREFIX "%s.scope", id);
}

static char *scoped_name(const char *id, const char *parent, struct err *err)
{
	own_free char *above = parent_path(parent ? parent : SLICE, err);

	return above ? str_printf(err, "%s/" STORE_CGROUP_PREFIX "%s.scope/container", above, id)
		     : NULL;
}

static char *user_scoped_name(const char *id, const char *parent, unsigned int uid, struct err *err)
{
	own_free char *below = scoped_name(id, parent ? parent : USER_SLICE, err);

	return below ? str_printf(err, "user.slice/user-%u.slice/user@%u.service/%s", uid, uid,
				  below)
		     : NULL;
}

/* As the host knows the user: a keeper of his is root of his namespace. 0: it cannot be told. */
static unsigned int own_uid(void)
{
	struct err ignored = ERR_INIT;
	struct id_map map[NS_MAP_MAX];
	uint32_t uid = 0;
	own_fd int proc_fd = geteuid() == 0 ? procfs_open(&ignored) : -1;
	ssize_t count = proc_fd < 0 ? 0 : ns_read_map(proc_fd, 0, false, map, &ignored);

	if (geteuid() != 0)
		return geteuid();
	return count > 0 && id_map_outer(map, (size_t)count, 0, &uid) ? uid : 0;
}

char *group_scope(const char *id, const char *parent, bool user, struct err *err)
{
	char *name = user ? user_scoped_name(id, parent, own_uid(), err)
			  : scoped_name(id, parent, err);

	if (name)
		*strrchr(name, '/') = '\0';
	return name;
}

static unsigned int depth_above(const char *name)
{
	unsigned int depth = 0;

	for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/'))
		depth++;
	return depth;
}

/* ---- the parent ---- */

static bool is_by_slice(bool user)
{
	return scope_host_has_manager() && (!user || scope_available(true));
}

static int check_slice(const char *text, char **ret, struct err *err)
{
	if (cgroup_place_check_slice(text, "--cgroup-parent", err) < 0 || str_eq(text, "-.slice")) {
		err->kind = ERR_USAGE;
		return err_hint(err, "systemd makes the control groups here: name a slice of its, "
				     "as machine.slice or web-fast.slice");
	}
	*ret = str_dup(text, err);
	return *ret ? 0 : -1;
}

/* "." and "..", and what another container's is called: two of one name would be one's limits for both. */
static int check_part(const char *part, size_t len, struct err *err)
{
	static const char prefix[] = STORE_CGROUP_PREFIX;
	size_t skip = sizeof prefix - 1;
	own_free char *id = NULL;

	if (len == 1 && part[0] == '.')
		return err_set(err, ERR_USAGE, 0, "--cgroup-parent: '.' is no directory's name");
	if (len == 2 && part[0] == '.' && part[1] == '.')
		return err_set(err, ERR_USAGE, 0, "--cgroup-parent: '..' would lead elsewhere");
	if (len != skip + STORE_ID_LENGTH || strncmp(part, prefix, skip) != 0)
		return 0;
	id = str_dup_len(part + skip, STORE_ID_LENGTH, err);
	if (!id)
		return -1;
	return store_is_id(id)
		       ? err_set(err, ERR_USAGE, 0,
				 "--cgroup-parent: '%.*s' is a container's group", (int)len, part)
		       : 0;
}

/* Parts with one slash between them, and none around. */
static int check_path(const char *text, char **ret, struct err *err)
{
	own(str) struct str path = STR_INIT(PARENT_MAX);

	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "/");

		if (len && check_part(p, len, err) < 0)
			return -1;
		if (len && path.len)
			str_add_char(&path, '/');
		str_add_len(&path, p, len);
		p += len + (p[len] == '/');
	}
	if (str_check(&path, "--cgroup-parent", err) < 0)
		return -1;
	if (!path.len)
		return err_set(err, ERR_USAGE, 0, "--cgroup-parent: '%s' is the usual place", text);
	*ret = str_take(&path);
	return *ret ? 0 : -1;
}

/* An absolute path of an ordinary user's begins with what his own group is in; the rest is kept. */
static int strip_own(const char **text, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own_free char *below = NULL;
	size_t len;

	if (**text != '/')
		return 0;
	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	below = cgroup_place_beside(&host, "", err);
	if (!below)
		return -1;
	len = strlen(below);
	if (strncmp(*text + 1, below, len) == 0) {
		*text += 1 + len;
		return 0;
	}
	err_set(err, ERR_DENIED, 0,
		"--cgroup-parent: '%s' is not below '/%s', where your groups are", *text, below);
	return err_hint(err, "a path without a slash before it begins there");
}

int group_parent_check(const char *text, bool user, char **ret, struct err *err)
{
	if (str_has_control(text))
		return err_set(err, ERR_USAGE, 0, "--cgroup-parent has control characters");
	if (is_by_slice(user))
		return check_slice(text, ret, err);
	if (user && strip_own(&text, err) < 0)
		return -1;
	return check_path(text, ret, err);
}

/* ---- the scope ---- */

/* A manager that stops the scope, as at the shutdown of the host, asks the keeper, who gives the container its time
 * and writes down how it ended: the store's file system has to be there still. */
static int add_properties(const struct group_asker *asker, struct scope_properties *p,
			  struct err *err)
{
	uint64_t stop_us = asker->stop_timeout_ms > STOP_MS_MAX
				   ? UINT64_MAX
				   : (asker->stop_timeout_ms + CLEAR_UP_MS) * 1000;
	own_free char *store = realpath(asker->store, NULL);

	if (!store)
		return err_errno(err, "cannot resolve '%s'", asker->store);
	if (scope_add(p, "TimeoutStopUSec", "t", err, "%" PRIu64, stop_us) < 0)
		return -1;
	return scope_add(p, "RequiresMountsFor", "as", err, "%s", store);
}

static int fill_request(const char *id, const struct group_asker *asker, struct scope_request *ret,
			struct err *err)
{
	*ret = (struct scope_request){
		.verb = SCOPE_START,
		.user = asker->user,
		.unit = group_unit(id, err),
		.slice = str_dup(asker->parent ? asker->parent
				 : asker->user ? USER_SLICE
					       : SLICE,
				 err),
		.description = str_printf(err, "insula container %.12s", id),
		.pid = (uint64_t)asker->host_pid,
		.timeout_ms = SCOPE_TIMEOUT_MS,
	};
	if (!ret->unit || !ret->slice || !ret->description)
		return -1;
	return add_properties(asker, &ret->properties, err);
}

static int name_in_scope(const char *path, struct group_place *ret, struct err *err)
{
	char *name = str_printf(err, "%s/container", path + 1);

	if (!name)
		return -1;
	free(ret->name);
	ret->name = name;
	ret->foreign = depth_above(name);
	return 0;
}

/* From the scope itself to a directory of it, and then the helper may go. */
static int settle_in(struct scope *scope, const char *path, struct group_place *ret,
		     struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};

	if (cgroup_host_probe(AT_FDCWD, &host, err) < 0 ||
	    cgroup_move_below(&host, path, "keeper", 0, err) < 0 || scope_settle(scope, err) < 0)
		return -1;
	/* On v1 the hierarchies are not systemd's alone, and the container's group stays at the top. */
	return host.mode == CGROUP_V2 ? name_in_scope(path, ret, err) : 0;
}

/* No keeper of this container lives but us, so one of that name is what systemd has not ended yet, or never will. */
static int ask_for(const struct scope_request *request, const char *id,
		   const struct group_asker *asker, struct scope *ret,
		   struct scope_reply *ret_reply, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	struct err ending = ERR_INIT;

	if (scope_ask(request, ret, ret_reply, err) == 0)
		return 0;
	if (err->kind != ERR_EXISTS || cgroup_host_probe_groups(&host, &ending) < 0 ||
	    group_end_scope(&host, id, asker->parent, asker->user, &ending) < 0)
		return -1;
	*err = ERR_INIT;
	return scope_ask(request, ret, ret_reply, err);
}

static int make_scope(const char *id, const struct group_asker *asker, struct group_place *ret,
		      struct err *err)
{
	own(scope) struct scope scope = SCOPE_INIT;
	struct scope_request request;
	struct scope_reply reply;
	int status = fill_request(id, asker, &request, err);

	if (status == 0)
		status = ask_for(&request, id, asker, &scope, &reply, err);
	if (status == 0)
		status = settle_in(&scope, reply.path, ret, err);
	scope_request_done(&request);
	return status;
}

/* Are we in the scope of this container already, as a keeper that starts it again is? Its path with a slash
 * before it; NULL: no. */
static char *own_scope(const char *id, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own_free char *unit = str_printf(err, "/" STORE_CGROUP_PREFIX "%s.scope", id);

	if (!unit || cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return NULL;
	for (size_t i = 0; i < host.count; i++) {
		const char *found = strstr(host.hierarchies[i].own, unit);
		size_t end = found ? (size_t)(found - host.hierarchies[i].own) + strlen(unit) : 0;

		if (host.mode == CGROUP_V2 && end)
			return str_dup_len(host.hierarchies[i].own, end, err);
	}
	return NULL;
}

/* Beside the group that we are in, whether or not it may be made there. */
static int beside(const char *id, const char *parent, const struct cgroup_host *host,
		  struct group_place *ret, struct err *err)
{
	own_free char *name = plain_name(id, parent, err);

	ret->name = name ? cgroup_place_beside(host, name, err) : NULL;
	ret->foreign = ret->name ? depth_above(ret->name) - depth_above(name) : 0;
	return ret->name ? 0 : -1;
}

static int place_without_scope(const char *id, const struct group_asker *asker,
			       struct group_place *ret, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};

	if (asker->user)
		return cgroup_host_probe(AT_FDCWD, &host, err) < 0
			       ? -1
			       : beside(id, asker->parent, &host, ret, err);
	ret->name = plain_name(id, asker->parent, err);
	return ret->name ? 0 : -1;
}

/* On v2 systemd has one tree, and a group in it that it knows nothing of it may change or remove. On v1 that is the
 * hierarchy with its name, and ours are others. */
static int refuse_outside(const struct err *reason, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};

	if (cgroup_host_probe_groups(&host, err) < 0)
		return -1;
	if (host.mode != CGROUP_V2)
		return 0;
	err_set(err, ERR_STATE, 0, "systemd cannot be asked for the container's control group: %s",
		reason ? reason->message : "it has no bus here");
	return err_hint(err, "what is made in its tree without it, it may take away; see "
			     "'systemctl status dbus'");
}

int group_enter_scope(const char *id, const struct group_asker *asker, struct group_place *ret,
		      struct strv *warnings, struct err *err)
{
	struct err reason = ERR_INIT;
	own_free char *scope = asker->again ? own_scope(id, &reason) : NULL;

	if (place_without_scope(id, asker, ret, err) < 0)
		return -1;
	if (scope)
		return name_in_scope(scope, ret, err);
	if (!scope_host_has_manager())
		return 0;
	if (!scope_available(asker->user))
		return asker->user ? 0 : refuse_outside(NULL, err);
	if (make_scope(id, asker, ret, &reason) == 0)
		return 0;
	if (!asker->user && refuse_outside(&reason, err) < 0)
		return -1;
	return strv_addf(warnings, err,
			 "the container has no scope of its own and may end with this session: %s",
			 reason.message);
}

/* Whose manager's part of the tree we are in, or whose session. 0: nobody's. */
static unsigned int user_of_group(const struct cgroup_host *host)
{
	unsigned int uid = 0;

	for (size_t i = 0; i < host->count; i++)
		if (host->hierarchies[i].v2)
			sscanf(host->hierarchies[i].own, "/user.slice/user-%u.slice/", &uid);
	return uid;
}

int group_expect(const char *id, const char *parent, bool user, const struct cgroup_host *host,
		 struct group_place *ret, struct err *err)
{
	bool scoped = host->mode == CGROUP_V2 && scope_available(user);

	if (!scoped && !user && scope_host_has_manager() && refuse_outside(NULL, err) < 0)
		return -1;
	if (scoped)
		ret->name = !user ? scoped_name(id, parent, err)
			    : user_of_group(host)
				    ? user_scoped_name(id, parent, user_of_group(host), err)
				    : NULL;
	if (!ret->name && user)
		return beside(id, parent, host, ret, err);
	if (!ret->name)
		ret->name = plain_name(id, parent, err);
	ret->foreign = scoped && ret->name ? depth_above(ret->name) : 0;
	return ret->name ? 0 : -1;
}

/* ---- finding it ---- */

/* Of an ordinary user by his manager, or beside the group that we are in, as that of the start was. */
static int open_users(const struct cgroup_host *host, const char *id, const char *parent,
		      struct cgroup *ret, struct err *err)
{
	own(group_place) struct group_place near = GROUP_PLACE_INIT;
	own_free char *scoped = user_scoped_name(id, parent, own_uid(), err);

	if (!scoped || beside(id, parent, host, &near, err) < 0)
		return -1;
	if (cgroup_open(host, scoped, ret, err) == 0)
		return 0;
	if (err->kind != ERR_NOT_FOUND)
		return -1;
	*err = ERR_INIT;
	return cgroup_open(host, near.name, ret, err);
}

static int open_by_id(const struct cgroup_host *host, const struct container *ct,
		      struct cgroup *ret, struct err *err)
{
	const char *id = ct->id, *parent = ct->record.cgroup_parent;
	own_free char *plain = plain_name(id, parent, err);
	own_free char *scoped = scoped_name(id, parent, err);

	if (!plain || !scoped)
		return -1;
	if (ct->store->user)
		return open_users(host, id, parent, ret, err);
	if (cgroup_open(host, plain, ret, err) == 0)
		return 0;
	if (err->kind != ERR_NOT_FOUND || host->mode != CGROUP_V2)
		return -1;
	*err = ERR_INIT;
	return cgroup_open(host, scoped, ret, err);
}

/* Does its state say where its group is, or that there is none? */
static bool is_told(const struct container *ct)
{
	return (ct->store->user || ct->state.cgroup) && ct->state.version;
}

int group_open_of(const struct cgroup_host *host, const struct container *ct, struct cgroup *ret,
		  struct err *err)
{
	if (is_told(ct))
		return ct->state.cgroup ? cgroup_open(host, ct->state.cgroup, ret, err) : 0;
	return open_by_id(host, ct, ret, err);
}

bool group_is_to_be_had(const struct cgroup_host *host)
{
	struct err ignored = ERR_INIT;
	own_free char *name = cgroup_place_beside(host, "container", &ignored);

	if (scope_host_has_manager() && scope_available(true))
		return true;
	if (!name)
		return false;
	char *slash = strrchr(name, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < host->count; i++)
		if (faccessat(host->hierarchies[i].dir_fd, slash ? name : ".", W_OK, AT_EACCESS) <
		    0)
			return false;
	return host->count > 0;
}

int group_refuse_none(const struct container *ct, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, 0,
		"container '%s' has no control group: none was delegated to you", ct->record.name);
	return err_hint(err, "have one delegated: \"Delegation\" in insula-runtime(8)");
}

int group_need(const struct cgroup_host *host, const struct container *ct, struct cgroup *ret,
	       struct err *err)
{
	if (group_open_of(host, ct, ret, err) < 0)
		return -1;
	return ret->count ? 0 : group_refuse_none(ct, err);
}

int group_name_of(const struct cgroup_host *host, const struct container *ct, char **ret,
		  struct err *err)
{
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	struct err absent = ERR_INIT;

	*ret = NULL;
	if (is_told(ct) && !ct->state.cgroup)
		return 0;
	if (is_told(ct))
		*ret = str_dup(ct->state.cgroup, err);
	else if (group_open_of(host, ct, &cg, &absent) < 0)
		*ret = plain_name(ct->id, ct->record.cgroup_parent, err);
	else
		*ret = str_dup(cg.name, err);
	return *ret ? 0 : -1;
}
