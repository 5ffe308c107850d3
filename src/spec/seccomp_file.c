/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The profile file of docker and podman (--security-opt seccomp=FILE). It says more than
 * linux.seccomp: rules that hold only with or without certain capabilities, on certain
 * architectures, or from some kernel on; errno values by name; and a map from the machine's
 * architecture to those that its processes may also use. All of that is decided here, once, for one
 * container on this machine, and what remains is a plain profile.
 *
 * A rule stays when every capability that it includes is in the bounding set, the machine is among
 * its architectures (none named: every machine), the kernel is at least minKernel, and nothing that
 * it excludes holds: any one excluded capability or architecture drops it. Architectures are named
 * as the Go tool chain names them.
 *
 * What can go wrong: a capability, errno or kernel version that cannot be read. Skipping such a rule
 * would make the filter something else than was written, so each is an error with its JSON path.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/own.h"
#include "kernel/caps.h"
#include "spec/fields.h"
#include "spec/seccomp.h"

#define ERRNO_MAX 4095

#if defined(__x86_64__)
#define MACHINE "amd64"
#define MACHINE_ARCH "SCMP_ARCH_X86_64"
#elif defined(__aarch64__)
#define MACHINE "arm64"
#define MACHINE_ARCH "SCMP_ARCH_AARCH64"
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE "riscv64"
#define MACHINE_ARCH "SCMP_ARCH_RISCV64"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define MACHINE "ppc64le"
#define MACHINE_ARCH "SCMP_ARCH_PPC64LE"
#elif defined(__s390x__)
#define MACHINE "s390x"
#define MACHINE_ARCH "SCMP_ARCH_S390X"
#else
#error "name this machine as Go and as libseccomp do"
#endif

struct condition {
	uint64_t caps; /* bits */
	struct strv arches;
	unsigned int kernel_major, kernel_minor;
};

struct file_rule {
	struct seccomp_rule rule;
	char *name; /* the old form: one name instead of an array */
	uint32_t errno_by_name;
	struct condition includes, excludes;
};

struct arch_map {
	char *architecture;
	struct strv with; /* only names: those of other machines need not be known here */
};

struct file {
	struct seccomp_profile profile; /* without rules and, where a map is given, archs */
	uint32_t default_errno_by_name;
	struct arch_map *maps;
	size_t map_count;
	struct file_rule *rules;
	size_t rule_count;
};

/* ---- values that only this file has ---- */

static int bind_errno_name(const struct json *doc, json_node n, void *slot, struct err *err)
{
	const char *text = spec_want_string(doc, n, err);

	if (!text)
		return -1;
	for (int number = 1; number <= ERRNO_MAX; number++) {
		if (str_eq(strerrorname_np(number), text)) {
			*(uint32_t *)slot = (uint32_t)number;
			return 0;
		}
	}
	return json_error(doc, n, err, "'%s' is not the name of an error", text);
}

/* "4.8" */
static int bind_kernel(const struct json *doc, json_node n, void *slot, struct err *err)
{
	struct condition *c = slot;
	const char *text = spec_want_string(doc, n, err);
	int used = 0;

	if (!text)
		return -1;
	if (sscanf(text, "%4u.%4u%n", &c->kernel_major, &c->kernel_minor, &used) != 2 ||
	    text[used] || text[0] < '0' || text[0] > '9')
		return json_error(doc, n, err, "'%s' is not a kernel version such as 4.8", text);
	return 0;
}

static const struct json_field condition_fields[] = {
	{.key = "caps",
	 .kind = JSON_F_CUSTOM,
	 .offset = offsetof(struct condition, caps),
	 .custom = spec_bind_capabilities},
	FIELD("arches", STRINGS, condition, arches),
	{.key = "minKernel", .kind = JSON_F_CUSTOM, .custom = bind_kernel},
	{0},
};

static const struct json_field file_rule_fields[] = {
	FIELD("names", STRINGS, file_rule, rule.names),
	FIELD("name", STRING, file_rule, name),
	FIELD("action", CUSTOM, file_rule, rule.action, REQUIRED,
	      .custom = spec_bind_seccomp_action),
	FIELD("errnoRet", U32, file_rule, rule.errno_ret, GIVEN(file_rule, rule.errno_given),
	      RANGE(0, ERRNO_MAX)),
	FIELD("errno", CUSTOM, file_rule, errno_by_name, .custom = bind_errno_name),
	FIELD_ARRAY("args", file_rule, rule.args, spec_seccomp_arg_fields),
	FIELD("includes", OBJECT, file_rule, includes, .fields = condition_fields),
	FIELD("excludes", OBJECT, file_rule, excludes, .fields = condition_fields),
	{.key = "comment", .kind = JSON_F_IGNORE},
	{0},
};

static const struct json_field arch_map_fields[] = {
	FIELD("architecture", STRING, arch_map, architecture, REQUIRED),
	FIELD("subArchitectures", STRINGS, arch_map, with),
	{0},
};

static const struct json_field file_fields[] = {
	FIELD("defaultAction", CUSTOM, file, profile.default_action, REQUIRED,
	      .custom = spec_bind_seccomp_action),
	FIELD("defaultErrnoRet", U32, file, profile.default_errno,
	      GIVEN(file, profile.default_errno_given), RANGE(0, ERRNO_MAX)),
	FIELD("defaultErrno", CUSTOM, file, default_errno_by_name, .custom = bind_errno_name),
	FIELD("architectures", CUSTOM, file, profile, .custom = spec_bind_seccomp_archs,
	      .custom_done = spec_seccomp_archs_done),
	FIELD_ARRAY("archMap", file, maps, arch_map_fields),
	FIELD("flags", CUSTOM, file, profile.flags, .custom = spec_bind_seccomp_flags),
	FIELD("listenerPath", STRING, file, profile.listener_path),
	FIELD("listenerMetadata", STRING, file, profile.listener_metadata),
	FIELD_ARRAY("syscalls", file, rules, file_rule_fields),
	{0},
};

FIELD_ARRAY_LAYOUT(file, maps, map_count);
FIELD_ARRAY_LAYOUT(file, rules, rule_count);

static void file_done(struct file *f)
{
	json_bind_done(file_fields, f);
}

/* ---- for one container on this machine ---- */

static bool kernel_at_least(unsigned int major, unsigned int minor)
{
	unsigned int have_major = 0, have_minor = 0;
	struct utsname uts;

	if (uname(&uts) < 0 || sscanf(uts.release, "%u.%u", &have_major, &have_minor) != 2)
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
}

static bool rule_holds(const struct file_rule *r, uint64_t bounding)
{
	if ((r->includes.caps & bounding) != r->includes.caps)
		return false;
	if (r->includes.arches.count && !strv_contains(&r->includes.arches, MACHINE))
		return false;
	if (!kernel_at_least(r->includes.kernel_major, r->includes.kernel_minor))
		return false;
	if ((r->excludes.caps & bounding) || strv_contains(&r->excludes.arches, MACHINE))
		return false;
	return !r->excludes.kernel_major ||
	       !kernel_at_least(r->excludes.kernel_major, r->excludes.kernel_minor);
}

static int rule_settle(struct file_rule *r, size_t i, struct err *err)
{
	if (r->name && r->rule.names.count)
		return err_set(err, ERR_INVALID, 0, "syscalls[%zu]: has both name and names", i);
	if (!r->name && !r->rule.names.count)
		return err_set(err, ERR_INVALID, 0, "syscalls[%zu].names: must name a call", i);
	if (r->name && strv_take(&r->rule.names, take(r->name), err) < 0)
		return -1;
	if (r->errno_by_name) {
		r->rule.errno_ret = r->errno_by_name;
		r->rule.errno_given = true;
	}
	return 0;
}

/* The rules that hold move over; the others stay behind and are released with the file. */
static int rules_select(struct file *f, uint64_t bounding, struct err *err)
{
	struct seccomp_profile *p = &f->profile;

	p->rules = calloc(f->rule_count + 1, sizeof(*p->rules));
	if (!p->rules)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	for (size_t i = 0; i < f->rule_count; i++) {
		if (rule_settle(&f->rules[i], i, err) < 0)
			return -1;
		if (!rule_holds(&f->rules[i], bounding))
			continue;
		p->rules[p->rule_count++] = f->rules[i].rule;
		f->rules[i].rule = (struct seccomp_rule){0};
	}
	return 0;
}

static int arch_add(struct seccomp_profile *p, const char *name, struct err *err)
{
	for (const struct seccomp_name *arch = seccomp_archs; arch->name; arch++) {
		if (strcmp(arch->name, name) == 0) {
			p->archs[p->arch_count++] = arch->value;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, 0, "archMap: '%s' is not a seccomp architecture", name);
}

static const struct arch_map *map_of_machine(const struct file *f)
{
	for (size_t i = 0; i < f->map_count; i++)
		if (strcmp(f->maps[i].architecture, MACHINE_ARCH) == 0)
			return &f->maps[i];
	return NULL;
}

static int archs_from_map(struct file *f, struct err *err)
{
	const struct arch_map *map = map_of_machine(f);
	struct seccomp_profile *p = &f->profile;

	if (f->map_count && p->arch_count)
		return err_set(err, ERR_INVALID, 0, "architectures and archMap exclude each other");
	if (!map)
		return 0;
	p->archs = calloc(map->with.count + 1, sizeof(*p->archs));
	if (!p->archs)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	if (arch_add(p, map->architecture, err) < 0)
		return -1;
	for (size_t i = 0; i < map->with.count; i++)
		if (arch_add(p, map->with.items[i], err) < 0)
			return -1;
	return 0;
}

static int file_resolve(struct file *f, uint64_t bounding, struct err *err)
{
	if (f->default_errno_by_name) {
		f->profile.default_errno = f->default_errno_by_name;
		f->profile.default_errno_given = true;
	}
	if (archs_from_map(f, err) < 0 || rules_select(f, bounding, err) < 0) {
		seccomp_profile_done(&f->profile);
		return -1;
	}
	return 0;
}

int spec_seccomp_file_parse(const char *text, size_t size, const char *name, uint64_t bounding,
			    struct seccomp_profile *ret, struct err *err)
{
	own(file) struct file f = {0};
	own_json struct json *doc = json_parse(text, size, name, err);

	if (!doc || json_bind(doc, 0, file_fields, JSON_UNKNOWN_ALLOW, &f, err) < 0)
		return -1;
	if (file_resolve(&f, bounding, err) < 0)
		return err_wrap(err, "%s", name);
	*ret = f.profile;
	f.profile = (struct seccomp_profile){0};
	return 0;
}
