/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounts of a container that there is. What runs changes first, as the kernel may refuse; then the record. Where the
 * record cannot be written, what was mounted goes again.
 *
 * What a container has from its start cannot be unmounted while it runs: the kernel has locked it, which is what
 * keeps container root from looking below its covers. Its record can be changed all the same.
 */
#include <fcntl.h>
#include <string.h>

#include "base/fail.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/event.h"
#include "engine/live_state.h"
#include "engine/request.h"
#include "runtime/live.h"

static long find_recorded(const struct container *ct, const char *destination)
{
	const struct spec *spec = &ct->record.spec;

	for (size_t i = 0; i < spec->mount_count; i++)
		if (str_eq(spec->mounts[i].destination, destination) &&
		    !request_is_base_mount(destination))
			return (long)i;
	return -1;
}

static bool is_at_or_below(const char *path, const char *place)
{
	size_t n = strlen(place);

	return !strncmp(path, place, n) && (path[n] == '/' || path[n] == '\0');
}

/* What covers stand on, and what they stand in. Where a link leads there, the runtime refuses it. */
static int check_destination(const struct spec *spec, const char *destination, struct err *err)
{
	const struct strv *lists[] = {&spec->linux_.masked_paths, &spec->linux_.readonly_paths};
	bool covered = is_at_or_below(destination, "/proc") || is_at_or_below(destination, "/sys");

	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < lists[i]->count; k++)
			covered = covered || is_at_or_below(destination, lists[i]->items[k]) ||
				  is_at_or_below(lists[i]->items[k], destination);
	if (!covered)
		return 0;
	err_set(err, ERR_DENIED, 0, "'%s' is what the container is kept from, or has to do with it",
		destination);
	return err_hint(err, "nothing is mounted in /proc and /sys, nor on a path that is masked");
}

static int there_already(struct err *err)
{
	err_set(err, ERR_EXISTS, 0, "it has a mount there already");
	return err_hint(err, "insula mounts remove takes that away");
}

/* The mount is the last of the specification then. */
static int add_to_spec(struct container *ct, const char *value, struct err *err)
{
	struct spec *spec = &ct->record.spec;
	const struct spec_namespace *user = &spec->linux_.namespaces[SPEC_NS_USER];
	struct request_namespaces ns = {0};
	const struct request request = {.ns = &ns, .store = ct->store, .user = ct->store->user};

	ns.of[SPEC_NS_USER].mode = user->given ? NS_MODE_PRIVATE : NS_MODE_HOST;
	if (request_add_mount(&request, spec, value, err) < 0)
		return err->kind == ERR_EXISTS ? there_already(err) : live_without_flag(err);
	return check_destination(spec, spec->mounts[spec->mount_count - 1].destination, err);
}

static int unmount(const struct container *ct, const struct live_entry *e, bool lazy,
		   struct err *err)
{
	const struct mount_identity identity = live_entry_identity(e);
	own(live_target) struct live_target t = LIVE_TARGET_INIT;

	if (live_target_open(&t, ct, NULL, err) < 0)
		return -1;
	return runtime_live_unmount(&t.live, &identity, NULL, lazy, err);
}

static int mount_now(struct live_change *c, struct err *err)
{
	own(live_target) struct live_target t = LIVE_TARGET_INIT;
	struct err ignored = ERR_INIT;

	if (live_target_open(&t, c->ct, c->mount, err) == 0 &&
	    runtime_live_mount(&t.live, live_change_note, c, err) == 0)
		return 0;
	if (c->entry)
		live_change_drop(c, false, &ignored);
	return -1;
}

/* Not in force yet: at the next start. */
static int note_next(struct live_change *c, struct err *err)
{
	if (c->ct->status != CT_RUNNING)
		return 0;
	return live_state_add(&c->state, c->kind, c->target, LIVE_NEXT, err)
		       ? live_state_write(c->ct, &c->state, err)
		       : -1;
}

static int record_added(struct live_change *c, struct err *err)
{
	struct err undoing = ERR_INIT;

	if (c->options->temporary)
		return 0;
	if (fail_point("live.attached", err) == 0 && store_rewrite_record(c->ct, err) == 0)
		return c->now ? 0 : note_next(c, err);
	if (c->now && c->entry && unmount(c->ct, c->entry, true, &undoing) >= 0)
		live_change_drop(c, false, &undoing);
	return -1;
}

int engine_mount_add(struct container *ct, const char *value, const struct live_options *options,
		     struct err *err)
{
	own(live_change) struct live_change c = LIVE_CHANGE_INIT(ct, options, LIVE_MOUNT);

	if (live_change_begin(&c, err) < 0 || add_to_spec(ct, value, err) < 0)
		return -1;
	c.mount = &ct->record.spec.mounts[ct->record.spec.mount_count - 1];
	c.target = c.mount->destination;
	c.entry = live_state_find(&c.state, LIVE_MOUNT, c.target);
	if (c.now && c.entry && c.entry->standing == LIVE_ADDED && live_is_there(ct, c.entry))
		return there_already(err);
	c.entry = NULL;
	if (c.now && mount_now(&c, err) < 0)
		return -1;
	if (record_added(&c, err) < 0)
		return -1;
	event_note(ct, "mount", "destination", c.target);
	return 0;
}

/* ---- removal ---- */

static int refuse_started(const char *what, struct err *err)
{
	err_set(err, ERR_STATE, 0, "it was %s when the container was started", what);
	return err_hint(err, "--next-start leaves it out from the next start on");
}

/* What runs. 1: there is nothing of it. */
static int remove_now(struct live_change *c, bool recorded, struct err *err)
{
	struct live_entry *e = c->entry;

	if (!e && recorded)
		return refuse_started("mounted", err);
	if (!e)
		return 1;
	if (e->standing == LIVE_LEAVING)
		return refuse_started("mounted", err);
	if (e->standing == LIVE_ADDED && unmount(c->ct, e, c->options->force, err) < 0)
		return -1;
	return live_change_drop(c, recorded && c->options->temporary, err);
}

/* What a container that runs has from its start is shown until it ends. */
static int keep_in_sight(struct live_change *c, const struct spec_mount *m, struct err *err)
{
	struct live_entry *e = c->entry;

	if (c->ct->status != CT_RUNNING || c->now || (e && e->standing == LIVE_ADDED))
		return 0;
	if (e)
		return live_change_drop(c, false, err);
	e = live_state_add(&c->state, LIVE_MOUNT, c->target, LIVE_LEAVING, err);
	if (!e || live_entry_describe_mount(e, m, err) < 0)
		return -1;
	return live_state_write(c->ct, &c->state, err);
}

static int not_found(struct err *err)
{
	err_set(err, ERR_NOT_FOUND, 0, "no such mount was asked for");
	return err_hint(err, "insula mounts list shows what there is");
}

int engine_mount_remove(struct container *ct, const char *destination,
			const struct live_options *options, struct err *err)
{
	own(live_change) struct live_change c = LIVE_CHANGE_INIT(ct, options, LIVE_MOUNT);
	own_free char *clean = NULL;
	int missing = 0;
	long i;

	if (path_clean(destination, &clean, err) < 0 || live_change_begin(&c, err) < 0)
		return -1;
	c.target = clean;
	c.entry = live_state_find(&c.state, LIVE_MOUNT, clean);
	i = find_recorded(ct, clean);
	if (c.now)
		missing = remove_now(&c, i >= 0, err);
	if (missing)
		return missing < 0 ? -1 : not_found(err);
	if (!c.now && i < 0)
		return not_found(err);
	if (i >= 0 && !options->temporary) {
		if (keep_in_sight(&c, &ct->record.spec.mounts[i], err) < 0)
			return -1;
		spec_remove_mount(&ct->record.spec, (size_t)i);
		if (fail_point("live.detached", err) < 0 || store_rewrite_record(ct, err) < 0)
			return -1;
	}
	event_note(ct, "unmount", "destination", clean);
	return 0;
}

/* ---- listing ---- */

struct row {
	const char *destination, *type, *source;
	const struct strv *options;
	const char *standing;
};

typedef void write_row_fn(struct json_writer *w, const struct container *ct, const struct row *row);

static void write_row(struct json_writer *w, const struct container *ct, const struct row *row)
{
	json_write_object(w);
	json_write_member(w, "container", ct->record.name);
	json_write_member(w, "destination", row->destination);
	json_write_member(w, "type", row->type ? row->type : "");
	json_write_member(w, "source", row->source ? row->source : "");
	json_write_key(w, "options");
	json_write_strings(w, row->options);
	json_write_member(w, "mounted", row->standing);
	json_write_end(w, '}');
}

static bool has_option(const struct strv *options, const char *word)
{
	for (size_t i = 0; i < options->count; i++)
		if (str_eq(options->items[i], word))
			return true;
	return false;
}

/* As podman and docker have it, and what they do not know beside it. */
static void write_inspected(struct json_writer *w, const struct container *ct,
			    const struct row *row)
{
	static const char *const propagations[] = {"rshared", "shared",	  "rslave",
						   "slave",   "rprivate", "private"};
	const char *propagation = "rprivate";

	for (size_t i = 0; i < sizeof propagations / sizeof *propagations; i++)
		if (has_option(row->options, propagations[i]))
			propagation = propagations[i];
	json_write_object(w);
	json_write_member(w, "Type", row->type ? row->type : "");
	json_write_member(w, "Source", row->source ? row->source : "");
	json_write_member(w, "Destination", row->destination);
	json_write_member(w, "Mode", "");
	json_write_key(w, "Options");
	json_write_strings(w, row->options);
	json_write_member_bool(w, "RW",
			       !has_option(row->options, "ro") && !has_option(row->options, "rro"));
	json_write_member(w, "Propagation", propagation);
	json_write_member(w, "Mounted", row->standing);
	json_write_end(w, '}');
}

static int write_rows(struct container *ct, struct json_writer *w, write_row_fn *write,
		      struct err *err)
{
	const struct spec *spec = &ct->record.spec;
	bool running = ct->status == CT_RUNNING;
	own(live_state) struct live_state s = {0};

	if (store_need_spec(ct, err) < 0 || live_state_read(ct, &s, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];
		const struct live_entry *e = live_state_find(&s, LIVE_MOUNT, m->destination);
		const char *standing = live_standing_text(running, true, e,
							  e && live_is_there(ct, e));

		if (!request_is_base_mount(m->destination))
			write(w, ct,
			      &(struct row){m->destination, m->type, m->source, &m->options,
					    standing});
	}
	const struct live_entry *entries = s.entries.items;
	for (size_t i = 0; i < s.entries.count; i++) {
		const struct live_entry *e = &entries[i];

		if (e->kind == LIVE_MOUNT && find_recorded(ct, e->target) < 0)
			write(w, ct,
			      &(struct row){
				      e->target, e->type, e->source, &e->options,
				      live_standing_text(true, false, e, live_is_there(ct, e))});
	}
	return 0;
}

int engine_write_mounts(struct container *ct, struct json_writer *w, struct err *err)
{
	return write_rows(ct, w, write_row, err);
}

int inspect_mounts(struct container *ct, struct json_writer *w, struct err *err)
{
	return write_rows(ct, w, write_inspected, err);
}
