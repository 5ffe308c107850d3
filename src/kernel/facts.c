/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of the host, read once before a plan is made.
 *
 * Everything that is read is a file below a directory: the live root, or a tree recorded on another
 * host, so that a plan for a machine we do not have is tested without it. Links count as files here:
 * the number of the user namespace is the text of /proc/self/ns/user.
 *
 * Two facts cannot be read but only tried. A file system driver that is a module appears in
 * /proc/filesystems once something has asked for it, and that is what fsopen(2) does (overlay is a
 * module in Debian). Whether BPF programs may be loaded for a cgroup depends on the kernel's
 * configuration, on lockdown and on privilege, so a program of two instructions is loaded and
 * dropped. A recorded tree carries their outcome in probe/.
 *
 * "root" means the real one: uid 0 of the initial user namespace, whose number is fixed in the
 * kernel (PROC_USER_INIT_INO). Every process is uid 0 somewhere.
 */
#include "kernel/facts.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "base/str.h"

#define INITIAL_USER_NAMESPACE "user:[4026531837]"
#define FILE_MAX 16384

/* Paths are written as those of the live host; below a prefix they are relative to it. */
static const char *below(int prefix_fd, const char *path)
{
	return prefix_fd == AT_FDCWD ? path : path + 1;
}

static int read_text(int prefix_fd, const char *path, char buf[static FILE_MAX], struct err *err)
{
	own_fd int fd = openat(prefix_fd, below(prefix_fd, path), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot read %s", path);
	return fd_read_buf(fd, buf, FILE_MAX, path, err) < 0 ? -1 : 0;
}

/* The first line of a file. */
static int read_line(int prefix_fd, const char *path, char *ret, size_t size, struct err *err)
{
	char buf[FILE_MAX];
	size_t len;

	if (read_text(prefix_fd, path, buf, err) < 0)
		return -1;
	len = strcspn(buf, "\n");
	if (len >= size)
		return err_set(err, ERR_LIMIT, 0, "the line in %s is too long", path);
	memcpy(ret, buf, len);
	ret[len] = '\0';
	return 0;
}

/* The value behind "KEY" at the start of a line, white space trimmed, of the text of a file. */
static int find_value(const char *text, const char *key, const char *path, char *ret, size_t size,
		      struct err *err)
{
	size_t key_length = strlen(key);
	const char *line = text;
	size_t length;

	while (line && strncmp(line, key, key_length) != 0) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	if (!line)
		return err_set(err, ERR_UNSUPPORTED, 0, "%s has no line '%s'", path, key);
	line += key_length;
	line += strspn(line, " \t");
	length = strcspn(line, "\n");
	if (length >= size)
		return err_set(err, ERR_LIMIT, 0, "'%s' in %s is too long", key, path);
	memcpy(ret, line, length);
	ret[length] = '\0';
	return 0;
}

static int probe_release(int prefix_fd, struct facts *f, struct err *err)
{
	static const char *const path = "/proc/sys/kernel/osrelease";

	if (read_line(prefix_fd, path, f->release, sizeof(f->release), err) < 0)
		return -1;
	if (sscanf(f->release, "%4u.%4u", &f->major, &f->minor) != 2)
		return err_set(err, ERR_UNSUPPORTED, 0, "'%s' in %s is not a kernel release",
			       f->release, path);
	return 0;
}

static int probe_status(int prefix_fd, struct facts *f, struct err *err)
{
	static const char *const path = "/proc/self/status";
	char buf[FILE_MAX], caps[32], uids[64], ignored[32], numbers[256];
	struct err unknown;
	int count;

	if (read_text(prefix_fd, path, buf, err) < 0 ||
	    find_value(buf, "Uid:", path, uids, sizeof(uids), err) < 0 ||
	    find_value(buf, "SigIgn:", path, ignored, sizeof(ignored), err) < 0 ||
	    find_value(buf, "CapEff:", path, caps, sizeof(caps), err) < 0 ||
	    find_value(buf, "Cpus_allowed_list:", path, f->cpus_allowed.text,
		       sizeof(f->cpus_allowed.text), err) < 0 ||
	    find_value(buf, "Mems_allowed_list:", path, f->mems_allowed.text,
		       sizeof(f->mems_allowed.text), err) < 0)
		return -1;
	count = cpu_list_count(f->cpus_allowed.text, err);
	if (count < 0)
		return err_wrap(err, "in %s", path);
	f->cpu_count = (unsigned int)count;
	f->caps_effective = strtoull(caps, NULL, 16);
	f->signals_ignored = strtoull(ignored, NULL, 16);
	/* One number for each pid namespace from that of /proc down to ours. */
	f->own_pids = find_value(buf, "NSpid:", path, numbers, sizeof(numbers), &unknown) == 0 &&
		      !strpbrk(numbers, " \t");
	/* The second number is the effective uid. */
	f->root = f->initial_userns && strtoul(uids + strcspn(uids, "\t "), NULL, 10) == 0;
	return 0;
}

static int probe_userns(int prefix_fd, struct facts *f, struct err *err)
{
	static const char *const path = "/proc/self/ns/user";
	char text[64];
	ssize_t length = readlinkat(prefix_fd, below(prefix_fd, path), text, sizeof(text) - 1);

	if (length < 0)
		return err_errno(err, "cannot read %s", path);
	text[length] = '\0';
	f->initial_userns = str_eq(text, INITIAL_USER_NAMESPACE);
	return 0;
}

static int probe_memory(int prefix_fd, struct facts *f, struct err *err)
{
	static const char *const path = "/proc/meminfo";
	char buf[FILE_MAX], total[64];

	if (read_text(prefix_fd, path, buf, err) < 0 ||
	    find_value(buf, "MemTotal:", path, total, sizeof(total), err) < 0)
		return -1;
	f->memory_total = strtoull(total, NULL, 10) * 1024;
	return f->memory_total ? 0 : err_set(err, ERR_UNSUPPORTED, 0, "%s has no memory", path);
}

static int probe_nofile(int prefix_fd, struct facts *f, struct err *err)
{
	static const char *const path = "/proc/self/limits";
	char buf[FILE_MAX], line[128], hard[24];

	if (read_text(prefix_fd, path, buf, err) < 0 ||
	    find_value(buf, "Max open files", path, line, sizeof(line), err) < 0)
		return -1;
	if (sscanf(line, "%*s %23s", hard) != 1)
		return err_set(err, ERR_UNSUPPORTED, 0, "'Max open files' in %s is malformed",
			       path);
	f->nofile_hard = str_eq(hard, "unlimited") ? UINT64_MAX : strtoull(hard, NULL, 10);
	return 0;
}

static bool probe_recorded(int prefix_fd, const char *name)
{
	own_fd int fd = openat(prefix_fd, name, O_RDONLY | O_CLOEXEC);
	char answer = '0';

	return fd >= 0 && read(fd, &answer, 1) == 1 && answer == '1';
}

static int probe_overlay(int prefix_fd, struct facts *f, struct err *err)
{
	char buf[FILE_MAX];
	own_fd int context = -1;

	if (read_text(prefix_fd, "/proc/filesystems", buf, err) < 0)
		return -1;
	f->overlay = strstr(buf, "\toverlay\n") != NULL;
	if (f->overlay)
		return 0;
	if (prefix_fd != AT_FDCWD) {
		f->overlay = probe_recorded(prefix_fd, "probe/overlay");
		return 0;
	}
	context = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
	f->overlay = context >= 0;
	return 0;
}

/* "return 1" as a device program: the kind that v2 device rules are made of. */
static bool probe_cgroup_bpf(int prefix_fd)
{
	static const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uint64_t)(uintptr_t)program,
		.insn_cnt = sizeof(program) / sizeof(program[0]),
		.license = (uint64_t)(uintptr_t) "LGPL-2.1-or-later",
	};
	own_fd int fd = -1;

	if (prefix_fd != AT_FDCWD)
		return probe_recorded(prefix_fd, "probe/cgroup_bpf");
	fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd >= 0;
}

static int probe_process(int prefix_fd, struct facts *f, struct err *err)
{
	return probe_userns(prefix_fd, f, err) < 0 ? -1 : probe_status(prefix_fd, f, err);
}

int facts_probe_process(int prefix_fd, struct facts *ret, struct err *err)
{
	struct facts f = {0};

	if (probe_process(prefix_fd, &f, err) < 0)
		return err_wrap(err, "cannot learn about this host");
	*ret = f;
	return 0;
}

int facts_probe(int prefix_fd, struct facts *ret, struct err *err)
{
	struct facts f = {0};

	if (probe_release(prefix_fd, &f, err) < 0 || probe_process(prefix_fd, &f, err) < 0 ||
	    probe_memory(prefix_fd, &f, err) < 0 || probe_nofile(prefix_fd, &f, err) < 0 ||
	    probe_overlay(prefix_fd, &f, err) < 0 ||
	    read_line(prefix_fd, "/sys/devices/system/cpu/online", f.cpus_online.text,
		      sizeof(f.cpus_online.text), err) < 0 ||
	    read_line(prefix_fd, "/proc/sys/kernel/random/boot_id", f.boot_id, sizeof(f.boot_id),
		      err) < 0)
		return err_wrap(err, "cannot learn about this host");
	f.cgroup_bpf = probe_cgroup_bpf(prefix_fd);
	*ret = f;
	return 0;
}

bool facts_is_root(void)
{
	struct facts f;
	struct err ignored;

	return geteuid() == 0 && probe_userns(AT_FDCWD, &f, &ignored) == 0 && f.initial_userns;
}

char *boot_id_read(struct err *err)
{
	static char boot_id[64];

	if (!*boot_id && read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot_id,
				   sizeof(boot_id), err) < 0)
		return NULL;
	return str_dup(boot_id, err);
}
