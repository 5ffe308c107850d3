/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the flags of run to a specification: what each does, and one clear error for what none can do. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/capability.h>

#include "base/fd.h"
#include "base/own.h"
#include "engine/request.h"
#include "test.h"

static struct err err;
static struct record record;
static struct run_options options;

static int make(void)
{
	struct image image = {.stamp = (char *)"", .pin_fd = -1};
	struct strv command = STRV_INIT;
	int status;

	CHECK_OK(strv_add(&command, "true", &err));
	status = engine_make_record(NULL, &options, "dir:/x", &image, &command, &record, &err);
	strv_done(&command);
	return status;
}

/* One flag with one value, from a clean slate. */
static struct run_options *fresh(void)
{
	struct strv *lists[] = {&options.env,	  &options.labels,   &options.tmpfs,
				&options.volumes, &options.mounts,   &options.devices,
				&options.cap_add, &options.cap_drop, &options.security_opts,
				&options.ulimits, &options.sysctls};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		strv_done(lists[i]);
	options = (struct run_options){0};
	return &options;
}

struct row {
	const char *value;
	enum err_kind kind;
	const char *part; /* of the message */
};

static void refuse_all(size_t list_offset, const struct row *rows)
{
	for (; rows->value; rows++) {
		struct strv *list = (struct strv *)((char *)fresh() + list_offset);

		CHECK_OK(strv_add(list, rows->value, &err));
		CHECK_ERR(make(), rows->kind, rows->part);
		CHECK(!strchr(err.message, '\n'));
	}
	fresh();
}

#define REFUSE(field, ...) \
	refuse_all(offsetof(struct run_options, field), \
		   (const struct row[]){__VA_ARGS__, {NULL, ERR_NONE, NULL}})

static const struct spec_mount *mount_on(const char *destination)
{
	for (size_t i = 0; i < record.spec.mount_count; i++)
		if (str_eq(record.spec.mounts[i].destination, destination))
			return &record.spec.mounts[i];
	test_fail(__FILE__, __LINE__, "nothing is mounted on %s", destination);
}

TEST(the_defaults)
{
	fresh();
	CHECK_OK(make());
	CHECK(store_is_id(record.id));
	CHECK_STR(record.name, NULL);
	CHECK_INT(record.stop_signal, 15);
	CHECK_INT(record.stop_timeout_ms, 10000);
	CHECK_INT(record.spec.linux_.resources.pids_limit, 2048);
	CHECK_INT(record.spec.mount_count, 7);
	CHECK(strv_contains(&mount_on("/dev/shm")->options, "size=67108864"));
	CHECK(record.spec.seccomp_default && !record.spec.process.no_new_privs);
	CHECK(record.spec.linux_.namespaces[SPEC_NS_USER].given);
	CHECK(record.spec.linux_.namespaces[SPEC_NS_NET].given);
	CHECK_STR(record.spec.process.cwd, "/");
	CHECK(!strncmp(record.spec.hostname, record.id, 12));
	CHECK(record.spec.linux_.masked_paths.count > 5);
	record_done(&record);
}

TEST(names_and_hostnames)
{
	static const char *const bad_names[] = {"-x", "", "a b", "..", "x\033y", "a/b"};
	static const char *const bad_hosts[] = {"",
						"-a",
						"a-",
						".a",
						"a b",
						"a_b",
						"caf\303\251",
						("0123456789012345678901234567890123456789"
						 "0123456789012345678901234")};

	for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
		fresh()->name = (char *)bad_names[i];
		CHECK_ERR(make(), ERR_INVALID, "not a container name");
	}
	for (size_t i = 0; i < sizeof bad_hosts / sizeof *bad_hosts; i++) {
		fresh()->hostname = (char *)bad_hosts[i];
		CHECK_ERR(make(), ERR_USAGE, "not a hostname");
	}
	fresh()->hostname = (char *)"a-1.example";
	CHECK_OK(make());
	CHECK_STR(record.spec.hostname, "a-1.example");
	CHECK_STR(strv_env_get(&record.spec.process.env, "HOSTNAME"), "a-1.example");
	record_done(&record);
}

TEST(environment)
{
	CHECK(setenv("OF_OURS", "passed on", 1) == 0 && unsetenv("NOT_OURS") == 0);
	fresh();
	CHECK_OK(strv_add(&options.env, "A=1", &err));
	CHECK_OK(strv_add(&options.env, "A=2=3", &err));
	CHECK_OK(strv_add(&options.env, "OF_OURS", &err));
	CHECK_OK(strv_add(&options.env, "NOT_OURS", &err));
	CHECK_OK(strv_add(&options.env, "EMPTY=", &err));
	CHECK_OK(strv_add(&options.env, "PATH=/mine", &err));
	CHECK_OK(make());
	const struct strv *env = &record.spec.process.env;
	CHECK_STR(strv_env_get(env, "A"), "2=3");
	CHECK_STR(strv_env_get(env, "OF_OURS"), "passed on");
	CHECK_STR(strv_env_get(env, "NOT_OURS"), NULL);
	CHECK_STR(strv_env_get(env, "EMPTY"), "");
	CHECK_STR(strv_env_get(env, "PATH"), "/mine");
	record_done(&record);
	REFUSE(env, {"", ERR_USAGE, "has no name"}, {"=1", ERR_USAGE, "has no name"},
	       {"a\nb=1", ERR_USAGE, "bad name"});
}

TEST(labels)
{
	fresh();
	CHECK_OK(strv_add(&options.labels, "alone", &err));
	CHECK_OK(strv_add(&options.labels, "k=v=w", &err));
	CHECK_OK(make());
	CHECK_STR(record.labels.items[0], "alone=");
	CHECK_STR(record.labels.items[1], "k=v=w");
	record_done(&record);
	REFUSE(labels, {"", ERR_USAGE, "KEY"}, {"=v", ERR_USAGE, "KEY"},
	       {"k=\033[2J", ERR_USAGE, "KEY"});
}

TEST(commands_and_directories)
{
	struct image image = {.stamp = (char *)"", .pin_fd = -1};
	struct strv command = STRV_INIT;

	fresh()->entrypoint = (char *)"/bin/echo";
	options.workdir = (char *)"/a//b/./c";
	CHECK_OK(make());
	CHECK_STR(record.spec.process.args.items[0], "/bin/echo");
	CHECK_STR(record.spec.process.args.items[1], "true");
	CHECK_STR(record.spec.process.cwd, "/a/b/c");
	record_done(&record);
	fresh()->workdir = (char *)"relative";
	CHECK_ERR(make(), ERR_INVALID, "--workdir");
	fresh();
	CHECK_OK(strv_add(&command, "", &err));
	CHECK_ERR(engine_make_record(NULL, &options, "dir:/x", &image, &command, &record, &err),
		  ERR_USAGE, "the command is empty");
	strv_done(&command);
	CHECK_OK(engine_make_record(NULL, &options, "dir:/x", &image, &command, &record, &err));
	CHECK_STR(record.spec.process.args.items[0], "/bin/sh");
	record_done(&record);
}

TEST(stopping)
{
	fresh()->stop_signal = (char *)"SIGUSR1";
	options.stop_timeout_given = true;
	CHECK_OK(make());
	CHECK_INT(record.stop_signal, 10);
	CHECK_INT(record.stop_timeout_ms, 0);
	record_done(&record);
	fresh()->stop_signal = (char *)"NOSUCH";
	CHECK_ERR(make(), ERR_INVALID, "--stop-signal");
}

TEST(memory_and_swap)
{
	static const struct row bad[] = {
		{"x", ERR_USAGE, "--memory-swap"},
		{"-2", ERR_USAGE, "--memory-swap"},
		{"1m", ERR_USAGE, "--memory-swap"},
		{"", ERR_USAGE, "--memory-swap"},
	};

	fresh()->memory = 64 << 20;
	CHECK_OK(make());
	CHECK_INT(record.spec.linux_.resources.memory_limit, 64 << 20);
	CHECK_INT(record.spec.linux_.resources.memory_swap, 64 << 20); /* no swap beside it */
	record_done(&record);
	fresh()->memory = 64 << 20;
	options.memory_swap = (char *)"-1";
	CHECK_OK(make());
	CHECK_INT(record.spec.linux_.resources.memory_swap, -1);
	record_done(&record);
	options.memory_swap = (char *)"128m";
	CHECK_OK(make());
	CHECK_INT(record.spec.linux_.resources.memory_swap, 128 << 20);
	record_done(&record);
	fresh()->memory = 1 << 20;
	CHECK_ERR(make(), ERR_USAGE, "too few");
	fresh()->memory_swap = (char *)"128m";
	CHECK_ERR(make(), ERR_USAGE, "memory and swap together");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		fresh()->memory = 64 << 20;
		options.memory_swap = (char *)bad[i].value;
		err = ERR_INIT;
		CHECK(make() < 0 && strstr(err.message, bad[i].part));
	}
}

TEST(cpus)
{
	struct facts facts;

	CHECK_OK(facts_probe(AT_FDCWD, &facts, &err));
	fresh()->cpus_milli = 500;
	CHECK_OK(make());
	CHECK_INT(record.spec.linux_.resources.cpu_quota, 50000);
	CHECK_INT(record.spec.linux_.resources.cpu_period, 100000);
	if (facts.cpu_count > 1) /* as many as can be used, rounded up */
		CHECK_INT(cpu_list_count(record.spec.linux_.resources.cpuset_cpus, &err), 1);
	record_done(&record);
	fresh()->cpus_milli = (facts.cpu_count + 1) * UINT64_C(1000);
	CHECK_ERR(make(), ERR_USAGE, "--cpus");
	fresh()->cpuset_cpus = (char *)"4000";
	CHECK_ERR(make(), ERR_USAGE, "is not within");
	static const char *const bad[] = {"", "x", "1-", "-1", "0,,1", "3-1", "0-1-2", " 0"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		fresh()->cpuset_cpus = (char *)bad[i];
		err = ERR_INIT;
		CHECK(make() < 0 && strstr(err.message, "--cpuset-cpus"));
	}
}

TEST(processes)
{
	fresh()->pids_limit_given = true;
	options.pids_limit = 7;
	CHECK_OK(make());
	CHECK_INT(record.spec.linux_.resources.pids_limit, 7);
	record_done(&record);
	options.pids_limit = 0; /* as podman has it: no limit */
	CHECK_OK(make());
	CHECK_INT(record.spec.linux_.resources.pids_limit, -1);
	record_done(&record);
}

static void refuse_prefixed(size_t offset, const char *const *values, const char *flag)
{
	for (; *values; values++) {
		struct strv *list = (struct strv *)((char *)fresh() + offset);

		CHECK_OK(strv_add(list, *values, &err));
		err = ERR_INIT;
		if (make() == 0)
			test_fail(__FILE__, __LINE__, "%s %s is accepted", flag, *values);
		if (!strstr(err.message, flag))
			test_fail(__FILE__, __LINE__, "%s %s: %s", flag, *values, err.message);
	}
	fresh();
}

#define REFUSE_FLAG(field, flag, ...) \
	refuse_prefixed(offsetof(struct run_options, field), \
			(const char *const[]){__VA_ARGS__, NULL}, flag)

TEST(ulimits)
{
	fresh();
	CHECK_OK(strv_add(&options.ulimits, "nofile=10:20", &err));
	CHECK_OK(strv_add(&options.ulimits, "core=0", &err));
	CHECK_OK(make());
	CHECK_INT(record.spec.process.rlimit_count, 2);
	CHECK_INT(record.spec.process.rlimits[0].resource, RLIMIT_NOFILE);
	CHECK_INT(record.spec.process.rlimits[0].soft, 10);
	CHECK_INT(record.spec.process.rlimits[0].hard, 20);
	CHECK_INT(record.spec.process.rlimits[1].hard, 0);
	record_done(&record);
	REFUSE_FLAG(ulimits, "--ulimit", "", "nofile", "nofile=", "=1", "nosuch=1", "nofile=x",
		    "nofile=2:1", "nofile=1:2:3", "nofile=-5", "nofile=99999999999999999999");
}

TEST(sysctls)
{
	fresh();
	CHECK_OK(strv_add(&options.sysctls, "net.ipv4.ip_forward=1", &err));
	CHECK_OK(strv_add(&options.sysctls, "kernel.shmmax=1", &err));
	CHECK_OK(make());
	CHECK_INT(record.spec.linux_.sysctl.count, 2);
	record_done(&record);
	REFUSE_FLAG(sysctls, "--sysctl", "", "=1", "net.ipv4.ip_forward", "kernel.panic=1",
		    "vm.swappiness=1", "net.ipv4.ip_forward=1\n2", "../x=1",
		    "net/../kernel.panic=1");
	fresh()->network = (char *)"host";
	CHECK_OK(strv_add(&options.sysctls, "net.ipv4.ip_forward=1", &err));
	err = ERR_INIT;
	CHECK(make() < 0 && strstr(err.message, "--sysctl")); /* it would be the host's */
}

TEST(capabilities)
{
	uint64_t chown = UINT64_C(1) << CAP_CHOWN, admin = UINT64_C(1) << CAP_SYS_ADMIN;

	fresh();
	CHECK_OK(strv_add(&options.cap_drop, "chown", &err));
	CHECK_OK(strv_add(&options.cap_add, "CAP_SYS_ADMIN", &err));
	CHECK_OK(make());
	CHECK(!(record.spec.process.caps.bounding & chown));
	CHECK(record.spec.process.caps.effective & admin);
	CHECK(!record.spec.process.caps.inheritable && !record.spec.process.caps.ambient);
	record_done(&record);
	fresh();
	CHECK_OK(strv_add(&options.cap_drop, "all", &err));
	CHECK_OK(strv_add(&options.cap_add, "chown", &err));
	CHECK_OK(make());
	CHECK(record.spec.process.caps.bounding == chown);
	record_done(&record);
	fresh();
	CHECK_OK(strv_add(&options.cap_drop, "ALL", &err));
	CHECK_OK(strv_add(&options.cap_drop, "nosuch", &err));
	CHECK_ERR(make(), ERR_INVALID, "--cap-drop");
	fresh()->user = (char *)"1000";
	CHECK_OK(make());
	CHECK(record.spec.process.caps.bounding && !record.spec.process.caps.effective);
	record_done(&record);
	REFUSE_FLAG(cap_add, "--cap-add", "", "nosuch", "CAP_", "64", "chown,kill");
	REFUSE_FLAG(cap_drop, "--cap-drop", "nosuch");
}

TEST(security_options)
{
	fresh();
	CHECK_OK(strv_add(&options.security_opts, "no-new-privileges", &err));
	CHECK_OK(strv_add(&options.security_opts, "seccomp=unconfined", &err));
	CHECK_OK(strv_add(&options.security_opts, "mask=/a:/b", &err));
	CHECK_OK(make());
	CHECK(record.spec.process.no_new_privs && !record.spec.seccomp_default);
	CHECK(strv_contains(&record.spec.linux_.masked_paths, "/b"));
	record_done(&record);
	REFUSE_FLAG(security_opts, "", "", "nosuch=1", "seccomp", "seccomp=", "seccomp=/nowhere/x",
		    "no-new-privileges=maybe", "apparmor", "label=", "mask=", "seccompx=y");
}

TEST(devices)
{
	fresh();
	CHECK_OK(strv_add(&options.devices, "/dev/null:/dev/nothing:r", &err));
	CHECK_OK(make());
	CHECK_STR(record.spec.linux_.devices[0].path, "/dev/nothing");
	CHECK_INT(record.spec.linux_.devices[0].minor, 3);
	record_done(&record);
	REFUSE_FLAG(devices, "--device", "", "/nowhere", "/etc/passwd", "/dev",
		    "/dev/null:relative");
	fresh();
	CHECK_OK(strv_add(&options.devices, "/dev/null:/dev/twice", &err));
	CHECK_OK(strv_add(&options.devices, "/dev/zero:/dev/twice", &err));
	CHECK_ERR(make(), ERR_EXISTS, "is there twice");
}

TEST(tmpfs)
{
	fresh();
	CHECK_OK(strv_add(&options.tmpfs, "/t", &err));
	CHECK_OK(strv_add(&options.tmpfs, "/u/../v:size=1m,mode=700", &err));
	if (make() == 0) { /* either cleaned or refused, never taken as it is */
		CHECK(strv_contains(&mount_on("/t")->options, "mode=1777"));
		CHECK(strv_contains(&mount_on("/v")->options, "size=1m"));
		record_done(&record);
	} else {
		CHECK(strstr(err.message, "--tmpfs"));
	}
	REFUSE_FLAG(tmpfs, "--tmpfs", "", "/", "relative", "//", "/proc", "/dev/shm", ":size=1m");
}

static void add_volume(const char *format, const char *path)
{
	own_free char *text = str_printf(&err, "%s%s", path, format);

	fresh();
	CHECK_OK(strv_add(&options.volumes, text, &err));
}

TEST(volumes)
{
	add_volume(":/data:ro,nosuid", test_dir_path());
	CHECK_OK(make());
	const struct spec_mount *m = mount_on("/data");
	CHECK_STR(m->type, "bind");
	CHECK_STR(m->source, test_dir_path());
	CHECK(strv_contains(&m->options, "rbind") && strv_contains(&m->options, "rro"));
	CHECK(strv_contains(&m->options, "nosuid"));
	record_done(&record);
	REFUSE_FLAG(volumes, "--volume", "", "/only-one", "name:/x", "relative/a:/x", ":/x",
		    "/nowhere/at/all:/x", "/tmp:relative", "/tmp:/", "/tmp:/proc", "/tmp:/x:nosuch",
		    "/tmp:/x:ro:rw");
}

TEST(one_destination_once)
{
	add_volume(":/data", test_dir_path());
	CHECK_OK(strv_add(&options.tmpfs, "/data", &err));
	CHECK_ERR(make(), ERR_EXISTS, "mounted on twice");
	fresh();
}

TEST(mounts_in_long_form)
{
	own_free char *text = str_printf(&err, "type=bind,src=%s,target=/d,readonly",
					 test_dir_path());

	fresh();
	CHECK_OK(strv_add(&options.mounts, text, &err));
	CHECK_OK(strv_add(&options.mounts, "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700", &err));
	CHECK_OK(make());
	CHECK(strv_contains(&mount_on("/d")->options, "rro"));
	CHECK(strv_contains(&mount_on("/t")->options, "size=1048576"));
	CHECK(strv_contains(&mount_on("/t")->options, "mode=700"));
	record_done(&record);
	REFUSE_FLAG(mounts, "--mount", "", "type=bind", "type=bind,source=/tmp",
		    "type=bind,target=/x", "type=volume,source=a,target=/x",
		    "type=tmpfs,source=/a,target=/x", "nosuch=1,target=/x",
		    "type=tmpfs,target=/x,what", "type=tmpfs,target=/x,tmpfs-size=lots",
		    "type=bind,source=/nowhere,target=/x");
}

TEST(host_modes)
{
	fresh()->userns = (char *)"host";
	options.network = (char *)"host";
	CHECK_OK(make());
	CHECK(!record.spec.linux_.namespaces[SPEC_NS_USER].given);
	CHECK(!record.spec.linux_.namespaces[SPEC_NS_NET].given);
	CHECK(record.spec.linux_.namespaces[SPEC_NS_PID].given);
	record_done(&record);
}

TEST_MAIN()
