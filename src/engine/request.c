/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the flags of run to the record of a container: its specification, its name for people, its way
 * of stopping. Everything a user can get wrong is refused here, before a trace of the container
 * exists. Defaults are the field's: the eleven capabilities that podman gives, 2048 processes,
 * 64 MiB of /dev/shm, SIGTERM and ten seconds.
 */
#include "engine/request.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/notify.h"
#include "base/own.h"
#include "base/path.h"
#include "base/proc.h"
#include "engine/group.h"
#include "engine/launch.h"
#include "engine/ready.h"
#include "engine/requires.h"
#include "engine/restart_policy.h"
#include "engine/user.h"
#include "json/json.h"
#include "kernel/tty.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Neither host nor dir: has a configuration that names a command. */
static const char *default_shell(const char *image_ref)
{
	return !strcmp(image_ref, "host") && access("/bin/bash", X_OK) == 0 ? "/bin/bash"
									    : "/bin/sh";
}

int engine_add_list(struct strv *list, const char *option, const char *text, struct err *err)
{
	own_json struct json *doc = json_parse(text, strlen(text), option, err);
	size_t before = list->count;

	if (!doc || json_type(doc, 0) != JSON_ARRAY)
		return doc ? err_set(err, ERR_USAGE, 0, "%s: a list is wanted", option) : -1;
	for (json_node n = json_first(doc, 0); n != JSON_NONE; n = json_next(doc, n)) {
		if (json_type(doc, n) != JSON_STRING)
			return err_set(err, ERR_USAGE, 0,
				       "%s: the list has something that is no text", option);
		if (strv_add(list, json_string(doc, n), err) < 0)
			return -1;
	}
	if (list->count > before && *list->items[before])
		return 0;
	return err_set(err, ERR_USAGE, 0, "%s: the list is empty", option);
}

/* "[" alone is a command, too. */
static int add_entrypoint(const char *text, struct strv *args, struct err *err)
{
	if (!text || !*text)
		return 0;
	return str_starts(text, "[") && str_ends(text, "]")
		       ? engine_add_list(args, "--entrypoint", text, err)
		       : strv_add(args, text, err);
}

static int add_command(const struct run_options *options, const char *image_ref,
		       const struct strv *command, struct spec_process *p, struct err *err)
{
	if (add_entrypoint(options->entrypoint, &p->args, err) < 0)
		return -1;
	for (size_t i = 0; i < command->count; i++)
		if (strv_add(&p->args, command->items[i], err) < 0)
			return -1;
	if (!p->args.count && strv_add(&p->args, default_shell(image_ref), err) < 0)
		return -1;
	if (!*p->args.items[0]) {
		err_set(err, ERR_USAGE, 0, "the command is empty");
		return err_hint(err, "insula run IMAGE COMMAND [ARGUMENT...]");
	}
	return 0;
}

int engine_add_env(struct strv *env, const char *item, struct err *err)
{
	const char *equals = strchr(item, '=');
	own_free char *name = NULL;

	if (equals == item || !*item) {
		err_set(err, ERR_USAGE, 0, "environment variable '%s' has no name", item);
		return err_hint(err, "NAME=VALUE, or NAME for the value that it has here");
	}
	if (!equals) {
		const char *value = getenv(item);

		return value ? strv_env_set(env, item, value, err) : 0;
	}
	name = str_dup_len(item, (size_t)(equals - item), err);
	if (!name)
		return -1;
	if (str_has_control(name))
		return err_set(err, ERR_USAGE, 0, "environment variable '%s': bad name", name);
	return strv_env_set(env, name, equals + 1, err);
}

void engine_set_console(struct spec_process *process)
{
	unsigned short rows, cols;

	if (!process->terminal || !tty_own_size(&rows, &cols))
		return;
	process->console_rows = rows;
	process->console_cols = cols;
}

static int add_environment(const struct run_options *options, const char *hostname,
			   struct spec_process *p, struct err *err)
{
	if (strv_add(&p->env, DEFAULT_PATH, err) < 0 ||
	    strv_add(&p->env, "container=insula", err) < 0 ||
	    strv_env_set(&p->env, "HOSTNAME", hostname, err) < 0)
		return -1;
	if (options->tty && strv_env_set(&p->env, "TERM", "xterm", err) < 0)
		return -1;
	if (options->tty && getenv("TERM") && engine_add_env(&p->env, "TERM", err) < 0)
		return -1;
	return request_env(options, &p->env, err);
}

/* With keep-id whoever runs it is himself inside, too. */
static char *own_ids(struct err *err)
{
	return str_printf(err, "%u:%u", geteuid(), getegid());
}

static int set_user(const struct run_options *options, struct spec_user *user, struct err *err)
{
	char *end = NULL;

	if (!options->user && str_eq(options->userns, "keep-id")) {
		user->name = own_ids(err);
		if (!user->name)
			return -1;
	}

	if (options->user && *options->user) {
		user->name = str_dup(options->user, err);
		if (!user->name)
			return -1;
	}
	for (size_t i = 0; i < options->group_add.count; i++)
		if (!*options->group_add.items[i] || str_has_control(options->group_add.items[i]))
			return err_set(err, ERR_USAGE, 0, "--group-add: '%s' is not a group",
				       options->group_add.items[i]);
	if (strv_copy(&user->groups, &options->group_add, err) < 0)
		return -1;
	if (!options->umask)
		return 0;
	user->umask = strtol(options->umask, &end, 8);
	if (!*options->umask || *end || strlen(options->umask) > 4 ||
	    strspn(options->umask, "01234567") != strlen(options->umask) || user->umask > 0777) {
		err_set(err, ERR_USAGE, 0, "--umask: '%s' is not a mask", options->umask);
		return err_hint(err, "three octal digits, such as 027");
	}
	return 0;
}

static int set_process(const struct run_options *options, const char *image_ref,
		       const struct strv *command, struct record *record, struct err *err)
{
	struct spec *spec = &record->spec;
	struct spec_process *p = &spec->process;

	spec->process_given = true;
	p->terminal = options->tty;
	engine_set_console(p);
	p->oom_given = options->oom_score_adj_given;
	p->oom_score_adj = (int)options->oom_score_adj;
	if (set_user(options, &p->user, err) < 0)
		return -1;
	if (path_clean(options->workdir ? options->workdir : "/", &p->cwd, err) < 0)
		return err_wrap(err, "--workdir");
	if (add_command(options, image_ref, command, p, err) < 0)
		return -1;
	return add_environment(options, record->hostname, p, err);
}

/* RFC 1123, as hostname(7) has it; the kernel's limit is 64. */
static int check_hostname(const char *name, struct err *err)
{
	size_t n = strlen(name);
	bool good = n > 0 && n <= 64;

	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		good = good && (alnum || ((c == '-' || c == '.') && i > 0 && i < n - 1));
	}
	if (good)
		return 0;
	err_set(err, ERR_USAGE, 0, "'%s' is not a hostname", name);
	return err_hint(err, "letters, digits, '-' and '.', at most 64");
}

static char *host_hostname(struct err *err)
{
	struct utsname host;

	if (uname(&host) == 0)
		return str_dup(host.nodename, err);
	err_errno(err, "cannot read the hostname");
	return NULL;
}

static char *choose_hostname(const struct request *r, struct err *err)
{
	const struct run_options *options = r->options;
	const struct ns_request *uts = &r->ns->of[SPEC_NS_UTS];

	if (options->hostname && uts->mode != NS_MODE_PRIVATE) {
		err_set(err, ERR_USAGE, 0, "--hostname: with --uts %s it is not the container's",
			options->uts);
		return NULL;
	}
	if (options->hostname)
		return check_hostname(options->hostname, err) < 0 ? NULL
								  : str_dup(options->hostname, err);
	if (uts->mode == NS_MODE_CONTAINER)
		return str_dup(uts->hostname, err);
	if (uts->mode == NS_MODE_HOST || r->ns->of[SPEC_NS_NET].mode == NS_MODE_HOST)
		return host_hostname(err);
	return str_dup_len(r->record->id, STORE_SHORT_ID, err);
}

/* In the specification only where it is to be set. */
static int set_hostname(const struct request *r, struct err *err)
{
	struct record *record = r->record;

	record->hostname = choose_hostname(r, err);
	if (!record->hostname)
		return -1;
	if (r->ns->of[SPEC_NS_UTS].mode != NS_MODE_PRIVATE)
		return 0;
	record->spec.hostname = str_dup(record->hostname, err);
	return record->spec.hostname ? 0 : -1;
}

static int set_stop(const struct run_options *options, struct record *record, struct err *err)
{
	record->stop_signal = SIGTERM;
	record->stop_timeout_ms = options->stop_timeout_given ? options->stop_timeout_ms
							      : DEFAULT_STOP_TIMEOUT_MS;
	if (!options->stop_signal)
		return 0;
	record->stop_signal = proc_signal_parse(options->stop_signal, err);
	return record->stop_signal < 0 ? err_wrap(err, "--stop-signal") : 0;
}

const char *const engine_sdnotify_names[] = {READY_BY_CONTAINER, READY_BY_START, READY_BY_HEALTH,
					     "ignore", NULL};

/* Who is started by a service manager says by default himself that he is ready. */
static int set_sdnotify(const struct run_options *options, struct record *record, struct err *err)
{
	const char *how = engine_sdnotify_names[options->sdnotify];

	if (!options->sdnotify_given && !notify_socket())
		return 0;
	if (str_eq(how, "ignore"))
		return 0;
	if (str_eq(how, READY_BY_HEALTH) && !record->health.command.count) {
		err_set(err, ERR_USAGE, 0, "--sdnotify healthy: there is no health check");
		return err_hint(err, "--health-cmd says what tells that it is well");
	}
	record->sdnotify = str_dup(how, err);
	return record->sdnotify ? 0 : -1;
}

int request_check_place(const struct spec *spec, const char *place, struct err *err)
{
	size_t size = strlen(place);

	for (size_t i = 0; i < spec->mount_count; i++) {
		const char *destination = spec->mounts[i].destination;

		if (str_eq(destination, place))
			return err_set(err, ERR_EXISTS, 0, "'%s' is mounted on twice", place);
		if (str_starts(destination, place) && destination[size] == '/')
			return err_set(err, ERR_EXISTS, 0,
				       "the mount on '%s' would be below '%s', and hidden",
				       destination, place);
	}
	return 0;
}

/* Before the mounts are those of a start. */
static int check_sdnotify(const struct record *record, const struct spec *spec, struct err *err)
{
	if (str_eq(record->sdnotify, READY_BY_CONTAINER) &&
	    request_check_place(spec, LAUNCH_NOTIFY_DIR, err) < 0)
		return err_wrap(err, "--sdnotify container");
	return 0;
}

/* It is written by whoever starts the container, which is somewhere else by then. */
static int set_restart(const struct run_options *options, struct record *record, struct err *err)
{
	struct restart_policy policy;

	if (restart_policy_parse(options->restart, &policy, err) < 0)
		return -1;
	if (policy.kind == RESTART_NO)
		return 0;
	if (options->remove) {
		err_set(err, ERR_USAGE, 0,
			"--rm and --restart exclude each other: one that is removed at its "
			"end cannot be started again");
		return err_hint(err, "leave one of them out");
	}
	record->restart = str_dup(options->restart, err);
	return record->restart ? 0 : -1;
}

/* It is written again at each start: the links of its directory are followed now, once. */
static int set_pidfile(const struct run_options *options, struct record *record, struct err *err)
{
	const char *path = options->pidfile, *slash;
	char directory[PATH_MAX];
	own_free char *above = NULL;

	if (!path)
		return 0;
	slash = strrchr(path, '/');
	if (!*path || (slash && !slash[1]) || str_has_control(path))
		return err_set(err, ERR_USAGE, 0, "--pidfile: '%s' is not a file name", path);
	above = slash ? str_dup_len(path, (size_t)(slash - path) + 1, err) : str_dup(".", err);
	if (!above)
		return -1;
	if (!realpath(above, directory))
		return err_errno(err, "--pidfile: cannot write '%s'", path);
	record->pidfile = str_printf(err, "%s/%s", directory[1] ? directory : "",
				     slash ? slash + 1 : path);
	return record->pidfile ? 0 : -1;
}

/* How it was made, for whoever wants to make the same again. */
static int set_given(const struct run_options *options, const struct strv *command,
		     struct record *record, struct err *err)
{
	own_free char *here = get_current_dir_name();

	if (!options->given.items)
		return 0;
	if (strv_add(&record->given, here ? here : "/", err) < 0)
		return -1;
	for (size_t i = 0; i < options->given.count; i++)
		if (strv_add(&record->given, options->given.items[i], err) < 0)
			return -1;
	return strv_copy(&record->operands, command, err);
}

static int set_identity(const struct run_options *options, const char *image_ref,
			const struct image *image, struct record *record, struct err *err)
{
	char id[STORE_ID_LENGTH + 1];

	if (options->name && store_check_name(options->name, err) < 0)
		return -1;
	if (str_random_hex(id, STORE_ID_LENGTH / 2, err) < 0)
		return -1;
	record->id = str_dup(id, err);
	record->image = str_dup(image_ref, err);
	record->image_stamp = str_dup(image->stamp, err);
	record->created_ns = clock_real_ns();
	if (options->name)
		record->name = str_dup(options->name, err);
	return record->id && record->image && record->image_stamp &&
			       (record->name || !options->name)
		       ? 0
		       : -1;
}

static void set_flags(const struct run_options *options, struct record *record)
{
	record->remove = options->remove;
	record->terminal = options->tty;
	record->interactive = options->interactive;
	record->strict = options->strict;
	record->strict_limits = request_is_strict(options);
	record->spec.init = options->init;
	record->spec.root_readonly = options->read_only;
}

/* Who joins another's has the same ids, also in what he leaves on the disk. */
static int set_userns(const struct request *r, struct err *err)
{
	const struct ns_request *user = &r->ns->of[SPEC_NS_USER];
	const char *asked = r->options->userns;
	const char *mode = user->mode == NS_MODE_CONTAINER ? user->userns : asked;

	if (!r->user || !mode || str_eq(mode, "private"))
		return 0;
	r->record->userns = str_dup(mode, err);
	return r->record->userns ? 0 : -1;
}

/* Whoever it is, before anything of it. */
static int fill_outside(const struct request *r, const char *image_ref, const struct image *image,
			struct err *err)
{
	const struct run_options *options = r->options;
	struct record *record = r->record;

	set_flags(options, record);
	record->layers_in_run = r->in_run;
	if (set_userns(r, err) < 0)
		return -1;
	if (options->cgroup_parent &&
	    group_parent_check(options->cgroup_parent, r->user, &record->cgroup_parent, err) < 0)
		return -1;
	if (set_identity(options, image_ref, image, record, err) < 0 ||
	    set_stop(options, record, err) < 0 || set_restart(options, record, err) < 0 ||
	    request_health(options, &record->health, err) < 0 ||
	    set_sdnotify(options, record, err) < 0 ||
	    request_labels(options, &record->labels, err) < 0 ||
	    requires_resolve(r->store, &options->requires, record, err) < 0 ||
	    request_annotations(options, &record->spec.annotations, err) < 0)
		return -1;
	return set_pidfile(options, record, err);
}

static int fill_inside(const struct request *r, const char *image_ref, const struct strv *command,
		       struct err *err)
{
	const struct run_options *options = r->options;
	struct record *record = r->record;
	struct spec *spec = &record->spec;

	if (set_hostname(r, err) < 0 || request_hosts(r, err) < 0 ||
	    request_set_namespaces(r->ns, spec, err) < 0)
		return -1;
	spec->oci_version = str_dup(SPEC_OCI_VERSION, err);
	spec->root_path = str_dup("rootfs", err);
	if (!spec->oci_version || !spec->root_path)
		return -1;
	if (set_process(options, image_ref, command, record, err) < 0 ||
	    request_mounts(r, spec, err) < 0 || request_limits(r, spec, err) < 0 ||
	    request_security(options, spec, err) < 0)
		return -1;
	return request_log(options, record, err) < 0 || check_sdnotify(record, spec, err) < 0 ||
			       request_secrets(r, spec, err) < 0 ||
			       set_given(options, command, record, err) < 0
		       ? -1
		       : strv_copy(&record->command, &spec->process.args, err);
}

static int fill_record(struct store *store, const struct run_options *options,
		       const char *image_ref, const struct image *image, const struct strv *command,
		       struct record *record, struct err *err)
{
	own(request_namespaces) struct request_namespaces ns = {0};
	struct facts facts = {0};
	const struct request r = {.options = options,
				  .ns = &ns,
				  .facts = &facts,
				  .record = record,
				  .store = store,
				  .user = store && store->user,
				  .in_run = store && user_layers_in_run(store)};
	bool needs_facts = options->cpus_milli || options->cpuset_cpus || options->cpuset_mems;

	if ((needs_facts && facts_probe_process(AT_FDCWD, &facts, err) < 0) ||
	    request_namespaces(store, options, &ns, err) < 0 ||
	    fill_outside(&r, image_ref, image, err) < 0)
		return -1;
	return fill_inside(&r, image_ref, command, err);
}

int engine_make_record(struct store *store, const struct run_options *options,
		       const char *image_ref, const struct image *image, const struct strv *command,
		       struct record *ret, struct err *err)
{
	record_init(ret);
	if (fill_record(store, options, image_ref, image, command, ret, err) == 0)
		return 0;
	record_done(ret);
	return -1;
}
