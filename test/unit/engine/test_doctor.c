/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doctor against a store, a hierarchy of control groups and a procfs of its own, all of them plain
 * directories: what it finds, what it passes over, and what its repair leaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "engine/doctor.h"
#include "runtime/rootless.h"
#include "test.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct err err;

struct host {
	struct store store;
	struct cgroup_host groups;
	struct doctor doctor;
};

static int sub_dir(const char *name)
{
	CHECK(mkdirat(test_dir(), name, 0700) == 0);
	return openat(test_dir(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put(int dir_fd, const char *name, const char *text)
{
	own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
}

static bool exists(int dir_fd, const char *name)
{
	return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void host_init(struct host *h)
{
	own_free char *root = str_printf(&err, "%s/root", test_dir_path());
	own_free char *run = str_printf(&err, "%s/run", test_dir_path());

	*h = (struct host){.doctor = DOCTOR_INIT};
	CHECK_OK(store_open(root, run, &h->store, &err));
	h->groups = (struct cgroup_host){.mode = CGROUP_V2, .count = 1};
	h->groups.hierarchies[0] = (struct cgroup_hierarchy){.v2 = true, .dir_fd = sub_dir("cg")};
	h->doctor.store = &h->store;
	h->doctor.host = &h->groups;
	h->doctor.look_again_ms = 0;
	h->doctor.proc_fd = sub_dir("proc");
	CHECK_INT(mkdirat(h->doctor.proc_fd, "self", 0700), 0);
	put(h->doctor.proc_fd, "self/mountinfo", "");
}

static void host_done(struct host *h)
{
	doctor_done(&h->doctor);
	cgroup_host_done(&h->groups);
	store_done(&h->store);
}

/* "KIND OBJECT" of every finding, in order. */
static void found(struct host *h, const char *wanted)
{
	own(str) struct str got = STR_INIT(4096);

	CHECK_OK(doctor_examine(&h->doctor, &err));
	for (size_t i = 0; i < h->doctor.count; i++)
		str_addf(&got, "%s%s %s", i ? "\n" : "", finding_kind(&h->doctor.findings[i]),
			 h->doctor.findings[i].object);
	CHECK_STR(got.data, wanted);
}

/* Everything that was found is repaired, and a second look finds nothing. */
static void cured(struct host *h)
{
	int proc_fd = h->doctor.proc_fd;

	CHECK_INT(doctor_repair(&h->doctor), 0);
	h->doctor.proc_fd = -1;
	doctor_done(&h->doctor);
	h->doctor = (struct doctor){.store = &h->store, .host = &h->groups, .proc_fd = proc_fd};
	found(h, "");
}

static void create(struct host *h, const char *id, bool remove, struct container *ret)
{
	struct record record;

	record_init(&record);
	CHECK_OK(spec_default(&record.spec, &err));
	record.id = str_dup(id, &err);
	record.image = str_dup("dir:/", &err);
	record.remove = remove;
	record.stop_signal = 15;
	CHECK_OK(store_create(&h->store, &record, false, ret, &err));
	record_done(&record);
}

/* As if its command had run, and its keeper was killed. */
static void kill_keeper(struct container *ct)
{
	struct run_state state = {.version = 1, .id_slot = 7, .boot_id = (char *)"x"};

	CHECK_OK(store_write_state(ct, &state, &err));
	put(ct->run_fd, "ctl", "");
	container_done(ct);
}

TEST(nothing_is_found_in_an_empty_store)
{
	own(host) struct host h;

	host_init(&h);
	found(&h, "");
}

TEST(one_that_is_being_made_is_in_use)
{
	own(host) struct host h;
	struct container ct;

	host_init(&h);
	create(&h, ID_A, false, &ct);
	found(&h, "");
	container_done(&ct); /* whoever made it is gone now, and its command never ran */
	found(&h, "half-made-container " ID_A);
	cured(&h);
	CHECK(!exists(h.store.run_fd, "containers/" ID_A));
	CHECK(!exists(h.store.root_fd, "containers/" ID_A));
}

TEST(a_bare_run_directory_is_half_made)
{
	own(host) struct host h;

	host_init(&h);
	CHECK_INT(mkdirat(h.store.run_fd, "containers/" ID_A, 0700), 0);
	put(h.store.root_fd, "names/web", ID_A);
	found(&h, "half-made-container " ID_A "\nname web");
	cured(&h);
	CHECK(!exists(h.store.root_fd, "names/web"));
}

TEST(a_dead_container_gets_an_end_and_gives_back_its_range)
{
	own(host) struct host h;
	own(container) struct container ct = CONTAINER_INIT;

	host_init(&h);
	create(&h, ID_A, false, &ct);
	put(h.store.run_fd, "ids/7", ID_A);
	put(h.store.run_fd, "ids/8", ID_A); /* of a start that wrote nothing down */
	kill_keeper(&ct);
	found(&h, "dead-container " ID_A);
	cured(&h);
	CHECK(!exists(h.store.run_fd, "ids/7"));
	CHECK(!exists(h.store.run_fd, "ids/8"));
	CHECK_OK(store_load(&h.store, ID_A, &ct, &err));
	CHECK_INT(ct.status, CT_EXITED);
	CHECK_INT(ct.exit.code, 137);
}

TEST(a_dead_container_that_was_to_be_removed_is)
{
	own(host) struct host h;
	struct container ct;

	host_init(&h);
	create(&h, ID_A, true, &ct);
	kill_keeper(&ct);
	found(&h, "dead-container " ID_A);
	cured(&h);
	CHECK(!exists(h.store.root_fd, "containers/" ID_A));
}

TEST(a_live_keeper_is_left_alone)
{
	own(host) struct host h;
	struct container ct;
	own_fd int alive_fd = -1;

	host_init(&h);
	create(&h, ID_A, false, &ct);
	alive_fd = file_lock(ct.run_fd, "alive", LOCK_EXCLUSIVE, 0, &err);
	CHECK(alive_fd >= 0);
	put(h.store.run_fd, "ids/7", ID_A);
	put(h.store.root_fd, "containers/" ID_A "/.record.json.00000000", "");
	kill_keeper(&ct);
	found(&h, "");
}

/* The finding is of a moment ago: by now the container is in use again. */
TEST(what_came_into_use_meanwhile_is_not_repaired)
{
	own(host) struct host h;
	struct container ct;
	own_fd int lock_fd = -1, run_fd = -1;

	host_init(&h);
	create(&h, ID_A, false, &ct);
	kill_keeper(&ct);
	found(&h, "dead-container " ID_A);
	run_fd = openat(h.store.run_fd, "containers/" ID_A, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lock_fd = file_lock(run_fd, "lock", LOCK_EXCLUSIVE, 0, &err);
	CHECK(lock_fd >= 0);
	CHECK_INT(doctor_repair(&h.doctor), 0);
	CHECK(exists(run_fd, "state.json"));
}

TEST(names_and_ranges_of_nobody)
{
	own(host) struct host h;

	host_init(&h);
	put(h.store.root_fd, "names/ghost", ID_B);
	put(h.store.root_fd, "names/notes", "my own notes");
	put(h.store.root_fd, "names/.hidden", ID_B);
	put(h.store.run_fd, "ids/12", ID_B);
	put(h.store.run_fd, "ids/x", ID_B);
	put(h.store.run_fd, "ids/-1", ID_B);
	put(h.store.run_fd, "ids/13", "nobody");
	found(&h, "id-range 12\nname ghost");
	cured(&h);
	CHECK(exists(h.store.root_fd, "names/notes"));
	CHECK(exists(h.store.root_fd, "names/.hidden"));
	CHECK(exists(h.store.run_fd, "ids/x"));
	CHECK(exists(h.store.run_fd, "ids/-1"));
	CHECK(exists(h.store.run_fd, "ids/13"));
}

TEST(a_name_that_was_never_written)
{
	own(host) struct host h;

	host_init(&h);
	put(h.store.root_fd, "names/unwritten", "");
	found(&h, "name unwritten");
	cured(&h);
	CHECK(!exists(h.store.root_fd, "names/unwritten"));
}

TEST(notes_of_what_is_above_the_groups_of_nobody)
{
	own(host) struct host h;

	host_init(&h);
	CHECK_INT(mkdirat(h.store.run_fd, "parents", 0700), 0);
	CHECK_INT(mkdirat(h.store.run_fd, "parents/none:nowhere%2fdeep", 0700), 0);
	put(h.store.run_fd, "parents/nowhere", "");
	put(h.store.run_fd, "parents/.lock", "");
	put(h.store.run_fd, "parents/none:nowhere%2fdeep/" ID_B, "");
	found(&h, "group-parent none:nowhere%2fdeep/" ID_B);
	cured(&h);
	CHECK(!exists(h.store.run_fd, "parents/none:nowhere%2fdeep"));
	CHECK(exists(h.store.run_fd, "parents/nowhere"));
}

TEST(a_note_with_no_container)
{
	own(host) struct host h;

	host_init(&h);
	CHECK_INT(mkdirat(h.store.run_fd, "parents", 0700), 0);
	CHECK_INT(mkdirat(h.store.run_fd, "parents/none:empty", 0700), 0);
	found(&h, "group-parent none:empty");
	cured(&h);
	CHECK(!exists(h.store.run_fd, "parents/none:empty"));
}

TEST(temporary_files_of_dead_writers)
{
	own(host) struct host h;
	own_free char *wanted = NULL;

	host_init(&h);
	put(h.store.root_fd, "names/.web.01234567", "");
	put(h.store.root_fd, "names/.web.0123456", "");
	put(h.store.root_fd, "names/web.01234567", "mine");
	CHECK_INT(mkdirat(h.store.root_fd, "names/.dir.01234567", 0700), 0);
	CHECK_INT(symlinkat("x", h.store.root_fd, "names/.link.01234567"), 0);
	wanted = str_printf(&err, "temporary-file %s/names/.web.01234567", h.store.root);
	found(&h, wanted);
	cured(&h);
	CHECK(exists(h.store.root_fd, "names/.web.0123456"));
	CHECK(exists(h.store.root_fd, "names/web.01234567"));
	CHECK(exists(h.store.root_fd, "names/.dir.01234567"));
	CHECK(exists(h.store.root_fd, "names/.link.01234567"));
}

/* The name was claimed by a container that came into being after the look. */
TEST(a_name_that_was_claimed_meanwhile_stays)
{
	own(host) struct host h;

	host_init(&h);
	put(h.store.root_fd, "names/ghost", ID_B);
	found(&h, "name ghost");
	CHECK_INT(mkdirat(h.store.run_fd, "containers/" ID_B, 0700), 0);
	CHECK_INT(doctor_repair(&h.doctor), 0);
	CHECK(exists(h.store.root_fd, "names/ghost"));
}

static void add_group(struct host *h, const char *name, bool old)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	int top_fd = h->groups.hierarchies[0].dir_fd;

	CHECK_INT(mkdirat(top_fd, name, 0700), 0);
	if (old)
		CHECK_INT(utimensat(top_fd, name, times, 0), 0);
}

TEST(groups_of_nobody)
{
	own(host) struct host h;
	int top_fd;

	host_init(&h);
	top_fd = h.groups.hierarchies[0].dir_fd;
	add_group(&h, "insula-" ID_A, true);
	add_group(&h, "insula-" ID_B, false); /* perhaps a start of another store */
	add_group(&h, "insula-web", true);
	add_group(&h, "insula-" ID_A "a", true);
	add_group(&h, "other-" ID_A, true);
	found(&h, "control-group insula-" ID_A);
	cured(&h);
	CHECK(!exists(top_fd, "insula-" ID_A));
	CHECK(exists(top_fd, "insula-" ID_B));
	CHECK(exists(top_fd, "insula-web"));
	CHECK(exists(top_fd, "insula-" ID_A "a"));
	CHECK(exists(top_fd, "other-" ID_A));
}

static int write_args(int dir_fd, const char *name)
{
	static const char args[] = "insula-keeper\0--state\0003\0" ID_B;
	own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return write(fd, args, sizeof args) == sizeof args ? 0 : -1;
}

TEST(a_group_with_processes_or_a_keeper_is_somebody_elses)
{
	own(host) struct host h;

	host_init(&h);
	add_group(&h, "insula-" ID_A, true);
	put(h.groups.hierarchies[0].dir_fd, "insula-" ID_A "/cgroup.procs", "17\n");
	add_group(&h, "insula-" ID_B, true);
	CHECK_INT(mkdirat(h.doctor.proc_fd, "5", 0700), 0);
	CHECK_INT(symlinkat("/x/insula-keeper", h.doctor.proc_fd, "5/exe"), 0);
	put(h.doctor.proc_fd, "5/stat", "5 (k) S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0\n");
	CHECK_INT(write_args(h.doctor.proc_fd, "5/cmdline"), 0);
	found(&h, "");
}

TEST(a_mount_in_the_directory_of_one_that_does_not_run)
{
	own(host) struct host h;
	own_free char *text = NULL;
	own_free char *wanted = NULL;

	host_init(&h);
	CHECK_INT(mkdirat(h.store.root_fd, "containers/" ID_A, 0700), 0);
	text = str_printf(&err,
			  "1 0 0:1 / %s/containers/" ID_A "/upper rw - tmpfs none rw\n"
			  "2 0 0:1 / %s/containers/" ID_A "x rw - tmpfs none rw\n"
			  "3 0 0:1 / %s/containers/" ID_B " rw - tmpfs none rw\n"
			  "4 0 0:1 / %s/pad rw - nsfs none rw\n",
			  h.store.root, h.store.root, h.store.root, h.store.run);
	put(h.doctor.proc_fd, "self/mountinfo", text);
	wanted = str_printf(&err, "mount %s/containers/" ID_A "/upper\nhalf-made-container " ID_A,
			    h.store.root);
	found(&h, wanted);
}

/* ---- the host ---- */

static const char *text_of(const struct host_checks *checks, const char *subject, bool ok)
{
	for (size_t i = 0; i < checks->count; i++)
		if (str_eq(checks->items[i].subject, subject)) {
			CHECK_INT(checks->items[i].ok, ok);
			return checks->items[i].text;
		}
	test_fail(__FILE__, __LINE__, "there is no check of '%s'", subject);
}

TEST(a_host_that_lacks_everything)
{
	own(host_checks) struct host_checks checks = {0};
	const struct cgroup_host groups = {.mode = CGROUP_NONE};
	const struct facts facts = {.release = "4.19.0", .major = 4, .minor = 19};

	CHECK_OK(doctor_check_host(&facts, &groups, test_dir(), &checks, &err));
	CHECK(strstr(text_of(&checks, "kernel", false), "older than 5.15"));
	CHECK(strstr(text_of(&checks, "privilege", true), "not root"));
	CHECK(strstr(text_of(&checks, "resource limits", false), "no CAP_SYS_RESOURCE"));
	CHECK(strstr(text_of(&checks, "control groups", false), "none mounted"));
	CHECK(strstr(text_of(&checks, "controllers", false), "memory is missing (no --memory)"));
	CHECK(strstr(text_of(&checks, "overlay file system", false), "none"));
	CHECK(strstr(text_of(&checks, "system call filter", false), "no filters"));
	CHECK(strstr(text_of(&checks, "user namespaces", false), "--userns=host"));
}

TEST(a_host_that_has_everything)
{
	own(host_checks) struct host_checks checks = {0};
	const struct cgroup_host groups = {.mode = CGROUP_V2, .controllers = ~0u};
	const struct facts facts = {.release = "6.1.0",
				    .major = 6,
				    .minor = 1,
				    .caps_effective = UINT64_MAX,
				    .root = true,
				    .overlay = true,
				    .cgroup_bpf = true};
	own_fd int proc_fd = sub_dir("proc");

	CHECK_INT(mkdirat(proc_fd, "sys", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "sys/user", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "sys/kernel", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "sys/kernel/seccomp", 0700), 0);
	put(proc_fd, "sys/user/max_user_namespaces", "15000\n");
	put(proc_fd, "sys/kernel/seccomp/actions_avail", "kill_process errno allow\n");
	CHECK_OK(doctor_check_host(&facts, &groups, proc_fd, &checks, &err));
	CHECK_STR(text_of(&checks, "kernel", true), "6.1.0");
	CHECK_STR(text_of(&checks, "user namespaces", true), "at most 15000");
	CHECK_STR(text_of(&checks, "control groups", true), "version 2");
	CHECK(strstr(text_of(&checks, "device rules", true), "can be loaded"));
	text_of(&checks, "privilege", true);
	text_of(&checks, "controllers", true);
	text_of(&checks, "system call filter", true);
}

/* It is a link, as the kernel's. */
static void make_self(int proc_fd)
{
	CHECK_INT(mkdirat(proc_fd, "7", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "7/task", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "7/task/7", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "7/task/7/attr", 0700), 0);
	CHECK_INT(symlinkat("7/task/7", proc_fd, "thread-self"), 0);
}

/* What Debian, and Ubuntu from 23.10 on, say of ordinary users. */
TEST(user_namespaces_that_ordinary_users_may_not_make)
{
	static const struct {
		const char *clone, *restricted, *label;
		bool root, ok;
		const char *said;
	} hosts[] = {
		{"1", "0", "unconfined", false, true, "at most 15000"},
		{"0", "0", "unconfined", false, false, "unprivileged_userns_clone is 0"},
		{"1", "1", "unconfined", false, false,
		 "apparmor_restrict_unprivileged_userns is 1), and we run by none: see "
		 "insula-rootless(7)"},
		{"1", "1", "insula (unconfined)", false, true, "by the profile of AppArmor"},
		{"1", "1", "unconfined", true, true, "such as ours"},
		{"0", "0", "unconfined", true, true, "none for ordinary users"},
	};
	const struct cgroup_host groups = {.mode = CGROUP_V2, .controllers = ~0u};
	own_fd int proc_fd = sub_dir("proc");

	CHECK_INT(mkdirat(proc_fd, "sys", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "sys/user", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "sys/kernel", 0700), 0);
	make_self(proc_fd);
	put(proc_fd, "sys/user/max_user_namespaces", "15000\n");
	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		own(host_checks) struct host_checks checks = {0};
		const struct facts facts = {.root = hosts[i].root};

		put(proc_fd, "sys/kernel/unprivileged_userns_clone", hosts[i].clone);
		put(proc_fd, "sys/kernel/apparmor_restrict_unprivileged_userns",
		    hosts[i].restricted);
		put(proc_fd, "7/task/7/attr/current", hosts[i].label);
		CHECK_OK(doctor_check_host(&facts, &groups, proc_fd, &checks, &err));
		CHECK(strstr(text_of(&checks, "user namespaces", hosts[i].ok), hosts[i].said));
	}
}

TEST(a_refused_user_namespace_is_said_with_its_remedy)
{
	static const struct {
		const char *sysctl, *value;
		int errnum;
		const char *said, *label;
	} rows[] = {
		{"unprivileged_userns_clone", "0\n", EPERM, "unprivileged_userns_clone is 0"},
		{"unprivileged_userns_clone", "1\n", EPERM, "a security module"},
		{"unprivileged_userns_clone", "1\n", EACCES, "AppArmor's profile 'users', by which",
		 .label = "users (enforce)\n"},
		{"apparmor_restrict_unprivileged_userns", "1\n", EACCES,
		 "root can load Insula's profile"},
		{"apparmor_restrict_unprivileged_userns", "1\n", EPERM,
		 "root can load Insula's profile"},
		{"apparmor_restrict_unprivileged_userns", "1\n", ENOSPC, "max_user_namespaces"},
		{"apparmor_restrict_unprivileged_userns", "1\n", ENOMEM, ""},
	};
	own_fd int proc_fd = sub_dir("proc");

	make_self(proc_fd);
	CHECK_INT(mkdirat(proc_fd, "sys", 0700), 0);
	CHECK_INT(mkdirat(proc_fd, "sys/kernel", 0700), 0);
	own_fd int kernel_fd = openat(proc_fd, "sys/kernel", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err refused = ERR_INIT;

		put(kernel_fd, rows[i].sysctl, rows[i].value);
		put(proc_fd, "7/task/7/attr/current",
		    rows[i].label ? rows[i].label : "unconfined\n");
		errno = rows[i].errnum;
		err_errno(&refused, "refused");
		CHECK_INT(rootless_explain(proc_fd, &refused), -1);
		CHECK(strstr(refused.hint, rows[i].said));
		CHECK_INT(!*refused.hint, !*rows[i].said);
		unlinkat(kernel_fd, rows[i].sysctl, 0);
	}
}

TEST_MAIN()
