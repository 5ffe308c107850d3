/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * New values for a group that runs.
 *
 * The order of writes that is right for a new group is not always right here. Raising the memory
 * limit above the old memory+swap is refused until that was raised, while lowering both works only
 * the other way round; quota, period and burst bound each other in the same way. Rather than know
 * each pair, what was refused is written again after everything else, and only then is it an error.
 *
 * Each file is read before it is written, and where a later write is refused all that was changed gets
 * its old value back, in reverse. So an update is done whole or not at all, as far as the kernel goes
 * along: what it freed or killed under a lower limit meanwhile is not brought back.
 *
 * Device rules change without a moment in which a device that both old and new rules allow is
 * refused: on v2 the program is replaced in one step, on v1 the set of exceptions is brought from
 * what it is to what it shall be, first by adding and then by removing. That is for groups that deny
 * by default, as every container's does. To and from "allow by default" the kernel goes through an
 * empty set, and does so in two steps, the first of which refuses everything; the group is frozen
 * meanwhile, so that nobody in it sees that.
 *
 * On v1 groups that were made below have sets of their own. The kernel takes out of those what is denied
 * above; what is new above is added to them here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "kernel/cgroup_device.h"
#include "kernel/cgroup_internal.h"

#define DEVICE_LIST_SIZE 65536
#define OLD_VALUE_SIZE 4096
#define SWITCH_FREEZE_MS 5000

static bool is_device_write(const struct cgroup_write *what)
{
	return str_starts(what->file, "devices.");
}

/* ---- devices on v1 ---- */

/* "c 1:3 rwm" as the kernel and our plan write it. */
static bool parse_device(const char *line, struct cgroup_device *ret)
{
	struct cgroup_device d = {0};
	char major[12], minor[12];

	if (sscanf(line, "%c %11[0-9*]:%11[0-9*] %3[rwm]", &d.type, major, minor, d.access) != 4)
		return false;
	d.major = *major == '*' ? -1 : strtoll(major, NULL, 10);
	d.minor = *minor == '*' ? -1 : strtoll(minor, NULL, 10);
	*ret = d;
	return true;
}

/* Access that the plan's writes leave to exactly these devices. */
static unsigned int planned_access(const struct cgroup_plan *plan, const struct cgroup_device *d)
{
	unsigned int access = 0;

	for (size_t i = 0; i < plan->count; i++) {
		struct cgroup_device other;

		if (is_device_write(&plan->writes[i]) &&
		    parse_device(plan->writes[i].value, &other) && other.type == d->type &&
		    other.major == d->major && other.minor == d->minor)
			access |= cgroup_device_access(&other);
	}
	return access;
}

/* Take away what the old list has beyond the plan. */
static int remove_stale(const struct cgroup_plan *plan, int dir_fd, char *list)
{
	for (char *line = strsep(&list, "\n"); line; line = strsep(&list, "\n")) {
		char text[DEVICE_TEXT_SIZE];
		struct cgroup_device d;
		unsigned int stale;

		if (!parse_device(line, &d))
			continue;
		stale = cgroup_device_access(&d) & ~planned_access(plan, &d);
		cgroup_device_set_access(&d, stale);
		if (stale && cgroup_put(dir_fd, "devices.deny", cgroup_device_text(&d, text)) < 0)
			return -1;
	}
	return 0;
}

/* Access that the list gives to exactly these devices. */
static unsigned int listed_access(const char *list, const struct cgroup_device *d)
{
	unsigned int access = 0;

	for (const char *line = list; line; line = strchr(line, '\n')) {
		struct cgroup_device other;

		line += *line == '\n';
		if (parse_device(line, &other) && other.type == d->type &&
		    other.major == d->major && other.minor == d->minor)
			access |= cgroup_device_access(&other);
	}
	return access;
}

struct additions {
	const struct cgroup_plan *plan;
	const char *list; /* before */
};

/* What the plan has beyond the old list; refused where somebody has denied it to the group above. */
static int allow_added(int dir_fd, void *data)
{
	const struct additions *a = data;

	for (size_t i = 0; i < a->plan->count; i++) {
		const struct cgroup_write *write = &a->plan->writes[i];
		char text[DEVICE_TEXT_SIZE];
		struct cgroup_device d;
		unsigned int added;

		if (!str_eq(write->file, "devices.allow") || !parse_device(write->value, &d))
			continue;
		added = cgroup_device_access(&d) & ~listed_access(a->list, &d);
		cgroup_device_set_access(&d, added);
		if (added)
			cgroup_put(dir_fd, "devices.allow", cgroup_device_text(&d, text));
	}
	return 0;
}

static int write_devices(const struct cgroup_plan *plan, const struct cgroup *cg, size_t first,
			 struct err *err)
{
	own(cgroup_writer) struct cgroup_writer writer = CGROUP_WRITER_INIT(plan, cg);

	for (size_t i = first; i < plan->count; i++)
		if (is_device_write(&plan->writes[i]) &&
		    cgroup_writer_put(&writer, &plan->writes[i]) < 0)
			return cgroup_write_error(cg, &plan->writes[i], errno, err);
	return 0;
}

/* Through an empty set, while nobody in the group runs. */
static int switch_default(const struct cgroup_plan *plan, const struct cgroup *cg, size_t first,
			  struct err *err)
{
	bool freeze = cgroup_freezer(cg) && !cgroup_is_frozen(cg);
	struct err thaw = ERR_INIT;
	int status;

	if (freeze && cgroup_freeze(cg, true, SWITCH_FREEZE_MS, err) < 0)
		return err_wrap(err, "cannot change the device rules of cgroup '%s'", cg->name);
	status = write_devices(plan, cg, first, err);
	if (freeze && cgroup_freeze(cg, false, SWITCH_FREEZE_MS, &thaw) < 0 && status == 0) {
		*err = thaw;
		return -1;
	}
	return status;
}

/* The first of the plan's device writes sets the default, all others are exceptions. */
static int apply_devices_v1(const struct cgroup_plan *plan, const struct cgroup *cg, size_t first,
			    struct err *err)
{
	const struct cgroup_write *set_default = &plan->writes[first];
	const struct cgroup_member *member = cgroup_member_at(cg, set_default->hierarchy);
	own_free char *list = calloc(1, DEVICE_LIST_SIZE);
	bool denies = str_eq(set_default->file, "devices.deny");

	if (!list)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	if (!member || cgroup_get(member->dir_fd, "devices.list", list, DEVICE_LIST_SIZE) < 0)
		return err_errno(err, "cannot read the device rules of cgroup '%s'", cg->name);
	/* "a *:* rwm" is what the list of a group that allows by default always reads. */
	if (!denies || str_starts(list, "a "))
		return switch_default(plan, cg, first, err);
	if (write_devices(plan, cg, first + 1, err) < 0)
		return -1;
	cgroup_walk(member->dir_fd, allow_added, &(struct additions){plan, list});
	if (remove_stale(plan, member->dir_fd, list) < 0)
		return err_errno(err, "cannot remove device rules of cgroup '%s'", cg->name);
	return 0;
}

static int apply_devices(const struct cgroup_plan *plan, const struct cgroup *cg, struct err *err)
{
	for (size_t i = 0; i < plan->count; i++)
		if (is_device_write(&plan->writes[i]))
			return apply_devices_v1(plan, cg, i, err);
	if (plan->device_bpf && cg->v2_fd >= 0)
		return cgroup_device_attach(cg->v2_fd, plan->devices, plan->device_count, err);
	return 0;
}

/* ---- everything else ---- */

/* A limit below what is used now would make the kernel reclaim, and kill. */
static int check_memory(const struct cgroup_host *host, const struct cgroup_plan *plan,
			const struct cgroup *cg, struct err *err)
{
	int h = cgroup_host_find(host, CG_MEMORY);
	const struct cgroup_member *member = h < 0 ? NULL : cgroup_member_at(cg, (unsigned int)h);
	const char *file = "memory.current";
	unsigned long long usage;
	char text[32];

	if (plan->memory_check == CGROUP_UNSET || !member)
		return 0;
	if (!host->hierarchies[h].v2)
		file = "memory.usage_in_bytes";
	if (cgroup_get(member->dir_fd, file, text, sizeof(text)) < 0)
		return err_errno(err, "cannot read %s of cgroup '%s'", file, cg->name);
	usage = strtoull(text, NULL, 10);
	if (usage <= (unsigned long long)plan->memory_check)
		return 0;
	err_set(err, ERR_STATE, 0,
		"cannot set the memory limit of cgroup '%s' to %lld: it uses %llu bytes", cg->name,
		(long long)plan->memory_check, usage);
	return err_hint(err, "the update asked to check that before");
}

/* Controllers may have to be enabled that were not asked for when the group was made. */
static int enable_above(const struct cgroup_host *host, const struct cgroup_plan *plan,
			const struct cgroup *cg, struct err *err)
{
	char enable[CGROUP_ENABLE_SIZE];

	if (!*cgroup_enable_text(host, plan, enable))
		return 0;
	for (size_t i = 0; i < cg->count; i++) {
		const struct cgroup_hierarchy *h = &host->hierarchies[cg->members[i].hierarchy];

		if (h->v2)
			return cgroup_enable_down(h->dir_fd, cg->name, plan->foreign, enable, err);
	}
	return 0;
}

/* ---- the way back ---- */

struct undo {
	const struct cgroup_plan *plan;
	const struct cgroup *cg;
	char **old; /* for each write of the plan, what takes it back; NULL: it was not made */
};

static void undo_done(struct undo *undo)
{
	for (size_t i = 0; undo->old && i < undo->plan->count; i++)
		free(undo->old[i]);
	free(undo->old);
}

/* Files of a line for each device or interface: of the value "8:16 rbps=100" the key is "8:16 ", and what
 * stood there is the line of that key, or the word for no limit. */
static char *old_line(const struct cgroup_write *what, const char *text, struct err *err)
{
	size_t key = strcspn(what->value, " ") + 1;
	const char *unlimited = strchr(what->value, '=') ? "max" : "0";
	const char *line = text;

	while (line && strncmp(line, what->value, key) != 0) {
		line = strchr(line, '\n');
		line += line ? 1 : 0;
	}
	if (line)
		return str_dup_len(line, strcspn(line, "\n"), err);
	if (strchr(what->value, '='))
		return str_printf(err, "%.*s=%s", (int)(strcspn(what->value, "=")), what->value,
				  unlimited);
	return str_printf(err, "%.*s%s", (int)key, what->value, unlimited);
}

static bool has_lines(const struct cgroup_write *what)
{
	return strchr(what->value, ' ') && !str_eq(what->file, "cpu.max");
}

static int undo_remember(struct undo *undo, size_t index, struct err *err)
{
	const struct cgroup_write *what = &undo->plan->writes[index];
	const struct cgroup_member *member = cgroup_member_at(undo->cg, what->hierarchy);
	own_free char *text = malloc(OLD_VALUE_SIZE);

	if (!text)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	/* What cannot be read is not there, or is the way in only. */
	if (!member || cgroup_get(member->dir_fd, what->file, text, OLD_VALUE_SIZE) < 0)
		return 0;
	if (str_eq(what->file, "memory.oom_control"))
		memcpy(text, strstr(text, "oom_kill_disable 1") ? "1" : "0", 2);
	undo->old[index] = has_lines(what) ? old_line(what, text, err)
			   : *text	   ? str_dup(text, err)
					   : str_dup("\n", err);
	return undo->old[index] ? 0 : -1;
}

/* Twice, as the order may be wrong here too. */
static int undo_all(struct undo *undo)
{
	for (int round = 0; round < 2; round++)
		for (size_t i = undo->plan->count; i-- > 0;) {
			const struct cgroup_write *what = &undo->plan->writes[i];
			const struct cgroup_member *member = cgroup_member_at(undo->cg,
									      what->hierarchy);

			if (undo->old[i] && member)
				cgroup_put(member->dir_fd, what->file, undo->old[i]);
		}
	return -1;
}

/* ---- the writes ---- */

/* One write; `refused` collects what may succeed later. Alternatives: as in cgroup_create. */
static int apply_write(struct cgroup *cg, struct cgroup_writer *writer, size_t index, bool *missing,
		       bool *refused, struct err *err)
{
	const struct cgroup_write *what = &writer->plan->writes[index];
	bool last = index + 1 == writer->plan->count || !what[1].alternative;

	if (what->alternative && !*missing)
		return 0;
	*missing = false;
	if (cgroup_writer_put(writer, what) == 0)
		return 0;
	if (errno == ENOENT || errno == EOPNOTSUPP) {
		*missing = true;
		return last ? cgroup_write_skipped(cg, what, err) : 0;
	}
	if (errno != EINVAL && errno != EBUSY)
		return cgroup_write_error(cg, what, errno, err);
	*refused = true;
	return 0;
}

static int apply_writes(const struct cgroup_plan *plan, struct cgroup *cg, bool *refused,
			struct undo *undo, struct err *err)
{
	own(cgroup_writer) struct cgroup_writer writer = CGROUP_WRITER_INIT(plan, cg);
	bool missing = false;

	for (size_t i = 0; i < plan->count; i++) {
		const struct cgroup_write *what = &plan->writes[i];

		if (is_device_write(what) || what->inherit)
			continue;
		if (undo_remember(undo, i, err) < 0 ||
		    apply_write(cg, &writer, i, &missing, &refused[i], err) < 0)
			return -1;
	}
	return 0;
}

static int apply_refused(const struct cgroup_plan *plan, const struct cgroup *cg,
			 const bool *refused, struct err *err)
{
	own(cgroup_writer) struct cgroup_writer writer = CGROUP_WRITER_INIT(plan, cg);

	for (size_t i = 0; i < plan->count; i++)
		if (refused[i] && cgroup_writer_put(&writer, &plan->writes[i]) < 0)
			return cgroup_write_error(cg, &plan->writes[i], errno, err);
	return 0;
}

int cgroup_apply(const struct cgroup_host *host, const struct cgroup_plan *plan, struct cgroup *cg,
		 struct err *err)
{
	own_free bool *refused = calloc(plan->count + 1, sizeof(*refused));
	own(undo) struct undo undo = {
		.plan = plan, .cg = cg, .old = calloc(plan->count + 1, sizeof(*undo.old))};

	if (!refused || !undo.old)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	if (check_memory(host, plan, cg, err) < 0 || enable_above(host, plan, cg, err) < 0)
		return -1;
	if (apply_writes(plan, cg, refused, &undo, err) < 0 ||
	    apply_refused(plan, cg, refused, err) < 0 || apply_devices(plan, cg, err) < 0)
		return undo_all(&undo);
	return 0;
}
