/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes of a program, and mounts below a directory, from recorded trees. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sys/sysmacros.h>

#include "base/own.h"
#include "kernel/mountinfo.h"
#include "kernel/processes.h"
#include "test.h"

static struct err err;

static void put(const char *name, const char *text, size_t size)
{
	int fd = openat(test_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, size), size);
	close(fd);
}

/* A process that executes `exe`; its command line ends with `last`, and it has one file open. */
static void add_process(int pid, const char *exe, const char *last, const char *file)
{
	char path[64], text[256];
	int length;

	snprintf(path, sizeof(path), "%d", pid);
	CHECK_INT(mkdirat(test_dir(), path, 0700), 0);
	snprintf(path, sizeof(path), "%d/fd", pid);
	CHECK_INT(mkdirat(test_dir(), path, 0700), 0);
	snprintf(path, sizeof(path), "%d/fd/3", pid);
	CHECK_INT(symlinkat(file, test_dir(), path), 0);
	snprintf(path, sizeof(path), "%d/exe", pid);
	CHECK_INT(symlinkat(exe, test_dir(), path), 0);
	snprintf(path, sizeof(path), "%d/cmdline", pid);
	length = snprintf(text, sizeof(text), "%s%c--state%c%s", "insula-keeper", 0, 0, last);
	put(path, text, (size_t)length + 1);
	snprintf(path, sizeof(path), "%d/stat", pid);
	length = snprintf(text, sizeof(text),
			  "%d (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %d00 20\n",
			  pid, pid);
	put(path, text, (size_t)length);
}

static int note(void *data, const struct process_info *p, struct err *ignored)
{
	char text[512];

	snprintf(text, sizeof(text), "%d %d %s %s", p->pid, (int)p->start_time,
		 p->args.items[p->args.count - 1], p->files.items[0]);
	return strv_add(data, text, ignored);
}

TEST(only_those_that_execute_the_program)
{
	own(strv) struct strv found = STRV_INIT;

	add_process(7, "/usr/libexec/insula/insula-keeper", "abc", "/run/x");
	add_process(8, "/opt/insula-keeper (deleted)", "def", "/run/y (deleted)");
	add_process(9, "/usr/bin/insula-keeper-not", "ghi", "/run/z");
	add_process(10, "/usr/bin/sleep", "jkl", "/run/z");
	add_process(11, "/insula-keeper/sh", "mno", "/run/z");
	CHECK_INT(mkdirat(test_dir(), "self", 0700), 0);
	CHECK_OK(processes_of_program(test_dir(), "insula-keeper", note, &found, &err));
	CHECK_INT(found.count, 2);
	CHECK(strv_contains(&found, "7 700 abc /run/x"));
	CHECK(strv_contains(&found, "8 800 def /run/y (deleted)"));
}

static int note_own(void *data, const struct process_info *p, struct err *ignored)
{
	struct stat st;

	CHECK_INT(fstat(test_dir(), &st), 0);
	CHECK_INT(p->files.count, 1);
	CHECK_STR(p->numbers.items[0], "3");
	CHECK(!process_file_is(p, 0, st.st_dev + 1, geteuid()));
	CHECK(!process_file_is(p, 0, st.st_dev, geteuid() + 1));
	*(bool *)data = process_file_is(p, 0, st.st_dev, geteuid());
	return 0;
}

TEST(whose_a_file_is_is_asked_of_the_file)
{
	bool own = false;

	put("file", "", 0);
	add_process(7, "/insula-keeper", "abc", "../../file");
	CHECK_OK(processes_of_program(test_dir(), "insula-keeper", note_own, &own, &err));
	CHECK(own);
	CHECK_INT(unlinkat(test_dir(), "file", 0), 0);
	CHECK_OK(processes_of_program(test_dir(), "insula-keeper", note_own, &own, &err));
	CHECK(!own);
	CHECK_INT(mkdirat(test_dir(), "file", 0700), 0);
	CHECK_OK(processes_of_program(test_dir(), "insula-keeper", note_own, &own, &err));
	CHECK(!own);
}

static int refuse(void *data, const struct process_info *p, struct err *ret)
{
	++*(int *)data;
	return err_set(ret, ERR_LIMIT, 0, "enough");
}

TEST(the_walk_ends_with_an_error)
{
	int calls = 0;

	add_process(7, "/insula-keeper", "abc", "/run/x");
	add_process(8, "/insula-keeper", "def", "/run/y");
	CHECK_ERR(processes_of_program(test_dir(), "insula-keeper", refuse, &calls, &err),
		  ERR_LIMIT, "enough");
	CHECK_INT(calls, 1);
}

TEST(one_that_is_half_gone_is_passed_over)
{
	own(strv) struct strv found = STRV_INIT;

	add_process(7, "/insula-keeper", "abc", "/run/x");
	CHECK_INT(unlinkat(test_dir(), "7/stat", 0), 0);
	CHECK_OK(processes_of_program(test_dir(), "insula-keeper", note, &found, &err));
	CHECK_INT(found.count, 0);
}

/* ---- mounts ---- */

TEST(mount_points_below_a_directory)
{
	static const char text[] = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
				   "2 1 0:5 / /run/insula rw - tmpfs none rw\n"
				   "3 1 0:6 / /run/insula/a\\040b rw shared:1 - tmpfs none rw\n"
				   "4 1 0:7 / /run/insula/a\\040b/c\\134d rw - tmpfs none rw\n"
				   "5 1 0:8 / /run/insulated rw - tmpfs none rw\n"
				   "6 1\n";
	own(strv) struct strv found = STRV_INIT;

	CHECK_INT(mkdirat(test_dir(), "self", 0700), 0);
	put("self/mountinfo", text, sizeof(text) - 1);
	CHECK_OK(mount_points_below(test_dir(), "/run/insula", &found, &err));
	CHECK_INT(found.count, 2);
	CHECK_STR(found.items[0], "/run/insula/a b");
	CHECK_STR(found.items[1], "/run/insula/a b/c\\d");
}

TEST(a_shared_mount_is_told_by_its_tag)
{
	static const char text[] = "21 1 0:5 / /a rw shared:7 - tmpfs shared:9 rw\n"
				   "22 1 0:6 / /b rw - tmpfs none rw\n"
				   "23 1 0:7 / /c rw master:7 - tmpfs shared:9 rw\n"
				   "24 1 0:8 / /d rw master:7 shared:8 - tmpfs none rw\n";

	CHECK_INT(mkdirat(test_dir(), "self", 0700), 0);
	put("self/mountinfo", text, sizeof(text) - 1);
	CHECK_INT(mount_is_shared(test_dir(), 21, &err), 1);
	CHECK_INT(mount_is_shared(test_dir(), 22, &err), 0);
	CHECK_INT(mount_is_shared(test_dir(), 23, &err), 0);
	CHECK_INT(mount_is_shared(test_dir(), 24, &err), 1);
	CHECK_ERR(mount_is_shared(test_dir(), 2, &err), ERR_NOT_FOUND, "mount 2");
}

TEST(a_mount_is_found_by_its_number_as_a_process_sees_it)
{
	static const char ours[] = "21 1 0:5 / /a\\040b rw - tmpfs none rw\n";
	static const char theirs[] =
		"21 1 0:5 / /there rw - tmpfs none rw\n210 1 0:5 / /x rw - x x rw\n";
	own_free char *path = NULL, *there = NULL;

	CHECK_INT(mkdirat(test_dir(), "self", 0700), 0);
	CHECK_INT(mkdirat(test_dir(), "8", 0700), 0);
	put("self/mountinfo", ours, sizeof(ours) - 1);
	put("8/mountinfo", theirs, sizeof(theirs) - 1);
	CHECK_INT(mount_point_of(test_dir(), 0, 21, &path, &err), 1);
	CHECK_STR(path, "/a b");
	CHECK_INT(mount_point_of(test_dir(), 8, 21, &there, &err), 1);
	CHECK_STR(there, "/there");
	CHECK_INT(mount_point_of(test_dir(), 8, 2, &there, &err), 0);
	CHECK_ERR(mount_point_of(test_dir(), 9, 21, &there, &err), ERR_NOT_FOUND, "list of mounts");
}

TEST(who_has_a_device_open)
{
	own_fd int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int full_fd = open("/dev/full", O_RDONLY | O_CLOEXEC);

	CHECK(full_fd >= 0);
	CHECK(process_holds_device(proc_fd, getpid(), false, makedev(1, 7)));
	CHECK(!process_holds_device(proc_fd, getpid(), true, makedev(1, 7)));
	CHECK(!process_holds_device(proc_fd, getpid(), false, makedev(1, 207)));
	CHECK(!process_holds_device(proc_fd, 0, false, makedev(1, 7)));
}

TEST(no_list_of_mounts)
{
	own(strv) struct strv found = STRV_INIT;

	CHECK_ERR(mount_points_below(test_dir(), "/run", &found, &err), ERR_NOT_FOUND,
		  "list of mounts");
}

TEST_MAIN()
