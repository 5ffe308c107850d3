/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The layer in a statically linked program, as the first process of a container's namespaces, in
 * an empty root: no /proc, no locale, no time zone, no shared library.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "test.h"

static void on_timer(void *data)
{
	loop_stop(data, 3);
}

static void check_text(void)
{
	own(str) struct str s = STR_INIT(100);
	char buf[CLOCK_TEXT_SIZE], name[32];
	struct err err = ERR_INIT;

	err_set(&err, ERR_DENIED, EACCES, "cannot open '%s'", "x\n");
	CHECK_STR(err.message, "cannot open 'x?': permission denied");
	str_addf(&s, "%s %d", clock_text(0, buf), 5);
	CHECK_STR(s.data, "1970-01-01T00:00:00.000000000Z 5");
	CHECK_STR(proc_signal_name(SIGTERM, name, sizeof(name)), "SIGTERM");
	CHECK_OK(str_random_hex(name, 4, &err));
}

static void check_files(int proc_fd)
{
	own_fd int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	own_free char *text = NULL, *again = NULL;
	struct err err = ERR_INIT;

	fd = path_mkdirs(root, "/a/b", PATH_IN_ROOT, 0755, &err);
	CHECK_OK(fd);
	CHECK_OK(file_write_atomic(root, "f", "content", 7, 0600, true, &err));
	CHECK_INT(file_read(root, "f", 100, &text, &err), 7);
	/* Without a procfs a handle cannot be opened again; that is an error, not a wrong file. */
	CHECK_ERR(path_read_file(root, "f", PATH_IN_ROOT, 100, &text, &err), ERR_NOT_FOUND,
		  "/proc/self/fd");
	path_use_proc(proc_fd);
	CHECK_INT(path_read_file(root, "f", PATH_IN_ROOT, 100, &again, &err), 7);
	CHECK_STR(again, "content");
	path_use_proc(root);
	CHECK_ERR(path_read_file(root, "f", PATH_IN_ROOT, 100, &again, &err), ERR_NOT_FOUND, NULL);
	path_use_proc(-1);
	CHECK_OK(path_remove_tree(root, "a", &err));
}

static void check_processes(void)
{
	own(proc) struct proc p = PROC_INIT;
	struct err err = ERR_INIT;
	struct proc_exit exit;
	struct loop *loop = loop_new(&err);
	pid_t pid;

	CHECK_OK(loop_add_timer(loop, 1, on_timer, loop, &err));
	CHECK_INT(loop_run(loop, &err), 3);
	loop_free(loop);
	pid = proc_clone(&p, 0, -1, &err);
	CHECK_OK(pid);
	if (pid == 0) {
		proc_reset_signals();
		_exit(9);
	}
	CHECK_INT(proc_wait(&p, 10000, &exit, &err), 1);
	CHECK_INT(exit.code, 9);
}

/* Be root here, which is the user who runs the test outside. */
static void write_map(const char *path, unsigned int id)
{
	own_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	struct err err = ERR_INIT;
	char map[32];

	snprintf(map, sizeof(map), "0 %u 1", id);
	CHECK_OK(fd_write_all(fd, map, strlen(map), path, &err));
}

TEST(as_the_first_process_in_an_empty_root)
{
	own(proc) struct proc p = PROC_INIT;
	own_fd int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *root = test_dir_path();
	struct err err = ERR_INIT;
	unsigned int uid = geteuid();
	struct proc_exit exit;
	pid_t pid;

	pid = proc_clone(&p, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS, -1, &err);
	if (pid < 0)
		SKIP("no namespaces here: %s", err.message);
	if (pid == 0) {
		write_map("/proc/self/uid_map", uid);
		if (chroot(root) < 0 || chdir("/") < 0)
			_exit(1);
		CHECK_INT(getpid(), 1);
		check_text();
		check_files(proc_fd);
		check_processes();
		_exit(0);
	}
	CHECK_INT(proc_wait(&p, 30000, &exit, &err), 1);
	CHECK_INT(exit.code, 0);
}

TEST_MAIN()
