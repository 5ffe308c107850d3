/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making a group: one directory of the same name in every hierarchy, then the plan's writes.
 *
 * Everything is relative to the descriptors of the hierarchies' tops. The parent's descriptor is
 * kept with the group's own, because later, in a mount namespace without any cgroup mount, removal
 * is unlinkat(parent, name) and nothing else would work. No file is read that need not be: a start
 * makes about ten directories, and each system call here is paid at every start.
 *
 * A directory that exists already is removed and made anew: the kernel refuses that (EBUSY) where
 * it has processes or sub-groups, so what is taken over is certainly empty and has no limits of an
 * earlier life. One that we may not remove, because only it and not its parent was given to us, is
 * taken as it is, if nothing lives in it. Whatever was made is removed again, by descriptor, when a
 * later step fails.
 *
 * What is above may be made and removed by others at the same time, who have groups of their own there: until ours is in
 * it, a directory can go between two of our steps. Then it is made again. Where the plan says so, directories that are
 * made above a group are marked by an extended attribute, so that whoever is the last to leave may remove them.
 *
 * v2 needs each controller enabled in cgroup.subtree_control of every directory above the group,
 * which the kernel refuses (EBUSY) where such a directory, other than the root, has processes of
 * its own. The controllers that the plan writes to must be there; those that it does not are enabled if they can
 * be, as what a container uses is counted by them, and it may want to limit what it has below itself. What
 * is above a delegated directory is not ours to write, and mostly has them; but those that systemd does not know
 * (hugetlb, misc, rdma) are enabled there, too, where a limit needs them and we may.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/own.h"
#include "kernel/cgroup_device.h"
#include "kernel/cgroup_internal.h"

/* Long lists of CPUs are possible; one that does not fit is an error of the write that copies it. */
#define CPUSET_TEXT_SIZE 4096
#define PARENT_MARK \
	"user.insula.parent" /* "trusted." would take capabilities to read, which no keeper has */
#define PARENT_TRIES 50
#define PARENT_PAUSE_US 1000

/* A group under construction, undone at the end of its scope. */
struct building {
	struct cgroup cg;
};

/* What it is made by. */
struct recipe {
	const struct cgroup_plan *plan;
	char enable[CGROUP_ENABLE_SIZE];
};

/* The last `made` of the first `depth` directories of the name; parent_fd is the last of them. */
static void remove_parents(int parent_fd, const char *name, unsigned int depth, unsigned int made)
{
	own_fd int fd = -1;
	char part[256];

	if (made == 0)
		return;
	fd = openat(parent_fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (; made > 0 && fd >= 0; made--) {
		int up;

		/* In use by somebody else by now, or gone: either way it is not ours any more. */
		if (unlinkat(fd, cgroup_name_part(name, --depth, part), AT_REMOVEDIR) < 0)
			return;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd_close(fd);
		fd = up;
	}
}

void cgroup_remove_parents(const struct cgroup *cg, struct cgroup_member *member)
{
	remove_parents(member->parent_fd, cg->name, cgroup_name_depth(cg->name) - 1,
		       member->made_parents);
	member->made_parents = 0;
}

static void building_done(struct building *b)
{
	for (size_t i = b->cg.count; i-- > 0;) {
		struct cgroup_member *member = &b->cg.members[i];

		if (member->made)
			unlinkat(member->parent_fd, cgroup_leaf(&b->cg), AT_REMOVEDIR);
		cgroup_remove_parents(&b->cg, member);
	}
	cgroup_done(&b->cg);
}

/* ---- v2: controllers ---- */

/* A controller's name is what stands before the first dot of its files. */
static void add_enable(char *text, size_t size, const char *file)
{
	size_t used = strlen(text);
	char word[64];

	snprintf(word, sizeof(word), "+%.*s ", (int)strcspn(file, "."), file);
	if (strcmp(word, "+cgroup ") == 0 || strstr(text, word))
		return;
	snprintf(text + used, size - used, "%s", word);
}

const char *cgroup_enable_text(const struct cgroup_host *host, const struct cgroup_plan *plan,
			       char buf[static CGROUP_ENABLE_SIZE])
{
	buf[0] = '\0';
	for (size_t i = 0; i < plan->count; i++)
		if (host->hierarchies[plan->writes[i].hierarchy].v2)
			add_enable(buf, CGROUP_ENABLE_SIZE, plan->writes[i].file);
	return buf;
}

/* Is every "+word " of the text enabled already? */
static bool is_enabled(int dir_fd, const char *text)
{
	char have[CGROUP_ENABLE_SIZE];
	char list[CGROUP_ENABLE_SIZE + 2];

	if (cgroup_get(dir_fd, "cgroup.subtree_control", have, sizeof(have)) < 0)
		return false;
	snprintf(list, sizeof(list), " %s ", have);
	for (const char *word = text; *word == '+'; word = strchr(word, ' ') + 1) {
		char wanted[64];

		snprintf(wanted, sizeof(wanted), " %.*s ", (int)strcspn(word + 1, " "), word + 1);
		if (!strstr(list, wanted))
			return false;
	}
	return true;
}

/* ENOENT says that, or that the directory itself is gone. */
static bool lacks_controllers(int dir_fd)
{
	return faccessat(dir_fd, "cgroup.subtree_control", F_OK, 0) == 0;
}

static int enable(int dir_fd, const char *text, const char *name, struct err *err)
{
	static const struct {
		int errnum;
		const char *reason, *hint;
	} reasons[] = {
		{EBUSY, "processes live in its parent",
		 "move them to a sub-group, or choose another parent"},
		{EOPNOTSUPP, "its parent is a threaded group",
		 "choose a parent whose cgroup.type is 'domain'"},
		{ENOENT, "its parent does not have them all", "see cgroup.controllers there"},
		{EACCES, "it is not delegated to us", "see \"Delegation\" in insula-runtime(8)"},
	};
	int errnum;

	if (!*text || cgroup_put(dir_fd, "cgroup.subtree_control", text) == 0)
		return 0;
	errnum = errno;
	if (is_enabled(dir_fd, text))
		return 0;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].errnum != errnum || (errnum == ENOENT && !lacks_controllers(dir_fd)))
			continue;
		/* Not as a directory that is gone, which would be made again. */
		err_set(err, errnum == EBUSY ? ERR_BUSY : err_kind_of(errnum),
			errnum == ENOENT ? 0 : errnum, "cannot enable %sabove cgroup '%s': %s",
			text, name, reasons[i].reason);
		return err_hint(err, "%s", reasons[i].hint);
	}
	errno = errnum;
	return err_errno(err, "cannot enable %sabove cgroup '%s'", text, name);
}

/* Whatever else a container may want to see or to give on: all that the directory can give, as it is with the
 * others. A write is all or nothing, so where that fails it is as many of them as can be had. */
static void enable_more(int dir_fd)
{
	char have[CGROUP_ENABLE_SIZE], text[CGROUP_ENABLE_SIZE] = "";
	char *rest = have;

	if (cgroup_get(dir_fd, "cgroup.controllers", have, sizeof(have)) <= 0)
		return;
	for (char *name; (name = strsep(&rest, " "));)
		if (*name)
			add_enable(text, sizeof(text), name);
	if (is_enabled(dir_fd, text) || cgroup_put(dir_fd, "cgroup.subtree_control", text) == 0)
		return;
	for (char *word = text, *end; (end = strchr(word, ' ')); word = end + 1) {
		*end = '\0';
		cgroup_put(dir_fd, "cgroup.subtree_control", word);
	}
}

/* In a directory of somebody else's, who is mostly systemd. It never writes about controllers that it does not know, so
 * that without us a scope could not have them at all; a failure is told by the first directory of our own. */
static void enable_unmanaged(int dir_fd, const char *text)
{
	static const char *const unmanaged[] = {"+hugetlb ", "+misc ", "+rdma "};

	for (size_t i = 0; i < sizeof(unmanaged) / sizeof(*unmanaged); i++)
		if (strstr(text, unmanaged[i]) && !is_enabled(dir_fd, unmanaged[i]))
			cgroup_put(dir_fd, "cgroup.subtree_control", unmanaged[i]);
}

static int enable_at(int dir_fd, bool foreign, const char *text, const char *name, struct err *err)
{
	if (!foreign)
		return enable(dir_fd, text, name, err);
	enable_unmanaged(dir_fd, text);
	return 0;
}

int cgroup_enable_down(int top_fd, const char *name, unsigned int foreign, const char *text,
		       struct err *err)
{
	unsigned int depth = cgroup_name_depth(name);
	own_fd int fd = fcntl(top_fd, F_DUPFD_CLOEXEC, 0);
	char part[256];

	for (unsigned int i = 0; fd >= 0; i++) {
		int down;

		if (enable_at(fd, i < foreign, text, name, err) < 0)
			return -1;
		if (i + 1 == depth)
			return 0;
		down = openat(fd, cgroup_name_part(name, i, part),
			      O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd_close(fd);
		fd = down;
	}
	return err_errno(err, "cannot open what is above cgroup '%s'", name);
}

/* ---- v1: cpusets ---- */

static int copy_cpuset_file(int parent_fd, int fd, const char *file)
{
	char text[CPUSET_TEXT_SIZE];

	if (cgroup_get(parent_fd, file, text, sizeof(text)) < 0)
		return -1;
	return cgroup_put(fd, file, text);
}

/* A directory above ours without CPUs or nodes: nothing below it could have any. */
static int fill_cpuset(int parent_fd, int fd, const char *name, struct err *err)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	char text[CPUSET_TEXT_SIZE];

	for (size_t i = 0; i < 2; i++)
		if (cgroup_get(fd, files[i], text, sizeof(text)) < 0 ||
		    (!*text && copy_cpuset_file(parent_fd, fd, files[i]) < 0))
			return err_errno(err, "cannot copy %s above cgroup '%s'", files[i], name);
	return 0;
}

/* ---- directories ---- */

bool cgroup_parent_is_marked(int top_fd, const char *path)
{
	own_fd int fd = openat(top_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && fgetxattr(fd, PARENT_MARK, NULL, 0) >= 0;
}

/* From member->parent_fd to its sub-directory `part`, which is made if it is missing. */
static int step_down(const struct cgroup_hierarchy *h, const struct cgroup *cg,
		     struct cgroup_member *member, const char *part, bool mark, struct err *err)
{
	int up = member->parent_fd;
	bool made = mkdirat(up, part, 0755) == 0;
	own_fd int fd = -1;

	if (!made && errno != EEXIST)
		return err_errno(err, "cannot make '%s' above cgroup '%s' in %s", part, cg->name,
				 h->mount);
	fd = openat(up, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		err_errno(err, "cannot open '%s' above cgroup '%s' in %s", part, cg->name,
			  h->mount);
	if (fd >= 0 && made && mark)
		fsetxattr(fd, PARENT_MARK, "", 0,
			  0); /* without it, it stays if it is left to others */
	if (fd < 0 ||
	    (!h->v2 && (h->controllers & CG_CPUSET) && fill_cpuset(up, fd, cg->name, err) < 0)) {
		if (made)
			unlinkat(up, part, AT_REMOVEDIR);
		return -1;
	}
	/* Only what is the end of the name without a gap can be undone from there. */
	member->made_parents = made ? member->made_parents + 1 : 0;
	member->parent_fd = take_fd(fd);
	fd_close(up);
	return 0;
}

/* The directory above the group, and on the way there whatever is missing. */
static int make_parents(const struct cgroup_hierarchy *h, const struct cgroup *cg,
			struct cgroup_member *member, const struct recipe *recipe, struct err *err)
{
	unsigned int foreign = recipe->plan->foreign;
	unsigned int depth = cgroup_name_depth(cg->name);
	char part[256];

	member->parent_fd = fcntl(h->dir_fd, F_DUPFD_CLOEXEC, 0);
	if (member->parent_fd < 0)
		return err_errno(err, "cannot duplicate a descriptor");
	for (unsigned int i = 0; i < depth; i++) {
		if (h->v2 && i >= foreign)
			enable_more(member->parent_fd);
		if ((h->v2 && enable_at(member->parent_fd, i < foreign, recipe->enable, cg->name,
					err) < 0) ||
		    (i + 1 < depth && step_down(h, cg, member, cgroup_name_part(cg->name, i, part),
						recipe->plan->mark_parents, err) < 0)) {
			remove_parents(member->parent_fd, cg->name, i, member->made_parents);
			member->made_parents = 0;
			return -1;
		}
	}
	return 0;
}

/* Does anything live there, or below? */
static bool is_populated(const struct cgroup_member *member, const char *leaf)
{
	own_fd int fd = openat(member->parent_fd, leaf,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char text[256], child[256];

	return fd < 0 || cgroup_get(fd, "cgroup.procs", text, sizeof(text)) != 0 ||
	       cgroup_first_child(fd, child) != 0;
}

/* Not debris: who freezes an empty group wants nothing to run in it. */
static bool is_kept_frozen(const struct cgroup_member *member, const char *leaf)
{
	own_fd int fd = openat(member->parent_fd, leaf,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char text[32];

	return fd >= 0 &&
	       (cgroup_get(fd, "cgroup.freeze", text, sizeof(text)) > 0 ||
		cgroup_get(fd, "freezer.self_freezing", text, sizeof(text)) > 0) &&
	       str_eq(text, "1");
}

static int take_existing(const struct cgroup_hierarchy *h, const struct cgroup *cg,
			 struct cgroup_member *member, struct err *err)
{
	const char *leaf = cgroup_leaf(cg);

	if (is_kept_frozen(member, leaf)) {
		err_set(err, ERR_STATE, 0, "cgroup '%s' is there already, and frozen in %s",
			cg->name, h->mount);
		return err_hint(err, "thaw it, or remove it, if it is nobody's");
	}
	if (unlinkat(member->parent_fd, leaf, AT_REMOVEDIR) == 0 || errno == ENOENT) {
		if (mkdirat(member->parent_fd, leaf, 0755) < 0)
			return err_errno(err, "cannot make cgroup '%s' in %s", cg->name, h->mount);
		member->made = true;
		return 0;
	}
	if (errno != EBUSY && errno != ENOTDIR && !is_populated(member, leaf))
		return 0;
	err_set(err, ERR_EXISTS, 0, "cgroup '%s' exists and is in use in %s", cg->name, h->mount);
	return err_hint(err, "another container may live there: see cgroup.procs in it");
}

static int make_directory(const struct cgroup_hierarchy *h, const struct cgroup *cg,
			  struct cgroup_member *member, bool adopt, struct err *err)
{
	int rc = mkdirat(member->parent_fd, cgroup_leaf(cg), 0755);

	if (rc == 0) {
		member->made = true;
		return 0;
	}
	if (errno == EEXIST)
		return adopt ? 0 : take_existing(h, cg, member, err);
	err_errno(err, "cannot make cgroup '%s' in %s", cg->name, h->mount);
	if (err->errnum == EROFS)
		return err_hint(err, "it is mounted read-only");
	if (err->errnum == EACCES)
		return err_hint(err, "the directory above it is not delegated to us: "
				     "\"Delegation\" in insula-runtime(8)");
	return -1;
}

static int open_tasks(struct cgroup_member *member)
{
	member->tasks_fd = openat(member->dir_fd, "tasks", O_WRONLY | O_CLOEXEC);
	return member->tasks_fd < 0 ? -1 : 0;
}

struct cgroup_member *cgroup_add_member(struct cgroup *cg, const struct cgroup_hierarchy *h,
					unsigned int index)
{
	struct cgroup_member *member = &cg->members[cg->count++];

	*member = (struct cgroup_member){.hierarchy = index,
					 .v1_freezer = !h->v2 && h->controllers & CG_FREEZER,
					 .parent_fd = -1,
					 .dir_fd = -1,
					 .tasks_fd = -1};
	return member;
}

static int make_directories(const struct cgroup_hierarchy *h, struct cgroup *cg,
			    struct cgroup_member *member, const struct recipe *recipe,
			    struct err *err)
{
	return make_parents(h, cg, member, recipe, err) < 0 ||
			       fail_point("cgroup.parents", err) < 0 ||
			       make_directory(h, cg, member, recipe->plan->adopt, err) < 0
		       ? -1
		       : 0;
}

/* Whoever had a group beside ours has removed what is above both. */
static bool parent_went(const struct cgroup *cg, const struct err *err)
{
	return cgroup_name_depth(cg->name) > 1 && (err->errnum == ENOENT || err->errnum == ENODEV);
}

static int make_member(const struct cgroup_hierarchy *h, struct cgroup *cg,
		       const struct recipe *recipe, struct err *err)
{
	int tries = 0;
	struct cgroup_member *member = cgroup_add_member(cg, h, (unsigned int)cg->count);

	while (make_directories(h, cg, member, recipe, err) < 0) {
		if (!parent_went(cg, err) || ++tries == PARENT_TRIES)
			return -1;
		cgroup_remove_parents(cg, member);
		fd_close(take_fd(member->parent_fd));
		*err = ERR_INIT;
		usleep(PARENT_PAUSE_US);
	}
	if (cgroup_member_open(cg, member, h->v2) < 0 || (!h->v2 && open_tasks(member) < 0))
		return err_errno(err, "cannot open cgroup '%s' in %s", cg->name, h->mount);
	return 0;
}

/* ---- values ---- */

/* The value at the top is known; below it, the parent's may be less. */
static int write_inherited(struct cgroup_writer *writer, const struct cgroup_write *write)
{
	const struct cgroup_member *member = &writer->cg->members[write->hierarchy];

	if (cgroup_name_depth(writer->cg->name) == 1 && *write->value)
		return cgroup_writer_put(writer, write);
	return copy_cpuset_file(member->parent_fd, member->dir_fd, write->file);
}

#define NO_DEVICE_RULES "linux.resources.devices: needs root of the initial user namespace"

static bool is_device_rule(const struct cgroup_write *write)
{
	return str_starts(write->file, "devices.");
}

/* Who may not write one, whoever owns the file, can make no device nodes either. Said once. */
static int skip_device_rule(struct cgroup *cg, struct err *err)
{
	for (size_t i = 0; i < cg->skipped.count; i++)
		if (str_eq(cg->skipped.items[i], NO_DEVICE_RULES))
			return 0;
	return strv_add(&cg->skipped, NO_DEVICE_RULES, err);
}

static int write_values(const struct cgroup_plan *plan, struct cgroup *cg, bool late,
			struct err *err)
{
	own(cgroup_writer) struct cgroup_writer writer = CGROUP_WRITER_INIT(plan, cg);
	bool missing = false;

	for (size_t i = 0; i < plan->count; i++) {
		const struct cgroup_write *write = &plan->writes[i];
		bool last = i + 1 == plan->count || !plan->writes[i + 1].alternative;

		if (write->late != late || (write->alternative && !missing))
			continue;
		missing = false;
		if ((write->inherit ? write_inherited(&writer, write)
				    : cgroup_writer_put(&writer, write)) == 0)
			continue;
		if (errno == EPERM && plan->unprivileged && is_device_rule(write)) {
			if (skip_device_rule(cg, err) < 0)
				return -1;
			continue;
		}
		if (errno != ENOENT && errno != EOPNOTSUPP)
			return cgroup_write_error(cg, write, errno, err);
		missing = true;
		if (last && cgroup_write_skipped(cg, write, err) < 0)
			return -1;
	}
	return 0;
}

/* A new v2 group allows every device that its parents do. */
static bool allows_all(const struct cgroup_plan *plan)
{
	return cgroup_device_is_all(&plan->devices[plan->device_count - 1]) &&
	       plan->devices[plan->device_count - 1].allow;
}

static int limit_devices(const struct cgroup_plan *plan, struct cgroup *cg, struct err *err)
{
	if (!plan->device_bpf || allows_all(plan) ||
	    cgroup_device_attach(cg->v2_fd, plan->devices, plan->device_count, err) == 0)
		return 0;
	if (plan->unprivileged && err->kind == ERR_DENIED)
		return skip_device_rule(cg, err);
	return err_wrap(err, "cannot limit the devices of cgroup '%s'", plan->name);
}

/* A new group below a frozen one is frozen from the start: its first process would never come back. */
static int check_thawed(const struct cgroup *cg, struct err *err)
{
	if (!cgroup_is_frozen(cg))
		return 0;
	err_set(err, ERR_STATE, 0,
		"cgroup '%s' is frozen, as one above it is: nothing can run in it", cg->name);
	return err_hint(err, "thaw the group above it first");
}

static int make_group(const struct cgroup_host *host, const struct cgroup_plan *plan,
		      struct cgroup *ret, struct err *err)
{
	own(building) struct building b = {.cg = CGROUP_INIT};
	struct recipe recipe = {.plan = plan};

	memcpy(b.cg.name, plan->name, sizeof(b.cg.name));
	cgroup_enable_text(host, plan, recipe.enable);
	for (size_t i = 0; i < host->count; i++)
		if (make_member(&host->hierarchies[i], &b.cg, &recipe, err) < 0 ||
		    fail_point("cgroup-made", err) < 0)
			return -1;
	if (check_thawed(&b.cg, err) < 0 || write_values(plan, &b.cg, false, err) < 0 ||
	    fail_point("cgroup-limited", err) < 0 || limit_devices(plan, &b.cg, err) < 0)
		return -1;
	*ret = b.cg;
	b.cg = CGROUP_INIT;
	return 0;
}

/* Nothing but what every group has: the parent's cpuset, and rules that only root can set. */
static bool asks_nothing(const struct cgroup_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		if (!plan->writes[i].inherit && !is_device_rule(&plan->writes[i]))
			return false;
	return true;
}

int cgroup_create(const struct cgroup_host *host, const struct cgroup_plan *plan,
		  struct cgroup *ret, struct err *err)
{
	struct cgroup none = CGROUP_INIT;

	if (make_group(host, plan, ret, err) == 0)
		return 0;
	if (err->kind != ERR_DENIED || !plan->unprivileged)
		return -1;
	if (!asks_nothing(plan)) {
		err_wrap(err, "the limits that are asked for need a control group");
		return err_hint(err, "have one delegated: \"Delegation\" in insula-runtime(8)");
	}
	if (!plan->unasked &&
	    strv_addf(&none.skipped, err, "runs without a control group of its own: %s",
		      err->message) < 0)
		return -1;
	debug_emit("no control group: %s", err->message);
	*err = ERR_INIT;
	*ret = none;
	return 0;
}

int cgroup_finish(const struct cgroup_plan *plan, struct cgroup *cg, struct err *err)
{
	return cg->count ? write_values(plan, cg, true, err) : 0;
}
