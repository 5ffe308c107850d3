/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The texts of errno values.
 *
 * strerror(3) consults the locale, may load message catalogues from the file system that the
 * process stands in (a container's, after pivot_root), and begins with a capital letter, which
 * reads badly behind "cannot open 'x': ". A table has none of these troubles and makes messages
 * the same with every libc. It lists what the calls that this program makes can return; anything
 * else is shown by its number, which errno(1) and the man pages explain.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define ENTRY(number, text) [number] = {#number, text}

static const struct {
	const char *name, *text;
} known[] = {
	ENTRY(0, "success"),
	ENTRY(EPERM, "operation not permitted"),
	ENTRY(ENOENT, "no such file or directory"),
	ENTRY(ESRCH, "no such process"),
	ENTRY(EINTR, "interrupted system call"),
	ENTRY(EIO, "input/output error"),
	ENTRY(ENXIO, "no such device or address"),
	ENTRY(E2BIG, "argument list too long"),
	ENTRY(ENOEXEC, "exec format error"),
	ENTRY(EBADF, "bad file descriptor"),
	ENTRY(ECHILD, "no child processes"),
	ENTRY(EAGAIN, "resource temporarily unavailable"),
	ENTRY(ENOMEM, "out of memory"),
	ENTRY(EACCES, "permission denied"),
	ENTRY(EFAULT, "bad address"),
	ENTRY(ENOTBLK, "block device required"),
	ENTRY(EBUSY, "device or resource busy"),
	ENTRY(EEXIST, "already exists"),
	ENTRY(EXDEV, "crosses a mount point or device"),
	ENTRY(ENODEV, "no such device"),
	ENTRY(ENOTDIR, "not a directory"),
	ENTRY(EISDIR, "is a directory"),
	ENTRY(EINVAL, "invalid argument"),
	ENTRY(ENFILE, "too many open files in system"),
	ENTRY(EMFILE, "too many open files"),
	ENTRY(ENOTTY, "inappropriate ioctl for device"),
	ENTRY(ETXTBSY, "text file busy"),
	ENTRY(EFBIG, "file too large"),
	ENTRY(ENOSPC, "no space left on device"),
	ENTRY(ESPIPE, "illegal seek"),
	ENTRY(EROFS, "read-only file system"),
	ENTRY(EMLINK, "too many links"),
	ENTRY(EPIPE, "broken pipe"),
	ENTRY(EDOM, "argument out of domain"),
	ENTRY(ERANGE, "result out of range"),
	ENTRY(EDEADLK, "would deadlock"),
	ENTRY(ENAMETOOLONG, "file name too long"),
	ENTRY(ENOLCK, "no locks available"),
	ENTRY(ENOSYS, "system call not implemented"),
	ENTRY(ENOTEMPTY, "directory not empty"),
	ENTRY(ELOOP, "too many levels of symbolic links"),
	ENTRY(EIDRM, "identifier removed"),
	ENTRY(ENODATA, "no data available"),
	ENTRY(ETIME, "timer expired"),
	ENTRY(ENOPKG, "package not installed"),
	ENTRY(EPROTO, "protocol error"),
	ENTRY(EBADMSG, "bad message"),
	ENTRY(EOVERFLOW, "value too large or not mapped"),
	ENTRY(EBADFD, "descriptor in a bad state"),
	ENTRY(EILSEQ, "invalid byte sequence"),
	ENTRY(EUSERS, "too many users"),
	ENTRY(ENOTSOCK, "not a socket"),
	ENTRY(EDESTADDRREQ, "destination address required"),
	ENTRY(EMSGSIZE, "message too long"),
	ENTRY(EPROTOTYPE, "wrong protocol type for socket"),
	ENTRY(ENOPROTOOPT, "protocol not available"),
	ENTRY(EPROTONOSUPPORT, "protocol not supported"),
	ENTRY(ESOCKTNOSUPPORT, "socket type not supported"),
	ENTRY(EOPNOTSUPP, "operation not supported"),
	ENTRY(EPFNOSUPPORT, "protocol family not supported"),
	ENTRY(EAFNOSUPPORT, "address family not supported"),
	ENTRY(EADDRINUSE, "address already in use"),
	ENTRY(EADDRNOTAVAIL, "address not available"),
	ENTRY(ENETDOWN, "network is down"),
	ENTRY(ENETUNREACH, "network is unreachable"),
	ENTRY(ENETRESET, "connection reset by network"),
	ENTRY(ECONNABORTED, "connection aborted"),
	ENTRY(ECONNRESET, "connection reset by peer"),
	ENTRY(ENOBUFS, "no buffer space available"),
	ENTRY(EISCONN, "already connected"),
	ENTRY(ENOTCONN, "not connected"),
	ENTRY(ETIMEDOUT, "timed out"),
	ENTRY(ECONNREFUSED, "connection refused"),
	ENTRY(EHOSTDOWN, "host is down"),
	ENTRY(EHOSTUNREACH, "no route to host"),
	ENTRY(EALREADY, "operation already in progress"),
	ENTRY(EINPROGRESS, "operation in progress"),
	ENTRY(ESTALE, "stale file handle"),
	ENTRY(EUCLEAN, "structure needs cleaning"),
	ENTRY(EREMOTEIO, "remote input/output error"),
	ENTRY(EDQUOT, "disk quota exceeded"),
	ENTRY(ENOMEDIUM, "no medium found"),
	ENTRY(EMEDIUMTYPE, "wrong medium type"),
	ENTRY(ECANCELED, "operation cancelled"),
	ENTRY(ENOKEY, "required key not available"),
	ENTRY(EKEYEXPIRED, "key has expired"),
	ENTRY(EKEYREVOKED, "key has been revoked"),
	ENTRY(EKEYREJECTED, "key was rejected"),
	ENTRY(EOWNERDEAD, "owner died"),
	ENTRY(ENOTRECOVERABLE, "state not recoverable"),
	ENTRY(ERFKILL, "disabled by a radio switch"),
	ENTRY(EHWPOISON, "memory page has a hardware error"),
};

#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

int err_errno_of_name(const char *name)
{
	for (size_t i = 1; i < KNOWN_COUNT; i++)
		if (known[i].name && strcmp(known[i].name, name) == 0)
			return (int)i;
	return 0;
}

const char *err_errno_text(int errnum)
{
	/* Per thread, so that two threads that meet unknown numbers do not mix them. */
	static _Thread_local char number[24];

	if (errnum >= 0 && (size_t)errnum < KNOWN_COUNT && known[errnum].text)
		return known[errnum].text;
	snprintf(number, sizeof(number), "errno %d", errnum);
	return number;
}
