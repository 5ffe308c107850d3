/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container may do: capabilities, the system-call filter, no_new_privs, labels, devices, and
 * which parts of /proc and /sys are covered.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/request.h"
#include "spec/seccomp.h"

#define SECCOMP_FILE_MAX (1u << 20)

static int collect_caps(const struct strv *names, const char *flag, uint64_t *set, struct err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		const char *name = names->items[i];
		bool all = !strcasecmp(name, "all");
		int cap = all ? 0 : caps_parse(name, err);

		if (cap < 0)
			return err_wrap(err, "%s", flag);
		*set |= all ? caps_all() : UINT64_C(1) << cap;
	}
	return 0;
}

bool engine_is_root(const char *user)
{
	size_t size = strcspn(user, ":");

	return (size == 1 && *user == '0') || (size == 4 && str_starts(user, "root"));
}

/* As the field has it: "all" on either side is applied before single names of the other side. */
static int set_caps(const struct run_options *options, struct spec *spec, struct err *err)
{
	uint64_t added = 0, dropped = 0, set;

	if (collect_caps(&options->cap_add, "--cap-add", &added, err) < 0 ||
	    collect_caps(&options->cap_drop, "--cap-drop", &dropped, err) < 0)
		return -1;
	set = dropped == caps_all() ? added : (CAPS_DEFAULT | added) & ~dropped;
	spec->process.caps_given = true;
	/* A command that does not run as root starts with none of them, as execve(2) would have it; what
	 * it may get back by setuid programs is the bounding set. */
	bool root = !options->user || !*options->user || engine_is_root(options->user);
	spec->process.caps = (struct caps){
		.bounding = set, .effective = root ? set : 0, .permitted = root ? set : 0};
	return 0;
}

static int read_profile(const char *path, struct spec *spec, struct err *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	own_free char *text = NULL;

	if (fd < 0)
		return err_errno(err, "cannot open seccomp profile '%s'", path);
	ssize_t n = fd_read_all(fd, SECCOMP_FILE_MAX, path, &text, err);
	if (n < 0)
		return -1;
	spec->linux_.seccomp = calloc(1, sizeof *spec->linux_.seccomp);
	if (!spec->linux_.seccomp)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read '%s'", path);
	return spec_seccomp_file_parse(text, (size_t)n, path, spec->process.caps.bounding,
				       spec->linux_.seccomp, err);
}

static int security_seccomp(struct spec *spec, const char *value, struct err *err)
{
	spec->seccomp_default = false;
	if (!strcmp(value, "unconfined"))
		return 0;
	return read_profile(value, spec, err);
}

static int security_nnp(struct spec *spec, const char *value, struct err *err)
{
	if (*value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return err_set(err, ERR_USAGE, 0, "no-new-privileges is true or false");
	spec->process.no_new_privs = strcmp(value, "false") != 0;
	return 0;
}

static int security_apparmor(struct spec *spec, const char *value, struct err *err)
{
	spec->process.apparmor_profile = str_dup(value, err);
	return spec->process.apparmor_profile ? 0 : -1;
}

static int security_label(struct spec *spec, const char *value, struct err *err)
{
	if (!strcmp(value, "disable"))
		return 0;
	spec->process.selinux_label = str_dup(value, err);
	return spec->process.selinux_label ? 0 : -1;
}

static int security_mask(struct spec *spec, const char *value, struct err *err)
{
	own_free char *copy = str_dup(value, err);
	char *save = NULL;

	for (char *p = copy ? strtok_r(copy, ":", &save) : NULL; p; p = strtok_r(NULL, ":", &save))
		if (strv_add(&spec->linux_.masked_paths, p, err) < 0)
			return -1;
	return copy ? 0 : -1;
}

static const struct {
	const char *name;
	int (*set)(struct spec *spec, const char *value, struct err *err);
	bool alone; /* may stand without a value */
} security_names[] = {
	{"seccomp", security_seccomp, false},	{"no-new-privileges", security_nnp, true},
	{"apparmor", security_apparmor, false}, {"label", security_label, false},
	{"mask", security_mask, false},
};

/* NAME=VALUE or, older, NAME:VALUE. */
static int set_security(struct spec *spec, const char *text, struct err *err)
{
	size_t n = strcspn(text, "=:");
	const char *value = text[n] ? text + n + 1 : "";

	for (size_t i = 0; i < sizeof security_names / sizeof *security_names; i++) {
		if (strlen(security_names[i].name) != n ||
		    strncmp(text, security_names[i].name, n) != 0)
			continue;
		if (!*value && !security_names[i].alone)
			return err_set(err, ERR_USAGE, 0, "--security-opt: '%s' needs a value",
				       text);
		if (security_names[i].set(spec, value, err) < 0)
			return err_wrap(err, "--security-opt");
		return 0;
	}
	err_set(err, ERR_USAGE, 0, "--security-opt: '%s' is not known", text);
	return err_hint(err, "seccomp=FILE|unconfined, no-new-privileges, apparmor=PROFILE, "
			     "label=LABEL|disable, mask=PATH[:PATH]");
}

static int set_masks(struct spec *spec, struct err *err)
{
	for (const char *const *p = spec_default_masked_paths; *p; p++)
		if (strv_add(&spec->linux_.masked_paths, *p, err) < 0)
			return -1;
	for (const char *const *p = spec_default_readonly_paths; *p; p++)
		if (strv_add(&spec->linux_.readonly_paths, *p, err) < 0)
			return -1;
	return 0;
}

/* Nothing; what every container may use is added by the runtime. */
static int set_device_rules(struct spec *spec, struct err *err)
{
	return spec_add_device_rule(spec, false, 'a', -1, -1, "rwm", err) ? 0 : -1;
}

static bool is_access(const char *text)
{
	return *text && strspn(text, "rwm") == strlen(text) && strlen(text) <= 3;
}

/* HOST[:CONTAINER][:ACCESS] */
int request_add_device(struct spec *spec, const char *text, struct err *err)
{
	own_free char *host = str_dup(text, err);
	own_free char *path = NULL;
	const char *inside = host, *access = "rwm";
	struct stat st;

	if (!host)
		return -1;
	for (char *p = strchr(host, ':'); p; p = strchr(p, ':')) {
		*p++ = '\0';
		if (is_access(p))
			access = p;
		else
			inside = p;
	}
	if (path_clean(inside, &path, err) < 0)
		return err_wrap(err, "--device");
	for (size_t i = 0; i < spec->linux_.device_count; i++)
		if (str_eq(spec->linux_.devices[i].path, path))
			return err_set(err, ERR_EXISTS, 0, "--device: '%s' is there twice", path);
	if (stat(host, &st) < 0)
		return err_errno(err, "--device: '%s'", host);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_set(err, ERR_USAGE, 0, "--device: '%s' is not a device", host);
	char type = S_ISBLK(st.st_mode) ? 'b' : 'c';
	struct spec_device *d = spec_add_device(spec, path, type, major(st.st_rdev),
						minor(st.st_rdev), err);
	if (!d)
		return err_wrap(err, "--device");
	d->file_mode = st.st_mode & 0777;
	return spec_add_device_rule(spec, true, type, major(st.st_rdev), minor(st.st_rdev), access,
				    err)
		       ? 0
		       : -1;
}

int request_security(const struct run_options *options, struct spec *spec, struct err *err)
{
	spec->seccomp_default = true;
	if (set_caps(options, spec, err) < 0 || set_masks(spec, err) < 0 ||
	    set_device_rules(spec, err) < 0)
		return -1;
	for (size_t i = 0; i < options->security_opts.count; i++)
		if (set_security(spec, options->security_opts.items[i], err) < 0)
			return -1;
	for (size_t i = 0; i < options->devices.count; i++)
		if (request_add_device(spec, options->devices.items[i], err) < 0)
			return -1;
	return 0;
}
