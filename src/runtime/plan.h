/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plan of a start: what runtime_plan() makes and runtime_create() executes. Private to runtime/.
 *
 * Two actors: P, the process that calls us (host root, outside), and C, the container's first process.
 * Every step belongs to one of them; the tables in start.c and child.c say what a step does, this
 * order says why it comes when it comes (docs/architecture.md, "The way of a start").
 */
#ifndef INSULA_RUNTIME_PLAN_H
#define INSULA_RUNTIME_PLAN_H

#include "kernel/ns.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "spec/mount_options.h"

enum step_op {
	/* P, in the host's mount namespace */
	STEP_SCOPE,	   /* the service manager makes a scope for it */
	STEP_CGROUP,	   /* make the group, write its limits */
	STEP_ROOT_SOURCE,  /* root_dir as a detached copy */
	STEP_LAYER_SOURCE, /* host directories of a layer as detached copies */
	STEP_BIND_SOURCE,  /* a bind mount's source as a detached copy */
	STEP_FS_SOURCE,	   /* a file system that is made of host paths, mounted detached */
	STEP_NODE_SOURCE,  /* host device nodes as detached copies, where we may make none */
	STEP_CGROUP_VIEW,  /* the group's directories as detached copies */
	STEP_OWN_INIT,	   /* our init program, opened */
	STEP_RESCTRL,	   /* groups for caches and memory bandwidth */
	STEP_NET_SOURCE,   /* a network device that is to be the container's, looked for */
	/* P, in a private copy of the launch pad */
	STEP_PAD,
	STEP_CLONE,  /* C is born, shares P's mount namespace, waits */
	STEP_MAPS,   /* its id maps are written */
	STEP_FILTER, /* the seccomp profile is compiled, where that is not done yet */
	STEP_RESCTRL_JOIN,
	STEP_COVERS,	     /* the small file system that covers come from */
	STEP_LAYER,	     /* an overlay of one layer's copies, attached */
	STEP_ROOT_DIR,	     /* the copy of root_dir, attached */
	STEP_JOIN,	     /* P enters C's net, uts and ipc namespaces */
	STEP_JOIN_NETWORK,   /* its network namespace, where C makes that itself */
	STEP_NET_DEVICE,     /* a network device moves into the container */
	STEP_MOUNT,	     /* one of the specification's mounts */
	STEP_FILES,	     /* files in memory: secrets */
	STEP_DEVICES,	     /* device nodes and links in our /dev */
	STEP_CONSOLE,	     /* a terminal pair from the container's devpts */
	STEP_USER,	     /* who the command runs as, by the container's own passwd */
	STEP_CWD,	     /* its working directory exists */
	STEP_MOUNT_READONLY, /* a tmpfs that had to be written to until here */
	STEP_MASK,	     /* a path is covered */
	STEP_READONLY,	     /* a path is made read-only */
	STEP_ROOT_READONLY,
	STEP_LIMITS,	      /* C's resource limits are set */
	STEP_HOOKS,	      /* prestart and createRuntime, in P's own namespaces */
	STEP_HOOKS_CONTAINER, /* C runs createContainer in its own */
	STEP_PIVOT,	      /* the new root is "/" for P and C */
	STEP_MOVE,	      /* or it is moved on "/", and C enters it by itself */
	STEP_DETACH,	      /* or a copy of it belongs to no namespace, and C enters that */
	STEP_LEAVE,	      /* P returns to its own namespaces */
	STEP_SCHEDULER,	      /* scheduling policy of C, which may not raise itself */
	STEP_IO_PRIORITY,
	STEP_BORN,    /* the caller writes down who C is */
	STEP_RELEASE, /* C goes on; P waits for its exec, or until it waits to be started */
	/* C */
	STEP_INIT_NETWORK,	   /* a network namespace, while P goes on */
	STEP_INIT_CGROUP,	   /* join the v1 hierarchies */
	STEP_INIT_OOM,		   /* out-of-memory score */
	STEP_INIT_HOOKS_CONTAINER, /* when P says so, before the pivot */
	STEP_INIT_REPORT,	   /* tell P that it is in its control groups */
	STEP_INIT_WAIT,		   /* for RELEASE */
	STEP_INIT_MOVED,	   /* enter the root that P moved on "/" */
	STEP_INIT_DETACHED,	   /* enter the root that came with the release */
	STEP_INIT_ROOT,		   /* become root of the user namespace */
	STEP_INIT_LOCK,	 /* a copy of the mount namespace that it owns: every mount is locked */
	STEP_INIT_SHARE, /* propagation of the root, and what the copy took from shared mounts */
	STEP_INIT_HOSTNAME,
	STEP_INIT_SYSCTL,  /* by the owner of the namespaces: nobody else may, not even host root */
	STEP_INIT_SESSION, /* session, terminal or pipes */
	STEP_INIT_KEYRING,
	STEP_INIT_PERSONALITY,
	STEP_INIT_MEMORY_POLICY,
	STEP_INIT_BOUND,	/* bounding set */
	STEP_INIT_LABEL_FILE,	/* opened, while that is allowed */
	STEP_INIT_FILTER_EARLY, /* seccomp where no_new_privs is not wanted */
	STEP_INIT_USER,		/* groups, gid, uid, capabilities */
	STEP_INIT_CWD,
	STEP_INIT_START,       /* say that all is done, and wait for `start` */
	STEP_INIT_HOOKS_START, /* startContainer */
	STEP_INIT_LABEL,
	STEP_INIT_READY, /* all that execve wants, so that the filter is asked about nothing else */
	STEP_INIT_FILTER, /* no_new_privs, seccomp */
	STEP_INIT_EXEC,
	STEP_COUNT
};

struct step {
	enum step_op op;
	unsigned int index;  /* of the mount, layer, path ... that it is about */
	const char *subject; /* for printing and errors; borrowed from the request */
};

#define PLAN_MAX_STEPS 4096

/* One of the specification's mounts, as it is going to be made. */
struct planned_mount {
	struct mount_options options;
	struct mount_maps maps;
	char *target; /* the destination, absolute and clean */
	bool bind;
	bool from_host;		   /* a file system that the host's paths are needed for */
	bool remount;		   /* changes what an earlier one has mounted there */
	bool readonly_later;	   /* by STEP_MOUNT_READONLY */
	unsigned long propagation; /* MS_SHARED, ... with MS_REC; 0: private */
};

/* What /dev is: who makes the nodes in it, and how. */
enum plan_dev {
	DEV_OURS,  /* a tmpfs of the specification: made in it */
	DEV_IMAGE, /* whatever the root file system has there: made in it, or mounted on it */
	DEV_BOUND, /* the host's, or whatever the specification binds there: left alone */
};

struct plan {
	struct runtime_request request; /* what it points at is borrowed */
	const struct spec *spec;
	const struct cgroup_host *host;
	struct cgroup_plan cgroup;
	bool has_cgroup;
	bool cgroup_writable;		    /* as the container sees it on /sys/fs/cgroup */
	struct scope_request scope;	    /* where the place's manager is systemd */
	struct cgroup_device *device_rules; /* the specification's and the default ones */
	struct seccomp_filter filter;
	bool has_filter;
	bool filter_later;	      /* by STEP_FILTER, and it comes to C with its release */
	struct planned_mount *mounts; /* one per spec mount */
	struct rlimit_entry *rlimits;
	size_t rlimit_count;
	int oom_score_adj;
	struct strv warnings;
	size_t granted_from, granted_to; /* which of them are of capabilities and limits */
	struct caps caps;
	bool own[NS_COUNT]; /* a new namespace of that kind */
	bool late_network;  /* C makes its network namespace after its birth: plan_mounts.c */
	uint32_t root_uid, root_gid; /* container root on the host */
	struct step *steps;
	size_t count, cap;
	size_t child_first; /* steps from here on are C's */
	bool group_left;    /* a start that failed has made a group that it could not remove */
	bool own_pids;	    /* a child's number is the same in /proc */
	uint64_t signals_ignored; /* by us, and so by whom we start */
	bool nested;		  /* we are in a user namespace: what we join we cannot leave */
	/* C is in the mount namespace of the runtime, or in one that is joined: docs/decisions/0013 */
	bool shares_mounts;
	/* No launch pad: hooks want to see the host's files; or nested, where none can be pinned. */
	bool host_tree;
	const char *label_option; /* "context": how linux.mountLabel is given to a file system */
	uint64_t keyring;	  /* random, in the name of its session keyring */
	enum plan_dev dev;
	bool bind_nodes;		/* we may not make device nodes: the host's are bound */
	long devpts_mount;		/* index of the devpts on /dev/pts, or -1 */
	unsigned long root_propagation; /* MS_SHARED, ... with MS_REC; 0: private */
};

/* "mount", "pivot" ... */
const char *step_name(enum step_op op);
int plan_add(struct plan *plan, enum step_op op, unsigned int index, const char *subject,
	     struct err *err);
/* The rules of `r`, where it has any, and the default ones after them, in an array of the caller's that `r`
 * then points to. */
int plan_device_rules(struct cgroup_resources *r, struct cgroup_device **ret, struct err *err);
/* The part of the plan that is about mounts (plan_mounts.c). */
int plan_add_sources(struct plan *plan, struct err *err);
int plan_add_mounts(struct plan *plan, struct err *err);
/* The part that is about scheduling, memory policy, resctrl and network devices (plan_fields.c). */
int plan_add_field_sources(struct plan *plan, struct err *err);
int plan_add_net_devices(struct plan *plan, struct err *err);
int plan_add_scheduling(struct plan *plan, struct err *err);
int plan_add_child_fields(struct plan *plan, struct err *err);
void plan_print_field(const struct plan *plan, const struct step *step, struct str *out);
/* /dev, /proc, /sys and what is below them: never through a symbolic link of the image. */
bool plan_is_own_place(const char *destination);
void plan_mounts_done(struct plan *plan);
/* The specification's kind of namespace, as the kernel's. */
enum ns_kind plan_ns_kind(enum spec_ns kind);
/* Does it ask for a label of a security module? */
bool plan_has_label(const struct spec_process *process);
/* Is any mount shared; and is there something about that for C to do? */
bool plan_has_shared(const struct plan *plan);
bool plan_needs_share(const struct plan *plan);

#endif
