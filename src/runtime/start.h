/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a start holds while its plan is executed. Private to runtime/. P's side: everything is a
 * descriptor, released by start_done; C's side: struct job, plain data that C inherits by fork.
 */
#ifndef INSULA_RUNTIME_START_H
#define INSULA_RUNTIME_START_H

#include "kernel/caps.h"
#include "kernel/mount.h"
#include "runtime/plan.h"

#define START_MAX_LAYERS 16
#define START_MAX_LOWERS 64
#define JOB_MAX_GROUPS 256
#define KEYRING_NAME_SIZE 288 /* of an id of 255 characters */

/* Who the command runs as: decided by P, outside, sent to C with its release. */
struct identity {
	uint32_t uid, gid;
	uint32_t groups[JOB_MAX_GROUPS];
	uint32_t group_count;
	char home[256]; /* HOME where the environment has none; "" for none */
};

struct nested; /* start_nested.c */

struct layer_source {
	int lower_fds[START_MAX_LOWERS];
	unsigned int lower_count;
	int writable_fd;
	int kept_fd; /* its mount, where that is written back when it is unmounted; -1 */
};

/* One of the specification's mounts, while it is made. */
struct mount_state {
	int source_fd; /* detached: a copy of a bind's source, or a file system of the host's; -1 */
	bool directory;
	char *link;  /* what the symbolic link says that is copied, not mounted; NULL */
	int kept_fd; /* attached, for what comes later; -1 */
};

/* What start_fields.c holds. */
struct start_fields {
	int resctrl_fd;	   /* the file system; its groups are ours to remove */
	bool resctrl_made; /* the group, by this start */
	int net_fd;	   /* netlink socket of the network namespace that P came from */
	int inside_net_fd; /* and of the container's */
	struct netdev *net_devices;
	size_t net_device_count;
};

#define START_FIELDS_INIT \
	((struct start_fields){.resctrl_fd = -1, .net_fd = -1, .inside_net_fd = -1})

struct start {
	struct plan *plan;
	int proc_fd;	      /* a procfs of the host, for ever valid */
	int own_ns[NS_COUNT]; /* P's own, to return to; -1 where never left */
	int own_cwd_fd;	      /* and where it was: entering a mount namespace leads to its root */
	int joined_ns[NS_COUNT]; /* namespaces joined by path, -1 */
	int born_ns[NS_COUNT];	 /* new ones of C's that its midwife has opened: start_userns.c */
	struct cgroup cgroup;
	struct scope scope;
	int delegate_fd; /* cgroup.procs of run.oci.delegate-cgroup, or -1 */
	bool scope_made; /* and settled: nobody but us takes it away */
	bool must_attach; /* C was born in our group, and is to be moved into its own: start_cgroup_may_attach() */
	struct layer_source *layers;
	struct mount_state *mounts; /* one per spec mount */
	int *node_fds; /* host's device nodes: the default ones, then linux.devices; NULL: none */
	size_t node_count;
	int nodes_fd; /* where our nodes are that are mounted on files, or -1 */
	/* ids of the container's user namespace, NULL where it is the host's */
	const struct spec_idmaps *uid_maps, *gid_maps;
	struct spec_idmaps joined_uids, joined_gids; /* of one that is joined */
	struct cgroup_view {
		int fds[CGROUP_MAX_HIERARCHIES]; /* detached mounts */
		size_t hierarchies[CGROUP_MAX_HIERARCHIES];
		size_t count;
	} view;
	int root_source_fd;
	bool apparmor; /* lsm_check_labels() */
	bool labelled; /* the mounts get linux.mountLabel: SELinux is active */
	mode_t umask;  /* P's, to return to */
	bool moved;    /* P is not in its own namespaces */
	bool groups_are_fixed;
	int hook_fds[2];  /* what hooks print goes there, or -1 */
	bool is_proxy;	  /* this is Q: start_nested.c */
	bool keep_groups; /* those of the caller, whatever the specification lists */
	struct nested *proxy;
	struct proc child;
	struct proc midwife; /* of start_userns.c, where it is not its maker's to reap */
	pid_t host_pid;	     /* the child's, in proc_fd */
	int sync_fd;	     /* P's end */
	int userns_fd;	     /* the container's, where it is not ours; or -1 */
	int covers_fd;	     /* mount of the covers, with the staging directories */
	unsigned int staged; /* of those */
	bool covers_closed;
	int root_fd;		       /* the container's root */
	struct mount_place root_place; /* its own, once it has been asked for; mode 0 */
	int detached_fd;	       /* a copy of it that C enters by chroot(2), or -1 */
	int shared_mounts_fd;	       /* M, until C is done with its copy: hold_shared_mounts() */
	int devpts_fd;
	int console_fd, slave_fd;
	int init_fd; /* our init program, or -1 */
	struct identity identity;
	struct start_fields fields;
};

/* Nothing is held. */
#define START_INIT(plan_) \
	((struct start){.plan = (plan_), \
			.hook_fds = {-1, -1}, \
			.umask = 022, \
			.proc_fd = -1, \
			.own_cwd_fd = -1, \
			.cgroup = CGROUP_INIT, \
			.scope = SCOPE_INIT, \
			.delegate_fd = -1, \
			.root_source_fd = -1, \
			.child = PROC_INIT, \
			.midwife = PROC_INIT, \
			.sync_fd = -1, \
			.userns_fd = -1, \
			.covers_fd = -1, \
			.nodes_fd = -1, \
			.root_fd = -1, \
			.detached_fd = -1, \
			.shared_mounts_fd = -1, \
			.devpts_fd = -1, \
			.console_fd = -1, \
			.slave_fd = -1, \
			.init_fd = -1, \
			.fields = START_FIELDS_INIT})

/* The same data for a first process (container) and a further one (exec). */
struct job {
	const struct plan *plan; /* NULL: a further process */
	const struct spec *spec;
	const struct spec_process *process;
	const struct caps *caps;
	const struct seccomp_filter *filter; /* NULL: none */
	bool filter_follows;		     /* its program comes after the release */
	struct seccomp_filter received;
	const struct rlimit_entry *rlimits;
	size_t rlimit_count;
	const struct cgroup *cgroup;
	bool must_attach; /* C is moved into its group by another: nothing of it before */
	int oom_score_adj;
	int proc_fd;
	int sync_fd;  /* C's end */
	int stdio[3]; /* -1: the container's /dev/null */
	int preserve_fds;
	struct runtime_listen listen;
	pid_t pid; /* C's own, as LISTEN_PID and its hooks tell it */
	const char *id;
	uint64_t keyring; /* of its session keyring's name; 0: it has none */
	int init_fd;	  /* our init program, to be executed in place of the command; -1: none */
	int slave_fd, root_fd;	     /* come with the release, where they are wanted */
	int apparmor_fd, selinux_fd; /* files that the command's labels are written to, or -1 */
	bool lock_mounts;	     /* unshare(NEWNS): the copy that locks */
	int delegate_fd; /* cgroup.procs of a directory to move to, once the cgroup namespace is made; -1 */
	bool own_cgroup_ns;
	bool groups_are_fixed;
	bool apparmor;	  /* lsm_check_labels() */
	bool opaque_late; /* not before its id maps are written: see child_run() */
	/* of an OCI runtime */
	int hook_fds[2]; /* what its hooks print goes there, or -1 */
	const struct state *state;
	int start_fd, answer_fd; /* -1: nobody waits for a start */
	bool has_let_go;
	bool cwd_entered; /* before the capabilities went */
	bool filtered;
	bool files_lowered;	  /* RLIMIT_NOFILE, to what it is for the command */
	struct identity identity; /* what C is released with; the terminal's slave comes with it */
	struct strv env;	  /* made ready */
};

/* Run C's steps; never returns. An error goes to P over sync_fd, or, once it has said that it waits to be
 * started, into answer_fd. */
_Noreturn void child_run(struct job *job, const struct step *steps, size_t count);

/* The one directory of the launch pad. Not its root: what is mounted on that would hide the old root
 * from the umount2(2) after the pivot. */
#define RUNTIME_PAD_STAGE "stage"

/* A program that opens /dev/stdout opens its pipe again, and must own it: host ids. */
int hand_over_pipes(const int stdio[3], uint32_t uid, uint32_t gid, struct err *err);

/* A wait of P's for somebody inside (await.c): from release to exec C does no I/O but its own, so this is a
 * bound against a file system that hangs. */
#define AWAIT_MS 120000
struct waiting {
	int fd; /* P's end of the socket */
	const struct cgroup
		*group; /* who is in it answers nobody while it is frozen; NULL: not looked at */
	int timeout_ms;
	bool even_frozen; /* the time in which it is frozen does not count */
};
struct waiting start_waiting(const struct start *s);
/* For anything. */
int await_message(const struct waiting *w, struct err *err);
/* C's word that it has done what it was told to. */
#define WORD_DONE 'd'
/* Inside: our parent's word that the service manager has moved us into the container's control group. */
int await_attached(int fd, struct err *err);
/* That word. */
int say_attached(int fd, struct err *err);
/* For C's word, or the error why not. */
int await_word(const struct waiting *w, struct err *err);
/* Until the other side executes its command, or sends why it cannot. */
int await_exec(const struct waiting *w, struct err *err);
/* A child, killed, and reaped unless it is frozen: on cgroup v1 it dies when it thaws. */
void abandon(struct proc *p);
/* An error where nothing in it could run now. */
int await_thawed(const struct cgroup *group, struct err *err);

/* start_ids.c: the maps of the container's user namespace, also of one that is joined (userns_fd). */
int start_ids(struct start *s, struct err *err);
void start_ids_done(struct start *s);
/* What an id of the container is on the host. */
int start_host_id(const struct start *s, bool group, uint32_t id, uint32_t *ret, struct err *err);

/* Does somebody in the container have this id of the host? */
bool start_has_id(const struct start *s, bool group, uint32_t host_id);

/* start_cgroup.c */
int start_scope(struct start *s, const struct step *step, struct err *err);
int start_cgroup(struct start *s, const struct step *step, struct err *err);
/* C could not be born in its group: may it be moved there, by the service manager, or by us from our own cgroup
 * namespace? */
bool start_cgroup_may_attach(const struct start *s, int errnum);
/* C has been born, into the group if that was ours to do. */
int start_cgroup_entered(struct start *s, struct err *err);
/* A start that failed: everything of it goes. */
void start_cgroup_undo(struct start *s);

/* start_root.c */
int start_layer_source(struct start *s, const struct step *step, struct err *err);
int start_root_source(struct start *s, const struct step *step, struct err *err);
int start_covers(struct start *s, const struct step *step, struct err *err);
int start_layer(struct start *s, const struct step *step, struct err *err);
int start_root_dir(struct start *s, const struct step *step, struct err *err);
int start_root_readonly(struct start *s, const struct step *step, struct err *err);
/* Attach a mount where nothing of the container sees it; it falls away at the pivot. */
int start_stage(struct start *s, int mount_fd, bool directory, struct err *err);

/* start_source.c */
int start_bind_source(struct start *s, const struct step *step, struct err *err);
int start_fs_source(struct start *s, const struct step *step, struct err *err);
int start_cgroup_view(struct start *s, const struct step *step, struct err *err);
void start_view_done(struct cgroup_view *view);
int start_node_source(struct start *s, const struct step *step, struct err *err);
/* A copy of the host's node of that path, if it is what the device says. */
int start_take_node(const struct spec_device *d, struct err *err);

/* start_target.c: where a mount goes, as O_PATH; made where it is absent (*ret_made). */
int start_target(struct start *s, const struct planned_mount *m, bool directory, bool *ret_made,
		 struct err *err);
/* What is at fd, and whether it is the container's root itself. */
int start_look(struct start *s, int fd, struct mount_place *ret, bool *ret_is_root,
	       struct err *err);
/* ERR_INVALID where what is mounted there would be mounted on the host as well. */
int start_keeps_inside(struct start *s, int target_fd, struct err *err);
/* A symbolic link instead of a mount. */
int start_link(struct start *s, const struct planned_mount *m, const char *text, struct err *err);

/* start_mount.c */
int start_mount(struct start *s, const struct step *step, struct err *err);
int start_mount_readonly(struct start *s, const struct step *step, struct err *err);
/* The options of a file system with the host's ids in place of the container's, and its label. */
int start_options(struct start *s, unsigned int i, struct strv *ret, struct err *err);
/* For a container that runs: a bind whose source has been taken, with all that it shall be; a tmpfs for a target
 * that was made for it, or was there. */
int start_detached(struct start *s, unsigned int i, struct err *err);
int start_new_tmpfs(struct start *s, unsigned int i, int target_fd, bool made, struct err *err);

/* start_files.c */
int start_files(struct start *s, const struct step *step, struct err *err);

/* start_cover.c */
int start_mask(struct start *s, const struct step *step, struct err *err);
int start_readonly(struct start *s, const struct step *step, struct err *err);

/* start_dev.c */
extern const struct spec_device start_default_nodes[]; /* path NULL ends */
int start_devices(struct start *s, const struct step *step, struct err *err);
int start_console(struct start *s, const struct step *step, struct err *err);
/* For a container that runs: a detached mount of a node, which is made in a tmpfs of ours that is attached; the
 * directory of a device in the container, and its name there; what a node is mounted on. */
int start_new_node(struct start *s, int stage_fd, const struct spec_device *d, struct err *err);
int start_node_parent(struct start *s, const struct spec_device *d, const char **ret_name,
		      struct err *err);
int start_node_target(struct start *s, const struct spec_device *d, struct err *err);
/* ERR_EXISTS where what is there is not that device. */
int start_check_node(int dir_fd, const char *name, const struct spec_device *d, struct err *err);

/* One step of P's table. */
int start_run_step(struct start *s, const struct step *step, struct err *err);
/* start_nested.c: steps first..last, all of which are in other namespaces, by a process that stays there. */
int start_run_nested(struct start *s, size_t first, size_t last, struct err *err);
/* In that process: let P do a step, in its own namespaces. */
int start_ask_parent(struct start *s, const struct step *step, struct err *err);

/* start_hooks.c */
int start_hooks(struct start *s, const struct step *step, struct err *err);
int start_hooks_container(struct start *s, const struct step *step, struct err *err);

/* child_start.c */
int init_hooks_container(struct job *job, struct err *err);
int init_start(struct job *job, struct err *err);
/* Close what C does not need from here on, once: nothing of the host is open when the image is looked into. */
int child_let_go(struct job *job, struct err *err);
/* no_new_privs and the filter: whoever calls it is bound as the command. */
int child_restrict(struct job *job, struct err *err);
/* RLIMIT_NOFILE to what it is for the command, where that is too little for us. */
int child_lower_files(struct job *job, struct err *err);
int init_hooks_start(struct job *job, struct err *err);
/* Become root of the user namespace, or enter the one that is joined first. */
int init_root(struct job *job, struct err *err);
/* By P, as /sys inside is the container's: lsm_check_labels() of this host. */
int start_check_labels(const struct spec_process *process, bool *ret_apparmor, struct err *err);
/* Can the command be executed, as far as can be told without doing it? */
int command_check(const struct job *job, struct err *err);
/* child_mounts.c */
int child_enter_moved(struct job *job, struct err *err);
int child_enter_detached(struct job *job, struct err *err);
int child_share(struct job *job, struct err *err);

/* A namespace of C's, of a kind that is not P's own; the caller's. */
int start_open_born(const struct start *s, enum ns_kind kind, struct err *err);

/* start_userns.c */
typedef void start_child_fn(struct start *s, int child_end); /* never returns */
/* The child, born in it. */
int start_clone_inside(struct start *s, uint64_t flags, int child_end, start_child_fn *run_child,
		       struct err *err);

/* start_fields.c */
int start_resctrl(struct start *s, const struct step *step, struct err *err);
int start_resctrl_join(struct start *s, const struct step *step, struct err *err);
int start_net_source(struct start *s, const struct step *step, struct err *err);
int start_net_device(struct start *s, const struct step *step, struct err *err);
int start_scheduler(struct start *s, const struct step *step, struct err *err);
int start_io_priority(struct start *s, const struct step *step, struct err *err);
/* After success: what was moved and made stays. */
void start_fields_keep(struct start_fields *f);
/* While the container's namespaces are still there: undo, and release. */
void start_fields_done(struct start *s);

/* child_fields.c */
int init_report(struct job *job, struct err *err);
int init_personality(struct job *job, struct err *err);
int init_memory_policy(struct job *job, struct err *err);
/* Scheduling of a process that cannot raise itself; members that are absent change nothing. */
int apply_scheduler(pid_t pid, const struct spec_process *process, struct err *err);
int apply_io_priority(pid_t pid, const struct spec_process *process, struct err *err);

/* user.c: "name", "uid", "name:group", "uid:gid" or NULL (numbers from the specification), resolved
 * in the tree at root_fd by its own /etc/passwd and /etc/group, read as untrusted text. */
int identity_resolve(int root_fd, const struct spec_user *user, struct identity *ret,
		     struct err *err);
/* The same, reading as container root (host ids) and without any capability: its files must not make us
 * read what it may not. Leaves the file-system ids as they are then. */
int identity_resolve_as(int root_fd, uint32_t uid, uint32_t gid, const struct spec_user *user,
			struct identity *ret, struct err *err);

#endif
