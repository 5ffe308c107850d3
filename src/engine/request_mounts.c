/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file systems of a container: the eight that every one has, and what --tmpfs, -v and --mount ask
 * for.
 *
 * Who owns what in a bind of a user's data: with a user namespace of its own, container root is
 * nobody on the host. A source that belongs to an ordinary user is mapped so that its owner and
 * container root are one: what root writes there belongs to that user, and a setuid file planted there
 * is that user's, never root's. A source that belongs to host root, or to its group, is not mapped:
 * container root reads what others may read, and the "idmap" option, which hands it over whole, must be
 * asked for.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/request.h"

static const struct {
	const char *destination, *type, *source;
	const char *options; /* separated by commas */
} base_mounts[] = {
	{"/proc", "proc", "proc", "nosuid,noexec,nodev"},
	{"/dev", "tmpfs", "tmpfs", "nosuid,noexec,strictatime,mode=755,size=65536k"},
	{"/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
	{"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
	{"/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"},
	{"/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"},
};

static int add_options(struct strv *options, const char *list, struct err *err)
{
	own_free char *copy = str_dup(list, err);
	char *save = NULL;

	if (!copy)
		return -1;
	for (char *p = strtok_r(copy, ",", &save); p; p = strtok_r(NULL, ",", &save))
		if (strv_add(options, p, err) < 0)
			return -1;
	return 0;
}

/* POSIX shared memory goes with the ipc namespace: another's is that one's directory. */
static int add_shm(const struct request *r, struct spec *spec, struct err *err)
{
	const struct ns_request *ipc = &r->ns->of[SPEC_NS_IPC];
	uint64_t size = r->options->shm_size ? r->options->shm_size : DEFAULT_SHM_SIZE;
	bool own = ipc->mode == NS_MODE_PRIVATE;
	own_free char *others = NULL;
	struct spec_mount *m;

	if (!own && r->options->shm_size)
		return err_set(err, ERR_USAGE, 0,
			       "--shm-size: with --ipc %s /dev/shm is not the container's",
			       r->options->ipc);
	if (ipc->mode == NS_MODE_CONTAINER) {
		/* A path that leads nowhere: it must come as a descriptor (launch_join_others). */
		others = str_printf(err, "%s/dev/shm", ipc->path);
		if (!others)
			return -1;
	}
	m = spec_add_mount(spec, "/dev/shm", own ? "tmpfs" : "bind",
			   own	    ? "shm"
			   : others ? others
				    : "/dev/shm",
			   err);
	if (!m || add_options(&m->options, "nosuid,noexec,nodev", err) < 0)
		return -1;
	if (!own)
		return strv_add(&m->options, "bind", err);
	if (strv_add(&m->options, "mode=1777", err) < 0)
		return -1;
	return strv_addf(&m->options, err, "size=%llu", (unsigned long long)size);
}

static int add_base(const struct request *request, struct spec *spec, struct err *err)
{
	struct spec_mount *m;

	for (size_t i = 0; i < sizeof base_mounts / sizeof *base_mounts; i++) {
		/* Mounting sysfs takes rights over the network namespace. */
		bool bound = request->user && str_eq(base_mounts[i].type, "sysfs") &&
			     request->ns->of[SPEC_NS_NET].mode == NS_MODE_HOST;

		if (bound) {
			m = spec_add_mount(spec, "/sys", "bind", "/sys", err);
			if (!m ||
			    add_options(&m->options, "rbind,nosuid,noexec,nodev,rro", err) < 0)
				return -1;
			continue;
		}
		m = spec_add_mount(spec, base_mounts[i].destination, base_mounts[i].type,
				   base_mounts[i].source, err);
		if (!m || add_options(&m->options, base_mounts[i].options, err) < 0)
			return -1;
	}
	return add_shm(request, spec, err);
}

/* A destination is absolute, clean, not "/", and named once. */
static char *check_destination(const struct spec *spec, const char *text, const char *flag,
			       struct err *err)
{
	own_free char *clean = NULL;

	if (path_clean(text, &clean, err) < 0) {
		err_wrap(err, "%s: destination", flag);
		return NULL;
	}
	if (!strcmp(clean, "/")) {
		err_set(err, ERR_USAGE, 0, "%s: the destination must not be '/'", flag);
		return NULL;
	}
	for (size_t i = 0; i < spec->mount_count; i++)
		if (!strcmp(spec->mounts[i].destination, clean)) {
			err_set(err, ERR_EXISTS, 0, "%s: '%s' is mounted on twice", flag, clean);
			return NULL;
		}
	return take(clean);
}

/* DESTINATION[:OPTIONS] */
static int add_tmpfs(struct spec *spec, const char *text, struct err *err)
{
	own_free char *copy = str_dup(text, err);
	char *options = copy ? strchr(copy, ':') : NULL;

	if (!copy)
		return -1;
	if (options)
		*options++ = '\0';
	own_free char *destination = check_destination(spec, copy, "--tmpfs", err);
	if (!destination)
		return -1;
	struct spec_mount *m = spec_add_mount(spec, destination, "tmpfs", "tmpfs", err);
	if (!m || add_options(&m->options, "nosuid,nodev,noexec", err) < 0)
		return -1;
	if (!options || !strstr(options, "mode="))
		if (strv_add(&m->options, "mode=1777", err) < 0)
			return -1;
	return options ? add_options(&m->options, options, err) : 0;
}

struct bind_request {
	const char *source, *destination, *flag;
	bool readonly, map_whole;
	struct strv options;
};

static void bind_request_done(struct bind_request *r)
{
	strv_done(&r->options);
}

/* The owner of the source and container root are one. */
static int map_owner(struct spec_mount *m, const struct stat *st, struct err *err)
{
	/* In the namespace of the mount, "inside" is the number on disk. Where the numbers lead is known
	 * only when the container's range is: the engine replaces host_id 0 by its base at the start. */
	if (spec_add_idmap(&m->uid_maps, st->st_uid, 0, 1, err) < 0)
		return -1;
	return spec_add_idmap(&m->gid_maps, st->st_gid, 0, 1, err);
}

static int set_owner_map(const struct request *request, const struct bind_request *r,
			 const struct stat *st, struct spec_mount *m, struct err *err)
{
	if (request->user && r->map_whole) {
		err_set(err, ERR_DENIED, 0, "%s: 'idmap' takes root", r->flag);
		return err_hint(err, "what is yours belongs to container root without it");
	}
	/* What is an ordinary user's is container root's, and nothing else is his to map. */
	if (request->user || request->ns->of[SPEC_NS_USER].mode == NS_MODE_HOST || r->map_whole)
		return 0;
	if (st->st_uid != 0 && st->st_gid != 0)
		return map_owner(m, st, err);
	if (!r->readonly && S_ISDIR(st->st_mode) && !(st->st_mode & 0002))
		warn_emit("'%s' belongs to %s: the container can read what everybody may, and "
			  "write nothing (chown it, or add the option 'idmap')",
			  r->source, st->st_uid ? "the group root" : "root");
	return 0;
}

static int add_bind(const struct request *request, struct spec *spec, const struct bind_request *r,
		    struct err *err)
{
	char resolved[PATH_MAX];
	struct stat st;

	if (path_reach(AT_FDCWD, r->source, err) < 0)
		return err_wrap(err, "%s", r->flag);
	if (!realpath(r->source, resolved) || stat(resolved, &st) < 0) {
		err_errno(err, "%s: source '%s'", r->flag, r->source);
		return err_hint(err, "it must exist on the host; nothing is created there");
	}
	own_free char *destination = check_destination(spec, r->destination, r->flag, err);
	if (!destination)
		return -1;
	struct spec_mount *m = spec_add_mount(spec, destination, "bind", resolved, err);
	if (!m || strv_add(&m->options, "rbind", err) < 0)
		return -1;
	if (r->readonly && strv_add(&m->options, "rro", err) < 0)
		return -1;
	if (r->map_whole && strv_add(&m->options, "idmap", err) < 0)
		return -1;
	for (size_t i = 0; i < r->options.count; i++)
		if (strv_add(&m->options, r->options.items[i], err) < 0)
			return -1;
	return set_owner_map(request, r, &st, m, err);
}

/* One option of -v or --mount that is a word. */
static int bind_word(struct bind_request *r, const char *word, struct err *err)
{
	static const char *const passed[] = {"nosuid",	"suid",	    "nodev",  "dev",
					     "noexec",	"exec",	    "slave",  "rslave",
					     "private", "rprivate", "shared", "rshared"};

	if (str_eq(word, "ro") || str_eq(word, "readonly")) {
		r->readonly = true;
		return 0;
	}
	if (str_eq(word, "rw"))
		return 0;
	if (str_eq(word, "idmap")) {
		r->map_whole = true;
		return 0;
	}
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
		if (str_eq(word, passed[i]))
			return strv_add(&r->options, word, err);
	err_set(err, ERR_USAGE, 0, "%s: unknown option '%s'", r->flag, word);
	return err_hint(err,
			"ro, rw, idmap, nosuid, nodev, noexec, [r]slave, [r]private, [r]shared");
}

static int bind_words(struct bind_request *r, char *list, struct err *err)
{
	char *save = NULL;

	for (char *p = strtok_r(list, ",", &save); p; p = strtok_r(NULL, ",", &save))
		if (bind_word(r, p, err) < 0)
			return -1;
	return 0;
}

/* SOURCE:DESTINATION[:OPTIONS] */
static int add_volume(const struct request *request, struct spec *spec, const char *text,
		      struct err *err)
{
	own_free char *copy = str_dup(text, err);
	own(bind_request) struct bind_request r = {.flag = "--volume"};
	char *destination = copy ? strchr(copy, ':') : NULL;

	if (!copy)
		return -1;
	if (!destination || destination == copy || copy[0] != '/') {
		err_set(err, ERR_USAGE, 0, "--volume: '%s' is not SOURCE:DESTINATION[:OPTIONS]",
			text);
		return err_hint(err,
				"SOURCE is an absolute path on the host; named volumes are not "
				"there yet");
	}
	*destination++ = '\0';
	char *words = strchr(destination, ':');
	if (words)
		*words++ = '\0';
	r.source = copy;
	r.destination = destination;
	if (words && bind_words(&r, words, err) < 0)
		return -1;
	return add_bind(request, spec, &r, err);
}

struct mount_request {
	const char *type, *tmpfs_size, *tmpfs_mode;
	struct bind_request bind;
};

static int mount_pair(struct mount_request *r, char *pair, struct err *err)
{
	char *value = strchr(pair, '=');
	struct {
		const char *name;
		const char **slot;
	} named[] = {
		{"type", &r->type},
		{"source", &r->bind.source},
		{"src", &r->bind.source},
		{"destination", &r->bind.destination},
		{"dst", &r->bind.destination},
		{"target", &r->bind.destination},
		{"tmpfs-size", &r->tmpfs_size},
		{"tmpfs-mode", &r->tmpfs_mode},
	};

	if (!value)
		return bind_word(&r->bind, pair, err);
	*value++ = '\0';
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		if (!strcmp(pair, named[i].name)) {
			*named[i].slot = value;
			return 0;
		}
	if (!strcmp(pair, "bind-propagation"))
		return bind_word(&r->bind, value, err);
	if (!strcmp(pair, "readonly") || !strcmp(pair, "ro")) {
		r->bind.readonly = !strcmp(value, "true") || !strcmp(value, "1");
		return 0;
	}
	err_set(err, ERR_USAGE, 0, "--mount: unknown key '%s'", pair);
	return err_hint(err, "type, source, destination, readonly, bind-propagation, tmpfs-size, "
			     "tmpfs-mode");
}

static int add_mount_tmpfs(struct spec *spec, const struct mount_request *r, struct err *err)
{
	own(str) struct str text = STR_INIT(PATH_MAX + 100);
	uint64_t size = 0;

	if (r->bind.source)
		return err_set(err, ERR_USAGE, 0, "--mount: a tmpfs has no source");
	if (r->tmpfs_size && str_to_bytes(r->tmpfs_size, "--mount: tmpfs-size", &size, err) < 0)
		return -1;
	str_addf(&text, "%s:", r->bind.destination);
	if (size)
		str_addf(&text, "size=%llu,", (unsigned long long)size);
	if (r->tmpfs_mode)
		str_addf(&text, "mode=%s,", r->tmpfs_mode);
	if (r->bind.readonly)
		str_add(&text, "ro,");
	if (str_check(&text, "--mount", err) < 0)
		return -1;
	return add_tmpfs(spec, text.data, err);
}

static int no_source(const char *text, struct err *err)
{
	err_set(err, ERR_USAGE, 0, "--mount: '%s' has no source", text);
	return err_hint(err, "source=/PATH: what of the host is mounted");
}

/* type=bind,source=S,destination=D[,readonly] and type=tmpfs,destination=D[,tmpfs-size=N] */
static int add_mount(const struct request *request, struct spec *spec, const char *text,
		     struct err *err)
{
	own_free char *copy = str_dup(text, err);
	struct mount_request r = {.bind.flag = "--mount"};
	char *save = NULL;
	int status = copy ? 0 : -1;

	for (char *p = copy ? strtok_r(copy, ",", &save) : NULL; p && !status;
	     p = strtok_r(NULL, ",", &save))
		status = mount_pair(&r, p, err);
	if (!status && !r.bind.destination) {
		err_set(err, ERR_USAGE, 0, "--mount: '%s' has no destination", text);
		status = err_hint(err, "destination=/PATH: where it is in the container");
	}
	if (!status && str_eq(r.type, "tmpfs"))
		status = add_mount_tmpfs(spec, &r, err);
	else if (!status && r.type && strcmp(r.type, "bind") != 0)
		status = err_set(err, ERR_UNSUPPORTED, 0, "--mount: type '%s' is not bind or tmpfs",
				 r.type);
	else if (!status && !r.bind.source)
		status = no_source(text, err);
	else if (!status)
		status = add_bind(request, spec, &r.bind, err);
	bind_request_done(&r.bind);
	return status;
}

/* ---- --volumes-from ---- */

static bool has_mount(const struct spec *spec, const char *destination)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (!strcmp(spec->mounts[i].destination, destination))
			return true;
	return false;
}

/* A bind that was asked for there, asked for here: our own of the same place counts more. */
static int add_others(const struct request *request, struct spec *spec, const struct spec_mount *m,
		      bool readonly, struct err *err)
{
	own(bind_request) struct bind_request r = {.flag = "--volumes-from",
						   .source = m->source,
						   .destination = m->destination,
						   .readonly = readonly};

	if (!str_eq(m->type, "bind") || m->source[0] != '/' || has_mount(spec, m->destination))
		return 0;
	for (size_t i = 0; i < m->options.count; i++) {
		const char *word = m->options.items[i];

		if (str_eq(word, "rbind"))
			continue;
		if (bind_word(&r, str_eq(word, "rro") ? "ro" : word, err) < 0)
			return -1;
	}
	return add_bind(request, spec, &r, err);
}

/* CONTAINER[:ro|rw] */
static int add_volumes_from(const struct request *request, struct spec *spec, const char *text,
			    struct err *err)
{
	own(container) struct container other = CONTAINER_INIT;
	own_free char *name = str_dup(text, err);
	char *word = name ? strchr(name, ':') : NULL;

	if (!name)
		return -1;
	if (word)
		*word++ = '\0';
	if (word && strcmp(word, "ro") != 0 && strcmp(word, "rw") != 0)
		return err_set(err, ERR_USAGE, 0, "--volumes-from: '%s' is not ro or rw", word);
	if (!request->store || store_find(request->store, name, &other, err) < 0 ||
	    store_need_spec(&other, err) < 0)
		return err_wrap(err, "--volumes-from");
	for (size_t i = 0; i < other.record.spec.mount_count; i++)
		if (add_others(request, spec, &other.record.spec.mounts[i], str_eq(word, "ro"),
			       err) < 0)
			return -1;
	return 0;
}

int request_mounts(const struct request *request, struct spec *spec, struct err *err)
{
	const struct run_options *options = request->options;

	if (add_base(request, spec, err) < 0)
		return -1;
	for (size_t i = 0; i < options->tmpfs.count; i++)
		if (add_tmpfs(spec, options->tmpfs.items[i], err) < 0)
			return -1;
	for (size_t i = 0; i < options->volumes.count; i++)
		if (add_volume(request, spec, options->volumes.items[i], err) < 0)
			return -1;
	for (size_t i = 0; i < options->mounts.count; i++)
		if (add_mount(request, spec, options->mounts.items[i], err) < 0)
			return -1;
	for (size_t i = 0; i < options->volumes_from.count; i++)
		if (add_volumes_from(request, spec, options->volumes_from.items[i], err) < 0)
			return -1;
	return 0;
}

int request_add_mount(const struct request *request, struct spec *spec, const char *text,
		      struct err *err)
{
	size_t first = strcspn(text, "=,:");

	if (text[first] == '=' || text[first] == ',')
		return add_mount(request, spec, text, err);
	return add_volume(request, spec, text, err);
}

bool request_is_base_mount(const char *destination)
{
	for (size_t i = 0; i < sizeof base_mounts / sizeof *base_mounts; i++)
		if (str_eq(base_mounts[i].destination, destination))
			return true;
	return str_eq(destination, "/dev/shm");
}
