/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is in force on a process, read from proc(5).
 *
 * Nothing is remembered from the start of the container, and nothing computed from what was asked:
 * a filter that was never loaded, or a capability that came in by another road, is seen here and only
 * here. Everything is of one process, and a number can be given to another one at any time; so the
 * pidfd is asked at the end whether it still was that process all the while.
 */
#include "kernel/in_force.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"

#define FILE_SIZE 16384

static int read_file(int proc_fd, pid_t pid, const char *name, char *buf, size_t size,
		     struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	own_fd int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot read '/proc/%s'", path);
	return fd_read_buf(fd, buf, size, path, err) < 0 ? -1 : 0;
}

/* ---- status ---- */

enum form { HEX, DECIMAL, SECOND /* the second of several decimals */, FLAG };

#define FIELD(name) offsetof(struct in_force, name)

static const struct {
	const char *key;
	enum form form;
	size_t offset, size;
} status_rows[] = {
	{"Uid:", SECOND, FIELD(uid), sizeof(uint32_t)},
	{"Gid:", SECOND, FIELD(gid), sizeof(uint32_t)},
	{"CapInh:", HEX, FIELD(caps.inheritable), sizeof(uint64_t)},
	{"CapPrm:", HEX, FIELD(caps.permitted), sizeof(uint64_t)},
	{"CapEff:", HEX, FIELD(caps.effective), sizeof(uint64_t)},
	{"CapBnd:", HEX, FIELD(caps.bounding), sizeof(uint64_t)},
	{"CapAmb:", HEX, FIELD(caps.ambient), sizeof(uint64_t)},
	{"NoNewPrivs:", FLAG, FIELD(no_new_privs), sizeof(bool)},
	{"Seccomp:", DECIMAL, FIELD(seccomp_mode), sizeof(unsigned int)},
	{"Seccomp_filters:", DECIMAL, FIELD(seccomp_filters), sizeof(unsigned int)},
};

static uint64_t number(const char *text, enum form form)
{
	char *end;
	uint64_t first = strtoull(text, &end, form == HEX ? 16 : 10);

	return form == SECOND ? strtoull(end, NULL, 10) : form == FLAG ? first != 0 : first;
}

static void take_line(const char *line, struct in_force *f)
{
	for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
		size_t length = strlen(status_rows[i].key);
		uint64_t value;

		if (strncmp(line, status_rows[i].key, length) != 0)
			continue;
		value = number(line + length, status_rows[i].form);
		/* Little and big endian alike: each size has a store of its own. */
		if (status_rows[i].size == sizeof(uint64_t))
			*(uint64_t *)((char *)f + status_rows[i].offset) = value;
		else if (status_rows[i].size == sizeof(uint32_t))
			*(uint32_t *)((char *)f + status_rows[i].offset) = (uint32_t)value;
		else
			*(bool *)((char *)f + status_rows[i].offset) = value;
	}
}

static int read_status(int proc_fd, pid_t pid, struct in_force *f, struct err *err)
{
	char buf[FILE_SIZE], *rest = buf, *line;

	if (read_file(proc_fd, pid, "status", buf, sizeof(buf), err) < 0)
		return -1;
	while ((line = strsep(&rest, "\n")))
		take_line(line, f);
	return 0;
}

/* ---- namespaces and id maps ---- */

static uint64_t namespace_inode(int proc_fd, const char *who, enum ns_kind kind)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/ns/%s", who, ns_name(kind));
	return fstatat(proc_fd, path, &st, 0) < 0 ? 0 : (uint64_t)st.st_ino;
}

static void read_namespaces(int proc_fd, pid_t pid, struct in_force *f)
{
	char who[16];

	snprintf(who, sizeof(who), "%d", pid);
	for (enum ns_kind kind = 0; kind < NS_COUNT; kind++) {
		f->namespaces[kind].inode = namespace_inode(proc_fd, who, kind);
		f->namespaces[kind].own = f->namespaces[kind].inode !=
					  namespace_inode(proc_fd, "self", kind);
	}
}

/* Lines of three numbers in columns, as "inside outside size". */
static int read_map(int proc_fd, pid_t pid, const char *name, struct strv *map, struct err *err)
{
	char buf[FILE_SIZE], *rest = buf, *line;
	unsigned int inside, outside, size;

	if (read_file(proc_fd, pid, name, buf, sizeof(buf), err) < 0)
		return -1;
	while ((line = strsep(&rest, "\n")))
		if (sscanf(line, "%u %u %u", &inside, &outside, &size) == 3 &&
		    strv_addf(map, err, "%u %u %u", inside, outside, size) < 0)
			return -1;
	return 0;
}

/* ---- the rest ---- */

static int read_limits(pid_t pid, struct in_force *f, struct err *err)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;

		if (prlimit(pid, (__rlimit_resource_t)i, NULL, &limit) < 0)
			return err_errno(err, "cannot read limit %s of process %d", rlimit_name(i),
					 pid);
		f->limits[i] = (struct rlimit_entry){i, limit.rlim_cur, limit.rlim_max};
	}
	return 0;
}

/* No module, or one that does not tell, is no label. */
static void read_label(int proc_fd, pid_t pid, struct in_force *f)
{
	struct err ignored = ERR_INIT;

	if (read_file(proc_fd, pid, "attr/current", f->label, sizeof(f->label), &ignored) < 0)
		f->label[0] = '\0';
	f->label[strcspn(f->label, "\n")] = '\0';
}

static int read_all(int proc_fd, pid_t pid, struct in_force *f, struct err *err)
{
	char score[16];

	if (read_status(proc_fd, pid, f, err) < 0 ||
	    read_map(proc_fd, pid, "uid_map", &f->uid_map, err) < 0 ||
	    read_map(proc_fd, pid, "gid_map", &f->gid_map, err) < 0 ||
	    read_limits(pid, f, err) < 0 ||
	    read_file(proc_fd, pid, "oom_score_adj", score, sizeof(score), err) < 0)
		return -1;
	f->oom_score_adj = (int)strtol(score, NULL, 10);
	read_namespaces(proc_fd, pid, f);
	read_label(proc_fd, pid, f);
	return 0;
}

void in_force_done(struct in_force *f)
{
	strv_done(&f->uid_map);
	strv_done(&f->gid_map);
}

int in_force_read(int proc_fd, const struct proc *process, struct in_force *ret, struct err *err)
{
	own(in_force) struct in_force f = {0};
	struct err reading = ERR_INIT;
	int status = read_all(proc_fd, process->pid, &f, &reading);
	int ended = proc_wait_end(process, 0, err);

	if (ended < 0)
		return -1;
	if (ended)
		return err_set(err, ERR_NOT_FOUND, 0, "process %d has ended", process->pid);
	if (status < 0) {
		*err = reading;
		return -1;
	}
	*ret = f;
	f = (struct in_force){0};
	return 0;
}
