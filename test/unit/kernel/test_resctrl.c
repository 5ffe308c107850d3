/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resctrl against a recorded tree, a copy of which each test makes for itself. What the kernel would put
 * into a new group (schemata, tasks, mon_groups) the tests put there, between the calls.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "kernel/resctrl.h"
#include "test.h"

static char place[64];
static struct err err;
static bool made;

static void put(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", place, name);
	FILE *file = fopen(path, "we");
	CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void make(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", place, name);
	CHECK(mkdir(path, 0755) == 0);
}

/* What a file begins with: in the kernel's a write is a command, in these it goes over what was there. */
static void check_content(const char *name, const char *want)
{
	char path[256], text[512] = "";

	snprintf(path, sizeof path, "%s/%s", place, name);
	FILE *file = fopen(path, "re");
	CHECK(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	text[strlen(want) < sizeof text ? strlen(want) : 0] = '\0';
	CHECK_STR(text, want);
}

static bool exists(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s/%s", place, name);
	return access(path, F_OK) == 0;
}

/* The root of a machine with two sockets, and one group that somebody has set up. */
static int use_tree(void)
{
	snprintf(place, sizeof place, "/tmp/resctrl.XXXXXX");
	CHECK(mkdtemp(place));
	make("info");
	put("info/last_cmd_status", "ok\n");
	make("mon_groups");
	put("tasks", "");
	put("schemata", "    MB:0= 100;1= 100\n    L3:0=7ff;1=7ff\n");
	make("gold");
	make("gold/mon_groups");
	put("gold/tasks", "");
	put("gold/schemata", "    MB:0=  20;1=  70\n    L3:0=7f0;1=01f\n");
	int fd = resctrl_open(place, true, &err);
	CHECK_OK(fd);
	return fd;
}

static void done(int fd)
{
	char command[128];

	fd_close(fd);
	snprintf(command, sizeof command, "rm -r %s", place);
	CHECK(system(command) == 0);
}

TEST(what_is_not_resctrl_is_refused)
{
	CHECK_ERR(resctrl_open("/tmp", false, &err), ERR_UNSUPPORTED,
		  "no resctrl file system is mounted on '/tmp'");
	CHECK(strstr(err.hint, "mount -t resctrl"));
	CHECK_ERR(resctrl_open("/nowhere", false, &err), ERR_UNSUPPORTED, "'/nowhere'");
}

/* The members as text, as a program that reads runc's statistics sees them. */
static void check_stats(int fd, const struct resctrl *config, const char *id, const char *expected)
{
	struct str text = STR_INIT(65536);
	struct json_writer w;

	json_writer_init(&w, &text, 0);
	json_write_object(&w);
	resctrl_write_stats(fd, config, id, &w);
	json_write_end(&w, '}');
	CHECK_STR(text.data, expected);
	str_done(&text);
}

TEST(statistics_have_what_the_machine_has)
{
	struct resctrl config = {.group = (char *)"gold"}, of_its_own = {0};
	int fd = use_tree();

	check_stats(fd, &config, "box",
		    "{\"l3_cache_schema_root\":\"L3:0=7ff;1=7ff\",\"l3_cache_schema\":\"L3:0=7f0;1="
		    "01f\","
		    "\"mem_bw_schema_root\":\"MB:0= 100;1= 100\",\"mem_bw_schema\":\"MB:0=  20;1=  "
		    "70\","
		    "\"schemata\":[\"    MB:0=  20;1=  70\",\"    L3:0=7f0;1=01f\"]}");
	make("info/L3");
	put("info/L3/cbm_mask", "7ff\n");
	put("info/L3/min_cbm_bits", "1\n");
	put("info/L3/num_closids", "16\n");
	make("info/MB");
	put("info/MB/min_bandwidth", "10\n");
	make("gold/mon_data");
	make("gold/mon_data/mon_L3_00");
	put("gold/mon_data/mon_L3_00/llc_occupancy", "1\n");
	make("gold/mon_groups/box");
	make("gold/mon_groups/box/mon_data");
	make("gold/mon_groups/box/mon_data/mon_L3_01");
	make("gold/mon_groups/box/mon_data/mon_L3_00");
	put("gold/mon_groups/box/mon_data/mon_L3_00/mbm_total_bytes", "18446744073709551615\n");
	put("gold/mon_groups/box/mon_data/mon_L3_01/mbm_total_bytes", "7\n");
	put("gold/mon_groups/box/mon_data/mon_L3_00/llc_occupancy", "4096\n");
	put("gold/mon_groups/box/mon_data/mon_L3_01/llc_occupancy", "0\n");
	put("gold/schemata", "L3:0=7f0;1=01f\n");
	check_stats(
		fd, &config, "box",
		"{\"l3_cache_info\":{\"cbm_mask\":\"7ff\",\"min_cbm_bits\":1,\"num_closids\":16},"
		"\"l3_cache_schema_root\":\"L3:0=7ff;1=7ff\",\"l3_cache_schema\":\"L3:0=7f0;1="
		"01f\","
		"\"mem_bw_info\":{\"min_bandwidth\":10},\"mem_bw_schema_root\":\"MB:0= 100;1= "
		"100\","
		"\"schemata\":[\"L3:0=7f0;1=01f\"],"
		"\"mbm_stats\":[{\"mbm_total_bytes\":18446744073709551615},{\"mbm_total_bytes\":7}]"
		","
		"\"cmt_stats\":[{\"llc_occupancy\":4096},{\"llc_occupancy\":0}]}");
	/* What the hardware does not tell just now is left out, not 0. */
	put("gold/mon_groups/box/mon_data/mon_L3_00/mbm_total_bytes", "Unavailable\n");
	put("gold/mon_groups/box/mon_data/mon_L3_01/llc_occupancy", "Error\n");
	check_stats(
		fd, &config, "box",
		"{\"l3_cache_info\":{\"cbm_mask\":\"7ff\",\"min_cbm_bits\":1,\"num_closids\":16},"
		"\"l3_cache_schema_root\":\"L3:0=7ff;1=7ff\",\"l3_cache_schema\":\"L3:0=7f0;1="
		"01f\","
		"\"mem_bw_info\":{\"min_bandwidth\":10},\"mem_bw_schema_root\":\"MB:0= 100;1= "
		"100\","
		"\"schemata\":[\"L3:0=7f0;1=01f\"],"
		"\"mbm_stats\":[{},{\"mbm_total_bytes\":7}],"
		"\"cmt_stats\":[{\"llc_occupancy\":4096},{}]}");
	/* One that is gone has none. */
	check_stats(fd, &of_its_own, "box", "{}");
	done(fd);
}

TEST(a_group_of_the_container_is_made_and_removed)
{
	struct resctrl config = {0};
	int fd = use_tree();

	CHECK_OK(resctrl_prepare(fd, &config, "box", &made, &err));
	CHECK(exists("box"));
	put("box/tasks", "");
	CHECK_OK(resctrl_assign(fd, &config, "box", 4711, &err));
	check_content("box/tasks", "4711");
	CHECK_ERR(resctrl_prepare(fd, &config, "box", &made, &err), ERR_EXISTS,
		  "'box' exists already");
	CHECK(unlinkat(fd, "box/tasks", 0) == 0); /* the kernel's rmdir(2) takes the files along */
	CHECK_OK(resctrl_remove(fd, &config, "box", &err));
	CHECK(!exists("box"));
	CHECK_OK(resctrl_remove(fd, &config, "box", &err));
	done(fd);
}

TEST(a_group_whose_schemata_are_refused_does_not_stay)
{
	struct resctrl config = {.l3_cache = (char *)"L3:0=f"};
	int fd = use_tree();

	put("info/last_cmd_status", "mask f has non-consecutive 1-bits\n");
	CHECK_ERR(resctrl_prepare(fd, &config, "box", &made, &err), ERR_NOT_FOUND, "schemata");
	CHECK(!exists("box"));
	done(fd);
}

TEST(a_named_group_without_schemata_must_be_there)
{
	struct resctrl config = {.group = (char *)"gold"}, absent = {.group = (char *)"silver"};
	int fd = use_tree();

	CHECK_OK(resctrl_prepare(fd, &config, "box", &made, &err));
	CHECK_OK(resctrl_assign(fd, &config, "box", 12, &err));
	check_content("gold/tasks", "12");
	CHECK_OK(resctrl_remove(fd, &config, "box", &err));
	CHECK(exists("gold"));
	CHECK_ERR(resctrl_prepare(fd, &absent, "box", &made, &err), ERR_NOT_FOUND,
		  "there is no resctrl group 'silver'");
	CHECK(!exists("silver"));
	done(fd);
}

TEST(a_named_group_keeps_what_it_has)
{
	struct resctrl same = {.group = (char *)"gold",
			       .l3_cache = (char *)"L3:1=1f;0=7f0",
			       .mem_bw = (char *)"MB:0=20"};
	struct resctrl other = {.group = (char *)"gold", .l3_cache = (char *)"L3:0=7f0;1=1e"};
	struct resctrl more = {.group = (char *)"gold", .mem_bw = (char *)"MB:2=20"};
	int fd = use_tree();

	CHECK_OK(resctrl_prepare(fd, &same, "box", &made, &err));
	check_content("gold/schemata", "L3:1=1f;0=7f0\nMB:0=20\n");
	done(fd);
	fd = use_tree();
	CHECK_ERR(resctrl_prepare(fd, &other, "box", &made, &err), ERR_INVALID,
		  "'gold' is there already and has not 'L3:0=7f0;1=1e'");
	CHECK_ERR(resctrl_prepare(fd, &more, "box", &made, &err), ERR_INVALID, "has not 'MB:2=20'");
	done(fd);
}

/* For an update whose other half is refused. */
TEST(other_schemata_are_written_and_what_was_there_before_comes_back)
{
	const struct resctrl gold = {.group = (char *)"gold"};
	const struct resctrl nowhere = {.group = (char *)"silver"};
	const struct resctrl both = {.l3_cache = (char *)"L3:0=00f", .mem_bw = (char *)"MB:1=30"};
	const struct resctrl one = {.l3_cache = (char *)"L3:0=00f"};
	const struct resctrl other = {.l3_cache = (char *)"L2:0=1"};
	int fd = use_tree();
	own_free char *before = NULL, *half = NULL, *absent = NULL, *none = NULL;

	CHECK_OK(resctrl_update(fd, &gold, "box", &both, &before, &err));
	CHECK_STR(before, "L3:0=7f0;1=01f\nMB:0=  20;1=  70\n");
	check_content("gold/schemata", "L3:0=00f\nMB:1=30\n");
	CHECK_OK(resctrl_restore(fd, &gold, "box", before, &err));
	check_content("gold/schemata", "L3:0=7f0;1=01f\nMB:0=  20;1=  70\n");
	CHECK_OK(resctrl_update(fd, &gold, "box", &one, &half, &err));
	CHECK_STR(half, "L3:0=7f0;1=01f\n");
	/* Of a resource that the group has no line of, which a kernel refuses, there is nothing to write back. */
	CHECK_OK(resctrl_update(fd, &gold, "box", &other, &absent, &err));
	CHECK_STR(absent, "");
	CHECK_OK(resctrl_restore(fd, &gold, "box", absent, &err));
	CHECK_ERR(resctrl_update(fd, &nowhere, "box", &both, &none, &err), ERR_NOT_FOUND, "silver");
	CHECK(!none);
	CHECK_ERR(resctrl_restore(fd, &nowhere, "box", before, &err), ERR_NOT_FOUND, "silver");
	done(fd);
}

TEST(schemata_are_written_in_the_order_that_is_specified)
{
	char *lines[] = {(char *)"L2:0=3", (char *)"MB:0=50", NULL};
	struct resctrl config = {.group = (char *)"/",
				 .l3_cache = (char *)"L3:0=7ff",
				 .mem_bw = (char *)"MB:0=100",
				 .lines = {.items = lines, .count = 2}};
	int fd = use_tree();

	CHECK_OK(resctrl_prepare(fd, &config, "box", &made, &err));
	check_content("schemata", "L3:0=7ff\nMB:0=100\nL2:0=3\nMB:0=50\n");
	CHECK_OK(resctrl_assign(fd, &config, "box", 3, &err));
	check_content("tasks", "3");
	CHECK_OK(resctrl_remove(fd, &config, "box", &err));
	CHECK(exists("schemata"));
	done(fd);
}

TEST(a_monitoring_group_of_the_container)
{
	struct resctrl config = {.group = (char *)"gold", .monitoring = true};
	int fd = use_tree();

	CHECK_OK(resctrl_prepare(fd, &config, "box", &made, &err));
	CHECK(exists("gold/mon_groups/box"));
	put("gold/mon_groups/box/tasks", "");
	CHECK_OK(resctrl_assign(fd, &config, "box", 99, &err));
	check_content("gold/tasks", "99");
	check_content("gold/mon_groups/box/tasks", "99");
	CHECK(unlinkat(fd, "gold/mon_groups/box/tasks", 0) == 0);
	CHECK_OK(resctrl_remove(fd, &config, "box", &err));
	CHECK(!exists("gold/mon_groups/box"));
	done(fd);
}

TEST(a_processor_that_cannot_monitor)
{
	struct resctrl config = {.group = (char *)"gold", .monitoring = true};
	int fd = use_tree();

	CHECK(unlinkat(fd, "gold/mon_groups", AT_REMOVEDIR) == 0);
	CHECK_ERR(resctrl_prepare(fd, &config, "box", &made, &err), ERR_NOT_FOUND,
		  "cannot make the resctrl monitoring group");
	CHECK(strstr(err.hint, "cannot monitor"));
	done(fd);
}

TEST(the_kernel_says_why)
{
	struct resctrl config = {.group = (char *)"gold"};
	int fd = use_tree();

	put("info/last_cmd_status", "task 1 does not exist\n");
	CHECK(unlinkat(fd, "gold/tasks", 0) == 0 && symlinkat("/dev/full", fd, "gold/tasks") == 0);
	CHECK_ERR(resctrl_assign(fd, &config, "box", 1, &err), ERR_IO,
		  "cannot write '1' to 'tasks'");
	CHECK_STR(err.hint, "the kernel says: task 1 does not exist");
	done(fd);
}

/* The kernel's refusal of the schemata, as a device that is full. */
TEST(what_a_failed_start_has_made_is_undone_and_nothing_else)
{
	char *lines[] = {(char *)"L3:0=1", NULL};
	struct resctrl named = {.group = (char *)"silver", .lines = {.items = lines, .count = 1}};
	struct resctrl there = {.group = (char *)"gold", .monitoring = true};
	int fd = use_tree();

	CHECK_ERR(resctrl_prepare(fd, &named, "box", &made, &err), ERR_NOT_FOUND, "schemata");
	CHECK(!exists("silver"));
	make("silver"); /* as the kernel makes it, with its files in it */
	put("silver/schemata", "");
	CHECK_OK(resctrl_prepare(fd, &named, "box", &made, &err));
	CHECK(!made);
	CHECK(unlinkat(fd, "silver/schemata", 0) == 0);
	CHECK_OK(resctrl_undo(fd, &named, "box", false, &err));
	CHECK(exists("silver"));
	CHECK_OK(resctrl_undo(fd, &named, "box", true, &err));
	CHECK(!exists("silver"));
	CHECK_OK(resctrl_prepare(fd, &there, "box", &made, &err));
	CHECK(!made && exists("gold/mon_groups/box"));
	/* somebody else's is not taken along by the error of who finds it there */
	CHECK_ERR(resctrl_prepare(fd, &there, "box", &made, &err), ERR_EXISTS, "monitoring group");
	CHECK(exists("gold/mon_groups/box"));
	CHECK_OK(resctrl_undo(fd, &there, "box", made, &err));
	CHECK(exists("gold") && !exists("gold/mon_groups/box"));
	done(fd);
}

TEST(names_and_lines_that_are_none_are_refused)
{
	static const struct {
		const char *group, *why;
	} groups[] = {
		{"", "neither the name of a directory"},
		{".", "'.' is not a group"},
		{"..", "'..' is not a group"},
		{"../x", "neither the name of a directory"},
		{"/x", "neither the name of a directory"},
		{"a/b", "neither the name of a directory"},
		{"gold/", "neither the name of a directory"},
		{"a\nb", "neither the name of a directory"},
		{"\033[2J", "neither the name of a directory"},
		{"info", "'info' is not a group"},
		{"mon_data", "'mon_data' is not a group"},
		{"mon_groups", "'mon_groups' is not a group"},
	};
	const struct {
		struct resctrl config;
		const char *why;
	} lines[] = {
		{{.l3_cache = (char *)"L2:0=f"}, "l3CacheSchema: 'L2:0=f' does not begin"},
		{{.l3_cache = (char *)"L3:0=f\nMB:0=10"}, "more than one line"},
		{{.mem_bw = (char *)"L3:0=f"}, "memBwSchema: 'L3:0=f' does not begin with 'MB:'"},
		{{.mem_bw = (char *)"MB:0=10\n"}, "more than one line"},
		{{.mem_bw = (char *)"MB:"}, "is not RESOURCE:ID=VALUE"},
		{{.lines = {.items = (char *[]){(char *)"L3:0=f", (char *)"x"}, .count = 2}},
		 "schemata[1]: 'x' is not RESOURCE"},
		{{.lines = {.items = (char *[]){(char *)"L3:0=f\nMB:0=1"}, .count = 1}},
		 "schemata[0]: 'L3:0=f?MB:0=1' is more than one line"},
		{{.lines = {.items = (char *[]){(char *)""}, .count = 1}}, "schemata[0]: ''"},
	};
	char name[300];
	struct resctrl longest = {.group = name};

	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
		struct resctrl config = {.group = (char *)groups[i].group};

		CHECK_ERR(resctrl_check(&config, &err), ERR_INVALID, groups[i].why);
		CHECK(strstr(err.message, "closID"));
	}
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		CHECK_ERR(resctrl_check(&lines[i].config, &err), ERR_INVALID, lines[i].why);
	memset(name, 'x', sizeof name);
	name[256] = '\0';
	CHECK_ERR(resctrl_check(&longest, &err), ERR_INVALID, "closID");
	name[255] = '\0';
	CHECK_OK(resctrl_check(&longest, &err));
	CHECK_OK(resctrl_check(
		&(struct resctrl){.group = (char *)"/", .l3_cache = (char *)"L3DATA:0=f"}, &err));
}

TEST(what_is_no_directory_is_no_group)
{
	struct resctrl file = {.group = (char *)"tasks"}, link = {.group = (char *)"link"};
	int fd = use_tree();

	CHECK(symlinkat("gold", fd, "link") == 0);
	CHECK_ERR(resctrl_prepare(fd, &file, "box", &made, &err), ERR_IO, "'tasks'");
	CHECK_ERR(resctrl_prepare(fd, &link, "box", &made, &err), ERR_IO, "'link'");
	CHECK_ERR(resctrl_assign(fd, &link, "box", 1, &err), ERR_IO, "'link'");
	CHECK(exists("tasks") && exists("link"));
	done(fd);
}

TEST_MAIN()
