/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What only root can try: the keeper as PID 1 of a pid namespace with the payload's nested in it, a
 * control group to remove, an id range to free, privileges to give up. Groups are named
 * insula-test-PID-N and always removed again.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/proc.h"
#include "engine/store.h"
#include "kernel/cgroup.h"
#include "keeper_fixture.h"
#include "test.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static pid_t runner;
static struct cgroup_host host;
static struct cgroup group = {.v2_fd = -1};
static char group_name[64];

static void need_root(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
}

static void remove_leftovers(void)
{
	own(strv) struct strv names = STRV_INIT;
	struct err ignored = ERR_INIT;
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "insula-test-%d-", (int)runner);
	if (cgroup_host_probe(AT_FDCWD, &host, &ignored) < 0)
		return;
	if (cgroup_list(&host, ".", prefix, &names, &ignored) == 0)
		for (size_t i = 0; i < names.count; i++) {
			struct cgroup left = CGROUP_INIT;

			if (cgroup_open(&host, names.items[i], &left, &ignored) < 0)
				continue;
			cgroup_kill(&left, 5000, &ignored);
			cgroup_remove(&left, 5000, &ignored);
			cgroup_done(&left);
		}
	cgroup_host_done(&host);
}

static void make_group(int64_t memory_limit)
{
	struct cgroup_resources resources;
	struct cgroup_plan plan;
	struct err err = ERR_INIT;

	need_root();
	CHECK_OK(cgroup_host_probe(AT_FDCWD, &host, &err));
	if (host.mode == CGROUP_NONE || !(host.controllers & CG_MEMORY))
		SKIP("this host has no control of memory");
	snprintf(group_name, sizeof(group_name), "insula-test-%d-%d", (int)runner, (int)getpid());
	cgroup_resources_init(&resources);
	resources.memory_limit = memory_limit;
	resources.memory_swap = memory_limit;
	CHECK_OK(cgroup_plan_make(&host, group_name, &resources, false, &plan, &err));
	CHECK_OK(cgroup_create(&host, &plan, &group, &err));
	cgroup_plan_done(&plan);
}

static void join_group(void)
{
	struct err err = ERR_INIT;

	if (cgroup_join_all(&group, getpid(), &err) < 0)
		_exit(120);
}

static void close_group(void)
{
	cgroup_done(&group);
	cgroup_host_done(&host);
}

/* The first child of a process, as the host counts. */
static pid_t child_of(pid_t pid)
{
	char path[64];
	int child = 0;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	in = fopen(path, "re");
	CHECK(in);
	if (fscanf(in, "%d", &child) != 1)
		child = 0;
	fclose(in);
	return child;
}

static uint64_t status_field(pid_t pid, const char *name)
{
	char path[64], line[256];
	unsigned long long value = 0;
	bool found = false;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	in = fopen(path, "re");
	CHECK(in);
	while (fgets(line, sizeof(line), in))
		if (str_starts(line, name)) {
			value = strtoull(line + strlen(name), NULL, 16);
			found = true;
		}
	fclose(in);
	CHECK(found);
	return value;
}

TEST(the_death_of_the_keeper_is_the_container_s)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	struct proc init = PROC_INIT, background = PROC_INIT;
	struct err err = ERR_INIT;

	need_root();
	kept_start(&k,
		   &(struct kept_options){.script = "trap '' TERM HUP; sleep 1000 & echo up; wait",
					  .attached = true,
					  .namespaces = true});
	kept_until_output(k.client_fd, &out, "up");
	CHECK_OK(proc_open(&init, child_of(k.pid), 0, &err));
	CHECK_OK(proc_open(&background, child_of(init.pid), 0, &err));
	kill(k.pid, SIGKILL);
	CHECK_INT(kept_join(&k), 128 + SIGKILL);
	/* Before its death is reported, all of it is dead. */
	CHECK_INT(proc_wait_end(&init, 0, &err), 1);
	CHECK_INT(proc_wait_end(&background, 0, &err), 1);
	CHECK_INT(file_lock_held(k.run_fd, "alive", &err), 0);
	proc_forget(&init);
	proc_forget(&background);
}

/* PID 1 of the container without a handler: the kernel keeps SIGTERM away from it. */
TEST(a_stop_that_is_not_heard_ends_in_a_kill)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	struct err err = ERR_INIT;
	int64_t began_ms;

	need_root();
	kept_start(&k, &(struct kept_options){.script = "echo up; sleep 1000; true",
					      .attached = true,
					      .namespaces = true});
	kept_until_output(k.client_fd, &out, "up");
	began_ms = clock_boot_ms();
	CHECK_OK(keeper_request(k.run_fd, KEEPER_STOP, 0, 300, KEPT_WAIT_MS, &err));
	CHECK(clock_boot_ms() - began_ms >= 300);
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, NULL, NULL).value, 128 + SIGKILL);
}

/* A process that outlives init would hold the pipes open: the namespace ends it. */
TEST(what_is_left_in_the_background_ends_with_init)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	int64_t began_ms = clock_boot_ms();

	need_root();
	kept_start(&k, &(struct kept_options){.script = "(trap '' HUP TERM; sleep 1000) & "
							"echo said; exit 6",
					      .attached = true,
					      .namespaces = true});
	CHECK_INT(kept_until(k.client_fd, KEEPER_EXIT, &out, NULL).value, 6);
	CHECK_STR(out.data, "said\n");
	CHECK_INT(kept_join(&k), 6);
	CHECK(clock_boot_ms() - began_ms < 5000);
}

/* Forked in the keeper's namespace, and left behind there by its parent. */
_Noreturn static void leave_orphan(pid_t keeper)
{
	char path[64];
	pid_t orphan;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)keeper);
	if (setns(open(path, O_RDONLY | O_CLOEXEC), CLONE_NEWPID) < 0)
		_exit(1);
	orphan = fork();
	if (orphan > 0)
		_exit(waitpid(orphan, NULL, 0) == orphan ? 0 : 2);
	if (fork() == 0) {
		usleep(100000);
		_exit(0);
	}
	_exit(0); /* the grandchild is the keeper's now */
}

TEST(orphans_are_reaped)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	char path[64], text[256] = "";
	pid_t pid;
	int status;

	need_root();
	kept_start(&k, &(struct kept_options){.script = "echo up; sleep 1000",
					      .attached = true,
					      .namespaces = true});
	kept_until_output(k.client_fd, &out, "up");
	pid = fork();
	if (pid == 0)
		leave_orphan(k.pid);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)k.pid, (int)k.pid);
	/* Two children, init and the orphan; then init alone, no zombie. */
	for (int waited_ms = 0; waited_ms < 5000; waited_ms += 20) {
		own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, text, sizeof(text) - 1);

		CHECK(n > 0);
		text[n] = '\0';
		if (strchr(text, ' ') == text + n - 1)
			break;
		usleep(20000);
	}
	CHECK_INT(atoi(text), child_of(k.pid));
	CHECK_STR(strchr(text, ' '), " ");
}

/* As the end of a getty's session does it: the keeper neither spins on a terminal that was hung up,
 * nor misses who opens it next. */
TEST(a_terminal_that_was_hung_up_is_of_use_again)
{
	own(kept) struct kept k = KEPT_INIT;
	own(str) struct str out = STR_INIT(4096);
	own_fd int fd = -1;
	long before;

	need_root();
	kept_start(&k, &(struct kept_options){.script = "trap '' HUP; t=$(tty); echo $t=; sleep 1; "
							"echo again >$t; sleep 0.1",
					      .attached = true,
					      .terminal = true});
	kept_until_output(k.client_fd, &out, "=\n");
	*strchr(out.data, '=') = '\0';
	fd = open(out.data, O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(fd >= 0);
	before = kept_cpu_ticks(k.pid);
	CHECK(ioctl(fd, TIOCVHANGUP) == 0);
	usleep(500000);
	CHECK(kept_cpu_ticks(k.pid) - before <= 5);
	str_reset(&out);
	kept_until(k.client_fd, KEEPER_EXIT, &out, NULL);
	CHECK(strstr(out.data, "again"));
}

TEST(the_cgroup_and_the_id_range_are_released)
{
	own(kept) struct kept k = KEPT_INIT;
	struct cgroup gone = CGROUP_INIT;
	struct err err = ERR_INIT;
	own_fd int ids_fd = -1;
	char path[5000];

	make_group(CGROUP_UNSET);
	kept_launch(&k, &(struct kept_options){.script = "sleep 0.3; exit 0",
					       .namespaces = true,
					       .cgroup_name = group_name,
					       .in_payload = join_group,
					       .id_slot = 7});
	snprintf(path, sizeof(path), "%s/ids", k.run);
	ids_fd = file_open_dirs(path, 0700, &err);
	CHECK_OK(file_create_excl(ids_fd, "7", k.id, STORE_ID_LENGTH, 0600, false, &err));
	snprintf(path, sizeof(path), "%s/ids/7", k.run);
	CHECK_INT(kept_join(&k), 0);
	CHECK(access(path, F_OK) < 0);
	CHECK_ERR(cgroup_open(&host, group_name, &gone, &err), ERR_NOT_FOUND, group_name);
	close_group();
}

TEST(a_container_killed_for_memory_is_recorded_as_such)
{
	own(kept) struct kept k = KEPT_INIT;
	own(exit_record) struct exit_record record = {0};
	struct keeper_header end;
	struct err err = ERR_INIT;

	make_group(16 << 20);
	kept_start(&k, &(struct kept_options){.script = "exec tail /dev/zero",
					      .attached = true,
					      .namespaces = true,
					      .cgroup_name = group_name,
					      .in_payload = join_group});
	end = kept_until(k.client_fd, KEEPER_EXIT, NULL, NULL);
	CHECK_INT(end.value, 128 + SIGKILL);
	CHECK_INT(end.value2, SIGKILL | 1 << 8);
	CHECK_INT(kept_join(&k), 128 + SIGKILL);
	CHECK_OK(store_read_exit(k.dir_fd, &record, &err));
	CHECK(record.oom_killed);
	CHECK_STR(record.reason, "out of memory");
	close_group();
}

static void check_caps(pid_t pid, uint64_t want)
{
	CHECK_INT(status_field(pid, "CapPrm:"), (intmax_t)want);
	CHECK_INT(status_field(pid, "CapEff:"), (intmax_t)want);
	CHECK_INT(status_field(pid, "CapBnd:"), (intmax_t)want);
	CHECK_INT(status_field(pid, "CapInh:"), 0);
	CHECK_INT(status_field(pid, "CapAmb:"), 0);
	CHECK_INT(status_field(pid, "NoNewPrivs:"), 1);
}

TEST(privileges_are_those_of_its_duties)
{
	own(kept) struct kept plain = KEPT_INIT, removing = KEPT_INIT;
	struct err err = ERR_INIT;

	need_root();
	kept_start(&plain, &(struct kept_options){.script = "sleep 1000", .namespaces = true});
	check_caps(plain.pid, BIT(CAP_KILL));
	kept_start(&removing, &(struct kept_options){
				      .script = "sleep 1000", .namespaces = true, .remove = true});
	check_caps(removing.pid, BIT(CAP_KILL) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER));
	CHECK_OK(keeper_replace(removing.run_fd, getenv("INSULA_KEEPER"), KEPT_WAIT_MS, &err));
	check_caps(removing.pid, BIT(CAP_KILL) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER));
}

/* Nothing of the command that started it: session, directory, standard streams. */
TEST(it_lets_go_of_its_caller)
{
	own(kept) struct kept k = KEPT_INIT;
	char path[64], target[256] = "";

	need_root();
	kept_start(&k, &(struct kept_options){.script = "sleep 1000", .namespaces = true});
	CHECK_INT(getsid(k.pid), k.pid);
	snprintf(path, sizeof(path), "/proc/%d/cwd", (int)k.pid);
	CHECK(readlink(path, target, sizeof(target) - 1) > 0);
	CHECK_STR(target, "/");
	for (int fd = 0; fd <= 2; fd++) {
		memset(target, 0, sizeof(target));
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)k.pid, fd);
		CHECK(readlink(path, target, sizeof(target) - 1) > 0);
		CHECK_STR(target, "/dev/null");
	}
}

int main(int argc, char **argv)
{
	int status;

	runner = getpid();
	status = test_main(argc, argv);
	remove_leftovers();
	return status;
}
