/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a container's group is: linux.cgroupsPath and annotations under each manager.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/own.h"
#include "runtime/place.h"
#include "test.h"

static struct cgroup_place place;
static struct spec spec;
static struct cgroup_host host;
static struct err err;

static void use(const char *recorded, const char *path)
{
	char dir[512];

	snprintf(dir, sizeof(dir), TEST_DATA "/cgroup/%s", recorded);
	own_fd int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_OK(cgroup_host_probe(fd, &host, &err));
	spec_init(&spec);
	if (path)
		spec.linux_.cgroups_path = str_dup(path, &err);
}

static void annotate(const char *item)
{
	CHECK_OK(strv_add(&spec.annotations, item, &err));
}

static int decide(enum cgroup_manager manager, bool rootless)
{
	return cgroup_place_decide(manager, rootless, "box", &spec, &host, &place, &err);
}

static void expect_name(const char *want)
{
	own_free char *name = cgroup_place_name(&place, &host, &err);

	CHECK_STR(name, want);
	cgroup_place_done(&place);
	spec_done(&spec);
	cgroup_host_done(&host);
}

TEST(cgroupfs_takes_the_path_from_the_top)
{
	use("hybrid", "/pods/a/box");
	CHECK_OK(decide(CGROUP_MANAGER_CGROUPFS, false));
	CHECK_STR(place.path, "pods/a/box");
	CHECK(!place.unit);
	expect_name("pods/a/box");
	use("hybrid", "pods/box");
	CHECK_OK(decide(CGROUP_MANAGER_CGROUPFS, false));
	expect_name("pods/box");
	use("hybrid", NULL);
	CHECK_OK(decide(CGROUP_MANAGER_CGROUPFS, false));
	expect_name("insula-box");
}

TEST(a_user_without_root_gets_it_beside_the_own_group)
{
	use("v2-systemd", NULL);
	snprintf(host.hierarchies[0].own, sizeof(host.hierarchies[0].own), "/user.slice/me/shell");
	CHECK_OK(decide(CGROUP_MANAGER_CGROUPFS, true));
	expect_name("user.slice/me/insula-box");
	use("v2-systemd", NULL);
	snprintf(host.hierarchies[0].own, sizeof(host.hierarchies[0].own), "/");
	CHECK_OK(decide(CGROUP_MANAGER_CGROUPFS, true));
	expect_name("insula-box");
	use("v2-systemd", "/delegated/box");
	CHECK_OK(decide(CGROUP_MANAGER_CGROUPFS, true));
	expect_name("delegated/box");
}

TEST(a_unit_is_no_directory)
{
	use("hybrid", "machine.slice:libpod:0123");
	CHECK_ERR(decide(CGROUP_MANAGER_CGROUPFS, false), ERR_INVALID, "linux.cgroupsPath");
	CHECK(strstr(err.hint, "--systemd-cgroup"));
	CHECK_ERR(decide(CGROUP_MANAGER_CGROUPFS, true), ERR_INVALID, "linux.cgroupsPath");
}

TEST(systemd_splits_slice_prefix_and_name)
{
	use("v2-systemd", "machine-a-b.slice:libpod:0123");
	CHECK_OK(decide(CGROUP_MANAGER_SYSTEMD, false));
	CHECK_STR(place.unit, "libpod-0123.scope");
	CHECK_STR(place.slice, "machine-a-b.slice");
	CHECK(!place.path && !place.user);
	expect_name("machine.slice/machine-a.slice/machine-a-b.slice/libpod-0123.scope/container");
}

TEST(systemd_has_defaults)
{
	use("v2-systemd", "::only");
	CHECK_OK(decide(CGROUP_MANAGER_SYSTEMD, false));
	CHECK_STR(place.unit, "only.scope");
	expect_name("system.slice/only.scope/container");
	use("v2-systemd", "-.slice:a:b");
	CHECK_OK(decide(CGROUP_MANAGER_SYSTEMD, false));
	expect_name("a-b.scope/container");
	use("v2-systemd", NULL);
	CHECK_OK(decide(CGROUP_MANAGER_SYSTEMD, false));
	expect_name("system.slice/insula-box.scope/container");
}

TEST(a_users_manager_has_a_tree_of_its_own)
{
	use("v2-systemd", NULL);
	snprintf(host.hierarchies[0].own, sizeof(host.hierarchies[0].own),
		 "/user.slice/user-7.slice/user@7.service/app.slice/x.scope");
	CHECK_OK(decide(CGROUP_MANAGER_SYSTEMD, true));
	CHECK(place.user);
	CHECK_STR(place.slice, "user.slice");
	expect_name("user.slice/user-7.slice/user@7.service/user.slice/insula-box.scope/container");
}

TEST(a_subgroup_can_be_named_or_left_out)
{
	use("v2-systemd", ":p:n");
	annotate("run.oci.systemd.subgroup=inner");
	annotate("run.oci.delegate-cgroup=payload");
	CHECK_OK(decide(CGROUP_MANAGER_SYSTEMD, false));
	CHECK_STR(place.delegated, "payload");
	expect_name("system.slice/p-n.scope/inner");
	use("v2-systemd", ":p:n");
	annotate("run.oci.systemd.subgroup=");
	CHECK_OK(decide(CGROUP_MANAGER_SYSTEMD, false));
	expect_name("system.slice/p-n.scope");
}

TEST(properties_are_taken_from_annotations)
{
	use("v2-systemd", ":p:n");
	annotate("org.systemd.property.TimeoutStopUSec=uint64 123");
	annotate("org.example.other=1");
	CHECK_OK(decide(CGROUP_MANAGER_SYSTEMD, false));
	CHECK_INT(place.properties.count, 1);
	CHECK_STR(place.properties.items[0], "TimeoutStopUSec=uint64 123");
	expect_name("system.slice/p-n.scope/container");
}

TEST(names_that_no_unit_has_are_refused)
{
	static const char *const bad[] = {
		"just-a-name",	   "/a/b",	     "a.slice:b",	 "a.slice:b:",
		"a.slice:b:c:d",   "a:b:c",	     "-a.slice:b:c",	 "a--b.slice:b:c",
		"a-.slice:b:c",	   "../x.slice:b:c", "a.slice:b/../:c",	 "a.slice:b:c d",
		"a.slice:b:c\x01", ".slice:b:c",     "a.slice::.hidden", "a.slice:b:\xc3\xa4rger",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		use("v2-systemd", bad[i]);
		CHECK_ERR(decide(CGROUP_MANAGER_SYSTEMD, false), ERR_INVALID, "linux.cgroupsPath");
		spec_done(&spec);
		cgroup_host_done(&host);
	}
}

TEST(annotations_that_are_no_directory_or_property_are_refused)
{
	static const char *const bad[] = {
		"run.oci.systemd.subgroup=a/b",	   "run.oci.systemd.subgroup=..",
		"run.oci.systemd.subgroup=a\tb",   "run.oci.delegate-cgroup=",
		"run.oci.delegate-cgroup=../../x", "run.oci.delegate-cgroup=cgroup.procs",
		"org.systemd.property.=1",	   "org.systemd.property.A.B=1",
		"org.systemd.property.A B=1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		use("v2-systemd", ":p:n");
		annotate(bad[i]);
		CHECK_ERR(decide(CGROUP_MANAGER_SYSTEMD, false), ERR_INVALID, "annotations");
		spec_done(&spec);
		cgroup_host_done(&host);
	}
}

TEST(a_unit_is_a_whole_directory_and_the_last_of_its_name)
{
	static const struct {
		const char *unit, *group;
		int end; /* -1: none */
	} rows[] = {
		{"a.scope", "system.slice/a.scope/container", 20},
		{"a.scope", "system.slice/a.scope", 20},
		{"a.scope", "a.scope/x", 7},
		{"a.scope", "system.slice/data.scope/a.scope/x", 31},
		{"a.scope", "system.slice/data.scope/x", -1},
		{"a.scope", "system.slice/a.scope.d/x", -1},
		{"a.scope", "m.slice/a.scope/container/system.slice/a.scope/container", 46},
		{"a.scope", "", -1},
		{"a.scope", NULL, -1},
		{NULL, "insula-box", -1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct cgroup_place at = {.unit = (char *)rows[i].unit};
		const char *end = cgroup_place_end_of_unit(&at, rows[i].group);

		CHECK_INT(end ? (int)(end - rows[i].group) : -1, rows[i].end);
	}
}

TEST(disabled_has_no_group)
{
	use("hybrid", "/a/b");
	CHECK_OK(decide(CGROUP_MANAGER_DISABLED, false));
	CHECK(!place.path && !place.unit);
	expect_name(NULL);
}

TEST_MAIN()
