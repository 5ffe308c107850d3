/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What hosts that we do not have would lack: facts and features are made up or recorded, the document is
 * the default one with a change, and every problem is compared, a line each: "PATH: TEXT", warnings with
 * a '~' before them. What this host really has is asked in test/e2e/validate.bats.
 */
#include "runtime/check.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <unistd.h>

#include "base/own.h"
#include "test.h"

static struct spec spec;
static struct facts facts;
static struct cgroup_host host;
static struct support support;
static struct id_map everyone = {0, 0, UINT32_MAX};
static struct err err;

static int open_data(const char *kind, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), TEST_DATA "/%s/%s", kind, name);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A kernel that has everything, and root. */
static void use(const char *cgroup_name)
{
	static const char *const types[] = {"proc",   "tmpfs", "devpts",
					    "mqueue", "sysfs", "overlay"};
	own_fd int cgroup_fd = open_data("cgroup", cgroup_name);

	CHECK_OK(spec_default(&spec, &err));
	spec.process.rlimit_count = 0;
	CHECK_OK(cgroup_host_probe(cgroup_fd, &host, &err));
	facts = (struct facts){.caps_effective = UINT64_MAX, .root = true, .initial_userns = true};
	support = (struct support){.apparmor = true,
				   .selinux = true,
				   .idmap = true,
				   .resctrl = true,
				   .memory_policy = true,
				   .seccomp_flags = UINT32_MAX,
				   .user_namespaces = 1000,
				   .uids = &everyone,
				   .gids = &everyone,
				   .uid_count = 1,
				   .gid_count = 1};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		CHECK_OK(strv_add(&support.filesystems, types[i], &err));
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++)
		support.namespaces[kind] = true;
}

static void done(void)
{
	spec_done(&spec);
	cgroup_host_done(&host);
	support.uids = support.gids = NULL;
	support_done(&support);
}

/* Check, compare and release. */
static void told(bool strict, const char *expected)
{
	struct check c = {.spec = &spec,
			  .bundle = "/bundle",
			  .facts = &facts,
			  .host = &host,
			  .support = &support,
			  .strict = strict};
	own(problems) struct problems found = {0};
	own(str) struct str text = STR_INIT(65536);

	CHECK_OK(check_host(&c, &found, &err));
	for (size_t i = 0; i < found.count; i++)
		str_addf(&text, "%s%s: %s\n", found.items[i].severity == PROBLEM_WARNING ? "~" : "",
			 found.items[i].path, found.items[i].message);
	CHECK_STR(text.data, expected);
	done();
}

TEST(a_host_that_has_everything)
{
	use("v2-plain");
	told(true, "");
	use("v1-systemd");
	told(true, "");
}

TEST(namespaces_that_the_kernel_lacks)
{
	use("v2-plain");
	spec.linux_.namespaces[SPEC_NS_TIME] = (struct spec_namespace){.given = true, .index = 6};
	spec.linux_.namespaces[SPEC_NS_USER] = (struct spec_namespace){.given = true, .index = 7};
	CHECK_OK(spec_add_idmap(&spec.linux_.uid_maps, 0, 1000, 1000, &err));
	support.namespaces[NS_TIME] = support.namespaces[NS_USER] = false;
	told(false, "linux.namespaces[7].type: this kernel has no user namespaces\n"
		    "linux.namespaces[6].type: this kernel has no time namespaces\n");
}

TEST(user_namespaces_that_are_switched_off)
{
	use("v2-plain");
	spec.linux_.namespaces[SPEC_NS_USER] = (struct spec_namespace){.given = true, .index = 6};
	support.user_namespaces = 0;
	told(false, "linux.namespaces[6].type: no user namespace may be made here\n");
}

TEST(privilege_that_is_missing)
{
	use("v2-plain");
	facts = (struct facts){.caps_effective = 0};
	spec.process.caps.bounding = UINT64_C(1) << CAP_KILL;
	spec.process.caps.permitted = UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_CHOWN;
	told(false,
	     "linux.namespaces: without a user namespace this takes CAP_SYS_ADMIN\n"
	     "~process.capabilities.bounding: CAP_KILL cannot be granted: we do not have it\n"
	     "~process.capabilities.permitted: CAP_CHOWN cannot be granted: we do not have it\n");
}

TEST(maps_beyond_our_own)
{
	struct id_map two[] = {{0, 100000, 1000}, {1000, 5, 10}};
	char expected[512];

	use("v2-plain");
	spec.linux_.namespaces[SPEC_NS_USER] = (struct spec_namespace){.given = true, .index = 6};
	support.uids = support.gids = two;
	support.uid_count = support.gid_count = 2;
	CHECK_OK(spec_add_idmap(&spec.linux_.uid_maps, 0, 990, 20, &err));
	CHECK_OK(spec_add_idmap(&spec.linux_.uid_maps, 100, 1005, 6, &err));
	CHECK_OK(spec_add_idmap(&spec.linux_.gid_maps, 0, 1010, 1, &err));
	snprintf(expected, sizeof(expected),
		 "linux.uidMappings[1].hostID: our user namespace has not all of 1005 to 1010\n"
		 "linux.gidMappings[0].hostID: our user namespace has not all of 1010 to 1010\n");
	told(false, expected);
}

TEST(only_our_own_id_without_privilege)
{
	use("v2-plain");
	facts.caps_effective = UINT64_C(1) << CAP_SETGID;
	spec.process.caps = (struct caps){0};
	spec.linux_.namespaces[SPEC_NS_USER] = (struct spec_namespace){.given = true, .index = 6};
	CHECK_OK(spec_add_idmap(&spec.linux_.uid_maps, 0, geteuid(), 1, &err));
	CHECK_OK(spec_add_idmap(&spec.linux_.uid_maps, 1, geteuid() + 1, 1, &err));
	CHECK_OK(spec_add_idmap(&spec.linux_.gid_maps, 0, getegid() + 1, 1, &err));
	told(false,
	     "linux.uidMappings[1].hostID: to map others than our own id takes CAP_SETUID\n");
}

TEST(security_modules)
{
	use("v2-plain");
	spec.process.apparmor_profile = str_dup("docker-default", &err);
	spec.process.selinux_label = str_dup("a:b:c:s0", &err);
	support.apparmor_listed = true;
	support.selinux = false;
	told(false, "process.apparmorProfile: 'docker-default' is not loaded\n"
		    "process.selinuxLabel: this kernel does not run SELinux\n");
	use("v2-plain");
	spec.process.apparmor_profile = str_dup("docker-default", &err);
	CHECK_OK(strv_add(&support.apparmor_profiles, "docker-default", &err));
	support.apparmor_listed = true;
	told(false, "");
	use("v2-plain");
	spec.process.apparmor_profile = str_dup("docker-default", &err);
	support.apparmor = false;
	told(false, "process.apparmorProfile: this kernel does not run AppArmor\n");
	use("v2-plain");
	spec.process.apparmor_profile = str_dup("unconfined", &err);
	support.apparmor = false;
	told(false, "");
}

TEST(mounts_that_the_kernel_lacks)
{
	struct spec_mount *m;

	use("v2-plain");
	m = spec_add_mount(&spec, "/a", "overlay", "x", &err);
	m = spec_add_mount(&spec, "/b", "fuse.sshfs", "x", &err);
	m = spec_add_mount(&spec, "/c", "bind", "/x", &err);
	CHECK(m);
	CHECK_OK(strv_add(&m->options, "idmap", &err));
	support.idmap = false;
	told(false, "mounts[8].type: this kernel has no file system 'fuse.sshfs'\n"
		    "mounts[9].options: this kernel has no idmapped mounts\n");
	use("v2-plain");
	m = spec_add_mount(&spec, "/b", "fuse.sshfs", "x", &err);
	CHECK_OK(strv_add(&support.filesystems, "fuse", &err));
	told(false, "");
}

TEST(resctrl_that_is_not_there)
{
	use("v2-plain");
	spec.linux_.intel_rdt = calloc(1, sizeof(*spec.linux_.intel_rdt));
	support.resctrl = false;
	told(false, "linux.intelRdt: resctrl is not mounted on /sys/fs/resctrl\n");
}

TEST(seccomp_that_the_kernel_lacks)
{
	struct seccomp_profile *p = calloc(1, sizeof(*p));

	use("v2-plain");
	CHECK(p);
	spec.linux_.seccomp = p;
	p->default_action = SECCOMP_RET_ALLOW;
	p->flags = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	p->rules = calloc(2, sizeof(*p->rules));
	p->rule_count = 2;
	p->rules[0].action = SECCOMP_RET_ERRNO;
	p->rules[1].action = 0x12340000;
	CHECK_OK(strv_add(&p->rules[0].names, "mkdir", &err));
	CHECK_OK(strv_add(&p->rules[1].names, "no_such_call", &err));
	support.seccomp_flags = SECCOMP_FILTER_FLAG_LOG;
	told(false,
	     "linux.seccomp.syscalls[1].action: this kernel does not know an action\n"
	     "linux.seccomp.flags: this kernel does not know SECCOMP_FILTER_FLAG_SPEC_ALLOW\n"
	     "~linux.seccomp.syscalls: 1 names are of no system call that is known here\n");
}

/* One of each controller, on a host without any. */
static void ask_everything(void)
{
	struct cgroup_resources *r = &spec.linux_.resources;

	r->memory_limit = 1 << 20;
	r->cpu_quota = 50000;
	r->pids_limit = 10;
	r->io_weight = 500;
	r->cpuset_cpus = str_dup("0", &err);
}

TEST(controllers_that_the_host_lacks)
{
	use("none");
	ask_everything();
	told(false, "linux.resources.memory: this host has no memory controller\n"
		    "linux.resources.cpu: this host has no cpu controller\n"
		    "linux.resources.cpu.cpus: this host has no cpuset controller\n"
		    "linux.resources.pids: this host has no pids controller\n"
		    "linux.resources.blockIO: this host has no blkio controller\n"
		    "linux.resources.devices: this host has no devices controller\n");
	use("none");
	ask_everything();
	told(true, "linux.resources.memory: this host has no memory controller\n"
		   "linux.resources.cpu: this host has no cpu controller\n"
		   "linux.resources.cpu.cpus: this host has no cpuset controller\n"
		   "linux.resources.pids: this host has no pids controller\n"
		   "linux.resources.blockIO: this host has no blkio controller\n"
		   "linux.resources.devices: this host has no devices controller\n");
}

TEST(what_v2_has_not)
{
	struct cgroup_resources *r = &spec.linux_.resources;

	use("v2-plain");
	r->memory_swappiness = 10;
	r->cpu_rt_runtime = 1000;
	r->net_cls_classid = 5;
	CHECK_OK(strv_add(&r->unified, "memory.high=1", &err));
	CHECK_OK(strv_add(&r->unified, "nothing.high=1", &err));
	CHECK_OK(strv_add(&r->unified, "other.max=1", &err));
	told(false,
	     "linux.resources.memory.swappiness: cgroup v2 has no such file\n"
	     "linux.resources.cpu.realtimeRuntime: cgroup v2 has no such file\n"
	     "linux.resources.network.classID: this host has no net_cls controller\n"
	     "linux.resources.unified: this host has no controller for 'nothing.high' on cgroup "
	     "v2\n"
	     "linux.resources.unified: this host has no controller for 'other.max' on cgroup v2\n");
}

TEST(values_out_of_range_in_several_controllers)
{
	struct cgroup_resources *r = &spec.linux_.resources;

	use("v2-plain");
	r->memory_limit = 10;
	r->cpu_quota = 5;
	r->cpuset_cpus = str_dup("900", &err);
	r->cpuset_mems = str_dup("900", &err);
	told(false, "linux.resources.memory.limit: is 10: the least is 4096\n"
		    "linux.resources.cpu.quota: is 5: the least is 1000\n"
		    "linux.resources.cpu.cpus: this host has no cpuset controller\n");
}

TEST(huge_pages_of_a_size_that_is_not_there)
{
	struct cgroup_resources *r = &spec.linux_.resources;

	use("v1-systemd");
	r->hugetlb = calloc(2, sizeof(*r->hugetlb));
	r->hugetlb_count = 2;
	r->hugetlb[0].page_size = str_dup("2MB", &err);
	r->hugetlb[1].page_size = str_dup("1GB", &err);
	CHECK_OK(strv_add(&support.page_sizes, "2MB", &err));
	told(false,
	     "linux.resources.hugepageLimits[1].pageSize: this machine has no pages of 1GB\n");
}

TEST(scheduling_that_the_kernel_refuses)
{
	use("v2-plain");
	spec.process.scheduler = calloc(1, sizeof(*spec.process.scheduler));
	spec.process.scheduler->policy = 4; /* SCHED_ISO: reserved, and in no kernel */
	told(false, "process.scheduler: cannot set the scheduling policy: invalid argument\n");
}

TEST(a_network_device_that_is_not_there)
{
	use("v2-plain");
	CHECK_OK(strv_add(&spec.linux_.net_devices, "nosuch0=eth0", &err));
	told(false, "linux.netDevices[\"nosuch0\"]: there is no network device 'nosuch0'\n");
}

TEST_MAIN()
