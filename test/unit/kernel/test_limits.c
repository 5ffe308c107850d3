/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/str.h"
#include "kernel/caps.h"
#include "kernel/limits.h"
#include "kernel/procattr.h"
#include "test.h"

/* As on a host that is a container itself. */
static void give_up_sys_resource(void)
{
	struct err err = ERR_INIT;
	struct caps now;

	CHECK_OK(caps_get(&now, &err));
	CHECK_OK(caps_set_effective(now.effective & ~(UINT64_C(1) << CAP_SYS_RESOURCE), &err));
}

TEST(names)
{
	struct err err = ERR_INIT;

	CHECK_INT(rlimit_parse("RLIMIT_NOFILE", &err), RLIMIT_NOFILE);
	CHECK_INT(rlimit_parse("nofile", &err), RLIMIT_NOFILE);
	CHECK_INT(rlimit_parse("rlimit_rttime", &err), RLIMIT_RTTIME);
	CHECK_STR(rlimit_name(RLIMIT_MEMLOCK), "RLIMIT_MEMLOCK");
	for (int resource = 0; resource < RLIM_NLIMITS; resource++)
		CHECK_INT(rlimit_parse(rlimit_name(resource), &err), resource);
	CHECK_ERR(rlimit_parse("nofiles", &err), ERR_INVALID, "'nofiles' is not known");
	CHECK_ERR(rlimit_parse("", &err), ERR_INVALID, "''");
	CHECK_ERR(rlimit_parse("RLIMIT_", &err), ERR_INVALID, "RLIMIT_");
}

static void check_option(const char *text, int resource, uint64_t soft, uint64_t hard)
{
	struct err err = ERR_INIT;
	struct rlimit_entry entry;

	CHECK_OK(rlimit_parse_option(text, &entry, &err));
	CHECK_INT(entry.resource, resource);
	CHECK_INT(entry.soft, soft);
	CHECK_INT(entry.hard, hard);
}

TEST(options)
{
	check_option("nofile=1024:2048", RLIMIT_NOFILE, 1024, 2048);
	check_option("nofile=1024", RLIMIT_NOFILE, 1024, 1024);
	check_option("core=0", RLIMIT_CORE, 0, 0);
	check_option("core=-1", RLIMIT_CORE, UINT64_MAX, UINT64_MAX);
	check_option("memlock=unlimited", RLIMIT_MEMLOCK, UINT64_MAX, UINT64_MAX);
	check_option("stack=8192:-1", RLIMIT_STACK, 8192, UINT64_MAX);
}

TEST(malformed_options)
{
	static const char *const bad[] = {
		"nofile",     "nofile=",
		"nofile=x",   "nofile=1:",
		"nofile=:1",  "nofile=1:2:3",
		"nofile=-2",  "=1",
		"files=1:2",  "nofile=2:1",
		"core=-1:5",  "nofile= 1",
		"nofile=1.5", "nofile=18446744073709551616",
	};
	struct rlimit_entry untouched = {.resource = -7};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERR(rlimit_parse_option(bad[i], &untouched, &err), ERR_INVALID, "");
		CHECK(err.message[0] && untouched.resource == -7);
	}
}

TEST(what_is_not_allowed_is_lowered_with_one_warning)
{
	struct rlimit_entry limits[] = {
		{RLIMIT_NOFILE, 1024, 2000}, {RLIMIT_CORE, 0, 0}, {RLIMIT_NOFILE, 10, 40}};
	struct rlimit now = {.rlim_cur = 40, .rlim_max = 50}, after;
	own(strv) struct strv warnings = STRV_INIT;
	struct err err = ERR_INIT;

	give_up_sys_resource();
	CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
	CHECK_OK(rlimits_clamp(limits, 3, false, &warnings, &err));
	CHECK_INT(limits[0].soft, 50);
	CHECK_INT(limits[0].hard, 50);
	CHECK_INT(limits[2].soft, 10);
	CHECK_INT(limits[2].hard, 40);
	CHECK_INT(warnings.count, 1);
	CHECK_STR(warnings.items[0],
		  "RLIMIT_NOFILE lowered from 2000 to 50: more is not allowed here");
	/* Trying changed nothing. */
	CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
	CHECK(after.rlim_cur == 40 && after.rlim_max == 50);
	CHECK_OK(rlimits_apply(0, limits, 3, &err));
	CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
	CHECK(after.rlim_cur == 10 && after.rlim_max == 40);
}

/* Of a child, and raised again by nobody: what it was left is above what was asked for, but not above its own. */
TEST(a_child_keeps_descriptors_until_it_lowers_the_limit_itself)
{
	struct rlimit_entry limits[] = {{RLIMIT_NOFILE, 5, 7}, {RLIMIT_CORE, 1, 2}};
	struct rlimit_entry many = {RLIMIT_NOFILE, 1100, 1200};
	struct rlimit now = {.rlim_cur = 1500, .rlim_max = 2000}, after;
	struct err err = ERR_INIT;

	give_up_sys_resource();
	CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
	CHECK_OK(rlimits_apply_to_child(0, &many, 1, &err));
	CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
	CHECK(after.rlim_cur == 1100 && after.rlim_max == 1200);
	CHECK_OK(rlimits_lower_files(&many, 1, &err));
	CHECK_OK(rlimits_apply_to_child(0, limits, 2, &err));
	CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
	CHECK(after.rlim_cur == 1024 && after.rlim_max == 1024);
	CHECK(getrlimit(RLIMIT_CORE, &after) == 0);
	CHECK(after.rlim_cur == 1 && after.rlim_max == 2);
	now = (struct rlimit){.rlim_cur = 100, .rlim_max = 200};
	CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
	CHECK_OK(rlimits_apply_to_child(0, limits, 1, &err));
	CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
	CHECK(after.rlim_cur == 200 && after.rlim_max == 200);
	CHECK_OK(rlimits_lower_files(limits, 2, &err));
	CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
	CHECK(after.rlim_cur == 5 && after.rlim_max == 7);
}

TEST(strict_refuses_instead)
{
	struct rlimit_entry limit = {RLIMIT_NPROC, 100, UINT64_MAX};
	struct rlimit now = {.rlim_cur = 1000, .rlim_max = 1000};
	own(strv) struct strv warnings = STRV_INIT;
	struct err err = ERR_INIT;

	give_up_sys_resource();
	CHECK(setrlimit(RLIMIT_NPROC, &now) == 0);
	CHECK_ERR(rlimits_clamp(&limit, 1, true, &warnings, &err), ERR_DENIED,
		  "cannot raise RLIMIT_NPROC to unlimited: the most allowed here is 1000");
	CHECK(err.hint[0]);
	CHECK_INT(warnings.count, 0);
	CHECK_INT(limit.hard, UINT64_MAX);
}

TEST(a_limit_that_cannot_be_set_is_an_error)
{
	struct rlimit_entry upside_down = {RLIMIT_CORE, 2, 1};
	struct err err = ERR_INIT;

	CHECK_ERR(rlimits_apply(0, &upside_down, 1, &err), ERR_IO, "cannot set RLIMIT_CORE to 2:1");
}

static int read_own_score(void)
{
	own_fd int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	return atoi(text);
}

TEST(out_of_memory_score)
{
	struct err err = ERR_INIT;
	own_fd int proc_fd = procfs_open(&err);
	own(strv) struct strv warnings = STRV_INIT;
	int score = 700, before;

	give_up_sys_resource();
	CHECK(proc_fd >= 0);
	CHECK_OK(oom_score_clamp(proc_fd, &score, false, &warnings, &err));
	CHECK_INT(score, 700);
	CHECK_OK(oom_score_apply(proc_fd, 700, &err));
	CHECK_INT(read_own_score(), 700);
	before = read_own_score();
	score = -999;
	CHECK_ERR(oom_score_clamp(proc_fd, &score, true, &warnings, &err), ERR_DENIED,
		  "score to -999: the lowest allowed here is 700");
	CHECK_INT(warnings.count, 0);
	CHECK_OK(oom_score_clamp(proc_fd, &score, false, &warnings, &err));
	CHECK_INT(score, before);
	CHECK_INT(warnings.count, 1);
	CHECK(strstr(warnings.items[0], "raised from -999 to 700"));
	CHECK_INT(read_own_score(), before);
}

TEST(a_link_in_place_of_the_score_is_not_followed_out)
{
	struct err err = ERR_INIT;
	own_fd int canary = openat(test_dir(), "canary", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	own_fd int fake = -1;
	struct stat st;

	CHECK(mkdirat(test_dir(), "proc", 0755) == 0);
	CHECK(mkdirat(test_dir(), "proc/self", 0755) == 0);
	CHECK(symlinkat("../../canary", test_dir(), "proc/self/oom_score_adj") == 0);
	fake = openat(test_dir(), "proc", O_PATH | O_CLOEXEC);
	CHECK_ERR(oom_score_apply(fake, 3, &err), ERR_NOT_FOUND, "out-of-memory score");
	CHECK(fstat(canary, &st) == 0 && st.st_size == 0);
}

TEST_MAIN()
