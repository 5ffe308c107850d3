/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container's configuration: the Linux part of the OCI runtime-spec (any 1.x, fields of 1.3) as
 * plain C data. It is filled from a bundle's config.json (spec_read) or by the engine, checked once
 * (spec_validate), and then only read. Field names follow the specification; the clause that
 * defines a field is the one of the same name in config.md and config-linux.md.
 *
 * Everything is owned by the struct (heap), released by spec_done.
 */
#ifndef INSULA_SPEC_SPEC_H
#define INSULA_SPEC_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/problems.h"
#include "base/str.h"
#include "json/json.h"
#include "kernel/caps.h"
#include "kernel/cgroup.h"
#include "kernel/limits.h"
#include "kernel/mempolicy.h"
#include "kernel/resctrl.h"
#include "kernel/scheduler.h"
#include "kernel/seccomp.h"

#define SPEC_OCI_VERSION "1.3.0" /* of what we write */
#define SPEC_MAX_SIZE (8u << 20) /* bytes of a config.json */

enum spec_ns {
	SPEC_NS_USER,
	SPEC_NS_MNT,
	SPEC_NS_PID,
	SPEC_NS_NET,
	SPEC_NS_UTS,
	SPEC_NS_IPC,
	SPEC_NS_CGROUP,
	SPEC_NS_TIME,
	SPEC_NS_COUNT
};

struct spec_namespace {
	bool given;	    /* listed: a new one, or the one at path */
	char *path;	    /* NULL: new */
	unsigned int index; /* in the document's list, for messages */
};

struct spec_idmap {
	uint32_t container_id, host_id, size;
};

struct spec_idmaps {
	struct spec_idmap *items;
	size_t count;
};

struct spec_mount {
	char *destination; /* absolute in the container */
	bool was_relative; /* before it was made absolute: deprecated, and worth a warning */
	char *type;	   /* "bind", "tmpfs", "proc", ...; NULL: from options */
	char *source;
	struct strv options; /* as written; parsed by spec/mount_options.h */
	struct spec_idmaps uid_maps, gid_maps;
};

struct spec_device {
	char *path;
	char type; /* 'c', 'u', 'b', 'p' */
	int64_t major, minor;
	int64_t file_mode; /* -1: 0666 */
	int64_t uid, gid;  /* -1: container root */
};

struct spec_hook {
	char *path;
	struct strv args, env;
	int timeout; /* seconds; 0: none given */
};

enum spec_hook_kind {
	SPEC_HOOK_PRESTART,
	SPEC_HOOK_CREATE_RUNTIME,
	SPEC_HOOK_CREATE_CONTAINER,
	SPEC_HOOK_START_CONTAINER,
	SPEC_HOOK_POSTSTART,
	SPEC_HOOK_POSTSTOP,
	SPEC_HOOK_COUNT
};

struct spec_hooks {
	struct spec_hook *items;
	size_t count;
};

struct spec_user {
	uint32_t uid, gid;
	int64_t umask; /* -1: not given */
	uint32_t *additional_gids;
	size_t additional_gid_count;
	char *name; /* the engine's: "name[:group]" still to be resolved inside; NULL from OCI */
	struct strv
		groups; /* the engine's: further groups, names or numbers, to be resolved inside */
};

#define SPEC_SCHED_ISO \
	4 /* a name of the specification, and a number that no kernel has a policy for */

struct spec_process {
	bool terminal;
	uint32_t console_rows, console_cols; /* 0: not given */
	struct spec_user user;
	struct strv args, env;
	char *cwd;
	bool caps_given; /* false: no capability at all, as the specification says for absent */
	struct caps caps;
	struct rlimit_entry *rlimits;
	size_t rlimit_count;
	bool no_new_privs;
	char *apparmor_profile, *selinux_label;
	bool oom_given;
	int oom_score_adj;
	struct scheduler *scheduler;		 /* NULL: not given */
	struct io_priority *io_priority;	 /* NULL: not given */
	char *affinity_initial, *affinity_final; /* execCPUAffinity, CPU lists */
};

struct spec_time_offset {
	bool given;
	int64_t secs;
	uint32_t nanosecs;
};

struct spec_linux {
	struct spec_idmaps uid_maps, gid_maps;
	struct strv sysctl; /* "name=value" */
	struct cgroup_resources resources;
	char *cgroups_path;
	struct spec_namespace namespaces[SPEC_NS_COUNT];
	struct spec_device *devices;
	size_t device_count;
	struct strv net_devices;	 /* "hostname=name inside" */
	struct seccomp_profile *seccomp; /* NULL: none */
	char *rootfs_propagation;
	struct strv masked_paths, readonly_paths;
	char *mount_label;
	struct spec_time_offset time_monotonic, time_boottime;
	bool personality_given;
	uint32_t personality;
	struct resctrl *intel_rdt;	 /* NULL: not given */
	struct mempolicy *memory_policy; /* NULL: not given */
};

struct spec {
	char *oci_version;
	char *hostname, *domainname;
	char *root_path; /* as written, relative to the bundle */
	bool root_readonly;
	struct spec_mount *mounts;
	size_t mount_count;
	bool process_given;
	struct spec_process process;
	struct spec_hooks hooks[SPEC_HOOK_COUNT];
	struct strv annotations;
	struct spec_linux linux_;
	/* what the engine adds and OCI has no field for */
	bool seccomp_default; /* the built-in allow-list instead of linux.seccomp */
	bool init;	      /* a small init of ours as PID 1 (--init) */
};

/* Everything unset, as an empty config.json would have it (umask -1, resources unset, ...). */
void spec_init(struct spec *s);
void spec_done(struct spec *s);

/* The field table of the whole document, for `features`, validation and printing. */
extern const struct json_field spec_fields[];

/* Parse config.json of the bundle directory. Unknown members are ignored, as the specification
 * asks; wrong types, ranges and enum values are ERR_INVALID with the JSON path. */
int spec_read(int bundle_fd, const char *name, struct spec *ret, struct err *err);
int spec_parse(const char *text, size_t size, const char *name, struct spec *ret, struct err *err);

/* A linux.resources object alone, as `update` reads it. Zero means what it means in a specification of the
 * newest version. */
int spec_parse_resources(const char *text, size_t size, const char *name,
			 struct cgroup_resources *ret, struct err *err);

/* Cross-field rules, each error with its JSON path: version 1.x; absolute paths; process needs args
 * and cwd; id maps do not overlap, are not empty where a user namespace is made, cover uid 0 only if
 * asked; namespaces listed once; sysctls that need a namespace of their own (sysctl_check);
 * names without control characters; capabilities ambient within permitted and inheritable;
 * a user namespace joined by path excludes maps; what this version does not do yet is
 * ERR_UNSUPPORTED naming the field. */
int spec_validate(const struct spec *s, struct err *err);

/* For an exec: a `process` object in place of the container's; what it does not say of limits,
 * capabilities and labels stays. */
int spec_replace_process(struct spec *s, const char *text, size_t size, const char *name,
			 struct err *err);
/* The rules of spec_validate that are about the process. */
int spec_check_process(const struct spec *s, struct err *err);

/* Everything that is wrong with a document, as parsing and validation would say one by one, is noted in
 * `found`. *ret is what there is of it: for more questions, never to be executed where an error was
 * found. 0 whatever was found; -1 where memory ran out, *ret being untouched. A document that is no
 * JSON is one problem, and *ret as spec_init leaves it. */
int spec_find(const char *text, size_t size, const char *name, struct spec *ret,
	      struct problems *found, struct err *err);

/* May container root be the host's root, to files at least? Then it must not reach the file of a program of
 * ours. So where there is no user namespace, one that is joined, or one whose maps have host id 0. */
bool spec_root_is_hosts(const struct spec *s);

/* Where an agent waits for the listener of a filter that notifies: linux.seccomp.listenerPath, or crun's
 * annotation, or what crun's environment variable says; NULL: nowhere. */
const char *spec_seccomp_listener(const struct spec *s);
/* Of every specification of this process; borrowed. */
void spec_set_seccomp_receiver(const char *path);

/* crun's annotation: the process keeps the supplementary groups of whoever starts it. */
bool spec_keeps_groups(const struct spec *s);

/* The container is in a mount namespace that is not its own: the runtime's, or one that is joined. */
bool spec_shares_mounts(const struct spec *s);

/* JSON of the whole spec (for spec, inspect and tests: parse(print(x)) equals x). */
int spec_print(const struct spec *s, unsigned int indent, struct str *out, struct err *err);

/* runc-spec-like default document for `insula-runtime spec`: args sh, the usual seven mounts, masks. */
int spec_default(struct spec *ret, struct err *err);
/* That document changed so that the user `uid`, who is not root, can start it: a user namespace in which
 * root is that user, the host's network and its /sys, no limits, no ids that are not mapped. */
int spec_default_rootless(struct spec *s, uint32_t uid, uint32_t gid, struct err *err);

/* Pieces that the engine uses for its own default container. */
extern const char *const spec_default_masked_paths[];	/* NULL ends */
extern const char *const spec_default_readonly_paths[]; /* NULL ends */

/* Heap helpers for builders: append a zeroed item; NULL and *err on out of memory. */
struct spec_mount *spec_add_mount(struct spec *s, const char *destination, const char *type,
				  const char *source, struct err *err);
struct spec_device *spec_add_device(struct spec *s, const char *path, char type, int64_t major,
				    int64_t minor, struct err *err);
struct cgroup_device *spec_add_device_rule(struct spec *s, bool allow, char type, int64_t major,
					   int64_t minor, const char *access, struct err *err);
/* And the way back, by index; of a device with the rule that it was added with. */
void spec_remove_mount(struct spec *s, size_t i);
void spec_remove_device(struct spec *s, size_t i);
/* The index of that rule; -1: there is none. */
long spec_device_rule(const struct spec *s, size_t i);
int spec_add_rlimit(struct spec *s, const struct rlimit_entry *limit, struct err *err);
int spec_add_idmap(struct spec_idmaps *maps, uint32_t container_id, uint32_t host_id, uint32_t size,
		   struct err *err);

#endif
