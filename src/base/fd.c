/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors: close-on-exec hygiene and whole reads and writes.
 *
 * A descriptor that leaks into a container is an escape (a directory of the host, opened before,
 * still leads there after every namespace and pivot), so two nets hang below the rule that every
 * descriptor is close-on-exec at birth: main() marks what the caller left open, and the last step
 * before execve marks everything once more. close_range(2) does either in one call however many
 * there are; where a foreign seccomp filter or an old kernel refuses it, /proc/self/fd names them.
 *
 * Reads are bounded by the caller, because much of what is read was written by somebody else. A
 * bound that is met exactly is fine; one byte more is ERR_LIMIT, never silent truncation.
 *
 * Nothing here retries EAGAIN: a caller that made a descriptor non-blocking has an event loop.
 */
#include "base/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/own.h"

/* Linux 6.3; older headers lack it. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define READ_FIRST 4096 /* first buffer where the size is not known */

void fd_close(int fd)
{
	int saved = errno;

	/* No retry after EINTR: Linux has released the number by then, and it may be reused. */
	if (fd >= 0)
		close(fd);
	errno = saved;
}

/* The number a /proc/self/fd entry stands for; -1 for "." and "..". */
static int entry_fd(const char *name)
{
	int fd = 0;

	if (*name < '0' || *name > '9')
		return -1;
	for (; *name; name++)
		fd = fd * 10 + (*name - '0');
	return fd;
}

static int cloexec_by_proc(int first, struct err *err)
{
	own_dir DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (!dir)
		return err_errno(err, "cannot list open descriptors in '/proc/self/fd'");
	while ((entry = readdir(dir))) {
		int fd = entry_fd(entry->d_name);

		if (fd >= first && fd_set_cloexec(fd, true, err) < 0)
			return -1;
	}
	return 0;
}

int fd_cloexec_from(int first, struct err *err)
{
	if (close_range((unsigned int)first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	return cloexec_by_proc(first, err);
}

/* The lowest of the kept ones from `first` on; -1: none. */
static int next_kept(const int *kept, size_t count, int first)
{
	int lowest = -1;

	for (size_t i = 0; i < count; i++)
		if (kept[i] >= first && (lowest < 0 || kept[i] < lowest))
			lowest = kept[i];
	return lowest;
}

int fd_close_others(const int *kept, size_t count, struct err *err)
{
	int first = 0, next;

	do {
		next = next_kept(kept, count, first);
		if (next != first && close_range((unsigned int)first,
						 next < 0 ? ~0U : (unsigned int)next - 1, 0) < 0)
			return err_errno(err, "cannot close what is not needed any more");
		first = next + 1;
	} while (next >= 0);
	return 0;
}

int fd_sanitize_stdio(struct err *err)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* All lower numbers are taken, so this one is returned. Not CLOEXEC: 0, 1 and 2
		 * are meant to be inherited. */
		if (open("/dev/null", O_RDWR) < 0)
			return err_errno(err, "cannot open '/dev/null' as descriptor %d", fd);
	}
	return 0;
}

int fd_pipe(int *ret_read, int *ret_write, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	*ret_read = ends[0];
	*ret_write = ends[1];
	return 0;
}

int fd_socket_pair(int *ret_one, int *ret_other, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(err, "cannot make a socket pair");
	*ret_one = ends[0];
	*ret_other = ends[1];
	return 0;
}

bool fd_is_on(int fd, const unsigned long *kinds, size_t count, bool unknown)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return unknown;
	for (size_t i = 0; i < count; i++)
		if ((unsigned long)fs.f_type == kinds[i])
			return true;
	return false;
}

int fd_set_cloexec(int fd, bool on, struct err *err)
{
	if (fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0)
		return err_errno(err, "cannot mark descriptor %d close-on-exec", fd);
	return 0;
}

int fd_set_nonblock(int fd, bool on, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		flags = fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
	if (flags < 0)
		return err_errno(err, "cannot make descriptor %d %s", fd,
				 on ? "non-blocking" : "blocking");
	return 0;
}

/* Read until end of file, until the buffer is full, or until there are exactly as many bytes as a regular
 * file has (0: not known), which is its end without another look. */
static ssize_t read_full(int fd, char *buf, size_t size, size_t whole)
{
	size_t length = 0;

	while (length < size && (!length || length != whole)) {
		ssize_t n = read(fd, buf + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

static size_t first_capacity(int fd, size_t limit, size_t *ret_whole)
{
	struct stat st;
	size_t size = READ_FIRST;

	*ret_whole = 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		*ret_whole = (size_t)st.st_size;
		size = *ret_whole + 1; /* one more: a read that is short has met the end of file */
	}
	return size < limit + 1 ? size : limit + 1;
}

static int too_long(const char *what, size_t limit, struct err *err)
{
	return err_set(err, ERR_LIMIT, 0, "cannot read '%s': more than %zu bytes", what, limit);
}

ssize_t fd_read_all(int fd, size_t limit, const char *what, char **ret_data, struct err *err)
{
	own_free char *data = NULL;
	size_t length = 0, capacity, whole;

	if (limit > SSIZE_MAX - 2)
		limit = SSIZE_MAX - 2;
	for (capacity = first_capacity(fd, limit, &whole);;) {
		char *grown = realloc(data, capacity + 1);
		ssize_t n;

		if (!grown)
			return err_set(err, ERR_LIMIT, ENOMEM, "cannot read '%s'", what);
		data = grown;
		n = read_full(fd, data + length, capacity - length, length ? 0 : whole);
		if (n < 0)
			return err_errno(err, "cannot read '%s'", what);
		length += (size_t)n;
		if (length > limit)
			return too_long(what, limit, err);
		if (length < capacity)
			break;
		capacity = capacity <= limit / 2 ? capacity * 2 : limit + 1;
	}
	data[length] = '\0';
	*ret_data = take(data);
	return (ssize_t)length;
}

ssize_t fd_read_buf(int fd, char *buf, size_t size, const char *what, struct err *err)
{
	ssize_t length = read_full(fd, buf, size - 1, 0), more = 0;
	char probe;

	if (length == (ssize_t)size - 1)
		more = read_full(fd, &probe, 1, 0);
	buf[length < 0 ? 0 : length] = '\0';
	if (length < 0 || more < 0)
		return err_errno(err, "cannot read '%s'", what);
	if (more > 0)
		return too_long(what, size - 1, err);
	return length;
}

int fd_write_all(int fd, const void *data, size_t size, const char *what, struct err *err)
{
	const char *next = data;

	while (size > 0) {
		ssize_t n = write(fd, next, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot write '%s'", what);
		next += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Since Linux 6.3 a memfd that does not say whether it may be executed earns a kernel warning, and
 * the sysctl vm.memfd_noexec can refuse MFD_EXEC; older kernels do not know the flag at all. */
static int create_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	return fd >= 0 ? fd : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

bool fd_is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

int fd_sealed_memfd(const char *name, const void *data, size_t size, struct err *err)
{
	own_fd int fd = create_memfd(name);

	if (fd < 0)
		return err_errno(err, "cannot create the memory file '%s'", name);
	if (fd_write_all(fd, data, size, name, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return err_errno(err, "cannot seal the memory file '%s'", name);
	return take_fd(fd);
}

int fd_count_open(void)
{
	own_dir DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int count = -1; /* the directory itself */

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		count += entry_fd(entry->d_name) >= 0;
	return count;
}

DIR *fd_open_list(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		fd_close(fd);
	return dir;
}
