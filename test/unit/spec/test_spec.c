/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the members of a document become in the structs, how big a document may be, and the builders
 * that the engine uses.
 */
#include <linux/seccomp.h>
#include <sys/personality.h>
#include <time.h>

#include "documents.h"

#define CAP(number_) (UINT64_C(1) << (number_))

TEST(an_empty_configuration_has_nothing_set)
{
	own(spec) struct spec s = {0};

	spec_init(&s);
	CHECK_INT(s.process.user.umask, -1);
	CHECK_INT(s.linux_.resources.memory_limit, CGROUP_UNSET);
	CHECK_INT(s.linux_.resources.pids_limit, CGROUP_UNSET);
	CHECK(!s.process.caps_given && !s.process.oom_given && !s.linux_.seccomp);
	CHECK(!s.linux_.namespaces[SPEC_NS_MNT].given);
}

static void parse_engine(struct spec *s)
{
	own_free char *text = NULL;
	struct err err = ERR_INIT;
	size_t size;

	text = document_read("good/engine.json", &size);
	CHECK_OK(spec_parse(text, size, "engine.json", s, &err));
}

TEST(the_process_is_what_the_document_says)
{
	own(spec) struct spec s = {0};
	const struct spec_process *p = &s.process;

	parse_engine(&s);
	CHECK(s.process_given && !p->terminal && p->no_new_privs);
	CHECK_INT(p->user.uid, 33);
	CHECK_INT(p->user.umask, 022);
	CHECK_INT(p->user.additional_gid_count, 2);
	CHECK_INT(p->user.additional_gids[0], 4);
	CHECK_INT(p->args.count, 3);
	CHECK_STR(p->args.items[2], "printf 'a\nb'");
	CHECK_STR(strv_env_get(&p->env, "TEXT"), "two\nlines");
	CHECK_STR(strv_env_get(&p->env, "EMPTY"), "");
	CHECK_STR(p->cwd, "/var/www");
	CHECK(p->caps_given);
	CHECK_INT(p->caps.bounding, CAP(0) | CAP(5) | CAP(31));
	CHECK_INT(p->caps.effective, 0);
	CHECK(p->oom_given);
	CHECK_INT(p->oom_score_adj, -500);
	CHECK_INT(p->rlimit_count, 2);
	CHECK_INT(p->rlimits[0].resource, RLIMIT_NOFILE);
	CHECK_INT(p->rlimits[0].soft, 1024);
	CHECK_INT(p->rlimits[0].hard, 1048576);
	CHECK(p->rlimits[1].hard == UINT64_MAX);
	CHECK(!p->scheduler && !p->io_priority);
}

TEST(mounts_and_root_are_what_the_document_says)
{
	own(spec) struct spec s = {0};

	parse_engine(&s);
	CHECK_STR(s.root_path, "/var/lib/engine/overlay/merged");
	CHECK(s.root_readonly);
	CHECK_STR(s.hostname, "c1ae");
	CHECK_STR(s.domainname, "example.org");
	CHECK_INT(s.mount_count, 4);
	CHECK_STR(s.mounts[1].destination, "/dev");
	CHECK_STR(s.mounts[1].options.items[3], "size=65536k");
	CHECK_INT(s.mounts[2].uid_maps.count, 1);
	CHECK_INT(s.mounts[2].gid_maps.items[0].host_id, 1000);
	CHECK_STR(s.mounts[3].type, NULL);
	CHECK_STR(s.annotations.items[0], "org.example.type=container");
}

TEST(the_linux_part_is_what_the_document_says)
{
	own(spec) struct spec s = {0};
	const struct spec_linux *l = &s.linux_;

	parse_engine(&s);
	CHECK_INT(l->uid_maps.count, 1);
	CHECK_INT(l->uid_maps.items[0].size, 65536);
	CHECK(l->namespaces[SPEC_NS_USER].given && !l->namespaces[SPEC_NS_USER].path);
	CHECK(!l->namespaces[SPEC_NS_TIME].given);
	CHECK_STR(l->cgroups_path, "/engine_parent/c1ae");
	CHECK_STR(l->sysctl.items[1], "kernel.shmmax=67108864");
	CHECK_INT(l->resources.memory_limit, 268435456);
	CHECK_INT(l->resources.memory_swap, -1);
	CHECK_INT(l->resources.memory_reservation, CGROUP_UNSET);
	CHECK_INT(l->resources.cpu_quota, 150000);
	CHECK_STR(l->resources.cpuset_cpus, "0-1");
	CHECK_STR(l->masked_paths.items[0], "/proc/kcore");
	CHECK_STR(l->rootfs_propagation, "rslave");
}

TEST(device_rules_have_defaults_for_what_is_left_out)
{
	own(spec) struct spec s = {0};
	const struct cgroup_device *rules;

	parse_engine(&s);
	rules = s.linux_.resources.devices;
	CHECK_INT(s.linux_.resources.device_count, 2);
	CHECK_INT(rules[0].type, 'a');
	CHECK_INT(rules[0].major, -1);
	CHECK_INT(rules[0].minor, -1);
	CHECK_STR(rules[0].access, "rwm");
	CHECK(!rules[0].allow && rules[1].allow);
	CHECK_INT(rules[1].minor, 3);
	CHECK_STR(rules[1].access, "rw");
}

TEST(seccomp_is_what_the_document_says)
{
	own(spec) struct spec s = {0};
	const struct seccomp_profile *p;

	parse_engine(&s);
	p = s.linux_.seccomp;
	CHECK(p);
	CHECK_INT(p->default_action, SECCOMP_RET_ERRNO);
	CHECK(p->default_errno_given);
	CHECK_INT(p->default_errno, 38);
	CHECK_INT(p->arch_count, 2);
	CHECK_INT(p->flags, SECCOMP_FILTER_FLAG_LOG);
	CHECK_INT(p->rule_count, 3);
	CHECK_INT(p->rules[0].action, SECCOMP_RET_ALLOW);
	CHECK(!p->rules[0].errno_given && p->rules[2].errno_given);
	CHECK_STR(p->rules[0].names.items[1], "write");
	CHECK_INT(p->rules[1].args[0].value, 8);
	CHECK_INT(p->rules[1].args[0].op, SECCOMP_OP_EQ);
	CHECK_INT(p->rules[2].args[0].op, SECCOMP_OP_MASKED_EQ);
}

TEST(zero_is_not_set_where_the_kernel_has_no_such_amount)
{
	own(spec) struct spec s = {0};
	own_free char *text = NULL;
	struct err err = ERR_INIT;
	size_t size;

	text = document_read("good/zero-values.json", &size);
	CHECK_OK(spec_parse(text, size, "zero-values.json", &s, &err));
	CHECK_INT(s.linux_.resources.memory_limit, CGROUP_UNSET);
	CHECK_INT(s.linux_.resources.cpu_quota, CGROUP_UNSET);
	CHECK_INT(s.linux_.resources.io_weight, CGROUP_UNSET);
	CHECK_INT(s.linux_.resources.pids_limit, CGROUP_UNSET); /* the document is of 1.1 */
	CHECK_STR(s.linux_.resources.cpuset_cpus, NULL);
	CHECK_STR(s.hostname, NULL);
	CHECK_STR(s.linux_.namespaces[SPEC_NS_PID].path, NULL);
	CHECK(s.process.oom_given);
}

TEST(a_limit_of_no_process_is_one_since_1_3)
{
	static const char text[] = "{\"ociVersion\":\"1.3.0\","
				   "\"linux\":{\"resources\":{\"pids\":{\"limit\":0}}}}";
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	CHECK_OK(spec_parse(text, strlen(text), "config.json", &s, &err));
	CHECK_INT(s.linux_.resources.pids_limit, 0);
}

TEST(a_relative_destination_is_relative_to_the_root)
{
	own(spec) struct spec s = {0};
	own_free char *text = NULL;
	struct err err = ERR_INIT;
	size_t size;

	text = document_read("good/relative-destination.json", &size);
	CHECK_OK(spec_parse(text, size, "relative.json", &s, &err));
	CHECK_STR(s.mounts[0].destination, "/var/lib/data");
}

TEST(devices_offsets_and_personality_are_bound)
{
	own_free char *text = document_with_linux(
		"\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229},"
		"{\"path\":\"/dev/p\",\"type\":\"p\",\"fileMode\":384,\"uid\":5}],"
		"\"timeOffsets\":{\"boottime\":{\"secs\":-5,\"nanosecs\":7}},"
		"\"personality\":{\"domain\":\"LINUX32\"}");
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	CHECK_OK(document_parse(text, &s, &err));
	CHECK_INT(s.linux_.device_count, 2);
	CHECK_INT(s.linux_.devices[0].file_mode, -1);
	CHECK_INT(s.linux_.devices[0].uid, -1);
	CHECK_INT(s.linux_.devices[1].major, -1);
	CHECK_INT(s.linux_.devices[1].file_mode, 0600);
	CHECK(s.linux_.time_boottime.given && !s.linux_.time_monotonic.given);
	CHECK_INT(s.linux_.time_boottime.secs, -5);
	CHECK_INT(s.linux_.time_boottime.nanosecs, 7);
	CHECK(s.linux_.personality_given);
	CHECK_INT(s.linux_.personality, PER_LINUX32);
}

TEST(block_io_devices_are_sorted_into_their_lists)
{
	own_free char *text = document_with_linux(
		"\"resources\":{\"blockIO\":{\"weightDevice\":["
		"{\"major\":8,\"minor\":0,\"weight\":100,\"leafWeight\":200},"
		"{\"major\":8,\"minor\":1,\"leafWeight\":300}],"
		"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":2,\"rate\":9}]}}");
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;
	const struct cgroup_resources *r = &s.linux_.resources;

	CHECK_OK(document_parse(text, &s, &err));
	CHECK_INT(r->io_weight_device.count, 1);
	CHECK_INT(r->io_weight_device.items[0].rate, 100);
	CHECK_INT(r->io_leaf_weight_device.count, 2);
	CHECK_INT(r->io_leaf_weight_device.items[1].minor, 1);
	CHECK_INT(r->io_write_iops.items[0].rate, 9);
	CHECK_INT(r->io_read_bps.count, 0);
}

TEST(lines_for_cgroup_files_are_composed)
{
	own_free char *text = document_with_linux(
		"\"resources\":{\"network\":{\"priorities\":[{\"name\":\"eth0\",\"priority\":3}]},"
		"\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10}},"
		"\"unified\":{\"memory.high\":\"max\"}},"
		"\"netDevices\":{\"eth1\":{\"name\":\"wan\"},\"eth2\":{}}");
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	CHECK_OK(document_parse(text, &s, &err));
	CHECK_STR(s.linux_.resources.net_prio.items[0], "eth0=3");
	CHECK_STR(s.linux_.resources.rdma.items[0], "mlx5_1 hca_handle=3 hca_object=10");
	CHECK_STR(s.linux_.resources.unified.items[0], "memory.high=max");
	CHECK_STR(s.linux_.net_devices.items[0], "eth1=wan");
	CHECK_STR(s.linux_.net_devices.items[1], "eth2=eth2");
}

/* ---- size ---- */

static void check_refused_quickly(const char *text, size_t size, const char *part)
{
	clock_t begin = clock();
	struct err err = ERR_INIT;
	struct spec s;

	CHECK_ERR(spec_parse(text, size, "big.json", &s, &err), ERR_LIMIT, part);
	/* Milliseconds; the bound leaves room for sanitizers and a busy machine. */
	CHECK((clock() - begin) * 1000 / CLOCKS_PER_SEC < test_slowed(500));
}

TEST(a_deep_document_is_refused_quickly)
{
	size_t size = 200000;
	own_free char *text = malloc(size);

	CHECK(text);
	memset(text, '[', size);
	check_refused_quickly(text, size, "big.json: ");
}

TEST(a_document_beyond_the_size_is_not_even_parsed)
{
	size_t size = SPEC_MAX_SIZE + 1;
	own_free char *text = malloc(size);

	CHECK(text);
	memset(text, ' ', size);
	check_refused_quickly(text, size, "at most 8388608 are read");
}

TEST(four_hundred_thousand_annotations_are_refused)
{
	own(str) struct str text = STR_INIT(SPEC_MAX_SIZE);

	str_add(&text, "{\"ociVersion\":\"1.0.0\",\"annotations\":{");
	for (int i = 0; i < 400000; i++)
		str_addf(&text, "%s\"%d\":\"x\"", i ? "," : "", i);
	str_add(&text, "}}");
	CHECK(!text.failed);
	check_refused_quickly(text.data, text.len, "annotations: 400000 items");
}

/* ---- files ---- */

TEST(a_bundle_is_read_by_descriptor)
{
	own_fd int bundle = open(TEST_DATA "/spec/good", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	CHECK(bundle >= 0);
	CHECK_OK(spec_read(bundle, "minimal.json", &s, &err));
	CHECK_STR(s.process.args.items[0], "true");
}

TEST(a_bundle_without_a_document_is_not_found)
{
	struct err err = ERR_INIT;
	struct spec s;

	CHECK_ERR(spec_read(test_dir(), "config.json", &s, &err), ERR_NOT_FOUND, "config.json");
}

/* ---- defaults and builders ---- */

TEST(a_device_is_removed_with_its_own_rule)
{
	struct err err = ERR_INIT;
	struct spec s;

	spec_init(&s);
	CHECK(spec_add_device_rule(&s, false, 'a', -1, -1, "rwm", &err));
	CHECK(spec_add_device(&s, "/dev/one", 'c', 1, 5, &err));
	CHECK(spec_add_device_rule(&s, true, 'c', 1, 5, "r", &err));
	CHECK(spec_add_device(&s, "/dev/other", 'c', 1, 7, &err));
	CHECK(spec_add_device_rule(&s, true, 'c', 1, 7, "rw", &err));
	CHECK(spec_add_device(&s, "/dev/two", 'c', 1, 5, &err));
	CHECK(spec_add_device_rule(&s, true, 'c', 1, 5, "w", &err));
	CHECK_INT(spec_device_rule(&s, 2), 3);
	spec_remove_device(&s, 0);
	CHECK_INT(s.linux_.device_count, 2);
	CHECK_INT(s.linux_.resources.device_count, 3);
	CHECK_STR(s.linux_.devices[1].path, "/dev/two");
	CHECK_STR(s.linux_.resources.devices[spec_device_rule(&s, 1)].access, "w");
	spec_remove_device(&s, 1);
	spec_remove_device(&s, 0);
	CHECK_INT(s.linux_.resources.device_count, 1);
	CHECK(!s.linux_.resources.devices[0].allow);
	spec_done(&s);
}

TEST(a_mount_is_removed_with_all_that_it_has)
{
	struct err err = ERR_INIT;
	struct spec s;

	spec_init(&s);
	for (const char *const *p = (const char *const[]){"/a", "/b", "/c", NULL}; *p; p++) {
		struct spec_mount *m = spec_add_mount(&s, *p, "bind", "/x", &err);

		CHECK(m && strv_add(&m->options, "rbind", &err) == 0);
		CHECK_OK(spec_add_idmap(&m->uid_maps, 0, 0, 1, &err));
	}
	spec_remove_mount(&s, 1);
	CHECK_INT(s.mount_count, 2);
	CHECK_STR(s.mounts[1].destination, "/c");
	spec_done(&s);
}

TEST(the_default_document_is_valid_and_printed_faithfully)
{
	own(str) struct str first = STR_INIT(1u << 20), second = STR_INIT(1u << 20);
	own(spec) struct spec a = {0}, b = {0};
	struct err err = ERR_INIT;

	CHECK_OK(spec_default(&a, &err));
	CHECK_OK(spec_validate(&a, &err));
	CHECK_INT(a.mount_count, 7);
	CHECK_STR(a.process.args.items[0], "sh");
	CHECK_OK(spec_print(&a, 8, &first, &err));
	CHECK_OK(document_parse(first.data, &b, &err));
	CHECK_OK(spec_print(&b, 8, &second, &err));
	CHECK_STR(second.data, first.data);
}

static bool in_list(const char *const *list, const char *path)
{
	for (; *list; list++)
		if (strcmp(*list, path) == 0)
			return true;
	return false;
}

TEST(what_the_host_keeps_to_itself_is_covered_by_default)
{
	static const char *const secrets[] = {"/proc/kcore",	   "/proc/keys",
					      "/proc/timer_list",  "/sys/firmware",
					      "/proc/sched_debug", "/proc/scsi"};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		CHECK(in_list(spec_default_masked_paths, secrets[i]));
	CHECK(in_list(spec_default_readonly_paths, "/proc/sys"));
	CHECK(in_list(spec_default_readonly_paths, "/proc/sysrq-trigger"));
	CHECK(!in_list(spec_default_readonly_paths, "/proc/self"));
}

static void build(struct spec *s)
{
	const struct rlimit_entry core = {RLIMIT_CORE, 0, 0}, more = {RLIMIT_CORE, 1, 2};
	struct err err = ERR_INIT;
	struct spec_mount *m;

	CHECK_OK(spec_default(s, &err));
	m = spec_add_mount(s, "/data", "bind", "/srv", &err);
	CHECK(m);
	CHECK_OK(strv_add(&m->options, "rbind", &err));
	CHECK(spec_add_device(s, "/dev/fuse", 'c', 10, 229, &err));
	CHECK(spec_add_device_rule(s, true, 'c', 10, 229, "rwm", &err));
	CHECK_OK(spec_add_rlimit(s, &core, &err));
	CHECK_OK(spec_add_rlimit(s, &more, &err));
	s->linux_.namespaces[SPEC_NS_USER].given = true;
	CHECK_OK(spec_add_idmap(&s->linux_.uid_maps, 0, 100000, 65536, &err));
	CHECK_OK(spec_add_idmap(&s->linux_.gid_maps, 0, 100000, 65536, &err));
}

TEST(builders_append_and_a_limit_given_again_replaces)
{
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	build(&s);
	CHECK_OK(spec_validate(&s, &err));
	CHECK_STR(s.mounts[7].source, "/srv");
	CHECK_INT(s.linux_.devices[0].file_mode, -1);
	CHECK_INT(s.linux_.resources.device_count, 2);
	CHECK_INT(s.process.rlimit_count, 2);
	CHECK_INT(s.process.rlimits[1].hard, 2);
}

static int replace(struct spec *s, const char *text, struct err *err)
{
	return spec_replace_process(s, text, strlen(text), "process.json", err);
}

TEST(a_process_of_an_exec_has_what_it_does_not_say_of_the_container)
{
	own(spec) struct spec s = {0};
	const struct spec_process *p = &s.process;
	struct err err = ERR_INIT;

	parse_engine(&s);
	CHECK_OK(replace(&s, "{\"args\": [\"a\"], \"cwd\": \"/x\", \"user\": {\"uid\": 7}}", &err));
	CHECK_OK(spec_check_process(&s, &err));
	CHECK_INT(p->user.uid, 7);
	CHECK_INT(p->user.gid, 0);
	CHECK_INT(p->user.umask, 022);
	CHECK_INT(p->user.additional_gid_count, 0);
	CHECK_INT(p->args.count, 1);
	CHECK_INT(p->env.count, 0);
	CHECK_STR(p->cwd, "/x");
	CHECK(!p->no_new_privs);
	CHECK_INT(p->caps.bounding, CAP(0) | CAP(5) | CAP(31));
	CHECK_INT(p->oom_score_adj, -500);
	CHECK_INT(p->rlimit_count, 2);
	CHECK_OK(replace(
		&s,
		"{\"args\": [\"b\"], \"cwd\": \"/\", \"oomScoreAdj\": 0, \"capabilities\": {}, "
		"\"user\": {\"umask\": 0}, \"rlimits\": [{\"type\": \"RLIMIT_CORE\", "
		"\"soft\": 1, \"hard\": 1}]}",
		&err));
	CHECK_INT(p->caps.bounding, 0);
	CHECK_INT(p->oom_score_adj, 0);
	CHECK_INT(p->user.umask, 0);
	CHECK_INT(p->rlimit_count, 1);
}

TEST(a_process_of_an_exec_that_is_none_leaves_the_container_s)
{
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	parse_engine(&s);
	CHECK_ERR(replace(&s, "{\"args\": 1}", &err), ERR_INVALID, "args");
	CHECK_ERR(replace(&s, "{", &err), ERR_INVALID, "process.json");
	CHECK_INT(s.process.args.count, 3);
	CHECK_OK(replace(&s, "{\"args\": [\"a\"]}", &err));
	CHECK_ERR(spec_check_process(&s, &err), ERR_INVALID, "process.cwd");
}

TEST(a_mount_without_source_or_type_keeps_them_unset)
{
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	spec_init(&s);
	CHECK(spec_add_mount(&s, "/a", NULL, NULL, &err));
	CHECK_STR(s.mounts[0].type, NULL);
	CHECK_STR(s.mounts[0].source, NULL);
}

TEST(what_only_the_engine_knows_survives_printing)
{
	own(str) struct str out = STR_INIT(1u << 20);
	own(spec) struct spec a = {0}, b = {0};
	struct err err = ERR_INIT;

	CHECK_OK(spec_default(&a, &err));
	a.init = a.seccomp_default = true;
	a.process.user.name = str_dup("www-data", &err);
	CHECK_OK(spec_print(&a, 0, &out, &err));
	CHECK_OK(document_parse(out.data, &b, &err));
	CHECK(b.init && b.seccomp_default);
	CHECK_STR(b.process.user.name, "www-data");
}

TEST(a_bad_name_for_the_user_is_refused)
{
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	CHECK_OK(spec_default(&s, &err));
	s.process.user.name = str_dup("a\nb", &err);
	CHECK_ERR(spec_validate(&s, &err), ERR_INVALID, "insula.user");
}

TEST_MAIN()
