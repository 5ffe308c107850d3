/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resource limits (setrlimit(2)) and the out-of-memory score.
 *
 * Raising a hard limit, or lowering the score, takes CAP_SYS_RESOURCE in the initial user namespace,
 * and RLIMIT_NOFILE has a ceiling of its own (fs.nr_open) that not even that capability lifts. Hosts
 * that are themselves containers often lack the capability, while engines ask for nofile=1048576 by
 * default: a runtime that passes EPERM on cannot start anything there.
 *
 * So every value is tried before the container exists: *_clamp sets it on ourselves, sees what the
 * kernel says and puts the old value back. This asks the only authority there is, where a test of
 * our capability bits would have to know about user namespaces, security modules and fs.nr_open.
 * What is refused is lowered to what is allowed, with one warning; strict makes it an error. The
 * *_apply functions then run in the container's first process and fail on any surprise.
 */
#include "kernel/limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"

_Static_assert(sizeof(rlim_t) == sizeof(uint64_t), "limits are 64 bits wide on every architecture");
_Static_assert(RLIM_INFINITY == UINT64_MAX, "unlimited is all ones");

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{"RLIMIT_AS", RLIMIT_AS},
	{"RLIMIT_CORE", RLIMIT_CORE},
	{"RLIMIT_CPU", RLIMIT_CPU},
	{"RLIMIT_DATA", RLIMIT_DATA},
	{"RLIMIT_FSIZE", RLIMIT_FSIZE},
	{"RLIMIT_LOCKS", RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", RLIMIT_NICE},
	{"RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"RLIMIT_NPROC", RLIMIT_NPROC},
	{"RLIMIT_RSS", RLIMIT_RSS},
	{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", RLIMIT_RTTIME},
	{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
	{"RLIMIT_STACK", RLIMIT_STACK},
};

#define RLIMIT_NAME_COUNT (sizeof(rlimit_names) / sizeof(rlimit_names[0]))
#define PREFIX_LENGTH (sizeof("RLIMIT_") - 1)

int rlimit_parse(const char *name, struct err *err)
{
	const char *bare = strncasecmp(name, "RLIMIT_", PREFIX_LENGTH) == 0 ? name + PREFIX_LENGTH
									    : name;

	for (size_t i = 0; i < RLIMIT_NAME_COUNT; i++)
		if (strcasecmp(bare, rlimit_names[i].name + PREFIX_LENGTH) == 0)
			return rlimit_names[i].resource;
	err_set(err, ERR_INVALID, 0, "resource limit '%s' is not known", name);
	return err_hint(err, "setrlimit(2) lists them: nofile, nproc, core, memlock, stack, ...");
}

const char *rlimit_name(int resource)
{
	for (size_t i = 0; i < RLIMIT_NAME_COUNT; i++)
		if (rlimit_names[i].resource == resource)
			return rlimit_names[i].name;
	return "RLIMIT_?";
}

static int parse_value(const char *text, uint64_t *ret, struct err *err)
{
	if (strcmp(text, "-1") == 0 || strcasecmp(text, "unlimited") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	return str_to_u64(text, 0, UINT64_MAX, "the limit", ret, err);
}

int rlimit_parse_option(const char *text, struct rlimit_entry *ret, struct err *err)
{
	const char *equals = strchr(text, '=');
	own_free char *copy = str_dup(text, err);
	struct rlimit_entry entry;
	char *soft, *hard;

	if (!copy)
		return -1;
	if (!equals) {
		err_set(err, ERR_INVALID, 0, "resource limit '%s' has no value", text);
		return err_hint(err, "write NAME=SOFT[:HARD], for example nofile=1024:4096");
	}
	copy[equals - text] = '\0';
	entry.resource = rlimit_parse(copy, err);
	if (entry.resource < 0)
		return -1;
	soft = copy + (equals - text) + 1;
	hard = strchr(soft, ':');
	if (hard)
		*hard++ = '\0';
	if (parse_value(soft, &entry.soft, err) < 0 ||
	    parse_value(hard ? hard : soft, &entry.hard, err) < 0)
		return err_wrap(err, "resource limit '%s'", text);
	if (entry.soft > entry.hard)
		return err_set(err, ERR_INVALID, 0,
			       "resource limit '%s': the soft limit is above the hard one", text);
	*ret = entry;
	return 0;
}

/* May this process have the hard limit? The answer comes from trying it; `now` is put back. */
static bool hard_allowed(int resource, const struct rlimit *now, uint64_t hard)
{
	struct rlimit wanted = {
		.rlim_cur = now->rlim_cur < hard ? now->rlim_cur : hard,
		.rlim_max = hard,
	};

	if (hard <= now->rlim_max)
		return true;
	if (setrlimit(resource, &wanted) < 0)
		return false;
	return setrlimit(resource, now) == 0;
}

/* The largest hard limit that is allowed for the resource; at least the present one. */
static uint64_t hard_ceiling(int resource, const struct rlimit *now)
{
	char text[32];
	uint64_t nr_open;
	struct err ignored = ERR_INIT;
	own_fd int fd = -1;

	if (resource != RLIMIT_NOFILE)
		return now->rlim_max;
	fd = open("/proc/sys/fs/nr_open", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_buf(fd, text, sizeof(text), "nr_open", &ignored) < 0)
		return now->rlim_max;
	text[strcspn(text, "\n")] = '\0';
	if (str_to_u64(text, 0, UINT64_MAX, "nr_open", &nr_open, &ignored) < 0)
		return now->rlim_max;
	return nr_open > now->rlim_max && hard_allowed(resource, now, nr_open) ? nr_open
									       : now->rlim_max;
}

static const char *limit_text(uint64_t value, char buf[static 24])
{
	if (value == UINT64_MAX)
		return "unlimited";
	snprintf(buf, 24, "%llu", (unsigned long long)value);
	return buf;
}

static int clamp_one(struct rlimit_entry *limit, bool strict, struct strv *warnings,
		     struct err *err)
{
	const char *name = rlimit_name(limit->resource);
	struct rlimit now;
	uint64_t ceiling;
	char wanted[24], got[24];

	if (getrlimit(limit->resource, &now) < 0)
		return err_errno(err, "cannot read %s", name);
	if (hard_allowed(limit->resource, &now, limit->hard))
		return 0;
	ceiling = hard_ceiling(limit->resource, &now);
	if (strict) {
		err_set(err, ERR_DENIED, 0, "cannot raise %s to %s: the most allowed here is %s",
			name, limit_text(limit->hard, wanted), limit_text(ceiling, got));
		return err_hint(err, "ask for less, or run without --strict to have it lowered");
	}
	if (strv_addf(warnings, err, "%s lowered from %s to %s: more is not allowed here", name,
		      limit_text(limit->hard, wanted), limit_text(ceiling, got)) < 0)
		return -1;
	limit->hard = ceiling;
	if (limit->soft > ceiling)
		limit->soft = ceiling;
	return 0;
}

int rlimits_clamp(struct rlimit_entry *limits, size_t count, bool strict, struct strv *warnings,
		  struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (clamp_one(&limits[i], strict, warnings, err) < 0)
			return -1;
	return 0;
}

static int apply_one(pid_t pid, const struct rlimit_entry *limit, struct err *err)
{
	struct rlimit value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};

	if (prlimit(pid, limit->resource, &value, NULL) < 0)
		return err_errno(err, "cannot set %s to %llu:%llu", rlimit_name(limit->resource),
				 (unsigned long long)limit->soft, (unsigned long long)limit->hard);
	return 0;
}

int rlimits_apply(pid_t pid, const struct rlimit_entry *limits, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (apply_one(pid, &limits[i], err) < 0)
			return -1;
	return 0;
}

/* More than a child has, with all that may be passed on to it. */
#define FILES_ENOUGH 1024

static bool leaves_few_files(const struct rlimit_entry *limit)
{
	return limit->resource == RLIMIT_NOFILE && limit->soft < FILES_ENOUGH;
}

/* What it has is not raised above the hard limit: it did with that so far. */
static int leave_files(pid_t pid, struct rlimit_entry *limit, struct err *err)
{
	struct rlimit now;

	if (prlimit(pid, RLIMIT_NOFILE, NULL, &now) < 0)
		return err_errno(err, "cannot read RLIMIT_NOFILE");
	uint64_t most = now.rlim_max < FILES_ENOUGH ? now.rlim_max : FILES_ENOUGH;
	if (limit->soft < most)
		limit->soft = most;
	if (limit->hard < limit->soft)
		limit->hard = limit->soft;
	return 0;
}

int rlimits_apply_to_child(pid_t pid, const struct rlimit_entry *limits, size_t count,
			   struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct rlimit_entry limit = limits[i];

		if ((leaves_few_files(&limit) && leave_files(pid, &limit, err) < 0) ||
		    apply_one(pid, &limit, err) < 0)
			return -1;
	}
	return 0;
}

int rlimits_lower_files(const struct rlimit_entry *limits, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++)
		if (leaves_few_files(&limits[i]) && apply_one(0, &limits[i], err) < 0)
			return -1;
	return 0;
}

/* "self" is a link inside procfs and no magic one; a mount over the file is refused. */
static int open_score(int proc_fd, int flags, struct err *err)
{
	return path_open(proc_fd, "self/oom_score_adj", PATH_IN_ROOT | PATH_NO_XDEV,
			 (uint64_t)flags, 0, err);
}

static int read_score(int proc_fd, int *ret, struct err *err)
{
	own_fd int fd = open_score(proc_fd, O_RDONLY, err);
	char text[16];
	int64_t score;

	if (fd < 0 || fd_read_buf(fd, text, sizeof(text), "oom_score_adj", err) < 0)
		return -1;
	text[strcspn(text, "\n")] = '\0';
	if (str_to_i64(text, -1000, 1000, "oom_score_adj", &score, err) < 0)
		return -1;
	*ret = (int)score;
	return 0;
}

int oom_score_apply(int proc_fd, int score, struct err *err)
{
	own_fd int fd = open_score(proc_fd, O_WRONLY, err);
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", score);

	if (fd < 0)
		return err_wrap(err, "cannot set the out-of-memory score");
	if (write(fd, text, (size_t)length) != length)
		return err_errno(err, "cannot set the out-of-memory score to %d", score);
	return 0;
}

int oom_score_clamp(int proc_fd, int *score, bool strict, struct strv *warnings, struct err *err)
{
	struct err refusal = ERR_INIT;
	int now;

	if (read_score(proc_fd, &now, err) < 0)
		return err_wrap(err, "cannot read the out-of-memory score");
	if (*score >= now)
		return 0;
	if (oom_score_apply(proc_fd, *score, &refusal) == 0)
		return oom_score_apply(proc_fd, now, err);
	if (refusal.errnum != EACCES && refusal.errnum != EPERM) {
		*err = refusal;
		return -1;
	}
	if (strict) {
		err_set(err, ERR_DENIED, 0,
			"cannot set the out-of-memory score to %d: the lowest allowed here is %d",
			*score, now);
		return err_hint(err, "ask for %d or more, or run without --strict", now);
	}
	if (strv_addf(warnings, err,
		      "out-of-memory score raised from %d to %d: lower is not allowed here", *score,
		      now) < 0)
		return -1;
	*score = now;
	return 0;
}
