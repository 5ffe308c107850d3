/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The default system-call filter.
 *
 * An allow-list. In effect it is the default profile of containers-common (Podman, Buildah, CRI-O),
 * which administrators know and images are tested against, with these differences, each of which
 * the test of this file lists and checks:
 *
 *  - What makes namespaces or mounts needs CAP_SYS_ADMIN, as with Docker: mount and its relatives,
 *    setns, unshare and clone with a CLONE_NEW* flag. A program without that capability could use
 *    them in a user namespace of its own only, and that is the road to the larger part of the
 *    kernel's privilege escalations. clone3(2) has its flags in memory, where a filter cannot look,
 *    so it does not exist (ENOSYS): every C library then falls back to clone(2).
 *  - ioctl TIOCSTI and TIOCLINUX are refused: they type into the terminal that the container was
 *    started from. A socket of AF_VSOCK is refused: that family knows no namespaces and leads to
 *    the hypervisor or its other guests. In both cases the kernel looks at 32 bits, and so do we.
 *  - Calls newer than that profile are decided here, up to Linux 6.18. Those that do to one's own
 *    memory, files, futexes or labels what an older call did already are allowed.
 *
 * A call that a capability would permit is refused with EPERM without it. A call in no list does
 * not exist (ENOSYS): programs try another way then, as they would on an older kernel. io_uring and
 * the kernel keyring's add_key and request_key are among these.
 *
 * The i386 and ARM tables are included on x86_64 and aarch64. On i386 the family of a socket made
 * with socketcall(2) cannot be seen.
 */
#include "kernel/seccomp.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/own.h"
#include "kernel/seccomp_internal.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)
#define AUDIT_PROTOCOL 9 /* NETLINK_AUDIT */
#define CLONE_NEW_ANY \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* part of the exit signal in clone(2), so only for unshare(2) */
#endif

/* Allowed always, by subject. */
static const char files[] =
	"_llseek close close_range copy_file_range creat dup dup2 dup3 fadvise64 fadvise64_64 "
	"fallocate fcntl fcntl64 fdatasync flock fsync ftruncate ftruncate64 lseek memfd_create "
	"memfd_secret name_to_handle_at open openat openat2 pipe pipe2 pread64 preadv preadv2 "
	"pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64 splice sync "
	"sync_file_range sync_file_range2 syncfs tee truncate truncate64 write writev";
static const char directories[] =
	"access cachestat chdir chmod chown chown32 faccessat faccessat2 fchdir fchmod fchmodat "
	"fchmodat2 fchown fchown32 fchownat fgetxattr file_getattr file_setattr flistxattr "
	"fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 futimesat getcwd "
	"getdents getdents64 getxattr getxattrat lchown lchown32 lgetxattr link linkat listmount "
	"listxattr listxattrat llistxattr lremovexattr lsetxattr lstat lstat64 mkdir mkdirat "
	"mknod mknodat newfstatat readdir readlink readlinkat removexattr removexattrat rename "
	"renameat renameat2 rmdir setxattr setxattrat stat stat64 statfs statfs64 statmount statx "
	"symlink symlinkat umask unlink unlinkat utime utimensat utimensat_time64 utimes";
static const char memory[] =
	"brk get_mempolicy madvise map_shadow_stack mbind membarrier mincore mlock mlock2 "
	"mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "
	"pkey_free pkey_mprotect remap_file_pages set_mempolicy set_mempolicy_home_node";
static const char processes[] =
	"capget capset execve execveat exit exit_group fork futex futex_requeue futex_time64 "
	"futex_wait futex_waitv futex_wake get_robust_list get_thread_area getpgid getpgrp getpid "
	"getppid getrlimit getrusage getsid gettid keyctl landlock_add_rule "
	"landlock_create_ruleset landlock_restrict_self lsm_get_self_attr lsm_list_modules "
	"lsm_set_self_attr pidfd_getfd pidfd_open prctl prlimit64 process_mrelease "
	"process_vm_readv process_vm_writev ptrace rseq seccomp set_robust_list set_thread_area "
	"set_tid_address setpgid setrlimit setsid syscall ugetrlimit uprobe uretprobe vfork wait4 "
	"waitid waitpid";
static const char signals[] =
	"kill pause pidfd_send_signal restart_syscall rt_sigaction rt_sigpending rt_sigprocmask "
	"rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
	"rt_tgsigqueueinfo sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask "
	"sigreturn sigsuspend tgkill tkill";
static const char identities[] =
	"getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid "
	"getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid "
	"setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid "
	"setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32";
static const char scheduling[] =
	"getcpu getpriority ioprio_get ioprio_set sched_get_priority_max sched_get_priority_min "
	"sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
	"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
	"sched_setscheduler sched_yield setpriority";
/* Setting the clock through adjtimex(2) takes CAP_SYS_TIME in the kernel; reading it does not. */
static const char times[] =
	"adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 "
	"clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer "
	"gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun "
	"timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd timerfd_create "
	"timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times";
static const char waiting[] =
	"_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 "
	"epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init "
	"inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_setup io_submit poll "
	"ppoll ppoll_time64 pselect6 pselect6_time64 select";
static const char network[] =
	"accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom "
	"recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket "
	"socketcall socketpair";
static const char ipc[] =
	"ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend "
	"mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
	"semtimedop_time64 shmat shmctl shmdt shmget";
/* reboot(2) ends a pid namespace at the most, and syslog(2) asks for CAP_SYSLOG. */
static const char machine[] =
	"arch_prctl arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush getrandom ioctl "
	"modify_ldt reboot riscv_flush_icache riscv_hwprobe s390_pci_mmio_read "
	"s390_pci_mmio_write s390_runtime_instr set_tls sysinfo syslog uname";

/* Allowed with a capability. */
static const char with_accounting[] = "acct";
static const char with_chroot[] = "chroot";
static const char with_handles[] = "open_by_handle_at";
static const char with_modules[] = "delete_module finit_module init_module query_module";
static const char with_ports[] = "ioperm iopl";
static const char with_clock[] = "clock_settime clock_settime64 settimeofday stime";
static const char with_tracing[] = "kcmp process_madvise";
static const char with_terminals[] = "vhangup";
static const char with_bpf[] = "bpf";
static const char with_perf[] = "perf_event_open";
static const char with_admin[] =
	"clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount "
	"mount_setattr "
	"move_mount open_tree open_tree_attr pivot_root quotactl quotactl_fd setdomainname "
	"sethostname setns umount umount2 unshare";

/* Refused to everybody: obsolete, or of no use but to take the host apart. */
static const char refused[] =
	"bdflush io_pgetevents kexec_file_load kexec_load migrate_pages move_pages nfsservctl "
	"nice oldfstat oldlstat oldolduname oldstat olduname pciconfig_iobase pciconfig_read "
	"pciconfig_write sgetmask ssetmask swapcontext swapoff swapon sysfs uselib userfaultfd "
	"ustat vm86 vm86old vmsplice";

#define NEVER UINT64_MAX

static const struct {
	uint64_t caps; /* any of these; 0: always */
	const char *names;
} groups[] = {
	{0, files},
	{0, directories},
	{0, memory},
	{0, processes},
	{0, signals},
	{0, identities},
	{0, scheduling},
	{0, times},
	{0, waiting},
	{0, network},
	{0, ipc},
	{0, machine},
	{CAP(SYS_PACCT), with_accounting},
	{CAP(SYS_CHROOT), with_chroot},
	{CAP(DAC_READ_SEARCH), with_handles},
	{CAP(SYS_MODULE), with_modules},
	{CAP(SYS_RAWIO), with_ports},
	{CAP(SYS_TIME), with_clock},
	{CAP(SYS_PTRACE), with_tracing},
	{CAP(SYS_TTY_CONFIG), with_terminals},
	{CAP(SYS_ADMIN) | CAP(BPF), with_bpf},
	{CAP(SYS_ADMIN) | CAP(PERFMON), with_perf},
	{CAP(SYS_ADMIN), with_admin},
	{NEVER, refused},
};

/* The low half of an argument equals a number; has none of these bits. */
#define LOW_EQ(arg, number) \
	{ \
		(arg), UINT32_MAX, (number), SECCOMP_OP_MASKED_EQ \
	}
#define LOW_CLEAR(arg, bits) \
	{ \
		(arg), (bits), 0, SECCOMP_OP_MASKED_EQ \
	}

#if defined(__s390__)
#define CLONE_FLAGS 1 /* the argument that holds them */
#else
#define CLONE_FLAGS 0
#endif

/* Rules with conditions: for containers that lack the capability `without` (0: for all). */
static const struct exception {
	const char *name;
	uint64_t without;
	uint32_t errno_ret; /* 0: allow */
	size_t arg_count;
	struct seccomp_arg args[2];
} exceptions[] = {
	{"ioctl", 0, EPERM, 1, {LOW_EQ(1, TIOCSTI)}},
	{"ioctl", 0, EPERM, 1, {LOW_EQ(1, TIOCLINUX)}},
	{"personality", 0, 0, 1, {LOW_EQ(0, 0)}},
	{"personality", 0, 0, 1, {LOW_EQ(0, 0x0008)}},	   /* PER_LINUX32 */
	{"personality", 0, 0, 1, {LOW_EQ(0, 0x20000)}},	   /* UNAME26 */
	{"personality", 0, 0, 1, {LOW_EQ(0, 0x20008)}},	   /* both */
	{"personality", 0, 0, 1, {LOW_EQ(0, 0xffffffff)}}, /* only asks */
	{"socket", 0, EPERM, 1, {LOW_EQ(0, AF_VSOCK)}},
	{"socket", CAP(AUDIT_WRITE), EINVAL, 2, {LOW_EQ(0, AF_NETLINK), LOW_EQ(2, AUDIT_PROTOCOL)}},
	{"clone", CAP(SYS_ADMIN), 0, 1, {LOW_CLEAR(CLONE_FLAGS, CLONE_NEW_ANY)}},
	{"clone3", CAP(SYS_ADMIN), ENOSYS, 0, {{0}}},
	{"unshare", CAP(SYS_ADMIN), 0, 1, {LOW_CLEAR(0, CLONE_NEW_ANY | CLONE_NEWTIME)}},
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))
#define EXCEPTIONS (sizeof(exceptions) / sizeof(exceptions[0]))

static const uint32_t archs[] = {
#if defined(__x86_64__)
	AUDIT_ARCH_X86_64,
	AUDIT_ARCH_I386,
	SECCOMP_ARCH_X32,
#elif defined(__aarch64__)
	AUDIT_ARCH_AARCH64,
	AUDIT_ARCH_ARM,
#endif
};

static int split_names(struct strv *names, const char *text, struct err *err)
{
	while (*text) {
		size_t length = strcspn(text, " ");

		if (strv_take(names, str_dup_len(text, length, err), err) < 0)
			return -1;
		text += length;
		text += *text == ' ';
	}
	return 0;
}

static int add_group(struct seccomp_profile *p, uint64_t caps, const char *names, uint64_t bounding,
		     struct err *err)
{
	struct seccomp_rule *rule = &p->rules[p->rule_count++];
	bool allowed = caps == 0 || (caps != NEVER && (caps & bounding));

	rule->action = allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO;
	rule->errno_given = !allowed;
	rule->errno_ret = EPERM;
	return split_names(&rule->names, names, err);
}

static int add_exception(struct seccomp_profile *p, const struct exception *e, struct err *err)
{
	struct seccomp_rule *rule = &p->rules[p->rule_count++];

	rule->action = e->errno_ret ? SECCOMP_RET_ERRNO : SECCOMP_RET_ALLOW;
	rule->errno_given = e->errno_ret != 0;
	rule->errno_ret = e->errno_ret;
	rule->args = calloc(2, sizeof(*rule->args));
	if (!rule->args)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	memcpy(rule->args, e->args, sizeof(e->args));
	rule->arg_count = e->arg_count;
	return strv_add(&rule->names, e->name, err);
}

int seccomp_default_profile(uint64_t bounding, struct seccomp_profile *ret, struct err *err)
{
	own(seccomp_profile) struct seccomp_profile p = {
		.default_action = SECCOMP_RET_ERRNO,
		.default_errno = ENOSYS,
		.default_errno_given = true,
		.archs = calloc(sizeof(archs) + 1, 1),
		.arch_count = sizeof(archs) / sizeof(archs[0]),
		.rules = calloc(GROUPS + EXCEPTIONS, sizeof(*p.rules)),
	};

	if (!p.archs || !p.rules)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	memcpy(p.archs, archs, sizeof(archs));
	for (size_t i = 0; i < EXCEPTIONS; i++)
		if (exceptions[i].without == 0 || !(exceptions[i].without & bounding))
			if (add_exception(&p, &exceptions[i], err) < 0)
				return -1;
	for (size_t i = 0; i < GROUPS; i++)
		if (add_group(&p, groups[i].caps, groups[i].names, bounding, err) < 0)
			return -1;
	*ret = p;
	p = (struct seccomp_profile){0};
	return 0;
}

uint64_t seccomp_default_caps(void)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < GROUPS; i++)
		caps |= groups[i].caps == NEVER ? 0 : groups[i].caps;
	for (size_t i = 0; i < EXCEPTIONS; i++)
		caps |= exceptions[i].without;
	return caps;
}
