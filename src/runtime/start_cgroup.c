/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The container's control group: made by us, or in a scope of the service manager. With a scope, the order
 * is: the manager makes it around a process that only holds the place; that process is moved into the
 * directory that becomes ours, because v2 allows no limits below a directory with processes; the limits
 * are written; C is born into it; the placeholder goes.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/own.h"
#include "runtime/start.h"

#define REMOVE_MS 2000
#define SCOPE_STOP_MS 5000

/* The plan was made with a guess of where the manager puts the scope. */
static int take_path(struct plan *plan, const char *path, struct err *err)
{
	const char *subgroup = plan->request.place->subgroup;
	struct cgroup_plan *cgroup = &plan->cgroup;

	if (path[0] != '/' || !path[1])
		return err_set(err, ERR_IO, 0, "systemd gave unit '%s' no control group",
			       plan->scope.unit);
	if (snprintf(cgroup->name, sizeof(cgroup->name), "%s%s%s", path + 1, *subgroup ? "/" : "",
		     subgroup) >= (int)sizeof(cgroup->name))
		return err_set(err, ERR_LIMIT, 0, "cgroup '%s' has a name that is too long", path);
	cgroup->foreign = 1;
	for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/'))
		cgroup->foreign++;
	return 0;
}

int start_scope(struct start *s, const struct step *step, struct err *err)
{
	struct plan *plan = s->plan;
	const char *subgroup = plan->request.place->subgroup;
	struct scope_reply reply;

	if (scope_ask(&plan->scope, &s->scope, &reply, err) < 0 ||
	    take_path(plan, reply.path, err) < 0)
		return -1;
	if (!*subgroup)
		return 0;
	return cgroup_move_below(plan->host, reply.path, subgroup, reply.placeholder, err);
}

/* "Cgroup ownership" of config-linux.md: of a group that the container sees as its root and may write in, its user
 * is the owner. On v1 that would hand over its own limits. */
static int hand_over(const struct start *s, struct err *err)
{
	const struct plan *plan = s->plan;
	uint32_t uid;

	if (plan->host->mode != CGROUP_V2 || !plan->request.place || !s->cgroup.count ||
	    !plan->own[NS_CGROUP] || !plan->cgroup_writable)
		return 0;
	if (start_host_id(s, false, plan->spec->process.user.uid, &uid, err) < 0)
		return -1;
	return uid == geteuid() ? 0 : cgroup_hand_over(&s->cgroup, uid, err);
}

static int refuse_no_group(bool tied, struct err *err)
{
	err_set(err, ERR_UNSUPPORTED, 0, "%s",
		tied ? "a container without a pid namespace of its own needs a control group, as "
		       "nothing else ends all of its processes, and none was delegated to you"
		     : "no control group was delegated to you");
	return err_hint(err, "have one delegated: \"Delegation\" in insula-runtime(8)");
}

/* Here, as the launch pad has no /sys to tell what a delegate may have. */
int start_cgroup(struct start *s, const struct step *step, struct err *err)
{
	const struct plan *plan = s->plan;
	const struct cgroup_place *place = plan->request.place;

	if (cgroup_create(plan->host, &plan->cgroup, &s->cgroup, err) < 0)
		return -1;
	if ((plan->request.tied || plan->request.needs_group) && !s->cgroup.count)
		return refuse_no_group(plan->request.tied, err);
	if (!place || !place->delegated)
		return hand_over(s, err);
	s->delegate_fd = cgroup_delegate(&s->cgroup, place->delegated, plan->root_uid,
					 plan->root_gid, err);
	return s->delegate_fd < 0 ? err_wrap(err, "annotations: run.oci.delegate-cgroup") : 0;
}

bool start_cgroup_may_attach(const struct start *s, int errnum)
{
	if (s->cgroup.v2_fd < 0)
		return false;
	return errnum == EACCES ? s->scope.sock_fd >= 0
				: errnum == ENOENT && s->joined_ns[NS_CGROUP] >= 0;
}

/* Where cgroup2 is mounted with nsdelegate, as systemd does, nobody moves anything out of a cgroup namespace that he is
 * in (ENOENT); C is in the one that it joins, and we can leave it again. */
static int attach_from_outside(const struct start *s, struct err *err)
{
	if (setns(s->own_ns[NS_CGROUP], (int)ns_flag(NS_CGROUP)) < 0)
		return err_errno(err, "cannot return to our cgroup namespace");
	return cgroup_join_all(&s->cgroup, s->child.pid, err);
}

static int attach(const struct start *s, struct err *err)
{
	if (s->joined_ns[NS_CGROUP] >= 0) {
		if (attach_from_outside(s, err) == 0)
			return 0;
		if (s->scope.sock_fd < 0)
			return -1;
		*err = ERR_INIT;
	}
	const struct scope_request *made = &s->plan->scope;
	const struct scope_request request = {.verb = SCOPE_ATTACH,
					      .user = made->user,
					      .unit = made->unit,
					      .subgroup = s->plan->request.place->subgroup,
					      .pid = (uint64_t)s->host_pid,
					      .timeout_ms = made->timeout_ms};

	return scope_ask_more(&s->scope, &request, err);
}

int start_cgroup_entered(struct start *s, struct err *err)
{
	if (s->must_attach && (attach(s, err) < 0 || fail_point("start.attached", err) < 0 ||
			       say_attached(s->sync_fd, err) < 0))
		return -1;
	/* On v1 C joins by itself, at some moment from now: the placeholder must not go before. */
	if (s->scope.sock_fd >= 0 && s->cgroup.count > 1 &&
	    cgroup_join_all(&s->cgroup, s->child.pid, err) < 0)
		return -1;
	if (cgroup_finish(&s->plan->cgroup, &s->cgroup, err) < 0)
		return -1;
	if (s->scope.sock_fd < 0)
		return 0;
	s->scope_made = true;
	return scope_settle(&s->scope, err);
}

void start_cgroup_undo(struct start *s)
{
	const struct scope_request *made = &s->plan->scope;
	struct scope_request stop = {.verb = SCOPE_STOP,
				     .user = made->user,
				     .unit = made->unit,
				     .timeout_ms = SCOPE_STOP_MS};
	struct err ignored = ERR_INIT;

	fd_close(s->delegate_fd);
	if (s->cgroup.count && cgroup_remove(&s->cgroup, REMOVE_MS, &ignored) < 0)
		s->plan->group_left = true;
	cgroup_done(&s->cgroup);
	scope_done(&s->scope);
	if (s->scope_made && scope_ask(&stop, NULL, NULL, &ignored) < 0)
		s->plan->group_left = true;
}
