/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which filter a container gets. Annotations of crun are known: a filter that somebody else has compiled
 * (base64 of struct sock_filter), system calls that must be known. What comes compiled is bounded here and
 * verified by the kernel; whether it notifies is seen in its returns.
 *
 * A profile takes P a tenth of an exec to compile. So where nothing is to be decided by the result, C is born
 * before, and P compiles while the kernel is busy with C's namespaces; the program comes with C's release.
 */
#include "runtime/filter.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/seccomp.h>

#include "base/fd.h"
#include "base/own.h"
#include "runtime/start.h"

#define RAW_FILTER "run.oci.seccomp_bpf_data"
#define STRICT_NAMES "run.oci.seccomp_fail_unknown_syscall"

static int check_listener(const struct spec *spec, const struct seccomp_filter *filter,
			  struct err *err)
{
	if (!filter->notify || spec_seccomp_listener(spec))
		return 0;
	err_set(err, ERR_INVALID, 0,
		"linux.seccomp.listenerPath: is missing, and the filter asks "
		"an agent");
	return err_hint(err, "give it, or the annotation run.oci.seccomp.receiver");
}

static int compile(const struct spec *spec, struct seccomp_filter *ret, struct err *err)
{
	const char *raw = strv_env_get(&spec->annotations, RAW_FILTER);

	if (raw) {
		if (seccomp_filter_decode(raw, ret, err) < 0)
			return err_wrap(err, "annotations[\"" RAW_FILTER "\"]");
		return 0;
	}
	struct seccomp_profile profile = *spec->linux_.seccomp; /* what it points at is borrowed */
	profile.newer_unknown = true;
	profile.refuse_unknown = strv_env_get(&spec->annotations, STRICT_NAMES) != NULL;
	return seccomp_compile(&profile, ret, NULL, err) < 0 ? err_wrap(err, "linux.seccomp") : 0;
}

int filter_make(const struct spec *spec, uint64_t bounding, struct seccomp_filter *ret,
		bool *ret_has, struct err *err)
{
	struct seccomp_filter filter = SECCOMP_FILTER_INIT;

	*ret_has = false;
	if (spec->seccomp_default) {
		if (seccomp_default_filter(bounding, &filter, err) < 0)
			return -1;
	} else if (spec->linux_.seccomp || strv_env_get(&spec->annotations, RAW_FILTER)) {
		if (compile(spec, &filter, err) < 0)
			return -1;
	} else {
		return 0;
	}
	if (check_listener(spec, &filter, err) < 0) {
		seccomp_filter_done(&filter);
		return -1;
	}
	*ret = filter;
	*ret_has = true;
	return 0;
}

bool filter_can_wait(const struct spec *spec)
{
	const struct seccomp_profile *profile = spec->linux_.seccomp;

	if (spec->seccomp_default || !profile || strv_env_get(&spec->annotations, RAW_FILTER) ||
	    profile->default_action == SECCOMP_RET_USER_NOTIF)
		return false;
	for (size_t i = 0; i < profile->rule_count; i++)
		if (profile->rules[i].action == SECCOMP_RET_USER_NOTIF)
			return false;
	return true;
}

/* As much of it as the program is long. */
struct sent_filter {
	unsigned int flags;
	struct sock_filter insns[BPF_MAXINSNS];
};

static size_t sent_size(size_t count)
{
	return offsetof(struct sent_filter, insns) + count * sizeof(struct sock_filter);
}

int filter_send(const struct seccomp_filter *filter, int sync_fd, struct err *err)
{
	struct sent_filter message;

	message.flags = filter->flags;
	memcpy(message.insns, filter->insns, filter->count * sizeof *filter->insns);
	return fd_send(sync_fd, &message, sent_size(filter->count), NULL, 0, err);
}

int filter_receive(struct seccomp_filter *ret, int sync_fd, struct err *err)
{
	struct sent_filter message;
	size_t none;
	ssize_t size = fd_recv(sync_fd, &message, sizeof message, NULL, 0, &none, err);

	if (size < 0)
		return -1;
	if ((size_t)size <= sent_size(0))
		_exit(EXIT_FAILURE);
	size_t count = ((size_t)size - sent_size(0)) / sizeof *message.insns;
	*ret = (struct seccomp_filter){.insns = calloc(count, sizeof *ret->insns),
				       .count = (unsigned short)count,
				       .flags = message.flags};
	if (!ret->insns)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot keep the seccomp filter");
	memcpy(ret->insns, message.insns, count * sizeof *ret->insns);
	return 0;
}
