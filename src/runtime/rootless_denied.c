/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Systems that keep ordinary users from user namespaces, and what to do there.
 *
 * Where AppArmor restricts them, a namespace is refused to programs without a profile (EACCES), or, in later
 * versions, made and then without any right: the first thing that its root tries is refused. So that is tried
 * before anything is made in it.
 */
#include <string.h>

#include "base/fail.h"
#include "base/own.h"
#include "base/str.h"
#include "kernel/caps.h"
#include "kernel/procattr.h"
#include "runtime/rootless.h"

#define RESTRICTED "kernel.apparmor_restrict_unprivileged_userns"
#define CLONE "kernel.unprivileged_userns_clone"
#define ENFORCED " (enforce)"
#define LABEL_MAX 256
#define PROFILE "insula" /* and insula-runtime: apparmor/insula.in */

static bool sysctl_says(int proc_fd, const char *name, const char *value)
{
	struct err ignored = ERR_INIT;
	char text[32];

	return sysctl_read(proc_fd, name, text, sizeof text, &ignored) == 0 && str_eq(text, value);
}

/* By a profile of ours, our own name is "insula (unconfined)"; who executed us may have another that lets us. */
static bool has_profile(int proc_fd)
{
	char label[LABEL_MAX];

	lsm_own_label(proc_fd, label, sizeof label);
	return str_starts(label, PROFILE);
}

/* Linux 6.7 and later ask a profile that confines somebody whether he may, whatever the system's policy. */
static int explain_label(int proc_fd, struct err *err)
{
	char label[LABEL_MAX];

	lsm_own_label(proc_fd, label, sizeof label);
	if (str_ends(label, ENFORCED))
		return err_hint(err,
				"AppArmor's profile '%.*s', by which we run, may forbid user "
				"namespaces: see insula-rootless(7)",
				(int)(strlen(label) - strlen(ENFORCED)), label);
	return err_hint(err, "a security module, or the container that we are in, forbids "
			     "user namespaces: see insula-rootless(7)");
}

enum rootless_policy rootless_policy(int proc_fd)
{
	if (sysctl_says(proc_fd, CLONE, "0"))
		return ROOTLESS_FORBIDDEN;
	if (!sysctl_says(proc_fd, RESTRICTED, "1"))
		return ROOTLESS_ALLOWED;
	return has_profile(proc_fd) ? ROOTLESS_PROFILE : ROOTLESS_RESTRICTED;
}

int rootless_explain(int proc_fd, struct err *err)
{
	if (err->errnum == ENOSPC)
		return err_hint(err, "sysctl user.max_user_namespaces limits user namespaces: "
				     "root can raise it");
	if (err->errnum != EPERM && err->errnum != EACCES)
		return -1;
	switch (rootless_policy(proc_fd)) {
	case ROOTLESS_FORBIDDEN:
		return err_hint(err, "sysctl " CLONE " is 0: ordinary users may make no user "
				     "namespace; root can set it to 1");
	case ROOTLESS_RESTRICTED:
		return err_hint(
			err,
			"AppArmor keeps ordinary users from user namespaces (sysctl " RESTRICTED
			"): root can load Insula's profile, see "
			"insula-rootless(7)");
	default:
		return explain_label(proc_fd, err);
	}
}

int rootless_check_rights(struct err *err)
{
	struct err ignored = ERR_INIT;

	if (fail_point("rootless.rights", err) == 0 && caps_try(err) == 0)
		return 0;
	own_fd int proc_fd = procfs_open(&ignored);
	err_wrap(err, "this user namespace gives its root no right");
	return rootless_explain(proc_fd, err);
}
