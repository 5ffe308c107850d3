/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control groups: v1, v2 and hybrid, each controller where it lives (cgroups(7)).
 *
 * Three stages, as everywhere: probe the host (cgroup_host), plan (cgroup_plan: a list of files and
 * values that can be printed and tested without root), execute (struct cgroup: open descriptors).
 * Everything is by descriptor after the probe, so that it works from a mount namespace without any
 * cgroup mount. A container's group is one directory of the same name in every hierarchy.
 */
#ifndef INSULA_KERNEL_CGROUP_H
#define INSULA_KERNEL_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* One bit per controller; a v2 controller of the same work has the same bit (blkio = io). */
enum cgroup_controller {
	CG_CPU = 1 << 0,
	CG_CPUACCT = 1 << 1,
	CG_CPUSET = 1 << 2,
	CG_MEMORY = 1 << 3,
	CG_PIDS = 1 << 4,
	CG_IO = 1 << 5,
	CG_DEVICES = 1 << 6,
	CG_FREEZER = 1 << 7,
	CG_HUGETLB = 1 << 8,
	CG_NET_CLS = 1 << 9,
	CG_NET_PRIO = 1 << 10,
	CG_PERF = 1 << 11,
	CG_RDMA = 1 << 12,
	CG_MISC = 1 << 13,
	CG_DMEM = 1 << 15,  /* device memory, Linux 6.14 */
	CG_NAMED = 1 << 14, /* name=systemd and other v1 hierarchies without a controller */
};

#define CGROUP_MAX_HIERARCHIES 16

struct cgroup_hierarchy {
	char name[32]; /* directory name for the view inside: "memory", "cpu,cpuacct", "unified" */
	bool v2;
	unsigned int
		controllers; /* bits; on v2 those in cgroup.controllers (devices, freezer built in) */
	char mount[256];     /* mount point, e.g. "/sys/fs/cgroup/memory" */
	char own[512];	     /* our own process's path in it, "/" for the top */
	int dir_fd;	     /* O_DIRECTORY of the mount point; -1 in a recorded tree */
};

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

struct cgroup_host {
	enum cgroup_mode mode;
	unsigned int controllers; /* union */
	struct cgroup_hierarchy hierarchies[CGROUP_MAX_HIERARCHIES];
	size_t count;
	/* what the top of the cpuset controller has; "" where there is none, or nobody asked */
	char cpus[256];
	char mems[256];
};

/* prefix_fd: AT_FDCWD for the live host, else a directory that holds recorded proc/self/mountinfo,
 * proc/self/cgroup and sys/fs/cgroup/... (then dir_fd stays -1). */
int cgroup_host_probe(int prefix_fd, struct cgroup_host *ret, struct err *err);
/* The live host, for groups that exist: without cpus and mems, which only a plan needs. */
int cgroup_host_probe_groups(struct cgroup_host *ret, struct err *err);
void cgroup_host_done(struct cgroup_host *host);

/* ---- what is asked for; field names and units as in runtime-spec config-linux.md ---- */
struct cgroup_device {
	bool allow;
	char type;	      /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1: all */
	char access[4];	      /* subset of "rwm" */
};

struct cgroup_throttle {
	int64_t major, minor;
	uint64_t rate; /* bytes or operations per second; for weights 10..1000 */
};

struct cgroup_throttles {
	struct cgroup_throttle *items;
	size_t count;
};

struct cgroup_hugetlb {
	char *page_size;
	uint64_t limit;
};

#define CGROUP_UNSET INT64_MIN /* for the int64_t fields below: not asked for */

struct cgroup_resources {
	struct cgroup_device *devices; /* in order, the last match wins */
	size_t device_count;
	int64_t memory_limit, memory_reservation, memory_swap; /* bytes, -1 unlimited */
	int64_t memory_kernel, memory_kernel_tcp; /* accepted, without effect on new kernels */
	int64_t memory_swappiness;		  /* 0..100 */
	bool memory_disable_oom_killer, memory_check_before_update;
	int64_t cpu_shares, cpu_quota, cpu_period, cpu_burst; /* shares 2..262144; microseconds */
	int64_t cpu_rt_runtime, cpu_rt_period, cpu_idle;
	char *cpuset_cpus, *cpuset_mems; /* list format of cpuset(7), NULL: not asked for */
	int64_t pids_limit;		 /* -1 unlimited, 0 a limit of none (runtime-spec 1.3) */
	int64_t io_weight, io_leaf_weight;
	struct cgroup_throttles io_weight_device, io_leaf_weight_device, io_read_bps, io_write_bps,
		io_read_iops, io_write_iops;
	struct cgroup_hugetlb *hugetlb;
	size_t hugetlb_count;
	int64_t net_cls_classid;
	struct strv net_prio; /* "ifname=priority" */
	struct strv rdma;     /* "device hca_handle=N hca_object=N" */
	struct strv unified;  /* "file=value" for v2 */
};

void cgroup_resources_init(struct cgroup_resources *r); /* everything unset */
void cgroup_resources_done(struct cgroup_resources *r);
/* Where there is no group: ERR_UNSUPPORTED "FIELD: REASON" if any limit is asked for. Device rules are no
 * limit here: every engine writes some, and who cannot make a device node does not need them. */
int cgroup_resources_refuse(const struct cgroup_resources *r, const char *reason, struct err *err);

/* ---- plan ---- */
struct cgroup_write {
	unsigned int hierarchy; /* index into cgroup_host */
	char file[64];
	char *value;
	bool required; /* false: a missing file is recorded in cgroup->skipped (strict: all are) */
	bool inherit;  /* v1 cpuset: the value is the parent's; `value` is what the top has */
	bool alternative; /* only where the file of the write before is missing */
	bool unified;	  /* asked for by linux.resources.unified */
	bool late; /* of a new group: by cgroup_finish, as the first process could not be born */
};

struct cgroup_plan {
	char name[256]; /* directory below each hierarchy's top, e.g. "insula-<id>" or "a/b/c" */
	struct cgroup_write *writes; /* in order */
	size_t count;
	struct strv missing;	       /* controllers asked for that this host lacks, in words */
	bool device_bpf;	       /* v2: the device rules go into a BPF program */
	struct cgroup_device *devices; /* borrowed from the resources */
	size_t device_count;
	int64_t memory_check; /* cgroup_apply refuses below this usage; CGROUP_UNSET: no check */
	/* ---- set by the caller, between plan and execution ---- */
	unsigned int
		foreign; /* leading directories of the name that somebody else manages (a delegated
			       * unit and what is above it): nothing is enabled or made there */
	bool mark_parents; /* directories that are made above the group: see cgroup_parent_is_marked() */
	bool adopt; /* the group exists already, with a process in it that only holds the place */
	bool unprivileged; /* device rules that we may not set are recorded in cgroup->skipped, and so is
			    * a group that we may not make, if nothing was asked of it */
	bool unasked;	   /* nor was the group itself: that there is none is then not recorded */
};

/* strict: what cannot be enforced is ERR_UNSUPPORTED instead of a line in plan->missing. Values
 * out of range are ERR_INVALID with the field's OCI name. v1 values are converted for v2 by the
 * formulas of runtime-spec / runc (shares -> weight as published in 2025). */
int cgroup_plan_make(const struct cgroup_host *host, const char *name,
		     const struct cgroup_resources *r, bool strict, struct cgroup_plan *ret,
		     struct err *err);
void cgroup_plan_done(struct cgroup_plan *plan);
void cgroup_plan_print(const struct cgroup_host *host, const struct cgroup_plan *plan,
		       struct str *out);

/* The conversions themselves: cpu.shares to cpu.weight, blkio.weight to io.weight. */
uint64_t cgroup_shares_to_weight(uint64_t shares);
uint64_t cgroup_blkio_to_io_weight(uint64_t weight);

/* ---- execute ---- */
struct cgroup_member {
	unsigned int hierarchy;
	int parent_fd; /* O_PATH, for removal */
	int dir_fd;    /* the group's directory */
	int tasks_fd;  /* v1 "tasks", open for writing; -1 on v2, and after cgroup_open */
	bool v2;
	bool v1_freezer;	   /* the hierarchy freezes: its files are in no other one */
	bool made;		   /* by cgroup_create, not found by cgroup_open */
	unsigned int made_parents; /* directories above it that cgroup_create made too */
};

struct cgroup {
	char name[256];
	struct cgroup_member members[CGROUP_MAX_HIERARCHIES];
	size_t count;
	int v2_fd;	     /* borrowed dir_fd of the v2 member for CLONE_INTO_CGROUP, or -1 */
	struct strv skipped; /* what this kernel could not do, in words, beside plan->missing */
};

#define CGROUP_INIT ((struct cgroup){.v2_fd = -1})

/* Make every directory and write every value; on failure all that was made is removed again.
 * Fails with ERR_EXISTS where a non-empty group of that name exists, and with ERR_STATE where nothing
 * could run in it, as a group above it is frozen. A result without members (count 0): see `unprivileged`. */
int cgroup_create(const struct cgroup_host *host, const struct cgroup_plan *plan,
		  struct cgroup *ret, struct err *err);
/* Was that directory made above a group, by whatever plan that marks them? */
bool cgroup_parent_is_marked(int top_fd, const char *path);
/* What had to wait until the first process was born into it. */
int cgroup_finish(const struct cgroup_plan *plan, struct cgroup *cg, struct err *err);
/* After a process could not be born into the group: say why in *err, where the group is the reason (it was
 * removed, it is threaded, its limit of processes is reached). Returns -1. */
int cgroup_explain(const struct cgroup *cg, struct err *err);
/* The group's v2 directory belongs to uid from here on, with the files that the kernel lists for that: who is there
 * can make groups below it, and change no limit of its own (config-linux.md, "Cgroup ownership"). */
int cgroup_hand_over(const struct cgroup *cg, uid_t uid, struct err *err);
/* Make directory `sub` of the group's v2 member and hand it over, likewise and with its gid (cgroups(7), "Delegation").
 * Returns its cgroup.procs, open for whoever is to move there by writing "0". */
int cgroup_delegate(const struct cgroup *cg, const char *sub, uid_t uid, gid_t gid,
		    struct err *err);
/* Move a process, by pid in our namespace, to directory `sub` of the group that the service manager made at
 * `name`, in the v2 hierarchy; the directory is made. */
int cgroup_move_below(const struct cgroup_host *host, const char *name, const char *sub, int pid,
		      struct err *err);
/* An existing group (for exec, stats, kill, update). ERR_NOT_FOUND if it is in no hierarchy. */
int cgroup_open(const struct cgroup_host *host, const char *name, struct cgroup *ret,
		struct err *err);
/* Who joins is to join a group below: in every hierarchy, or, where the text is "CONTROLLER,...:PATH", in
 * those of these controllers. "/" is the group itself. ERR_INVALID where the path leads out of it. */
int cgroup_descend(const struct cgroup_host *host, struct cgroup *cg, const char *text,
		   struct err *err);
/* v2: to the group below that a process is in by now. */
int cgroup_descend_to(int proc_fd, int pid, struct cgroup *cg, struct err *err);
/* Close descriptors; removes nothing. */
void cgroup_done(struct cgroup *cg);
/* The calling process joins every v1 hierarchy by writing "0" to the tasks files, the inherited ones
 * after cgroup_create, as it may be nobody by then (no global lock, no round trip). The v2 one is
 * entered by clone3. Async-signal-safe. */
int cgroup_join_v1(const struct cgroup *cg, struct err *err);
/* Move another process (by pid in our namespace, with one thread: a child just made) into every
 * hierarchy: for exec on old kernels. */
int cgroup_join_all(const struct cgroup *cg, int pid, struct err *err);

/* Whoever is to die waits for no disk any more, in this group and those below. */
void cgroup_lift_disk_limits(const struct cgroup *cg);
/* Kill every process in the group (cgroup.kill on v2 5.14+, else freezer or SIGKILL loop by pids
 * read from cgroup.procs), and wait until it is empty or the deadline. */
int cgroup_kill(const struct cgroup *cg, int timeout_ms, struct err *err);
/* Remove the group with its sub-groups from every hierarchy; waits for EBUSY up to timeout_ms.
 * Directories above it go too where cgroup_create made them and nobody else uses them. */
int cgroup_remove(struct cgroup *cg, int timeout_ms, struct err *err);
/* The same where nothing is in it, as when the last process has been reaped: one try, without any
 * waiting. False where something is left; cgroup_kill and cgroup_remove do the rest. */
bool cgroup_remove_empty(struct cgroup *cg);
int cgroup_freeze(const struct cgroup *cg, bool freeze, int timeout_ms, struct err *err);
/* In any hierarchy, by itself or with a group above it, or on the way there: who joins it stops. */
bool cgroup_is_frozen(const struct cgroup *cg);
/* Apply changed values to a running one; what this kernel cannot do is added to cg->skipped. */
int cgroup_apply(const struct cgroup_host *host, const struct cgroup_plan *plan, struct cgroup *cg,
		 struct err *err);
/* The contents of a file of the group, in the hierarchy that has the controller, without the trailing
 * newline. `v1` and `v2` name it in either version; NULL: there is none. Returns the length, -1 with errno
 * (ENOENT where there is no such file); cut at size - 1. */
ssize_t cgroup_read(const struct cgroup_host *host, const struct cgroup *cg,
		    unsigned int controller, const char *v1, const char *v2, char *buf,
		    size_t size);
/* pids (in our namespace) of the group, sub-groups included. Returns the count, at most max. */
ssize_t cgroup_pids(const struct cgroup *cg, int *pids, size_t max, struct err *err);

struct cgroup_stats {
	uint64_t cpu_usage_ns, cpu_user_ns, cpu_system_ns;
	uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
	uint64_t memory_usage, memory_peak, memory_limit; /* bytes; limit UINT64_MAX: none */
	uint64_t memory_file, memory_anon, memory_oom_kills;
	uint64_t swap_usage;
	uint64_t pids, pids_limit;
	uint64_t io_read_bytes, io_write_bytes, io_reads, io_writes;
	bool frozen;
};

int cgroup_stats(const struct cgroup_host *host, const struct cgroup *cg, struct cgroup_stats *ret,
		 struct err *err);
/* How often the kernel killed in it for want of memory: of the above the one number that an exit needs,
 * without the rest, some of which is dear to read. 0 where it cannot be told. */
uint64_t cgroup_oom_kills(const struct cgroup_host *host, const struct cgroup *cg);

/* Page sizes of the hugetlb controller in this group: "2MB", "1GB". */
int cgroup_hugetlb_sizes(const struct cgroup_host *host, const struct cgroup *cg, struct strv *ret,
			 struct err *err);

/* Being told of kills for want of memory. */
struct cgroup_oom_watch {
	int fd;	      /* poll(2): POLLIN on v1 (an eventfd), POLLPRI on v2 (memory.events) */
	short events; /* which of the two */
	bool v2;
	uint64_t seen; /* v2: kills that were counted */
};

#define CGROUP_OOM_WATCH_INIT ((struct cgroup_oom_watch){.fd = -1})

int cgroup_oom_watch(const struct cgroup_host *host, const struct cgroup *cg,
		     struct cgroup_oom_watch *ret, struct err *err);
/* After poll(2) said so: how many there were since the last call. */
unsigned int cgroup_oom_seen(const struct cgroup *cg, struct cgroup_oom_watch *watch);
void cgroup_oom_watch_done(struct cgroup_oom_watch *watch);

/* The limits in force, "memory/memory.limit_in_bytes=67108864", appended: hierarchy, file, contents. */
int cgroup_values(const struct cgroup_host *host, const struct cgroup *cg, struct strv *ret,
		  struct err *err);
/* Names of controllers, "cpu memory pids", as v1 or v2 calls them. */
void cgroup_controllers_text(unsigned int controllers, bool v2, struct str *out);

/* Names of groups below `parent` (".": the top) of any hierarchy that start with `prefix` (for doctor). */
int cgroup_list(const struct cgroup_host *host, const char *parent, const char *prefix,
		struct strv *ret, struct err *err);

#endif
