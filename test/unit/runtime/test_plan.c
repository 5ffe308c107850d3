/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plans of recorded hosts, without root: what --dry-run prints is compared with test/data/plan/NAME.
 * INSULA_UPDATE_PLANS=1 in the environment writes those files anew, to be looked at before they are
 * committed.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "runtime/plan.h"
#include "spec/fields.h"
#include "test.h"

static struct facts facts;
static struct cgroup_host host;
static struct spec spec;
static struct runtime_request request;
static struct err err;

static const char *const layer_lowers[] = {"/var/lib/insula/images/host/mask", "/"};
static const struct runtime_layer layers[] = {
	{.target = "/",
	 .lowers = layer_lowers,
	 .lower_count = 2,
	 .writable = "/store/ID",
	 .guard = true,
	 .is_volatile = true},
	{.target = "/usr", .lowers = layer_lowers, .lower_count = 1},
};

static int open_data(const char *kind, const char *name)
{
	char path[512];

	snprintf(path, sizeof path, TEST_DATA "/%s/%s", kind, name);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The default container of the specification on a recorded host. */
static void use(const char *host_name, const char *cgroup_name)
{
	own_fd int host_fd = open_data("host", host_name);
	own_fd int cgroup_fd = open_data("cgroup", cgroup_name);

	CHECK(host_fd >= 0 && cgroup_fd >= 0);
	CHECK_OK(facts_probe(host_fd, &facts, &err));
	CHECK_OK(cgroup_host_probe(cgroup_fd, &host, &err));
	CHECK_OK(spec_default(&spec, &err));
	spec.process.rlimits[0].soft = spec.process.rlimits[0].hard =
		64; /* whoever runs this has it */
	request = (struct runtime_request){.id = "box",
					   .spec = &spec,
					   .root_dir = "/bundle/rootfs",
					   .cgroup_name = "insula-box",
					   .run_root = "/run/insula",
					   .stdio = {-1, -1, -1}};
}

static void use_userns(void)
{
	spec.linux_.namespaces[SPEC_NS_USER].given = true;
	CHECK_OK(spec_add_idmap(&spec.linux_.uid_maps, 0, 100000, 65536, &err));
	CHECK_OK(spec_add_idmap(&spec.linux_.gid_maps, 0, 200000, 65536, &err));
}

static struct plan *make_plan(void)
{
	return runtime_plan(&request, &facts, &host, &err);
}

static void done(struct plan *plan)
{
	runtime_plan_free(plan);
	spec_done(&spec);
	cgroup_host_done(&host);
}

static void text_of(const struct plan *plan, struct str *out)
{
	const struct strv *warnings = runtime_plan_warnings(plan);

	for (size_t i = 0; i < warnings->count; i++)
		str_addf(out, "warning %s\n", warnings->items[i]);
	CHECK_OK(runtime_plan_print(plan, out, &err));
}

/* The first line that differs says more than two pages of text. */
static void compare(const char *name, const char *got, const char *want)
{
	for (int line = 1;; line++) {
		size_t g = strcspn(got, "\n"), w = strcspn(want, "\n");

		if (g != w || memcmp(got, want, g) != 0)
			test_fail(__FILE__, __LINE__, "%s:%d: '%.*s', expected '%.*s'", name, line,
				  (int)g, got, (int)w, want);
		if (!got[g])
			return;
		got += g + 1;
		want += w + 1;
	}
}

static void check_plan(const char *name)
{
	own(str) struct str got = STR_INIT(1u << 20);
	own_free char *want = NULL;
	struct plan *plan = make_plan();
	char path[512];

	CHECK_OK(plan);
	text_of(plan, &got);
	done(plan);
	snprintf(path, sizeof path, TEST_DATA "/plan/%s", name);
	if (getenv("INSULA_UPDATE_PLANS")) {
		FILE *file = fopen(path, "we");

		CHECK(file && fputs(got.data, file) >= 0 && fclose(file) == 0);
		return;
	}
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_OK(fd_read_all(fd, 1u << 20, path, &want, &err));
	compare(name, got.data, want);
}

static void limit_everything(void)
{
	struct cgroup_resources *r = &spec.linux_.resources;

	r->memory_limit = 512 << 20;
	r->memory_swap = 512 << 20;
	r->pids_limit = 2048;
	r->cpu_period = 100000;
	r->cpu_quota = 150000;
	r->cpuset_cpus = str_dup("0-1", &err);
}

TEST(default_container_on_hybrid)
{
	use("dev-hybrid", "hybrid");
	use_userns();
	limit_everything();
	check_plan("default-hybrid");
}

TEST(default_container_on_v2)
{
	use("debian12-v2", "v2-systemd");
	use_userns();
	limit_everything();
	check_plan("default-v2");
}

TEST(default_container_on_v1)
{
	use("dev-hybrid", "v1-systemd");
	use_userns();
	limit_everything();
	check_plan("default-v1");
}

TEST(layers_in_place_of_a_directory)
{
	use("debian12-v2", "v2-systemd");
	use_userns();
	request.root_dir = NULL;
	request.layers = layers;
	request.layer_count = 2;
	check_plan("layers");
}

TEST(host_user_namespace)
{
	use("debian12-v2", "v2-systemd");
	check_plan("userns-host");
}

TEST(joined_namespaces)
{
	use("debian12-v2", "v2-systemd");
	spec.linux_.namespaces[SPEC_NS_NET].path = str_dup("/run/netns/blue", &err);
	spec.linux_.namespaces[SPEC_NS_USER].given = true;
	spec.linux_.namespaces[SPEC_NS_USER].path = str_dup("/proc/77/ns/user", &err);
	spec.linux_.namespaces[SPEC_NS_PID].given = false;
	check_plan("joined");
}

TEST(everything_that_has_a_step_of_its_own)
{
	struct spec_mount *m;

	use("debian12-v2", "v2-systemd");
	use_userns();
	spec.init = true;
	request.init_program = "/usr/libexec/insula/insula-init";
	CHECK_OK(spec_add_device(&spec, "/dev/fuse", 'c', 10, 229, &err));
	m = spec_add_mount(&spec, "/data", "bind", "/srv/data", &err);
	CHECK_OK(m);
	CHECK_OK(strv_add(&m->options, "rbind", &err));
	CHECK_OK(strv_add(&m->options, "ro", &err));
	CHECK_OK(strv_add(&spec.linux_.sysctl, "net.ipv4.ip_forward=1", &err));
	spec.process.apparmor_profile = str_dup("box", &err);
	spec.process.user.name = str_dup("web", &err);
	spec.domainname = str_dup("example.org", &err);
	check_plan("everything");
}

static void read_fields(void)
{
	static const char text[] =
		"{\"ociVersion\":\"1.3.0\",\"process\":{\"args\":[\"true\"],\"cwd\":\"/"
		"\",\"scheduler\":"
		"{\"policy\":\"SCHED_DEADLINE\",\"runtime\":2000,\"deadline\":3000,\"period\":4000,"
		"\"flags\":[\"SCHED_FLAG_RECLAIM\"]},\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\","
		"\"priority\":3}},\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":"
		"\"mount\"},"
		"{\"type\":\"network\"}],\"netDevices\":{\"eth1\":{\"name\":\"in%d\"},\"eth2\":{}},"
		"\"personality\":{\"domain\":\"LINUX32\"},\"memoryPolicy\":{\"mode\":\"MPOL_BIND\","
		"\"nodes\":\"0-1\",\"flags\":[\"MPOL_F_STATIC_NODES\"]},\"intelRdt\":{"
		"\"l3CacheSchema\":"
		"\"L3:0=f\",\"memBwSchema\":\"MB:0=10\",\"schemata\":[\"L2:0=3\"],"
		"\"enableMonitoring\":true}}}";

	spec_done(&spec);
	CHECK_OK(spec_parse(text, sizeof text - 1, "config.json", &spec, &err));
	CHECK_OK(spec_validate(&spec, &err));
}

TEST(scheduling_memory_policy_resctrl_and_network_devices)
{
	use("debian12-v2", "v2-systemd");
	read_fields();
	check_plan("fields");
}

TEST(without_a_terminal_or_no_new_privs)
{
	use("debian12-v2", "v2-systemd");
	spec.process.terminal = false;
	spec.process.no_new_privs = false;
	spec.root_readonly = false;
	check_plan("plain");
}

TEST(the_groups_are_writable_as_the_options_together_say)
{
	static const struct {
		const char *destination, *type, *options[3];
		bool writable;
	} rows[] = {
		{"/sys/fs/cgroup", "cgroup", {"ro"}, false},
		{"/sys/fs/cgroup", "cgroup", {"nosuid"}, true},
		{"/sys/fs/cgroup", "cgroup", {"ro", "rw"}, true},
		{"/sys/fs/cgroup", "cgroup", {"rw", "ro"}, false},
		{"/sys/fs/cgroup", "cgroup", {"rro"}, false},
		{"/sys/fs/cgroup", "cgroup2", {"rw"}, true},
		{"/sys//fs/cgroup/", "cgroup", {"rw"}, true},
		{"/elsewhere", "cgroup", {"rw"}, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		use("debian12-v2", "v2-systemd");
		for (size_t k = 0; k < spec.mount_count; k++)
			if (str_eq(spec.mounts[k].destination, "/sys/fs/cgroup")) {
				struct spec_mount *m = &spec.mounts[k];

				strv_done(&m->options);
				for (size_t n = 0; n < 3 && rows[i].options[n]; n++)
					CHECK_OK(strv_add(&m->options, rows[i].options[n], &err));
				free(m->type);
				free(m->destination);
				m->type = str_dup(rows[i].type, &err);
				m->destination = str_dup(rows[i].destination, &err);
			}
		struct plan *plan = make_plan();
		CHECK_OK(plan);
		if (plan->cgroup_writable != rows[i].writable)
			printf("row %zu\n", i);
		CHECK(plan->cgroup_writable == rows[i].writable);
		done(plan);
	}
}

/* ---- what this host cannot do ---- */

TEST(a_missing_controller_is_a_warning)
{
	struct plan *plan;

	use("debian12-v2", "none");
	limit_everything();
	plan = make_plan();
	CHECK_OK(plan);
	CHECK(runtime_plan_warnings(plan)->count > 0);
	done(plan);
}

TEST(a_missing_controller_is_an_error_when_strict)
{
	use("debian12-v2", "none");
	limit_everything();
	request.strict = true;
	CHECK_ERR(make_plan(), ERR_UNSUPPORTED, "this host has no");
}

TEST(a_capability_that_we_lack_is_not_granted_by_the_host)
{
	uint64_t resource = UINT64_C(1) << CAP_SYS_RESOURCE;
	struct plan *plan;

	use("dev-hybrid", "hybrid"); /* without CAP_SYS_RESOURCE */
	spec.process.caps.bounding |= resource;
	spec.process.caps.effective |= resource;
	plan = make_plan();
	CHECK_OK(plan);
	CHECK((plan->caps.bounding & resource) == 0 && (plan->caps.effective & resource) == 0);
	CHECK(strstr(runtime_plan_warnings(plan)->items[0], "CAP_SYS_RESOURCE"));
	runtime_plan_free(plan);
	request.strict = true;
	CHECK_ERR(make_plan(), ERR_DENIED, "CAP_SYS_RESOURCE");
	request.strict = false;
	use_userns(); /* there it is the namespace's own */
	plan = make_plan();
	CHECK_OK(plan);
	CHECK((plan->caps.bounding & resource) != 0);
	done(plan);
}

TEST(a_capability_that_the_kernel_does_not_know)
{
	uint64_t unknown = UINT64_C(1) << 63;
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	spec.process.caps.bounding |= unknown;
	plan = make_plan();
	CHECK_OK(plan);
	CHECK((plan->caps.bounding & unknown) == 0);
	runtime_plan_free(plan);
	request.strict = true;
	CHECK_ERR(make_plan(), ERR_DENIED, "unknown to this kernel");
}

/* As buildah writes it: root has its capabilities without, another user lacks them. */
TEST(what_is_ambient_but_not_inheritable_is_left_out)
{
	uint64_t kill = UINT64_C(1) << CAP_KILL, chown = UINT64_C(1) << CAP_CHOWN;
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	spec.process.caps = (struct caps){.bounding = kill | chown,
					  .permitted = kill | chown,
					  .inheritable = chown,
					  .ambient = kill | chown};
	plan = make_plan();
	CHECK_OK(plan);
	CHECK(plan->caps.ambient == chown);
	CHECK_INT(runtime_plan_warnings(plan)->count, 0);
	runtime_plan_free(plan);
	spec.process.user.uid = 1000;
	plan = make_plan();
	CHECK_OK(plan);
	CHECK(plan->caps.ambient == chown);
	CHECK(strstr(runtime_plan_warnings(plan)->items[0],
		     "1 ambient capabilities are not granted: CAP_KILL"));
	runtime_plan_free(plan);
	request.strict = true;
	CHECK_ERR(make_plan(), ERR_DENIED, "CAP_KILL is not in inheritable");
}

TEST(limits_beyond_ours_are_clamped_and_said)
{
	struct rlimit low = {100, 100};
	struct plan *plan;
	struct caps mine;

	use("debian12-v2", "v2-systemd");
	CHECK_OK(caps_get(&mine, &err));
	CHECK_OK(caps_set_effective(mine.effective & ~(UINT64_C(1) << CAP_SYS_RESOURCE), &err));
	CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
	spec.process.rlimits[0].soft = spec.process.rlimits[0].hard = 4096;
	plan = make_plan();
	CHECK_OK(plan);
	CHECK_INT(plan->rlimits[0].hard, 100);
	CHECK_INT(plan->rlimits[0].soft, 100);
	CHECK(strstr(runtime_plan_warnings(plan)->items[0], "RLIMIT_NOFILE"));
	runtime_plan_free(plan);
	request.strict = true;
	CHECK_ERR(make_plan(), ERR_DENIED, "RLIMIT_NOFILE");
}

/* ---- refusals ---- */

static void share_mounts(void)
{
	spec.linux_.namespaces[SPEC_NS_MNT] = (struct spec_namespace){0};
}

TEST(an_ordinary_user_needs_a_mount_namespace_of_its_own)
{
	use("debian12-v2", "v2-systemd");
	share_mounts();
	facts.initial_userns = false;
	CHECK_ERR(make_plan(), ERR_UNSUPPORTED, "only root of the host");
}

TEST(whoever_can_leave_a_shared_mount_namespace_is_named)
{
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	share_mounts();
	facts.caps_effective |= UINT64_C(1) << CAP_SYS_ADMIN;
	spec.process.caps.bounding |= UINT64_C(1) << CAP_SYS_ADMIN;
	plan = make_plan();
	CHECK_OK(plan);
	CHECK_INT(runtime_plan_warnings(plan)->count, 1);
	CHECK(strstr(runtime_plan_warnings(plan)->items[0], "can leave its root"));
	runtime_plan_free(plan);
	use_userns();
	plan = make_plan();
	CHECK_OK(plan);
	CHECK_INT(runtime_plan_warnings(plan)->count, 1);
	done(plan);
}

/* C is born before the pad is entered, and what it is given for a root is a copy. */
TEST(a_mount_namespace_of_others)
{
	use("debian12-v2", "v2-systemd");
	share_mounts();
	check_plan("shared-mounts");
}

TEST(options_that_no_bind_has_are_named)
{
	static const char *const options[] = {"bind", "mode=755", "ro"};
	struct spec_mount *bind;
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	bind = spec_add_mount(&spec, "/a", NULL, "/b", &err);
	CHECK_OK(bind);
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		CHECK_OK(strv_add(&bind->options, options[i], &err));
	plan = make_plan();
	CHECK_OK(plan);
	CHECK_INT(runtime_plan_warnings(plan)->count, 1);
	CHECK_STR(runtime_plan_warnings(plan)->items[0],
		  "mount on '/a': 'mode=755' is not an option of a bind mount, and has no effect");
	runtime_plan_free(plan);
	request.strict = true;
	CHECK_ERR(make_plan(), ERR_INVALID, "'mode=755' is not an option of a bind mount");
}

TEST(without_a_process_there_is_nothing_to_run)
{
	use("debian12-v2", "v2-systemd");
	spec.process_given = false;
	CHECK_ERR(make_plan(), ERR_INVALID, "process: is missing");
}

TEST(a_process_is_not_needed_before_the_start)
{
	use("debian12-v2", "v2-systemd");
	json_bind_done(spec_process_fields, &spec.process);
	spec.process = (struct spec_process){.user.umask = -1};
	spec.process_given = false;
	request.wait = true;
	check_plan("no-process");
}

static void remove_mounts_on(const char *destination)
{
	for (size_t i = 0; i < spec.mount_count; i++)
		if (str_eq(spec.mounts[i].destination, destination)) {
			free(spec.mounts[i].destination);
			spec.mounts[i].destination = str_dup("/elsewhere", &err);
		}
}

TEST(a_terminal_needs_devpts)
{
	use("debian12-v2", "v2-systemd");
	remove_mounts_on("/dev/pts");
	CHECK_ERR(make_plan(), ERR_INVALID, "devpts");
	spec.process.terminal = false;
	struct plan *plan = make_plan();
	CHECK_OK(plan);
	done(plan);
}

static struct spec_mount *add_mount(const char *destination, const char *type, const char *source,
				    const char *first, ...)
{
	struct spec_mount *m = spec_add_mount(&spec, destination, type, source, &err);
	va_list ap;

	CHECK_OK(m);
	va_start(ap, first);
	for (const char *text = first; text; text = va_arg(ap, const char *))
		CHECK_OK(strv_add(&m->options, text, &err));
	va_end(ap);
	return m;
}

/* subject NULL: whatever it is about */
static bool has_step(const struct plan *plan, enum step_op op, const char *subject)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->steps[i].op == op &&
		    (!subject || str_eq(plan->steps[i].subject, subject)))
			return true;
	return false;
}

static bool warns(const struct plan *plan, const char *part)
{
	for (size_t i = 0; i < plan->warnings.count; i++)
		if (strstr(plan->warnings.items[i], part))
			return true;
	return false;
}

TEST(every_kind_of_mount)
{
	use("debian12-v2", "v2-systemd");
	spec.process.terminal = false;
	add_mount("/ro", "tmpfs", "tmpfs", "ro", "size=1m", NULL);
	add_mount("/ro/inside", "none", "/srv/inside", "rbind", "rslave", NULL);
	add_mount("/shared/", "bind", "/srv/shared", "rshared", NULL);
	add_mount("/shared/below", "tmpfs", "tmpfs", NULL);
	add_mount("/var/run", "", "relative", "bind", NULL)->was_relative = true;
	add_mount("/overlay", "overlay", "overlay", "lowerdir=/a:/b", NULL);
	add_mount("/ro", "none", NULL, "remount", "size=2m", NULL);
	spec.linux_.rootfs_propagation = str_dup("rshared", &err);
	check_plan("mounts");
}

TEST(what_slash_dev_is)
{
	static const struct {
		const char *type, *option;
		enum plan_dev dev;
	} kinds[] = {{"tmpfs", "mode=755", DEV_OURS},
		     {"bind", "rbind", DEV_BOUND},
		     {"none", "bind", DEV_BOUND},
		     {"devtmpfs", "ro", DEV_BOUND},
		     {"ramfs", "ro", DEV_IMAGE}};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		struct plan *plan;

		use("debian12-v2", "v2-systemd");
		spec.process.terminal = false;
		add_mount("/dev", kinds[i].type, "/dev", kinds[i].option, NULL);
		plan = make_plan();
		CHECK_OK(plan);
		CHECK_INT(plan->dev, kinds[i].dev);
		CHECK_INT(has_step(plan, STEP_DEVICES, "/dev"), kinds[i].dev != DEV_BOUND);
		done(plan);
	}
}

TEST(nodes_are_taken_from_the_host_where_none_can_be_made)
{
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	facts.initial_userns = false;
	plan = make_plan();
	CHECK_OK(plan);
	CHECK(has_step(plan, STEP_NODE_SOURCE, "/dev"));
	done(plan);
}

TEST(a_mount_that_would_reach_the_host_through_a_user_namespace)
{
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	use_userns();
	add_mount("/data", "bind", "/srv/data", "rbind", "rshared", NULL);
	plan = make_plan();
	CHECK_OK(plan);
	CHECK(warns(plan, "'/data': shared in one direction only"));
	CHECK(has_step(plan, STEP_INIT_SHARE, NULL));
	runtime_plan_free(plan);
	request.strict = true;
	CHECK_ERR(make_plan(), ERR_UNSUPPORTED, "cannot reach the host");
}

/* A bind that says nothing of propagation. */
TEST(the_root_decides_where_a_bind_does_not)
{
	static const struct {
		const char *root;
		unsigned long bind;
	} cases[] = {{NULL, 0},	     {"rslave", MS_SLAVE | MS_REC},
		     {"slave", 0},   {"rshared", 0},
		     {"private", 0}, {"unbindable", 0}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct plan *plan;

		use("debian12-v2", "v2-systemd");
		add_mount("/data", "bind", "/srv/data", NULL);
		if (cases[i].root)
			spec.linux_.rootfs_propagation = str_dup(cases[i].root, &err);
		plan = make_plan();
		CHECK_OK(plan);
		CHECK_INT(plan->mounts[spec.mount_count - 1].propagation, cases[i].bind);
		done(plan);
	}
}

TEST(a_remount_needs_something_to_change)
{
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	add_mount("/data", "bind", "/srv/data", "bind", "remount", "ro", NULL);
	plan = make_plan(); /* runc's way to say it: there is nothing yet */
	CHECK_OK(plan);
	CHECK(plan->mounts[spec.mount_count - 1].bind);
	runtime_plan_free(plan);
	add_mount("/data", NULL, NULL, "remount", "bind", "rw", NULL);
	plan = make_plan();
	CHECK_OK(plan);
	CHECK(plan->mounts[spec.mount_count - 1].remount);
	runtime_plan_free(plan);
	add_mount("/data", NULL, NULL, "remount", "size=1m", NULL);
	CHECK_ERR(make_plan(), ERR_INVALID, "would change the host's own mount");
	spec_done(&spec);
	cgroup_host_done(&host);
	use("debian12-v2", "v2-systemd");
	add_mount("/data", "tmpfs", NULL, "remount", NULL);
	CHECK_ERR(make_plan(), ERR_INVALID, "nothing is mounted there before");
}

TEST(the_kind_of_label)
{
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	CHECK_OK(strv_add(&spec.annotations, "run.oci.mount_context_type=rootcontext", &err));
	plan = make_plan();
	CHECK_OK(plan);
	CHECK_STR(plan->label_option, "rootcontext");
	runtime_plan_free(plan);
	CHECK_OK(strv_env_set(&spec.annotations, "run.oci.mount_context_type", "ctx", &err));
	CHECK_ERR(make_plan(), ERR_INVALID, "'ctx' is not a kind of label");
}

TEST(without_pivot_root)
{
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	request.no_pivot = true;
	plan = make_plan();
	CHECK_OK(plan);
	CHECK(has_step(plan, STEP_MOVE, "") && !has_step(plan, STEP_PIVOT, ""));
	CHECK(has_step(plan, STEP_INIT_MOVED, ""));
	done(plan);
}

TEST(more_mounts_than_a_plan_holds)
{
	use("debian12-v2", "v2-systemd");
	for (int i = 0; i < PLAN_MAX_STEPS; i++)
		CHECK_OK(spec_add_mount(&spec, "/m", "tmpfs", "tmpfs", &err));
	CHECK_ERR(make_plan(), ERR_LIMIT, "too many steps");
}

TEST(own_places)
{
	static const char *const ours[] = {"/dev",	    "/dev/", "/dev/pts",      "/proc",
					   "/proc/sys/net", "/sys",  "/sys/fs/cgroup"};
	static const char *const others[] = {"/",	 "/device", "/procs", "/sysroot",
					     "/srv/dev", "/sy",	    "dev",    ""};

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		CHECK(plan_is_own_place(ours[i]));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		CHECK(!plan_is_own_place(others[i]));
}

TEST(every_step_has_a_name)
{
	for (int op = 0; op < STEP_COUNT; op++)
		CHECK(step_name((enum step_op)op));
}

/* Parent's steps come first, and C's begin with its cgroup and end with the command. */
TEST(the_order_that_promises_hang_on)
{
	long at[STEP_COUNT];
	struct plan *plan;

	use("debian12-v2", "v2-systemd");
	use_userns();
	plan = make_plan();
	CHECK_OK(plan);
	for (int op = 0; op < STEP_COUNT; op++)
		at[op] = -1;
	for (size_t i = 0; i < plan->count; i++)
		at[plan->steps[i].op] = (long)i; /* the last of its kind */
	CHECK(at[STEP_CGROUP] < at[STEP_PAD] && at[STEP_ROOT_SOURCE] < at[STEP_PAD]);
	CHECK(at[STEP_PAD] < at[STEP_CLONE] && at[STEP_CLONE] < at[STEP_MAPS]);
	CHECK(at[STEP_MAPS] < at[STEP_COVERS] && at[STEP_COVERS] < at[STEP_ROOT_DIR]);
	CHECK(at[STEP_ROOT_DIR] < at[STEP_MOUNT] && at[STEP_MOUNT] < at[STEP_MASK]);
	CHECK(at[STEP_MASK] < at[STEP_PIVOT] && at[STEP_PIVOT] < at[STEP_LEAVE]);
	CHECK(at[STEP_LEAVE] < at[STEP_RELEASE]);
	CHECK_INT(at[STEP_RELEASE] + 1, (long)plan->child_first);
	CHECK(at[STEP_INIT_WAIT] < at[STEP_INIT_ROOT] && at[STEP_INIT_ROOT] < at[STEP_INIT_LOCK]);
	CHECK(at[STEP_INIT_LOCK] < at[STEP_INIT_BOUND] && at[STEP_INIT_BOUND] < at[STEP_INIT_USER]);
	CHECK(at[STEP_INIT_USER] < at[STEP_INIT_FILTER]);
	CHECK_INT(at[STEP_INIT_EXEC], (long)plan->count - 1);
	done(plan);
}

TEST_MAIN()
