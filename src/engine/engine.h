/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine does for the command line (and, later, the API): one function a verb. Options come
 * as plain data, filled by the option tables of cli/; nothing here prints, but for warnings.
 */
#ifndef INSULA_ENGINE_ENGINE_H
#define INSULA_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/store.h"
#include "image/image.h"

enum log_driver { LOG_DRIVER_FILE, LOG_DRIVER_K8S_FILE, LOG_DRIVER_NONE, LOG_DRIVER_JOURNALD };

extern const char *const engine_sdnotify_names[]; /* NULL ends */

/* The flags of run, as podman-run(1) and docker-run(1) have them. Unset: NULL, 0 or false with the
 * "given" flag false. */
struct run_options {
	bool sig_proxy, sig_proxy_given;
	char *detach_keys;
	bool interactive, tty, detach, remove, read_only, init, strict, dry_run;
	char *name, *hostname, *workdir, *user, *entrypoint;
	/* request_namespaces.c knows the words; NULL: a namespace of its own */
	char *userns, *network, *ipc, *uts, *cgroupns, *pid;
	char *cgroup_parent;
	struct strv env, labels, tmpfs, volumes, mounts, devices, cap_add, cap_drop, security_opts,
		ulimits, sysctls;
	uint64_t cpus_milli; /* thousandths of a CPU; 0: no limit */
	char *cpuset_cpus;
	uint64_t memory;   /* bytes; 0: no limit */
	char *memory_swap; /* bytes or -1 */
	int64_t pids_limit;
	bool pids_limit_given; /* else 2048 */
	uint64_t shm_size;     /* bytes; 0: 64 MiB */
	int sdnotify;	       /* of engine_sdnotify_names */
	bool sdnotify_given;   /* else by NOTIFY_SOCKET */
	char *restart;	       /* policy; NULL: no */
	char *health_cmd, *health_interval;
	uint64_t health_timeout_ms, health_start_period_ms;
	bool health_timeout_given, health_start_period_given;
	int64_t health_retries;
	bool health_retries_given;
	int health_action; /* enum health_action */
	bool health_action_given, no_healthcheck;
	char *stop_signal; /* NULL: SIGTERM */
	uint64_t stop_timeout_ms;
	bool stop_timeout_given; /* else 10 s */
	struct strv env_files, label_files, annotations, group_add;
	char *umask; /* octal; NULL: 0022 */
	char *cidfile, *pidfile;
	struct strv add_hosts, dns, dns_search, dns_options;
	char *timezone;
	uint64_t cpu_period; /* microseconds; 0: not given */
	int64_t cpu_quota;   /* microseconds; 0: not given */
	uint64_t cpu_shares; /* 0: not given */
	char *cpuset_mems;
	uint64_t memory_reservation; /* bytes; 0: none */
	int64_t memory_swappiness;
	bool memory_swappiness_given;
	uint64_t blkio_weight; /* 0: not given */
	struct strv blkio_weight_devices, read_bps, write_bps, read_iops, write_iops;
	struct strv volumes_from, requires, secrets;
	/* as they were typed, and what follows them; borrowed */
	struct strv given;
	bool replace;
	int log_driver; /* enum log_driver */
	struct strv log_opts;
	int64_t oom_score_adj;
	bool oom_score_adj_given;
};

/* Is container root to be the host's root? Then nobody may come near it from a program that it could
 * write to. */
bool engine_wants_host_root(const struct run_options *options);

/* Could a process that we start in a container with this specification, or let into it, write the program that we
 * run from? Container root that is the host's could, and that of a user who has installed us himself. */
bool engine_wants_seal(const struct store *store, const struct spec *spec);

/* From options to the record and specification of a new container. `command` may be empty: the
 * image's default. Nothing is made. Other containers that the options name are looked up in `store`. */
int engine_make_record(struct store *store, const struct run_options *options,
		       const char *image_ref, const struct image *image, const struct strv *command,
		       struct record *ret, struct err *err);

/* The plan as text, nothing made. */
int engine_dry_run(struct store *store, struct record *record, const struct image *image,
		   struct str *out, struct err *err);

/* Start a created container: forks what becomes its keeper. Returns after its command runs; *ret_client
 * is a connection to the keeper: with `attach` output is sent there from the first byte. */
int engine_start(struct container *ct, const struct image *image, bool attach, int *ret_client_fd,
		 struct err *err);

/* The whole of `insula run`: *ret_code is the exit code of the command (0 when detached, and the full
 * id is in ret_id). */
int engine_run(struct store *store, const struct run_options *options, const char *image_ref,
	       const struct strv *command, char ret_id[STORE_ID_LENGTH + 1], int *ret_code,
	       struct err *err);

/* As engine_run, but nothing is started: the container stays as it was made until engine_begin. */
int engine_create(struct store *store, const struct run_options *options, const char *image_ref,
		  const struct strv *command, char ret_id[STORE_ID_LENGTH + 1], struct err *err);

/* Start one that was made, or has ended, in the writable layer that it has. One that died is repaired first.
 * 1: it runs, and *ret_client_fd is as of engine_start; 0: it was running already, and *ret_client_fd is
 * untouched. On failure it is what it was before. */
int engine_begin(struct container *ct, bool attach, int *ret_client_fd, struct err *err);
/* In the process of a keeper whose container has ended, and which has executed us to start it again: by the
 * state at state_fd. It becomes the next keeper; where that fails, the reason is recorded as the container's
 * end, the clients are told, and -1 is returned. `seal` is called before anything is done where
 * engine_wants_seal(). */
typedef int engine_seal_fn(void *data, bool init, struct err *err);
int engine_again(struct store *store, int state_fd, engine_seal_fn *seal, void *data,
		 struct err *err);
/* Stop it as engine_stop does where it runs, then start it. One with --rm keeps its files meanwhile. */
int engine_restart(struct container *ct, int64_t timeout_ms, struct err *err);

/* Run the health check of a running container now, and tell its keeper. *ret_code: 0 where it is well. init_fd as
 * in exec_begin. ERR_BUSY where it is paused. */
int engine_check_health(struct container *ct, int init_fd, int *ret_code, struct err *err);

/* A terminal of the container begins with the size of ours, so that no program sees it change. */
void engine_set_console(struct spec_process *process);
/* Does USER[:GROUP] name the one that capabilities go with? Another name of number 0 does not. */
bool engine_is_root(const char *user);
/* Set what files say (--env-file) and then what the command line does. */
int engine_add_envs(const struct strv *files, const struct strv *items, struct strv *env,
		    struct err *err);
/* Set NAME=VALUE in env; NAME alone takes our own value, where we have one. */
int engine_add_env(struct strv *env, const char *item, struct err *err);
/* The texts of a JSON list that is an option's value, of which there is at least one. */
int engine_add_list(struct strv *list, const char *option, const char *text, struct err *err);

struct exec_options {
	bool interactive, tty, detach;
	char *user, *workdir;
	struct strv env, env_files;
};

int engine_exec(struct container *ct, const struct exec_options *options,
		const struct strv *command, int *ret_code, struct err *err);

#endif
