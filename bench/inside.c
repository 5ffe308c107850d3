/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inside: what the measured containers run.
 *
 * Called as "true" it ends at once: a static program of a few pages, so that what is measured is the
 * container and not a dynamic linker. Called as "inside" it looks whether the features that the
 * bundle asks for are in force, from where it counts, and names each that is not: a contender that is
 * fast because it left something out is not compared.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int missing;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	printf("not in force: %s\n", what);
	missing++;
}

/* At most size - 1 bytes; "" where it cannot be read. */
static const char *read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return buf;
}

static bool is_empty_dir(const char *path)
{
	DIR *dir = opendir(path);
	int entries = 0;

	while (dir && readdir(dir))
		entries++;
	if (dir)
		closedir(dir);
	return entries <= 2;
}

static void check_process(void)
{
	char text[8192], *caps;
	unsigned long host_id = 0;

	read_file("/proc/self/status", text, sizeof(text));
	expect(strstr(text, "\nSeccomp:\t2"), "the seccomp filter");
	expect(strstr(text, "\nNoNewPrivs:\t1"), "no_new_privs");
	caps = strstr(text, "\nCapBnd:\t");
	expect(caps && strtoull(caps + 9, NULL, 16) == 0x800405fb, "the bounding set");
	expect(getpid() == 1, "the pid namespace");
	read_file("/proc/self/uid_map", text, sizeof(text));
	expect(sscanf(text, "%*u %lu", &host_id) == 1 && host_id > 0, "the user namespace");
}

static void check_paths(void)
{
	static const char *const files[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list"};
	static const char *const dirs[] = {"/proc/acpi", "/proc/scsi", "/sys/firmware"};
	char text[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		expect(!*read_file(files[i], text, sizeof(text)), files[i]);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		expect(is_empty_dir(dirs[i]), dirs[i]);
	expect(open("/proc/sys/kernel/domainname", O_WRONLY | O_CLOEXEC) < 0,
	       "read-only /proc/sys");
	expect(!is_empty_dir("/dev/pts"), "devpts");
}

/* By the container's own view of its group: v1, or v2. */
static void check_limits(void)
{
	static const struct {
		const char *what, *v1, *v2, *value;
	} limits[] = {
		{"the memory limit", "memory/memory.limit_in_bytes", "memory.max", "268435456"},
		{"the limit of processes", "pids/pids.max", "pids.max", "2048"},
		{"the CPU quota", "cpu/cpu.cfs_quota_us", "cpu.max", "200000"},
		{"the device rules", "devices/devices.list", NULL, "c 1:3 rwm"},
	};
	char path[128], text[4096];
	bool v1 = access("/sys/fs/cgroup/memory", F_OK) == 0;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		const char *file = v1 ? limits[i].v1 : limits[i].v2;

		if (!file)
			continue;
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", file);
		expect(strstr(read_file(path, text, sizeof(text)), limits[i].value),
		       limits[i].what);
	}
}

int main(int argc, char *argv[])
{
	const char *name = strrchr(argv[0], '/');

	if (strcmp(name ? name + 1 : argv[0], "inside") != 0)
		return 0;
	if (argc > 1) { /* stay, to be entered */
		sleep((unsigned int)strtoul(argv[1], NULL, 10));
		return 0;
	}
	check_process();
	check_paths();
	check_limits();
	return missing ? 1 : 0;
}
