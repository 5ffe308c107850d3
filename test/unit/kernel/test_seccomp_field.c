/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The default filter beside the profile that Podman, Buildah and CRI-O use, where that is installed:
 * each call that is treated otherwise must be in the table of differences, with the reason, and
 * each line of the table must be true.
 */
#include <linux/audit.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/own.h"
#include "json/json.h"
#include "kernel/caps.h"
#include "seccomp_vm.h"
#include "test.h"

#define PROFILE "/usr/share/containers/seccomp.json"

#define NEWER "newer than their profile; does to what is one's own what an older call does"
#define MOUNTS "makes or changes mounts: takes CAP_SYS_ADMIN, a user namespace is no way around"
#define NAMESPACES "makes or enters namespaces: takes CAP_SYS_ADMIN"

static const struct difference {
	const char *name;
	const char *reason;
	bool with_admin_too; /* also for a container that has CAP_SYS_ADMIN */
} differences[] = {
	{"cachestat", NEWER, true},
	{"clone", NAMESPACES, false},
	{"clone3", "a filter cannot see its flags; the C libraries fall back to clone", false},
	{"fchmodat2", NEWER, true},
	{"file_getattr", NEWER, true},
	{"file_setattr", NEWER, true},
	{"fsconfig", MOUNTS, false},
	{"fsmount", MOUNTS, false},
	{"fsopen", MOUNTS, false},
	{"fspick", MOUNTS, false},
	{"futex_requeue", NEWER, true},
	{"futex_wait", NEWER, true},
	{"futex_waitv", NEWER, true},
	{"futex_wake", NEWER, true},
	{"getxattrat", NEWER, true},
	{"ioctl", "TIOCSTI and TIOCLINUX type into the caller's terminal", true},
	{"listmount", NEWER, true},
	{"listxattrat", NEWER, true},
	{"lsm_get_self_attr", NEWER, true},
	{"lsm_list_modules", NEWER, true},
	{"lsm_set_self_attr", NEWER, true},
	{"map_shadow_stack", NEWER, true},
	{"mount", MOUNTS, false},
	{"mount_setattr", MOUNTS, false},
	{"move_mount", MOUNTS, false},
	{"mseal", NEWER, true},
	{"open_tree", MOUNTS, false},
	{"open_tree_attr", "newer than their profile; " MOUNTS, true},
	{"personality", "the kernel compares 32 bits of the argument, they compare 64", true},
	{"pivot_root", MOUNTS, false},
	{"quotactl_fd", "newer than their profile; as quotactl", true},
	{"removexattrat", NEWER, true},
	{"set_mempolicy_home_node", NEWER, true},
	{"setns", NAMESPACES "; they list it twice, and the first, open entry counts", false},
	{"setxattrat", NEWER, true},
	{"socket", "AF_VSOCK leads out of the container; and arguments of 32 bits", true},
	{"statmount", NEWER, true},
	{"umount", MOUNTS, false},
	{"umount2", MOUNTS, false},
	{"unshare", NAMESPACES, false},
	{"uprobe", "only the kernel's own probes make it", true},
	{"uretprobe", "only the kernel's own probes make it", true},
};
#define DIFFERENCES (sizeof(differences) / sizeof(differences[0]))

static uint32_t value_named(const struct seccomp_name *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table->value;
	test_fail(__FILE__, __LINE__, "the profile has an unknown '%s'", name);
}

static bool names_all_caps(const struct json *doc, json_node list, uint64_t bounding)
{
	struct err err = ERR_INIT;

	for (json_node n = json_first(doc, list); n != JSON_NONE; n = json_next(doc, n)) {
		int cap = caps_parse(json_string(doc, n), &err);

		CHECK_OK(cap);
		if (!(bounding >> cap & 1))
			return false;
	}
	return true;
}

static bool names_amd64(const struct json *doc, json_node list)
{
	for (json_node n = json_first(doc, list); n != JSON_NONE; n = json_next(doc, n))
		if (strcmp(json_string(doc, n), "amd64") == 0)
			return true;
	return false;
}

static bool applies(const struct json *doc, json_node rule, uint64_t bounding)
{
	json_node includes = json_get(doc, rule, "includes");
	json_node excludes = json_get(doc, rule, "excludes");
	json_node in_caps = json_get(doc, includes, "caps");
	json_node in_arches = json_get(doc, includes, "arches");
	json_node ex_caps = json_get(doc, excludes, "caps");

	if (in_caps != JSON_NONE && !names_all_caps(doc, in_caps, bounding))
		return false;
	if (in_arches != JSON_NONE && !names_amd64(doc, in_arches))
		return false;
	return ex_caps == JSON_NONE || !names_all_caps(doc, ex_caps, bounding);
}

static uint64_t number_of(const struct json *doc, json_node object, const char *key)
{
	struct err err = ERR_INIT;
	uint64_t value;

	CHECK_OK(json_u64(doc, json_get(doc, object, key), &value, &err));
	return value;
}

static void read_args(const struct json *doc, json_node list, struct seccomp_rule *rule)
{
	rule->args = calloc(6, sizeof(*rule->args));
	CHECK(rule->args);
	if (list == JSON_NONE || json_type(doc, list) != JSON_ARRAY)
		return;
	for (json_node n = json_first(doc, list); n != JSON_NONE; n = json_next(doc, n)) {
		const char *op = json_string(doc, json_get(doc, n, "op"));

		CHECK(rule->arg_count < 6);
		rule->args[rule->arg_count++] = (struct seccomp_arg){
			.index = (unsigned int)number_of(doc, n, "index"),
			.value = number_of(doc, n, "value"),
			.value_two = number_of(doc, n, "valueTwo"),
			.op = (int)value_named(seccomp_ops, op),
		};
	}
}

static void read_rule(const struct json *doc, json_node node, struct seccomp_rule *rule)
{
	json_node names = json_get(doc, node, "names");
	struct err err = ERR_INIT;

	rule->action = value_named(seccomp_actions,
				   json_string(doc, json_get(doc, node, "action")));
	rule->errno_given = rule->action == SECCOMP_RET_ERRNO;
	if (rule->errno_given)
		rule->errno_ret = (uint32_t)number_of(doc, node, "errnoRet");
	for (json_node n = json_first(doc, names); n != JSON_NONE; n = json_next(doc, n))
		CHECK_OK(strv_add(&rule->names, json_string(doc, n), &err));
	read_args(doc, json_get(doc, node, "args"), rule);
}

static void read_profile(const struct json *doc, uint64_t bounding, struct seccomp_profile *ret)
{
	static const uint32_t archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, SCMP_ARCH_X32};
	json_node rules = json_get(doc, 0, "syscalls");

	*ret = (struct seccomp_profile){
		.default_action = SECCOMP_RET_ERRNO,
		.default_errno = (uint32_t)number_of(doc, 0, "defaultErrnoRet"),
		.default_errno_given = true,
		.archs = malloc(sizeof(archs)),
		.arch_count = 3,
		.rules = calloc(json_count(doc, rules), sizeof(*ret->rules)),
	};
	CHECK(ret->archs && ret->rules);
	memcpy(ret->archs, archs, sizeof(archs));
	for (json_node n = json_first(doc, rules); n != JSON_NONE; n = json_next(doc, n))
		if (applies(doc, n, bounding))
			read_rule(doc, n, &ret->rules[ret->rule_count++]);
}

static struct json *open_profile(void)
{
	own_fd int fd = open(PROFILE, O_RDONLY | O_CLOEXEC);
	own_free char *text = NULL;
	struct err err = ERR_INIT;

	if (fd < 0)
		SKIP("%s is not installed", PROFILE);
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		SKIP("the profile is read for amd64 only");
	ssize_t size = fd_read_all(fd, 1 << 20, PROFILE, &text, &err);
	CHECK_OK(size);
	struct json *doc = json_parse(text, (size_t)size, PROFILE, &err);
	CHECK_OK(doc);
	return doc;
}

static const struct difference *find_difference(const char *name)
{
	for (size_t i = 0; name && i < DIFFERENCES; i++)
		if (strcmp(differences[i].name, name) == 0)
			return &differences[i];
	return NULL;
}

static const struct difference *check_call(const struct oracle *theirs,
					   const struct seccomp_filter *ours, uint32_t arch,
					   struct seccomp_data *data)
{
	uint32_t a = vm_run(ours->insns, ours->count, data, NULL);
	uint32_t b = oracle_answer(theirs, data);

	if (a == b)
		return NULL;
	const struct difference *d = find_difference(call_name(arch, data->nr));
	if (!d)
		report_difference("containers-common", data, a, b);
	return d;
}

static void compare(const struct json *doc, uint64_t bounding, bool admin)
{
	static const uint32_t archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, SCMP_ARCH_X32};
	own(seccomp_profile) struct seccomp_profile profile = {0}, own_profile = {0};
	own(seccomp_filter) struct seccomp_filter ours = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;
	bool seen[DIFFERENCES] = {false};
	uint64_t seed = 11;

	read_profile(doc, bounding, &profile);
	CHECK_OK(seccomp_default_profile(bounding, &own_profile, &err));
	CHECK_OK(seccomp_default_filter(bounding, &ours, &err));
	struct oracle *theirs = oracle_new(&profile);
	for (uint32_t n = 0; n < 3 * 1024 * 40; n++) {
		uint32_t arch = archs[n % 3];
		struct seccomp_data data = {.arch = arch, .nr = (int)(n / 3 % 1024)};

		if (arch == SCMP_ARCH_X32) {
			data.arch = AUDIT_ARCH_X86_64;
			data.nr |= 0x40000000;
		}
		if (n >= 3 * 1024)
			sample_args(n & 1 ? &profile : &own_profile, &seed, &data);
		const struct difference *d = check_call(theirs, &ours, arch, &data);
		if (d)
			seen[d - differences] = true;
	}
	for (size_t i = 0; i < DIFFERENCES; i++)
		if (seen[i] != (!admin || differences[i].with_admin_too))
			test_fail(__FILE__, __LINE__, "'%s' differs: %d", differences[i].name,
				  seen[i]);
	oracle_free(theirs);
}

TEST(every_difference_from_containers_common_has_a_reason)
{
	own_json struct json *doc = open_profile();

	compare(doc, CAPS_DEFAULT, false);
	compare(doc, 0, false);
	compare(doc, CAPS_DEFAULT & ~(UINT64_C(1) << CAP_AUDIT_WRITE), false);
}

TEST(with_every_capability_only_the_newer_calls_differ)
{
	own_json struct json *doc = open_profile();

	compare(doc, caps_all(), true);
}

/* It names setns twice without conditions, with different actions: what a drop-in runtime is given. */
TEST(the_profile_itself_is_compiled_as_libseccomp_does)
{
	own_json struct json *doc = open_profile();
	own(seccomp_profile) struct seccomp_profile profile = {0};
	own(seccomp_filter) struct seccomp_filter ours = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;
	uint64_t seed = 5;
	size_t count;

	read_profile(doc, CAPS_DEFAULT, &profile);
	CHECK_OK(seccomp_compile(&profile, &ours, NULL, &err));
	vm_check(ours.insns, ours.count);
	CHECK(ours.count < 350);
	own_free struct sock_filter *theirs = libseccomp_compile(&profile, true, &count);
	for (uint32_t n = 0; n < 4 * 600 * 20; n++) {
		struct seccomp_data data = {.arch = n & 1 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64,
					    .nr = (int)((n / 4 % 600) | (n & 2 ? 0x40000000 : 0))};

		sample_args(&profile, &seed, &data);
		uint32_t a = vm_run(ours.insns, ours.count, &data, NULL);
		uint32_t b = vm_run(theirs, count, &data, NULL);
		if (a != b)
			report_difference("libseccomp", &data, a, b);
	}
}

TEST_MAIN()
