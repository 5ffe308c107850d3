/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Devices of a container that there is: the node in its /dev, and the rule of its control group. The rule is there
 * before the node and goes after it, and the rules change without a moment in which a device that both old and new
 * ones allow is refused (kernel/cgroup_apply).
 *
 * A rule asks at open(2): who has the device open by then keeps it, and is named. An ordinary user has no rules: what
 * his container may open is what he may.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/event.h"
#include "engine/group.h"
#include "engine/live_state.h"
#include "engine/request.h"
#include "kernel/processes.h"
#include "runtime/live.h"
#include "runtime/place.h"
#include "runtime/update.h"

#define PIDS_MAX 4096
#define HOLDERS_SHOWN 8

static long find_recorded(const struct container *ct, const char *path)
{
	const struct spec_linux *linux_ = &ct->record.spec.linux_;

	for (size_t i = 0; i < linux_->device_count; i++)
		if (str_eq(linux_->devices[i].path, path))
			return (long)i;
	return -1;
}

static const char *access_of(const struct spec *spec, size_t i)
{
	long rule = spec_device_rule(spec, i);

	return rule < 0 ? "" : spec->linux_.resources.devices[rule].access;
}

/* Whether a rule is that of a device which what runs has not yet. */
static bool comes_later(const struct live_change *c, long rule)
{
	const struct spec *spec = &c->ct->record.spec;

	for (size_t i = 0; i < spec->linux_.device_count; i++) {
		const struct live_entry *e = live_state_find(&c->state, LIVE_DEVICE,
							     spec->linux_.devices[i].path);

		if (e && e->standing == LIVE_NEXT && spec_device_rule(spec, i) == rule)
			return true;
	}
	return false;
}

static struct cgroup_device rule_of(const struct live_entry *e)
{
	struct cgroup_device rule = {
		.allow = true, .type = *e->type, .major = e->major, .minor = e->minor};

	strncpy(rule.access, e->access, sizeof rule.access - 1);
	return rule;
}

/* What the record has by now, without what comes at the next start, and with what is there until the end. NULL
 * without memory. */
static struct cgroup_device *rules_in_force(const struct live_change *c, size_t *ret_count)
{
	const struct cgroup_resources *recorded = &c->ct->record.spec.linux_.resources;
	const struct live_entry *entries = c->state.entries.items;
	size_t most = recorded->device_count + c->state.entries.count + 1, count = 0;
	struct cgroup_device *rules = calloc(most, sizeof *rules);

	for (size_t i = 0; rules && i < recorded->device_count; i++)
		if (!comes_later(c, (long)i))
			rules[count++] = recorded->devices[i];
	for (size_t i = 0; rules && i < c->state.entries.count; i++)
		if (entries[i].kind == LIVE_DEVICE && entries[i].standing != LIVE_NEXT &&
		    find_recorded(c->ct, entries[i].target) < 0)
			rules[count++] = rule_of(&entries[i]);
	*ret_count = count;
	return rules;
}

static int apply_rules(const struct live_change *c, struct err *err)
{
	const struct container *ct = c->ct;
	own(cgroup_host) struct cgroup_host host = {0};
	own(strv) struct strv warnings = STRV_INIT;
	own_free char *name = NULL, *unit = NULL;
	own_free struct cgroup_device *rules = NULL;
	struct cgroup_resources asked;

	if (ct->store->user)
		return 0;
	if (cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	unit = group_unit(ct->id, err);
	if (!unit || group_name_of(&host, ct, &name, err) < 0)
		return -1;
	if (!name)
		return group_refuse_none(ct, err);
	const struct cgroup_place place = {.manager = CGROUP_MANAGER_CGROUPFS,
					   .path = name,
					   .unit = strstr(name, unit) ? unit : NULL};
	cgroup_resources_init(&asked);
	rules = rules_in_force(c, &asked.device_count);
	if (!rules)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot make device rules");
	asked.devices = rules;
	return runtime_update(&place, &host, &asked, ct->record.strict, &warnings, err);
}

/* ---- adding ---- */

static int add_node(struct live_change *c, struct err *err)
{
	own(live_target) struct live_target t = LIVE_TARGET_INIT;

	if (live_target_open(&t, c->ct, NULL, err) < 0)
		return -1;
	return runtime_live_node(&t.live, c->added, live_change_note, c, err);
}

/* Lazily: a node that is open is in use, and its mount would be. */
static int remove_node(struct live_change *c, const struct spec_device *d, struct err *err)
{
	const struct live_entry *e = live_state_find(&c->state, LIVE_DEVICE, d->path);
	own(live_target) struct live_target t = LIVE_TARGET_INIT;

	if (live_target_open(&t, c->ct, NULL, err) < 0)
		return -1;
	if (!e || e->standing != LIVE_ADDED)
		return runtime_live_remove_node(&t.live, d, err);
	const struct mount_identity identity = live_entry_identity(e);
	return runtime_live_unmount(&t.live, &identity, d, true, err);
}

/* The last device of the record is none of it any more, nor of what runs. */
static void take_back(struct live_change *c)
{
	struct spec *spec = &c->ct->record.spec;
	struct err ignored = ERR_INIT;

	if (c->now && c->entry && remove_node(c, c->added, &ignored) >= 0)
		live_change_drop(c, false, &ignored);
	spec_remove_device(spec, spec->linux_.device_count - 1);
	if (c->now)
		apply_rules(c, &ignored);
}

static int add_now(struct live_change *c, struct err *err)
{
	if (!c->now)
		return 0;
	if (apply_rules(c, err) < 0)
		return err_wrap(err, "device rules");
	return fail_point("live.ruled", err) < 0 ? -1 : add_node(c, err);
}

static int record_added(struct live_change *c, struct err *err)
{
	if (c->options->temporary)
		return 0;
	if (fail_point("live.attached", err) < 0 || store_rewrite_record(c->ct, err) < 0)
		return -1;
	if (c->now || c->ct->status != CT_RUNNING)
		return 0;
	return live_state_add(&c->state, LIVE_DEVICE, c->target, LIVE_NEXT, err)
		       ? live_state_write(c->ct, &c->state, err)
		       : -1;
}

static int there_already(struct err *err)
{
	err_set(err, ERR_EXISTS, 0, "it has a device of that path already");
	return err_hint(err, "insula devices remove takes that away");
}

int engine_device_add(struct container *ct, const char *value, const struct live_options *options,
		      struct err *err)
{
	own(live_change) struct live_change c = LIVE_CHANGE_INIT(ct, options, LIVE_DEVICE);
	struct spec *spec = &ct->record.spec;

	if (live_change_begin(&c, err) < 0)
		return -1;
	if (request_add_device(spec, value, err) < 0)
		return err->kind == ERR_EXISTS ? there_already(err) : live_without_flag(err);
	size_t last = spec->linux_.device_count - 1;
	c.added = &spec->linux_.devices[last];
	c.access = access_of(spec, last);
	c.target = c.added->path;
	const struct live_entry *e = live_state_find(&c.state, LIVE_DEVICE, c.target);
	if (e && e->standing == LIVE_ADDED && live_is_there(ct, e))
		return there_already(err);
	if (add_now(&c, err) < 0 || record_added(&c, err) < 0) {
		take_back(&c);
		return -1;
	}
	event_note(ct, "device_add", "device", c.target);
	return 0;
}

/* ---- removal ---- */

/* Processes of the container that have it open. */
static void say_who_holds(const struct container *ct, const struct spec_device *d)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(cgroup) struct cgroup cg = CGROUP_INIT;
	own_free int *pids = calloc(PIDS_MAX, sizeof *pids);
	struct err ignored = ERR_INIT;
	own_fd int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	ssize_t count = -1;
	size_t said = 0;

	if (pids && proc_fd >= 0 && cgroup_host_probe(AT_FDCWD, &host, &ignored) == 0 &&
	    group_open_of(&host, ct, &cg, &ignored) == 0)
		count = cgroup_pids(&cg, pids, PIDS_MAX, &ignored);
	for (ssize_t i = 0; i < count && said < HOLDERS_SHOWN; i++)
		if (process_holds_device(proc_fd, pids[i], d->type == 'b',
					 makedev((unsigned int)d->major, (unsigned int)d->minor))) {
			warn_emit("process %d of '%s' has '%s' open, and keeps it", pids[i],
				  ct->record.name, d->path);
			said++;
		}
}

static int not_found(struct err *err)
{
	err_set(err, ERR_NOT_FOUND, 0, "no such device was asked for");
	return err_hint(err, "insula devices list shows what there is");
}

/* What the container has mounted over a node that was added, or put in its place, does not keep the device: that is
 * the rule's. What the kernel keeps from its start, and an ordinary user's, who has no rules, is an error. */
static int let_node_stay(const struct live_change *c, const struct err *why, struct err *err)
{
	bool stays = (c->entry && c->entry->standing == LIVE_ADDED) || why->kind == ERR_EXISTS;

	if (!stays || c->ct->store->user || why->kind == ERR_STATE) {
		*err = *why;
		return -1;
	}
	warn_emit("the node '%s' stays, without its rule: %s", c->target, why->message);
	return 0;
}

/* The node, while its rule is still there; then the record in memory, and with it the rule. */
static int remove_now(struct live_change *c, long i, struct err *err)
{
	const struct live_entry *e = c->entry;
	struct spec_device d = {.path = (char *)c->target, .type = 'c'};
	bool recorded = i >= 0 && c->options->temporary;
	struct err removing = ERR_INIT;

	if (e && e->standing == LIVE_NEXT)
		return live_change_drop(c, recorded, err);
	if (i < 0 && !e)
		return not_found(err);
	if (i >= 0)
		d = c->ct->record.spec.linux_.devices[i];
	else
		d = (struct spec_device){.path = (char *)c->target,
					 .type = *e->type,
					 .major = e->major,
					 .minor = e->minor};
	if (remove_node(c, &d, &removing) < 0 && let_node_stay(c, &removing, err) < 0)
		return -1;
	if (live_change_drop(c, recorded, err) < 0)
		return -1;
	if (i >= 0)
		spec_remove_device(&c->ct->record.spec, (size_t)i);
	if (fail_point("live.detached", err) < 0 || apply_rules(c, err) < 0)
		return -1;
	d.path = (char *)c->target;
	say_who_holds(c->ct, &d);
	return 0;
}

/* What it has from its start stays until its end, and is shown. */
static int remove_later(struct live_change *c, long i, struct err *err)
{
	struct spec *spec = &c->ct->record.spec;
	struct live_entry *e = c->entry;

	if (i < 0)
		return not_found(err);
	if (c->ct->status == CT_RUNNING && e && e->standing == LIVE_NEXT) {
		if (live_change_drop(c, false, err) < 0)
			return -1;
	} else if (c->ct->status == CT_RUNNING && !e) {
		e = live_state_add(&c->state, LIVE_DEVICE, c->target, LIVE_LEAVING, err);
		if (!e ||
		    live_entry_describe_device(e, &spec->linux_.devices[i],
					       access_of(spec, (size_t)i), err) < 0 ||
		    live_state_write(c->ct, &c->state, err) < 0)
			return -1;
	}
	spec_remove_device(spec, (size_t)i);
	return 0;
}

int engine_device_remove(struct container *ct, const char *path, const struct live_options *options,
			 struct err *err)
{
	own(live_change) struct live_change c = LIVE_CHANGE_INIT(ct, options, LIVE_DEVICE);
	own_free char *clean = NULL;

	if (path_clean(path, &clean, err) < 0 || live_change_begin(&c, err) < 0)
		return -1;
	c.target = clean;
	c.entry = live_state_find(&c.state, LIVE_DEVICE, clean);
	long i = find_recorded(ct, clean);
	if ((c.now ? remove_now(&c, i, err) : remove_later(&c, i, err)) < 0)
		return -1;
	if (i >= 0 && !options->temporary && store_rewrite_record(ct, err) < 0)
		return -1;
	event_note(ct, "device_remove", "device", clean);
	return 0;
}

/* ---- listing ---- */

static void write_row(struct json_writer *w, const struct container *ct, const char *path,
		      const char *type, int64_t major, int64_t minor, const char *access,
		      const char *standing)
{
	json_write_object(w);
	json_write_member(w, "container", ct->record.name);
	json_write_member(w, "path", path);
	json_write_member(w, "type", type ? type : "");
	json_write_member_i64(w, "major", major);
	json_write_member_i64(w, "minor", minor);
	json_write_member(w, "access", access ? access : "");
	json_write_member(w, "there", standing);
	json_write_end(w, '}');
}

int engine_write_devices(struct container *ct, struct json_writer *w, struct err *err)
{
	const struct spec_linux *linux_ = &ct->record.spec.linux_;
	bool running = ct->status == CT_RUNNING;
	own(live_state) struct live_state s = {0};

	if (store_need_spec(ct, err) < 0 || live_state_read(ct, &s, err) < 0)
		return -1;
	for (size_t i = 0; i < linux_->device_count; i++) {
		const struct spec_device *d = &linux_->devices[i];
		const struct live_entry *e = live_state_find(&s, LIVE_DEVICE, d->path);

		write_row(w, ct, d->path, (const char[]){d->type, '\0'}, d->major, d->minor,
			  access_of(&ct->record.spec, i),
			  live_standing_text(running, true, e, e && live_is_there(ct, e)));
	}
	const struct live_entry *entries = s.entries.items;
	for (size_t i = 0; i < s.entries.count; i++) {
		const struct live_entry *e = &entries[i];

		if (e->kind == LIVE_DEVICE && find_recorded(ct, e->target) < 0)
			write_row(w, ct, e->target, e->type, e->major, e->minor, e->access,
				  live_standing_text(true, false, e, live_is_there(ct, e)));
	}
	return 0;
}
