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

#include "base/err.h"

static const char *const texts[] = {
	[0] = "success",
	[EPERM] = "operation not permitted",
	[ENOENT] = "no such file or directory",
	[ESRCH] = "no such process",
	[EINTR] = "interrupted system call",
	[EIO] = "input/output error",
	[ENXIO] = "no such device or address",
	[E2BIG] = "argument list too long",
	[ENOEXEC] = "exec format error",
	[EBADF] = "bad file descriptor",
	[ECHILD] = "no child processes",
	[EAGAIN] = "resource temporarily unavailable",
	[ENOMEM] = "out of memory",
	[EACCES] = "permission denied",
	[EFAULT] = "bad address",
	[ENOTBLK] = "block device required",
	[EBUSY] = "device or resource busy",
	[EEXIST] = "already exists",
	[EXDEV] = "crosses a mount point or device",
	[ENODEV] = "no such device",
	[ENOTDIR] = "not a directory",
	[EISDIR] = "is a directory",
	[EINVAL] = "invalid argument",
	[ENFILE] = "too many open files in system",
	[EMFILE] = "too many open files",
	[ENOTTY] = "inappropriate ioctl for device",
	[ETXTBSY] = "text file busy",
	[EFBIG] = "file too large",
	[ENOSPC] = "no space left on device",
	[ESPIPE] = "illegal seek",
	[EROFS] = "read-only file system",
	[EMLINK] = "too many links",
	[EPIPE] = "broken pipe",
	[EDOM] = "argument out of domain",
	[ERANGE] = "result out of range",
	[EDEADLK] = "would deadlock",
	[ENAMETOOLONG] = "file name too long",
	[ENOLCK] = "no locks available",
	[ENOSYS] = "system call not implemented",
	[ENOTEMPTY] = "directory not empty",
	[ELOOP] = "too many levels of symbolic links",
	[EIDRM] = "identifier removed",
	[ENODATA] = "no data available",
	[ETIME] = "timer expired",
	[ENOPKG] = "package not installed",
	[EPROTO] = "protocol error",
	[EBADMSG] = "bad message",
	[EOVERFLOW] = "value too large or not mapped",
	[EBADFD] = "descriptor in a bad state",
	[EILSEQ] = "invalid byte sequence",
	[EUSERS] = "too many users",
	[ENOTSOCK] = "not a socket",
	[EDESTADDRREQ] = "destination address required",
	[EMSGSIZE] = "message too long",
	[EPROTOTYPE] = "wrong protocol type for socket",
	[ENOPROTOOPT] = "protocol not available",
	[EPROTONOSUPPORT] = "protocol not supported",
	[ESOCKTNOSUPPORT] = "socket type not supported",
	[EOPNOTSUPP] = "operation not supported",
	[EPFNOSUPPORT] = "protocol family not supported",
	[EAFNOSUPPORT] = "address family not supported",
	[EADDRINUSE] = "address already in use",
	[EADDRNOTAVAIL] = "address not available",
	[ENETDOWN] = "network is down",
	[ENETUNREACH] = "network is unreachable",
	[ENETRESET] = "connection reset by network",
	[ECONNABORTED] = "connection aborted",
	[ECONNRESET] = "connection reset by peer",
	[ENOBUFS] = "no buffer space available",
	[EISCONN] = "already connected",
	[ENOTCONN] = "not connected",
	[ETIMEDOUT] = "timed out",
	[ECONNREFUSED] = "connection refused",
	[EHOSTDOWN] = "host is down",
	[EHOSTUNREACH] = "no route to host",
	[EALREADY] = "operation already in progress",
	[EINPROGRESS] = "operation in progress",
	[ESTALE] = "stale file handle",
	[EUCLEAN] = "structure needs cleaning",
	[EREMOTEIO] = "remote input/output error",
	[EDQUOT] = "disk quota exceeded",
	[ENOMEDIUM] = "no medium found",
	[EMEDIUMTYPE] = "wrong medium type",
	[ECANCELED] = "operation cancelled",
	[ENOKEY] = "required key not available",
	[EKEYEXPIRED] = "key has expired",
	[EKEYREVOKED] = "key has been revoked",
	[EKEYREJECTED] = "key was rejected",
	[EOWNERDEAD] = "owner died",
	[ENOTRECOVERABLE] = "state not recoverable",
	[ERFKILL] = "disabled by a radio switch",
	[EHWPOISON] = "memory page has a hardware error",
};

const char *err_errno_text(int errnum)
{
	/* Per thread, so that two threads that meet unknown numbers do not mix them. */
	static _Thread_local char number[24];

	if (errnum >= 0 && (size_t)errnum < sizeof(texts) / sizeof(texts[0]) && texts[errnum])
		return texts[errnum];
	snprintf(number, sizeof(number), "errno %d", errnum);
	return number;
}
