/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors: hygiene, bounded reads, whole writes, sealed memory.
 */
#include "base/fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "test.h"

static int memory_file(const void *data, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, data, size) == (ssize_t)size);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

TEST(close_keeps_errno_and_takes_none)
{
	errno = ENOTTY;
	fd_close(-1);
	fd_close(9999);
	CHECK_INT(errno, ENOTTY);
}

TEST(take_fd_empties_its_slot)
{
	own_fd int fd = memory_file("x", 1);
	int taken = take_fd(fd);

	CHECK_INT(fd, -1);
	CHECK(taken >= 0);
	close(taken);
}

TEST(cloexec_from_marks_all_above_and_none_below)
{
	struct err err = ERR_INIT;
	own_fd int low = open("/dev/null", O_RDONLY); /* lint: inherited on purpose */
	own_fd int high = fcntl(low, F_DUPFD, 900);

	CHECK_OK(fd_cloexec_from(low + 1, &err));
	CHECK_INT(fcntl(low, F_GETFD), 0);
	CHECK_INT(fcntl(high, F_GETFD), FD_CLOEXEC);
	CHECK_OK(fd_cloexec_from(3, &err));
	CHECK_INT(fcntl(low, F_GETFD), FD_CLOEXEC);
}

TEST(cloexec_from_works_without_close_range)
{
	struct err err = ERR_INIT;
	own_fd int low = open("/dev/null", O_RDONLY);
	own_fd int high = fcntl(low, F_DUPFD, 900);

	test_fail_syscall(SYS_close_range, ENOSYS);
	CHECK_OK(fd_cloexec_from(low + 1, &err));
	CHECK_INT(fcntl(low, F_GETFD), 0);
	CHECK_INT(fcntl(high, F_GETFD), FD_CLOEXEC);
}

TEST(a_memfd_that_cannot_be_made_is_an_error)
{
	struct err err = ERR_INIT;

	test_fail_syscall(SYS_memfd_create, EINVAL);
	CHECK_ERR(fd_sealed_memfd("x", "y", 1, &err), ERR_IO, "cannot create the memory file 'x'");
}

TEST(sanitize_fills_the_holes_in_stdio)
{
	int saved = dup(STDOUT_FILENO);
	struct err err = ERR_INIT;
	struct stat st, null;

	close(0);
	close(1);
	CHECK_OK(fd_sanitize_stdio(&err));
	CHECK(fstat(0, &st) == 0 && stat("/dev/null", &null) == 0);
	CHECK_INT((intmax_t)st.st_rdev, (intmax_t)null.st_rdev);
	CHECK(fstat(1, &st) == 0 && st.st_rdev == null.st_rdev);
	CHECK_INT(fcntl(1, F_GETFD), 0);
	dup2(saved, STDOUT_FILENO);
	close(saved);
}

TEST(flags_are_set_and_cleared)
{
	own_fd int fd = memory_file("", 0);
	struct err err = ERR_INIT;

	CHECK_OK(fd_set_cloexec(fd, false, &err));
	CHECK_INT(fcntl(fd, F_GETFD), 0);
	CHECK_OK(fd_set_nonblock(fd, true, &err));
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK_OK(fd_set_nonblock(fd, false, &err));
	CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	CHECK_ERR(fd_set_nonblock(-1, true, &err), ERR_IO, "non-blocking: bad file descriptor");
	CHECK_ERR(fd_set_cloexec(-1, true, &err), ERR_IO, "bad file descriptor");
}

TEST(read_all_of_every_size_around_its_buffers)
{
	static const size_t sizes[] = {0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 8193, 100000};
	char *content = malloc(100000);

	for (size_t i = 0; i < 100000; i++)
		content[i] = (char)('a' + i % 23);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		own_fd int fd = memory_file(content, sizes[i]);
		own_free char *data = NULL;
		struct err err = ERR_INIT;

		CHECK_INT(fd_read_all(fd, 100000, "it", &data, &err), (ssize_t)sizes[i]);
		CHECK(memcmp(data, content, sizes[i]) == 0);
		CHECK_INT(data[sizes[i]], 0);
	}
	free(content);
}

TEST(read_all_from_a_pipe_that_trickles)
{
	int ends[2];
	own_free char *data = NULL;
	struct err err = ERR_INIT;
	pid_t pid;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 5000; i++)
			if (write(ends[1], "0123456789", 10) != 10)
				_exit(1);
		_exit(0);
	}
	close(ends[1]);
	CHECK_INT(fd_read_all(ends[0], 50000, "pipe", &data, &err), 50000);
	CHECK(memcmp(data + 49990, "0123456789", 11) == 0);
	close(ends[0]);
	waitpid(pid, NULL, 0);
}

TEST(read_all_takes_exactly_the_limit_and_no_more)
{
	own_fd int fd = memory_file("12345", 5);
	own_free char *data = NULL;
	struct err err = ERR_INIT;

	CHECK_ERR(fd_read_all(fd, 4, "/etc/x", &data, &err), ERR_LIMIT,
		  "cannot read '/etc/x': more than 4 bytes");
	CHECK(data == NULL);
	lseek(fd, 0, SEEK_SET);
	CHECK_INT(fd_read_all(fd, 5, "x", &data, &err), 5);
	CHECK_STR(data, "12345");
}

TEST(read_all_of_an_endless_file_ends_at_the_limit)
{
	own_fd int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char *data = NULL;
	struct err err = ERR_INIT;

	CHECK_ERR(fd_read_all(fd, 1 << 20, "/dev/zero", &data, &err), ERR_LIMIT, "1048576");
	CHECK_ERR(fd_read_all(fd, 0, "/dev/zero", &data, &err), ERR_LIMIT, "more than 0 bytes");
}

TEST(read_all_without_a_bound_and_of_an_empty_file)
{
	own_fd int fd = memory_file("abc", 3), none = memory_file("", 0);
	own_free char *data = NULL, *empty = NULL;
	struct err err = ERR_INIT;

	CHECK_INT(fd_read_all(fd, SIZE_MAX, "x", &data, &err), 3);
	CHECK_INT(fd_read_all(none, 0, "x", &empty, &err), 0);
	CHECK_STR(empty, "");
}

TEST(read_all_reports_read_errors)
{
	own_fd int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *data = NULL;
	struct err err = ERR_INIT;

	CHECK_ERR(fd_read_all(dir, 10, "/", &data, &err), ERR_IO, "is a directory");
	CHECK_ERR(fd_read_all(-1, 10, "x", &data, &err), ERR_IO, "bad file descriptor");
}

TEST(read_buf_fills_to_the_last_byte)
{
	own_fd int fd = memory_file("1234567", 7);
	struct err err = ERR_INIT;
	char exact[8], small[7], large[64];

	CHECK_INT(fd_read_buf(fd, exact, sizeof(exact), "x", &err), 7);
	CHECK_STR(exact, "1234567");
	lseek(fd, 0, SEEK_SET);
	CHECK_ERR(fd_read_buf(fd, small, sizeof(small), "x", &err), ERR_LIMIT, "more than 6");
	CHECK_STR(small, "123456");
	lseek(fd, 0, SEEK_SET);
	CHECK_INT(fd_read_buf(fd, large, sizeof(large), "x", &err), 7);
	CHECK_STR(large, "1234567");
	CHECK_ERR(fd_read_buf(-1, large, sizeof(large), "x", &err), ERR_IO, "bad file");
	CHECK_STR(large, "");
}

TEST(read_buf_of_a_proc_file)
{
	own_fd int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	struct err err = ERR_INIT;
	char buf[1024];

	CHECK(fd_read_buf(fd, buf, sizeof(buf), "stat", &err) > 10);
	CHECK_INT(strtol(buf, NULL, 10), getpid());
}

static void on_alarm(int signal)
{
	(void)signal;
}

TEST(write_all_survives_signals_and_a_full_pipe)
{
	struct sigaction action = {
		.sa_handler = on_alarm}; /* no SA_RESTART: writes are cut short */
	size_t size = 1 << 20;
	own_free char *data = calloc(1, size);
	struct err err = ERR_INIT;
	int ends[2], status;
	pid_t pid;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	sigaction(SIGUSR1, &action, NULL);
	pid = fork();
	if (pid == 0) {
		own_free char *got = NULL;

		close(ends[1]);
		for (int i = 0; i < 50; i++) {
			usleep(1000);
			kill(getppid(), SIGUSR1);
		}
		_exit(fd_read_all(ends[0], size, "pipe", &got, &err) == (ssize_t)size ? 0 : 1);
	}
	close(ends[0]);
	CHECK_OK(fd_write_all(ends[1], data, size, "pipe", &err));
	close(ends[1]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	CHECK_INT(status, 0);
}

TEST(write_all_reports_errors)
{
	own_fd int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct err err = ERR_INIT;

	CHECK_ERR(fd_write_all(full, "x", 1, "log", &err), ERR_IO,
		  "cannot write 'log': no space left on device");
	CHECK_OK(fd_write_all(full, "", 0, "log", &err));
}

TEST(a_sealed_memfd_cannot_change)
{
	struct err err = ERR_INIT;
	own_fd int fd = fd_sealed_memfd("insula-test", "content", 7, &err);
	char buf[16];

	CHECK(fd >= 0);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_INT(fd_read_buf(fd, buf, sizeof(buf), "x", &err), 7);
	CHECK_STR(buf, "content");
	CHECK(pwrite(fd, "X", 1, 0) < 0 && errno == EPERM);
	CHECK(ftruncate(fd, 3) < 0 && errno == EPERM);
	CHECK(ftruncate(fd, 30) < 0 && errno == EPERM);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0 && errno == EPERM);
	CHECK(mmap(NULL, 7, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
}

TEST(count_open_sees_one_more)
{
	int before = fd_count_open(), fd;

	CHECK(before >= 3);
	fd = memory_file("", 0);
	CHECK_INT(fd_count_open(), before + 1);
	close(fd);
	CHECK_INT(fd_count_open(), before);
}

TEST(which_file_system_it_is_on)
{
	static const unsigned long kinds[] = {TMPFS_MAGIC, PROC_SUPER_MAGIC};
	own_fd int fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd_is_on(fd, kinds, 2, false));
	CHECK(!fd_is_on(fd, kinds, 1, true));
	CHECK(fd_is_on(-1, kinds, 2, true));
	CHECK(!fd_is_on(-1, kinds, 2, false));
}

TEST(a_pair_of_sockets_keeps_packets_apart)
{
	struct err err = ERR_INIT;
	own_fd int one = -1, other = -1;
	char got[8];

	CHECK_OK(fd_socket_pair(&one, &other, &err));
	CHECK(fcntl(one, F_GETFD) == FD_CLOEXEC && fcntl(other, F_GETFD) == FD_CLOEXEC);
	CHECK_INT(write(one, "ab", 2), 2);
	CHECK_INT(write(one, "c", 1), 1);
	CHECK_INT(read(other, got, sizeof(got)), 2);
	CHECK_INT(read(other, got, sizeof(got)), 1);
	CHECK_INT(write(other, "d", 1), 1);
	CHECK_INT(read(one, got, sizeof(got)), 1);
}

TEST_MAIN()
