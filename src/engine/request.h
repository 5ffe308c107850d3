/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Turning the flags of run into a specification; private to engine/. One function a group of flags. */
#ifndef INSULA_ENGINE_REQUEST_H
#define INSULA_ENGINE_REQUEST_H

#include "engine/defaults.h"
#include "engine/engine.h"
#include "kernel/facts.h"

enum ns_mode { NS_MODE_PRIVATE, NS_MODE_HOST, NS_MODE_CONTAINER, NS_MODE_PATH };

/* One namespace, as it was asked for; of another container's, what goes with it. */
struct ns_request {
	enum ns_mode mode;
	char *path; /* as the specification keeps it; NULL: none */
	char *hostname;
	char *userns; /* of an ordinary user's: how its ids were chosen; NULL */
	struct strv hosts, resolv;
	bool host_names; /* it resolves names as the host does */
};

struct request_namespaces {
	struct ns_request of[SPEC_NS_COUNT];
};

void request_namespaces_done(struct request_namespaces *r);
/* --network, --ipc, --uts, --cgroupns, --pid, --userns (request_namespaces.c). */
int request_namespaces(struct store *store, const struct run_options *options,
		       struct request_namespaces *ret, struct err *err);
int request_set_namespaces(const struct request_namespaces *r, struct spec *spec, struct err *err);

/* What the functions below work from. */
struct request {
	const struct run_options *options;
	const struct request_namespaces *ns;
	const struct facts *facts;
	struct record *record;
	struct store *store; /* where other containers are; NULL: none */
	bool user;	     /* of an ordinary user */
	bool in_run;	     /* overlay cannot write to his ROOT */
};

/* The file systems of every container, then --tmpfs, -v, --mount and --shm-size (request_mounts.c). */
int request_mounts(const struct request *r, struct spec *spec, struct err *err);
/* One more, in a specification that there is: as -v has it, or as --mount, which is told by its first '=' or ','. ERR_EXISTS
 * where there is a mount on its destination. */
int request_add_mount(const struct request *r, struct spec *spec, const char *text,
		      struct err *err);
/* Is it one of those that every container has? */
bool request_is_base_mount(const char *destination);
/* --health-cmd and its family; an empty command: none (request_health.c). */
int request_health(const struct run_options *options, struct health_config *config,
		   struct err *err);
/* Memory, CPUs, pids, --ulimit, --sysctl (request_limits.c). */
int request_limits(const struct request *r, struct spec *spec, struct err *err);
#define REQUEST_MEMORY_MINIMUM (UINT64_C(6) << 20) /* below it a container's init does not start */
/* Parts of it that `update` has as well. id: its low bits spread --cpus over the machine. */
int request_cpus(const struct run_options *options, const struct facts *facts, const char *id,
		 struct cgroup_resources *r, struct err *err);
int request_mems(const struct run_options *options, const struct facts *facts,
		 struct cgroup_resources *r, struct err *err);
/* Was a limit asked for that must not be left out where this host does not have it? */
bool request_is_strict(const struct run_options *options);
/* --cap-add, --cap-drop, --security-opt, --device, masks (request_security.c). */
int request_security(const struct run_options *options, struct spec *spec, struct err *err);
/* One more --device, node and rule. ERR_EXISTS where there is one at its path. */
int request_add_device(struct spec *spec, const char *text, struct err *err);

/* Variables and labels, from files and options; annotations (request_lists.c). */
int request_env(const struct run_options *options, struct strv *env, struct err *err);
int request_labels(const struct run_options *options, struct strv *labels, struct err *err);
int request_annotations(const struct run_options *options, struct strv *annotations,
			struct err *err);
/* --blkio-weight, --device-read-bps and their kin (request_io.c). */
int request_io(const struct run_options *options, bool update, struct cgroup_resources *r,
	       struct err *err);
/* --log-driver, --log-opt (request_log.c); once labels and environment are known. */
int request_log(const struct run_options *options, struct record *record, struct err *err);
/* A mount of ours is to come there, after all others: neither there nor below is any. ERR_EXISTS. */
int request_check_place(const struct spec *spec, const char *place, struct err *err);
/* --secret; after the mounts (request_secrets.c). */
int request_secrets(const struct request *r, const struct spec *spec, struct err *err);
/* --add-host, --dns and its kin, --timezone (request_hosts.c). */
int request_hosts(const struct request *r, struct err *err);

#endif
