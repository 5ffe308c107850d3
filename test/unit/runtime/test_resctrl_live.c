/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container in a resctrl group, as root, with a recorded tree in place of the file system: where the
 * process goes, and that a start which fails takes back what it made.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/own.h"
#include "runtime/runtime.h"
#include "test.h"

static struct err err;
static char top[48], tree[64];

static void run(const char *format)
{
	char command[1024];

	snprintf(command, sizeof command, "set -e; T=%s; %s", top, format);
	CHECK(system(command) == 0);
}

static void use_tree(void)
{
	snprintf(top, sizeof top, "/tmp/insula-resctrl.XXXXXX");
	CHECK(mkdtemp(top));
	snprintf(tree, sizeof tree, "%s/resctrl", top);
	run("mkdir -p $T/root/bin $T/root/proc $T/run $T/resctrl/gold/mon_groups; "
	    "cp $(command -v busybox) $T/root/bin/busybox; "
	    "printf '    L3:0=7ff\\n' >$T/resctrl/gold/schemata; : >$T/resctrl/gold/tasks");
}

static int start(const char *command, const char *rdt, struct runtime_container *ret)
{
	own(str) struct str text = STR_INIT(4096);
	own(spec) struct spec spec = {0};
	own(cgroup_host) struct cgroup_host host = {0};
	struct facts facts;
	char root[128], run_root[128];

	snprintf(root, sizeof root, "%s/root", top);
	snprintf(run_root, sizeof run_root, "%s/run", top);
	str_addf(
		&text,
		"{\"ociVersion\":\"1.3.0\",\"process\":{\"args\":[\"%s\",\"sleep\",\"60\"],\"cwd\":"
		"\"/\"},\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		"{\"type\":\"pid\"}],\"intelRdt\":%s}}",
		command, rdt);
	spec_init(&spec);
	CHECK_OK(spec_parse(text.data, text.len, "config.json", &spec, &err));
	CHECK_OK(spec_validate(&spec, &err));
	CHECK_OK(facts_probe_process(AT_FDCWD, &facts, &err));
	CHECK_OK(cgroup_host_probe(AT_FDCWD, &host, &err));
	struct runtime_request request = {.id = "box",
					  .spec = &spec,
					  .root_dir = root,
					  .run_root = run_root,
					  .resctrl = tree,
					  .stdio = {0, 1, 2}};
	struct plan *plan = runtime_plan(&request, &facts, &host, &err);
	CHECK_OK(plan);
	int status = runtime_create(plan, ret, &err);
	runtime_plan_free(plan);
	return status;
}

static void done(void)
{
	char run_root[128];

	snprintf(run_root, sizeof run_root, "%s/run", top);
	CHECK_OK(runtime_pad_remove(run_root, &err));
	run("rm -r $T");
}

TEST(the_process_is_in_the_group)
{
	struct runtime_container box = RUNTIME_CONTAINER_INIT;
	char pid[16], found[16] = "", path[128];

	use_tree();
	CHECK_OK(start("/bin/busybox", "{\"closID\":\"gold\",\"l3CacheSchema\":\"L3:0=7ff\"}",
		       &box));
	snprintf(pid, sizeof pid, "%d", box.init.pid);
	snprintf(path, sizeof path, "%s/gold/tasks", tree);
	FILE *file = fopen(path, "re");
	CHECK(file && fgets(found, sizeof found, file));
	fclose(file);
	CHECK_STR(found, pid);
	runtime_container_done(&box);
	done();
}

TEST(a_start_that_fails_takes_its_group_back)
{
	struct runtime_container box = RUNTIME_CONTAINER_INIT;

	use_tree();
	/* The kernel would fill the new group with files: here the process cannot be put into it. */
	CHECK_ERR(start("/bin/busybox", "{}", &box), ERR_NOT_FOUND,
		  "linux.intelRdt: cannot open 'tasks'");
	run("test ! -e $T/resctrl/box");
	CHECK_ERR(start("/nowhere", "{\"closID\":\"gold\",\"enableMonitoring\":true}", &box),
		  ERR_NOT_FOUND, "linux.intelRdt: cannot open 'mon_groups/box/tasks'");
	run("test ! -e $T/resctrl/gold/mon_groups/box && test -d $T/resctrl/gold");
	/* One with a name of its own, too, where the start has made it. */
	CHECK_ERR(start("/bin/busybox", "{\"closID\":\"silver\",\"schemata\":[\"L3:0=1\"]}", &box),
		  ERR_NOT_FOUND, "schemata");
	run("test ! -e $T/resctrl/silver");
	done();
}

TEST_MAIN()
