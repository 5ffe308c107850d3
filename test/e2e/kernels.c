/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this kernel can do, by trying: the rows of docs/kernels.md, a line each: "KEY yes" or "KEY no REASON".
 * Run by kernels.bats as root, in a mount namespace of its own. A trial leaves nothing but that namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSTHROUGH (UINT64_C(1) << 37) /* flags of FUSE_INIT, <linux/fuse.h> of 6.9 */
#define RESEND (UINT64_C(1) << 39)
#define MOVE_BENEATH 0x200 /* MOVE_MOUNT_BENEATH, 6.5 */

static void say(const char *key, int ok)
{
	if (ok > 0)
		printf("%s yes\n", key);
	else
		printf("%s no %s\n", key, ok == 0 ? "-" : strerror(errno));
}

static int text_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : (int)write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return rc;
}

/* A user namespace with a map, held by a child that waits to be killed. */
static int user_namespace(pid_t *ret_child)
{
	char path[64];
	int ready[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	*ret_child = fork();
	if (*ret_child == 0) {
		if (unshare(CLONE_NEWUSER) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return -1;
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)*ret_child);
	text_file(path, "0 100000 65536");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", (int)*ret_child);
	text_file(path, "0 100000 65536");
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)*ret_child);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int idmapped(const char *path, int userns_fd)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd};
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -1;
	return fd;
}

static int created(int fs_fd)
{
	return fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0 &&
	       fsmount(fs_fd, FSMOUNT_CLOEXEC, 0) >= 0;
}

/* A mount that is attached, as overlay wants its layers before 6.15. */
static int overlay_on(const char *lower)
{
	char data[256];

	mkdir("merged", 0755);
	snprintf(data, sizeof(data), "lowerdir=%s:other", lower);
	return mount("overlay", "merged", "overlay", MS_RDONLY, data) == 0
		       ? umount2("merged", MNT_DETACH) == 0
		       : -1;
}

static int overlay_idmapped(int userns_fd)
{
	int fd = idmapped("lower", userns_fd);

	mkdir("mapped", 0755);
	if (fd < 0 ||
	    syscall(SYS_move_mount, fd, "", AT_FDCWD, "mapped", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -1;
	return overlay_on("mapped");
}

/* Before 6.5 a context takes any text, and fails when it is created. */
static int overlay_fsconfig(void)
{
	int fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);

	if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir+", "lower", 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir+", "other", 0) < 0)
		return -1;
	return created(fs_fd) ? 1 : -1;
}

static int overlay_descriptors(void)
{
	int fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);
	int lower = open("lower", O_PATH | O_CLOEXEC), other = open("other", O_PATH | O_CLOEXEC);

	if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_SET_FD, "lowerdir+", NULL, lower) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_FD, "lowerdir+", NULL, other) < 0)
		return -1;
	return created(fs_fd) ? 1 : -1;
}

static int tmpfs_idmap(int userns_fd)
{
	mkdir("tmpfs", 0755);
	if (mount("none", "tmpfs", "tmpfs", 0, NULL) < 0)
		return -1;
	return idmapped("tmpfs", userns_fd) >= 0 ? 1 : -1;
}

static int proc_pidns(void)
{
	int fs_fd = fsopen("proc", FSOPEN_CLOEXEC);
	int ns_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	return fsconfig(fs_fd, FSCONFIG_SET_FD, "pidns", NULL, ns_fd) == 0 ? 1 : -1;
}

static int mount_beneath(void)
{
	mkdir("top", 0755);
	if (mount("none", "top", "tmpfs", 0, NULL) < 0)
		return -1;
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "lower",
			      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return syscall(SYS_move_mount, fd, "", AT_FDCWD, "top",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_BENEATH) == 0
		       ? 1
		       : -1;
}

/* The kernel's first message to a file server says what it knows: struct fuse_init_in. */
static uint64_t fuse_flags(void)
{
	char options[64];
	/* header of 40 bytes, then major, minor, readahead, flags, flags2; less room is refused */
	static uint32_t message[4096];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	mkdir("fuse", 0755);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || mount("probe", "fuse", "fuse", 0, options) < 0 ||
	    read(fd, message, sizeof(message)) < 60)
		return 0;
	umount2("fuse", MNT_DETACH);
	close(fd);
	return (uint64_t)message[14] << 32 | message[13];
}

/* ---- BPF ---- */

static int load(uint32_t type, uint32_t attach, uint32_t btf_id, const struct bpf_insn *code,
		uint32_t count)
{
	union bpf_attr attr = {.prog_type = type,
			       .insns = (uintptr_t)code,
			       .insn_cnt = count,
			       .license = (uintptr_t) "GPL",
			       .expected_attach_type = attach};

	attr.attach_btf_id = btf_id;
	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) >= 0 ? 1 : -1;
}

static uint32_t size_of_type(const struct btf_type *t)
{
	static const uint8_t per_member[] = {
		[BTF_KIND_STRUCT] = 12,	   [BTF_KIND_UNION] = 12,   [BTF_KIND_ENUM] = 8,
		[BTF_KIND_FUNC_PROTO] = 8, [BTF_KIND_DATASEC] = 12, [19] = 12 /* ENUM64 */};
	static const uint8_t once[] = {[BTF_KIND_INT] = 4,
				       [BTF_KIND_ARRAY] = 12,
				       [BTF_KIND_VAR] = 4,
				       [17] = 4 /* DECL_TAG */,
				       [19] = 0};
	uint32_t kind = BTF_INFO_KIND(t->info);

	return (uint32_t)sizeof(*t) + (kind < sizeof(once) ? once[kind] : 0) +
	       (kind < sizeof(per_member) ? per_member[kind] : 0) * BTF_INFO_VLEN(t->info);
}

/* The number of a function in the kernel's own description of its types. */
static uint32_t function_id(const char *name)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint32_t id = 0, found = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	char *data = malloc((size_t)st.st_size);
	ssize_t got = 0, n = 1;
	while (data && n > 0 && got < st.st_size) {
		n = read(fd, data + got, (size_t)(st.st_size - got));
		got += n > 0 ? n : 0;
	}
	const struct btf_header *header = (const void *)data;
	const char *types = data + header->hdr_len + header->type_off;
	const char *names = data + header->hdr_len + header->str_off;
	for (uint32_t at = 0; at < header->type_len && !found;) {
		const struct btf_type *t = (const void *)(types + at);

		id++;
		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC &&
		    strcmp(names + t->name_off, name) == 0)
			found = id;
		at += size_of_type(t);
	}
	free(data);
	close(fd);
	return found;
}

static int bpf_lsm(void)
{
	static const struct bpf_insn allow[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT}};
	uint32_t id = function_id("bpf_lsm_file_open");

	errno = ENOENT;
	return id ? load(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, id, allow, 2) : -1;
}

/* A device program that follows the current task, as one does that wants to know its executable. */
static int bpf_cgroup_reads_task(void)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_current_task},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 1, .imm = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 8},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return load(BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, 0, code, 8);
}

int main(int argc, char **argv)
{
	pid_t child = 0;
	uint64_t fuse;
	int userns_fd;

	if (argc != 2 || chdir(argv[1]) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mkdir("lower", 0755) < 0 ||
	    mkdir("other", 0755) < 0)
		return 1;
	userns_fd = user_namespace(&child);
	say("overlay-idmapped-layers", overlay_idmapped(userns_fd));
	say("overlay-fsconfig", overlay_fsconfig());
	say("overlay-descriptors", overlay_descriptors());
	say("tmpfs-idmap", tmpfs_idmap(userns_fd));
	say("proc-pidns", proc_pidns());
	say("mount-beneath", mount_beneath());
	fuse = fuse_flags();
	say("fuse-passthrough", (fuse & PASSTHROUGH) != 0);
	say("fuse-resend", (fuse & RESEND) != 0);
	say("bpf-lsm", bpf_lsm());
	say("bpf-cgroup-task", bpf_cgroup_reads_task());
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}
