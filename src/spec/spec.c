/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading, printing and building a configuration. All the knowledge about members is in the tables
 * (fields*.c); what remains here is the order: bounded read, strict parse, bind along the table, and
 * then settle the few values for which the specification or the field's writers have an equivalent
 * form, so that nobody after this has to know both:
 *
 *   - a relative mount destination is relative to "/" (deprecated, but "MUST be interpreted" so);
 *   - a device rule without a type is for all devices, and without an access for every access;
 *   - zero is "not set" for the amounts where the kernel has no such value. Kubernetes and docker
 *     write the zero value of every member that they leave alone.
 *
 * Settling is idempotent, so that parse(print(x)) equals x.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"
#include "spec/fields.h"
#include "spec/validate.h"

void spec_init(struct spec *s)
{
	*s = (struct spec){.process.user.umask = -1};
	cgroup_resources_init(&s->linux_.resources);
}

void spec_done(struct spec *s)
{
	json_bind_done(spec_fields, s);
	spec_init(s);
}

/* ---- settle ---- */

static int settle_mounts(struct spec *s, struct err *err)
{
	for (size_t i = 0; i < s->mount_count; i++) {
		struct spec_mount *m = &s->mounts[i];
		char *absolute;

		if (!m->destination[0] || m->destination[0] == '/')
			continue;
		absolute = str_printf(err, "/%s", m->destination);
		if (!absolute)
			return -1;
		free(m->destination);
		m->destination = absolute;
		m->was_relative = true;
	}
	return 0;
}

static void settle_rules(struct cgroup_resources *r)
{
	for (size_t i = 0; i < r->device_count; i++) {
		struct cgroup_device *rule = &r->devices[i];

		if (!rule->type)
			rule->type = 'a';
		if (!rule->access[0])
			memcpy(rule->access, "rwm", sizeof("rwm"));
	}
}

/* Before 1.3, 0 was what engines wrote for "no limit on processes". */
static void settle_pids(const char *version, struct cgroup_resources *r)
{
	unsigned int major = 0, minor = 0;

	if (r->pids_limit == 0 && version && sscanf(version, "%u.%u", &major, &minor) == 2 &&
	    major == 1 && minor < 3)
		r->pids_limit = CGROUP_UNSET;
}

static void settle_amounts(struct cgroup_resources *r)
{
	int64_t *const amounts[] = {
		&r->memory_limit,  &r->memory_reservation, &r->memory_swap,    &r->cpu_shares,
		&r->cpu_quota,	   &r->cpu_period,	   &r->cpu_burst,      &r->cpu_rt_runtime,
		&r->cpu_rt_period, &r->io_weight,	   &r->io_leaf_weight,
	};

	for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++)
		if (*amounts[i] == 0)
			*amounts[i] = CGROUP_UNSET;
}

static void settle_string(char **text)
{
	if (*text && !**text) {
		free(*text);
		*text = NULL;
	}
}

/* "" is what Go's encoding/json writes for a string that was left alone. */
static void settle_strings(struct spec *s)
{
	struct resctrl *rdt = s->linux_.intel_rdt;
	char **const texts[] = {
		&s->hostname,
		&s->domainname,
		&s->process.apparmor_profile,
		&s->process.selinux_label,
		&s->process.affinity_initial,
		&s->process.affinity_final,
		&s->linux_.mount_label,
		&s->linux_.rootfs_propagation,
		&s->linux_.cgroups_path,
		&s->linux_.resources.cpuset_cpus,
		&s->linux_.resources.cpuset_mems,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		settle_string(texts[i]);
	if (s->linux_.memory_policy)
		settle_string(&s->linux_.memory_policy->nodes);
	if (rdt) {
		settle_string(&rdt->group);
		settle_string(&rdt->l3_cache);
		settle_string(&rdt->mem_bw);
	}
}

static int settle(struct spec *s, struct err *err)
{
	settle_rules(&s->linux_.resources);
	settle_amounts(&s->linux_.resources);
	settle_pids(s->oci_version, &s->linux_.resources);
	settle_strings(s);
	return settle_mounts(s, err);
}

/* ---- read and print ---- */

static struct json *parse(const char *text, size_t size, const char *name, struct err *err)
{
	if (size <= SPEC_MAX_SIZE)
		return json_parse(text, size, name, err);
	err_set(err, ERR_LIMIT, 0, "%s: is %zu bytes long, at most %u are read", name, size,
		SPEC_MAX_SIZE);
	return NULL;
}

int spec_parse(const char *text, size_t size, const char *name, struct spec *ret, struct err *err)
{
	own(spec) struct spec s = {0};
	own_json struct json *doc = NULL;

	spec_init(&s);
	doc = parse(text, size, name, err);
	if (!doc)
		return -1;
	if (json_bind(doc, 0, spec_fields, JSON_UNKNOWN_ALLOW, &s, err) < 0 || settle(&s, err) < 0)
		return -1;
	*ret = s;
	spec_init(&s);
	return 0;
}

/* Stages, each of which looks at what the one before has left. */
static int find(const char *text, size_t size, const char *name, struct spec *s,
		struct problems *found, struct err *err)
{
	own_json struct json *doc = parse(text, size, name, err);

	if (!doc)
		return problems_add(found, err);
	if (json_bind_all(doc, 0, spec_fields, JSON_UNKNOWN_ALLOW, s, found, err) < 0)
		return -1;
	problems_settle(found);
	if (settle(s, err) < 0)
		return -1;
	return json_type(doc, 0) == JSON_OBJECT ? spec_validate_all(s, found, err) : 0;
}

int spec_find(const char *text, size_t size, const char *name, struct spec *ret,
	      struct problems *found, struct err *err)
{
	own(spec) struct spec s = {0};

	spec_init(&s);
	found->document = name;
	if (find(text, size, name, &s, found, err) < 0 && !found->full)
		return -1;
	problems_settle(found);
	*ret = s;
	spec_init(&s);
	return 0;
}

int spec_read(int bundle_fd, const char *name, struct spec *ret, struct err *err)
{
	own_free char *text = NULL;
	ssize_t size = file_read(bundle_fd, name, SPEC_MAX_SIZE, &text, err);

	if (size < 0)
		return -1;
	return spec_parse(text, (size_t)size, name, ret, err);
}

int spec_print(const struct spec *s, unsigned int indent, struct str *out, struct err *err)
{
	struct json_writer w;

	json_writer_init(&w, out, indent);
	json_write_struct(&w, spec_fields, s);
	return str_check(out, "the configuration as JSON", err);
}

bool spec_root_is_hosts(const struct spec *s)
{
	const struct spec_namespace *user = &s->linux_.namespaces[SPEC_NS_USER];
	const struct spec_idmaps *maps = &s->linux_.uid_maps;

	if (!user->given || user->path)
		return true;
	for (size_t i = 0; i < maps->count; i++)
		if (maps->items[i].host_id == 0)
			return true;
	return false;
}

static const char *default_receiver;

void spec_set_seccomp_receiver(const char *path)
{
	default_receiver = path && *path ? path : NULL;
}

const char *spec_seccomp_listener(const struct spec *s)
{
	if (s->linux_.seccomp && s->linux_.seccomp->listener_path)
		return s->linux_.seccomp->listener_path;
	const char *annotated = strv_env_get(&s->annotations, "run.oci.seccomp.receiver");
	return annotated ? annotated : default_receiver;
}

bool spec_keeps_groups(const struct spec *s)
{
	return strv_env_get(&s->annotations, "run.oci.keep_original_groups") != NULL;
}

bool spec_shares_mounts(const struct spec *s)
{
	const struct spec_namespace *mount = &s->linux_.namespaces[SPEC_NS_MNT];

	return !mount->given || mount->path;
}

/* ---- builders ---- */

/* One more zeroed item at the end of a counted array. Grows by one: these lists are short, and what
 * bound from a document is exactly as long as its count says. */
static void *array_add(void *slot, size_t *count, size_t item_size, struct err *err)
{
	char **items = slot;
	char *grown;

	if (*count >= STRV_MAX) {
		err_set(err, ERR_LIMIT, 0, "more than %d entries in a list of the configuration",
			STRV_MAX);
		return NULL;
	}
	grown = reallocarray(*items, *count + 1, item_size);
	if (!grown) {
		err_set(err, ERR_LIMIT, 0, "out of memory");
		return NULL;
	}
	*items = grown;
	grown += *count * item_size;
	memset(grown, 0, item_size);
	(*count)++;
	return grown;
}

struct spec_mount *spec_add_mount(struct spec *s, const char *destination, const char *type,
				  const char *source, struct err *err)
{
	struct spec_mount *m = array_add(&s->mounts, &s->mount_count, sizeof(*m), err);

	if (!m)
		return NULL;
	m->destination = str_dup(destination, err);
	m->type = type ? str_dup(type, err) : NULL;
	m->source = source ? str_dup(source, err) : NULL;
	if (m->destination && !m->type == !type && !m->source == !source)
		return m;
	free(m->destination);
	free(m->type);
	free(m->source);
	s->mount_count--;
	return NULL;
}

struct spec_device *spec_add_device(struct spec *s, const char *path, char type, int64_t major,
				    int64_t minor, struct err *err)
{
	struct spec_linux *l = &s->linux_;
	struct spec_device *d = array_add(&l->devices, &l->device_count, sizeof(*d), err);

	if (!d)
		return NULL;
	*d = (struct spec_device){
		.path = str_dup(path, err),
		.type = type,
		.major = major,
		.minor = minor,
		.file_mode = -1,
		.uid = -1,
		.gid = -1,
	};
	if (d->path)
		return d;
	l->device_count--;
	return NULL;
}

struct cgroup_device *spec_add_device_rule(struct spec *s, bool allow, char type, int64_t major,
					   int64_t minor, const char *access, struct err *err)
{
	struct cgroup_resources *r = &s->linux_.resources;
	struct cgroup_device *rule = array_add(&r->devices, &r->device_count, sizeof(*rule), err);

	if (!rule)
		return NULL;
	*rule = (struct cgroup_device){
		.allow = allow, .type = type, .major = major, .minor = minor};
	strncpy(rule->access, access, sizeof(rule->access) - 1);
	return rule;
}

static void array_remove(void *items, size_t *count, size_t item_size, size_t i)
{
	char *at = (char *)items + i * item_size;

	memmove(at, at + item_size, (--*count - i) * item_size);
}

void spec_remove_mount(struct spec *s, size_t i)
{
	struct spec_mount *m = &s->mounts[i];

	free(m->destination);
	free(m->type);
	free(m->source);
	strv_done(&m->options);
	free(m->uid_maps.items);
	free(m->gid_maps.items);
	array_remove(s->mounts, &s->mount_count, sizeof *m, i);
}

/* Devices and the rules for them are in the same order, which tells two rules for the same numbers apart. */
long spec_device_rule(const struct spec *s, size_t i)
{
	const struct spec_device *devices = s->linux_.devices, *d = &devices[i];
	const struct cgroup_resources *r = &s->linux_.resources;
	size_t before = 0;

	for (size_t k = 0; k < i; k++)
		before += devices[k].type == d->type && devices[k].major == d->major &&
			  devices[k].minor == d->minor;
	for (size_t k = 0; k < r->device_count; k++) {
		const struct cgroup_device *rule = &r->devices[k];

		if (rule->allow && rule->type == d->type && rule->major == d->major &&
		    rule->minor == d->minor && before-- == 0)
			return (long)k;
	}
	return -1;
}

void spec_remove_device(struct spec *s, size_t i)
{
	struct cgroup_resources *r = &s->linux_.resources;
	long rule = spec_device_rule(s, i);

	if (rule >= 0)
		array_remove(r->devices, &r->device_count, sizeof *r->devices, (size_t)rule);
	free(s->linux_.devices[i].path);
	array_remove(s->linux_.devices, &s->linux_.device_count, sizeof *s->linux_.devices, i);
}

int spec_add_rlimit(struct spec *s, const struct rlimit_entry *limit, struct err *err)
{
	struct spec_process *p = &s->process;
	struct rlimit_entry *added;

	for (size_t i = 0; i < p->rlimit_count; i++) {
		if (p->rlimits[i].resource == limit->resource) {
			p->rlimits[i] = *limit;
			return 0;
		}
	}
	added = array_add(&p->rlimits, &p->rlimit_count, sizeof(*added), err);
	if (!added)
		return -1;
	*added = *limit;
	return 0;
}

int spec_add_idmap(struct spec_idmaps *maps, uint32_t container_id, uint32_t host_id, uint32_t size,
		   struct err *err)
{
	struct spec_idmap *added = array_add(&maps->items, &maps->count, sizeof(*added), err);

	if (!added)
		return -1;
	*added = (struct spec_idmap){container_id, host_id, size};
	return 0;
}

int spec_parse_resources(const char *text, size_t size, const char *name,
			 struct cgroup_resources *ret, struct err *err)
{
	own_json struct json *doc = json_parse(text, size, name, err);
	struct cgroup_resources r;

	if (!doc)
		return -1;
	cgroup_resources_init(&r);
	if (json_bind(doc, 0, spec_resources_fields, JSON_UNKNOWN_ALLOW, &r, err) < 0)
		return -1;
	settle_rules(&r);
	settle_amounts(&r);
	for (size_t i = 0; i < 2; i++) {
		char **text_ = i ? &r.cpuset_mems : &r.cpuset_cpus;

		if (*text_ && !**text_) {
			free(*text_);
			*text_ = NULL;
		}
	}
	*ret = r;
	return 0;
}
