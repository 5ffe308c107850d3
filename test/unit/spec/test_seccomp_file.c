/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Profile files of docker and podman, resolved for one container on this machine. */
#include <linux/audit.h>
#include <linux/seccomp.h>

#include "documents.h"
#include "spec/seccomp.h"

#define CAP(number_) (UINT64_C(1) << (number_))
#define SYS_ADMIN CAP(21)
#define SYS_TIME CAP(25)
#define PODMAN_PROFILE "/usr/share/containers/seccomp.json"

#if defined(__x86_64__)
#define MACHINE "amd64"
#define OTHER "arm64"
#else
#define MACHINE "arm64"
#define OTHER "amd64"
#endif

static int parse(const char *text, uint64_t bounding, struct seccomp_profile *ret, struct err *err)
{
	return spec_seccomp_file_parse(text, strlen(text), "profile.json", bounding, ret, err);
}

/* Is a rule that names the call in the profile? */
static const struct seccomp_rule *find(const struct seccomp_profile *p, const char *call)
{
	for (size_t i = 0; i < p->rule_count; i++)
		if (strv_contains(&p->rules[i].names, call))
			return &p->rules[i];
	return NULL;
}

/* Does a rule with these conditions stay? */
static bool stays(const char *conditions, uint64_t bounding)
{
	own(seccomp_profile) struct seccomp_profile p = {0};
	own_free char *text = NULL;
	struct err err = ERR_INIT;

	CHECK(asprintf(&text,
		       "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
		       "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		       "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_ALLOW\",%s}]}",
		       conditions) > 0);
	CHECK_OK(parse(text, bounding, &p, &err));
	CHECK(find(&p, "read"));
	return find(&p, "mount");
}

TEST(a_rule_stays_where_its_capabilities_are_held)
{
	CHECK(stays("\"includes\":{}", 0));
	CHECK(stays("\"includes\":null,\"excludes\":null,\"args\":null,\"comment\":\"x\"", 0));
	CHECK(stays("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}", SYS_ADMIN));
	CHECK(!stays("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}", SYS_TIME));
	CHECK(!stays("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_SYS_TIME\"]}", SYS_ADMIN));
	CHECK(stays("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_SYS_TIME\"]}",
		    SYS_ADMIN | SYS_TIME));
}

TEST(a_rule_goes_where_any_excluded_capability_is_held)
{
	CHECK(stays("\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}", SYS_TIME));
	CHECK(!stays("\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_SYS_TIME\"]}", SYS_TIME));
}

TEST(a_rule_stays_on_its_machines)
{
	CHECK(stays("\"includes\":{\"arches\":[\"" OTHER "\",\"" MACHINE "\"]}", 0));
	CHECK(!stays("\"includes\":{\"arches\":[\"" OTHER "\"]}", 0));
	CHECK(!stays("\"excludes\":{\"arches\":[\"" MACHINE "\"]}", 0));
	CHECK(stays("\"excludes\":{\"arches\":[\"" OTHER "\"]}", 0));
}

TEST(a_rule_stays_from_its_kernel_on)
{
	CHECK(stays("\"includes\":{\"minKernel\":\"4.8\"}", 0));
	CHECK(!stays("\"includes\":{\"minKernel\":\"999.0\"}", 0));
	CHECK(!stays("\"excludes\":{\"minKernel\":\"4.8\"}", 0));
}

TEST(errors_by_name_and_a_single_name_are_understood)
{
	own(seccomp_profile) struct seccomp_profile p = {0};
	struct err err = ERR_INIT;

	CHECK_OK(parse("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"ENOSYS\","
		       "\"syscalls\":[{\"name\":\"bpf\",\"action\":\"SCMP_ACT_ERRNO\","
		       "\"errnoRet\":1,\"errno\":\"EACCES\"}]}",
		       0, &p, &err));
	CHECK_INT(p.default_errno, ENOSYS);
	CHECK(p.default_errno_given);
	CHECK(find(&p, "bpf"));
	CHECK_INT(find(&p, "bpf")->errno_ret, EACCES);
	CHECK(find(&p, "bpf")->errno_given);
}

#if defined(__x86_64__)
TEST(the_map_of_architectures_is_read_for_this_machine)
{
	own(seccomp_profile) struct seccomp_profile p = {0};
	struct err err = ERR_INIT;

	CHECK_OK(parse("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":["
		       "{\"architecture\":\"SCMP_ARCH_FUTURE\",\"subArchitectures\":[\"?\"]},"
		       "{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":"
		       "[\"SCMP_ARCH_X86\"]}]}",
		       0, &p, &err));
	CHECK_INT(p.arch_count, 2);
	CHECK_INT(p.archs[0], AUDIT_ARCH_X86_64);
	CHECK_INT(p.archs[1], AUDIT_ARCH_I386);
}

TEST(an_unknown_architecture_of_this_machine_is_refused)
{
	struct err err = ERR_INIT;
	struct seccomp_profile p;

	CHECK_ERR(parse("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{\"architecture\":"
			"\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_Z80\"]}]}",
			0, &p, &err),
		  ERR_INVALID, "profile.json: archMap: 'SCMP_ARCH_Z80'");
}
#endif

TEST(a_profile_that_cannot_be_meant_is_refused)
{
	static const struct {
		const char *members, *part;
	} bad[] = {
		{"\"defaultErrno\":\"EWHAT\"", "profile.json: defaultErrno: 'EWHAT' is not"},
		{"\"syscalls\":[{\"action\":\"SCMP_ACT_LOG\"}]", "syscalls[0].names: must name"},
		{"\"syscalls\":[{\"name\":\"a\",\"names\":[\"b\"],\"action\":\"SCMP_ACT_LOG\"}]",
		 "syscalls[0]: has both name and names"},
		{"\"syscalls\":[{\"names\":[\"a\"],\"action\":\"LOG\"}]", "syscalls[0].action"},
		{"\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\","
		 "\"includes\":{\"caps\":[\"CAP_X\"]}}]",
		 "syscalls[0].includes.caps[0]: 'CAP_X' is not a capability"},
		{"\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\","
		 "\"includes\":{\"minKernel\":\"new\"}}]",
		 "syscalls[0].includes.minKernel: 'new'"},
		{"\"architectures\":[\"SCMP_ARCH_X86\"],"
		 "\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\"}]",
		 "profile.json: architectures and archMap exclude each other"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		own_free char *text = NULL;
		struct err err = ERR_INIT;
		struct seccomp_profile p;

		CHECK(asprintf(&text, "{\"defaultAction\":\"SCMP_ACT_ALLOW\",%s}", bad[i].members) >
		      0);
		CHECK_ERR(parse(text, 0, &p, &err), ERR_INVALID, bad[i].part);
	}
}

static void parse_podman(uint64_t bounding, struct seccomp_profile *ret)
{
	own_fd int fd = open(PODMAN_PROFILE, O_RDONLY | O_CLOEXEC);
	own_free char *text = NULL;
	struct err err = ERR_INIT;

	if (fd < 0)
		SKIP("no " PODMAN_PROFILE);
	CHECK(fd_read_all(fd, 1u << 20, PODMAN_PROFILE, &text, &err) > 0);
	CHECK_OK(parse(text, bounding, ret, &err));
}

TEST(the_profile_of_the_distribution_is_resolved_by_capability)
{
	own(seccomp_profile) struct seccomp_profile plain = {0}, admin = {0};

	parse_podman(CAPS_DEFAULT, &plain);
	parse_podman(CAPS_DEFAULT | SYS_ADMIN, &admin);
	CHECK_INT(plain.default_action, SECCOMP_RET_ERRNO);
	CHECK(plain.arch_count > 0 && find(&plain, "read"));
	CHECK(!find(&plain, "bpf") || find(&plain, "bpf")->action != SECCOMP_RET_ALLOW);
	CHECK(find(&admin, "bpf") && find(&admin, "bpf")->action == SECCOMP_RET_ALLOW);
}

TEST(the_profile_of_the_distribution_compiles)
{
	own(seccomp_profile) struct seccomp_profile p = {0};
	own(seccomp_filter) struct seccomp_filter filter = SECCOMP_FILTER_INIT;
	struct err err = ERR_INIT;

	parse_podman(CAPS_DEFAULT, &p);
	CHECK_OK(seccomp_compile(&p, &filter, NULL, &err));
	CHECK(filter.count > 10);
}

TEST_MAIN()
