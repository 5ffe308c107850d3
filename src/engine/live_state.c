/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See live_state.h. The file is written before something is attached and after something was removed, so that whoever
 * is killed in between leaves an entry for nothing, and never a mount that nobody knows of.
 */
#include "engine/live_state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/proc.h"
#include "engine/change.h"
#include "engine/lifecycle.h"
#include "engine/store_private.h"
#include "kernel/mountinfo.h"

#define LIVE_FILE "live.json"
#define LIVE_FILE_MAX (1u << 20)
#define ID_RANGE_SIZE 65536

#define FIELD(type_, name_, kind_, ...) \
	{ \
		.key = #name_, .kind = kind_, .offset = offsetof(struct type_, name_), __VA_ARGS__ \
	}

static const struct json_field entry_fields[] = {
	FIELD(live_entry, kind, JSON_F_INT, .min = 0, .max = LIVE_DEVICE),
	FIELD(live_entry, standing, JSON_F_INT, .min = 0, .max = LIVE_LEAVING),
	FIELD(live_entry, target, JSON_F_STRING, .required = true),
	FIELD(live_entry, type, JSON_F_STRING),
	FIELD(live_entry, source, JSON_F_STRING),
	FIELD(live_entry, options, JSON_F_STRINGS),
	FIELD(live_entry, access, JSON_F_STRING),
	FIELD(live_entry, major, JSON_F_I64),
	FIELD(live_entry, minor, JSON_F_I64),
	FIELD(live_entry, id, JSON_F_U64),
	FIELD(live_entry, unique_id, JSON_F_U64),
	FIELD(live_entry, device, JSON_F_U64),
	FIELD(live_entry, inode, JSON_F_U64),
	{0},
};

static const struct json_field state_fields[] = {
	FIELD(live_state, version, JSON_F_INT, .required = true, .min = 1, .max = 1),
	FIELD(live_state, init_pid, JSON_F_INT),
	FIELD(live_state, init_start, JSON_F_U64),
	FIELD(live_state, entries, JSON_F_ARRAY, .fields = entry_fields,
	      .item_size = sizeof(struct live_entry), .max_count = LIVE_MAX),
	{0},
};

void live_state_done(struct live_state *s)
{
	json_bind_done(state_fields, s);
	*s = (struct live_state){0};
}

int live_state_read(const struct container *ct, struct live_state *ret, struct err *err)
{
	struct live_state s = {0};
	const struct store_part part = {state_fields, &s};
	struct err reading = ERR_INIT;
	bool of_this_run;

	*ret = (struct live_state){.version = 1};
	if (ct->status != CT_RUNNING)
		return 0;
	if (store_read_document(ct->run_fd, LIVE_FILE, 0, &part, 1, LIVE_FILE_MAX, &reading) < 0) {
		live_state_done(&s);
		if (reading.kind == ERR_NOT_FOUND)
			return 0;
		*err = reading;
		return -1;
	}
	of_this_run = s.init_pid == ct->state.init_pid && s.init_start == ct->state.init_start;
	if (of_this_run)
		*ret = s;
	else
		live_state_done(&s);
	return 0;
}

int live_state_write(const struct container *ct, struct live_state *s, struct err *err)
{
	const struct store_part part = {state_fields, s};

	s->version = 1;
	s->init_pid = ct->state.init_pid;
	s->init_start = ct->state.init_start;
	return store_write_document(ct->run_fd, LIVE_FILE, &part, 1, LIVE_FILE_MAX, false, err);
}

struct live_entry *live_state_find(const struct live_state *s, enum live_kind kind,
				   const char *target)
{
	struct live_entry *entries = s->entries.items;

	for (size_t i = 0; i < s->entries.count; i++)
		if (entries[i].kind == (int)kind && str_eq(entries[i].target, target))
			return &entries[i];
	return NULL;
}

static void remove_entry(struct live_state *s, struct live_entry *entry)
{
	struct live_entry *end = (struct live_entry *)s->entries.items + s->entries.count;

	json_bind_done(entry_fields, entry);
	memmove(entry, entry + 1, (size_t)(end - entry - 1) * sizeof *entry);
	s->entries.count--;
}

struct live_entry *live_state_add(struct live_state *s, enum live_kind kind, const char *target,
				  enum live_standing standing, struct err *err)
{
	struct live_entry *there = live_state_find(s, kind, target), *grown;
	char *copy = str_dup(target, err);

	if (!copy)
		return NULL;
	if (there)
		remove_entry(s, there);
	grown = s->entries.count < LIVE_MAX
			? reallocarray(s->entries.items, s->entries.count + 1, sizeof *grown)
			: NULL;
	if (!grown) {
		free(copy);
		err_set(err, ERR_LIMIT, 0, "more than %d changes while it runs", LIVE_MAX);
		return NULL;
	}
	s->entries.items = grown;
	grown += s->entries.count++;
	*grown = (struct live_entry){.kind = (int)kind, .standing = (int)standing, .target = copy};
	return grown;
}

static void set_identity(struct live_entry *e, const struct mount_identity *identity)
{
	e->id = identity->id;
	e->unique_id = identity->unique_id;
	e->device = identity->device;
	e->inode = identity->inode;
}

struct mount_identity live_entry_identity(const struct live_entry *e)
{
	return (struct mount_identity){e->id, e->unique_id, e->device, e->inode};
}

static int set_text(char **slot, const char *text, struct err *err)
{
	char *copy = str_dup(text ? text : "", err);

	if (!copy)
		return -1;
	free(*slot);
	*slot = copy;
	return 0;
}

int live_entry_describe_mount(struct live_entry *e, const struct spec_mount *m, struct err *err)
{
	if (set_text(&e->type, m->type, err) < 0 || set_text(&e->source, m->source, err) < 0)
		return -1;
	strv_done(&e->options);
	return strv_copy(&e->options, &m->options, err);
}

int live_entry_describe_device(struct live_entry *e, const struct spec_device *d,
			       const char *access, struct err *err)
{
	e->major = d->major;
	e->minor = d->minor;
	if (set_text(&e->type, (const char[]){d->type, '\0'}, err) < 0)
		return -1;
	return set_text(&e->access, access, err);
}

/* ---- a change ---- */

void live_change_done(struct live_change *c)
{
	live_state_done(&c->state);
	fd_close(c->lock_fd);
}

int live_change_begin(struct live_change *c, struct err *err)
{
	const struct live_options *o = c->options;

	if (o->temporary && o->next_start)
		return err_set(err, ERR_USAGE, 0,
			       "--temporary and --next-start exclude each other");
	if (c->ct->status == CT_STOPPING && engine_settle(c->ct, err) < 0)
		return -1;
	c->lock_fd = change_begin(c->ct, err);
	if (c->lock_fd < 0)
		return -1;
	c->now = c->ct->status == CT_RUNNING && !o->next_start;
	if (o->temporary && !c->now)
		return engine_not_running(c->ct, err);
	return live_state_read(c->ct, &c->state, err);
}

int live_change_note(void *data, const struct mount_identity *identity, struct err *err)
{
	struct live_change *c = data;
	struct live_entry *e = live_state_add(&c->state, c->kind, c->target, LIVE_ADDED, err);

	if (!e ||
	    (c->kind == LIVE_MOUNT ? live_entry_describe_mount(e, c->mount, err)
				   : live_entry_describe_device(e, c->added, c->access, err)) < 0)
		return -1;
	set_identity(e, identity);
	c->entry = e;
	return live_state_write(c->ct, &c->state, err);
}

int live_change_drop(struct live_change *c, bool recorded, struct err *err)
{
	struct live_entry *e = live_state_find(&c->state, c->kind, c->target);

	if (e)
		remove_entry(&c->state, e);
	if (recorded && !live_state_add(&c->state, c->kind, c->target, LIVE_NEXT, err))
		return -1;
	return live_state_write(c->ct, &c->state, err);
}

bool live_is_there(const struct container *ct, const struct live_entry *e)
{
	own_fd int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_free char *path = NULL;
	struct err ignored = ERR_INIT;

	return proc_fd >= 0 &&
	       mount_point_of(proc_fd, ct->state.init_pid, e->id, &path, &ignored) == 1;
}

const char *live_standing_text(bool running, bool recorded, const struct live_entry *e, bool there)
{
	if (!running)
		return "at the next start";
	if (!e)
		return "yes";
	switch (e->standing) {
	case LIVE_NEXT:
		return "at the next start";
	case LIVE_LEAVING:
		return "until it ends";
	default:
		return !there ? "removed inside" : recorded ? "yes" : "until it ends";
	}
}

/* ---- what the runtime gets ---- */

static int shift_maps(const struct spec_idmaps *from, uint32_t base, struct spec_idmaps *to,
		      struct err *err)
{
	for (size_t i = 0; i < from->count; i++)
		if (spec_add_idmap(to, from->items[i].container_id, from->items[i].host_id + base,
				   from->items[i].size, err) < 0)
			return -1;
	return 0;
}

void live_target_done(struct live_target *t)
{
	free(t->spec.linux_.uid_maps.items);
	free(t->spec.linux_.gid_maps.items);
	free(t->mount.uid_maps.items);
	free(t->mount.gid_maps.items);
	proc_forget(&t->init);
}

static int set_maps(struct spec_linux *linux_, uint32_t base, struct err *err)
{
	if (!base)
		return 0;
	if (spec_add_idmap(&linux_->uid_maps, 0, base, ID_RANGE_SIZE, err) < 0)
		return -1;
	return spec_add_idmap(&linux_->gid_maps, 0, base, ID_RANGE_SIZE, err);
}

static int set_mount(struct live_target *t, const struct spec_mount *m, uint32_t base,
		     struct err *err)
{
	t->mount = *m;
	t->mount.uid_maps = t->mount.gid_maps = (struct spec_idmaps){0};
	t->spec.mounts = &t->mount;
	t->spec.mount_count = 1;
	if (shift_maps(&m->uid_maps, base, &t->mount.uid_maps, err) < 0)
		return -1;
	return shift_maps(&m->gid_maps, base, &t->mount.gid_maps, err);
}

int live_target_open(struct live_target *t, const struct container *ct, const struct spec_mount *m,
		     struct err *err)
{
	const struct spec_linux *recorded = &ct->record.spec.linux_;
	struct spec_linux *linux_ = &t->spec.linux_;

	spec_init(&t->spec);
	t->live = (struct runtime_live){.spec = &t->spec, .init = &t->init};
	memcpy(linux_->namespaces, recorded->namespaces, sizeof linux_->namespaces);
	/* Whoever it belongs to: its maps are below. */
	linux_->namespaces[SPEC_NS_USER].path = NULL;
	if (set_maps(linux_, ct->state.id_base, err) < 0 ||
	    (m && set_mount(t, m, ct->state.id_base, err) < 0))
		return -1;
	return proc_open(&t->init, ct->state.init_pid, ct->state.init_start, err);
}

int live_without_flag(struct err *err)
{
	static const char *const flags[] = {"--volume: ", "--mount: ", "--tmpfs: ", "--device: "};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (str_starts(err->message, flags[i]))
			memmove(err->message, err->message + strlen(flags[i]),
				strlen(err->message + strlen(flags[i])) + 1);
	return -1;
}
