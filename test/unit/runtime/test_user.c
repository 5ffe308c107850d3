/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who a command runs as, in trees that a stranger made. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "runtime/start.h"
#include "test.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "\n"
			     "# a comment: with: colons\n"
			     "short:x:7\n"
			     "hex:x:0x10:1:::\n"
			     "signed:x:+5:1::/:/bin/sh\n"
			     "minus:x:-1:1::/:/bin/sh\n"
			     "spaced:x: 5:1::/:/bin/sh\n"
			     "overflow:x:4294967296:1::/:/bin/sh\n"
			     "leave:x:4294967295:1::/:/bin/sh\n"
			     "web:x:33:34:web,,,:/srv/www:/bin/false\n"
			     "web:x:99:99:second:/else:/bin/false\n"
			     "relative:x:50:50::home:/bin/sh\n"
			     "control:x:51:51::/ho\033me:/bin/sh\n"
			     "big:x:4294967294:4294967294::/big:/bin/sh\n"
			     "77:x:1234:1234::/called-77:/bin/sh\n"
			     "more:x:60:60::/m:/bin/sh:extra:fields\n"
			     "last:x:70:71::/last:/bin/sh";

static const char groups[] = "root:x:0:\n"
			     "web:x:34:\n"
			     "tape:x:26:web,root\n"
			     "audio:x:29:webmaster\n"
			     "video:x:44:other,web\n"
			     "bad:x:0x5:web\n"
			     "none:x:4294967295:web\n"
			     "short:x\n"
			     "nomembers:x:88\n";

static void put(const char *path, const char *text)
{
	own_fd int fd = openat(test_dir(), path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct err err = ERR_INIT;

	CHECK(fd >= 0);
	CHECK_OK(fd_write_all(fd, text, strlen(text), path, &err));
}

static void make_tree(void)
{
	CHECK(mkdirat(test_dir(), "etc", 0755) == 0);
	put("etc/passwd", passwd);
	put("etc/group", groups);
}

static int resolve(const char *text, struct identity *ret, struct err *err)
{
	struct spec_user user = {.name = (char *)text, .umask = -1};

	return identity_resolve(test_dir(), &user, ret, err);
}

TEST(names_and_numbers)
{
	static const struct {
		const char *text;
		uint32_t uid, gid;
		const char *home;
	} rows[] = {
		{"root", 0, 0, "/root"},
		{"0", 0, 0, "/root"},
		{"web", 33, 34, "/srv/www"}, /* the first line counts */
		{"33", 33, 34, "/srv/www"},
		{"99", 99, 99, "/else"},
		{"web:tape", 33, 26, "/srv/www"},
		{"web:5", 33, 5, "/srv/www"},
		{"1000", 1000, 0, ""}, /* a number needs no line */
		{"1000:2000", 1000, 2000, ""},
		{"1000:tape", 1000, 26, ""},
		{"0:0", 0, 0, "/root"},
		{"4294967294", 4294967294u, 4294967294u, "/big"},
		{"77", 77, 0, ""}, /* a number is never a name */
		{"relative", 50, 50, ""},
		{"control", 51, 51, ""},
		{"more", 60, 60, "/m"},
		{"last", 70, 71, "/last"},
		{"root:nomembers", 0, 88, "/root"},
	};
	struct err err = ERR_INIT;

	make_tree();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct identity who;

		CHECK_OK(resolve(rows[i].text, &who, &err));
		CHECK_INT(who.uid, rows[i].uid);
		CHECK_INT(who.gid, rows[i].gid);
		CHECK_STR(who.home, rows[i].home);
	}
}

TEST(what_is_no_user_is_refused)
{
	static const struct {
		const char *text;
		enum err_kind kind;
		const char *part;
	} rows[] = {
		{"nobody-of-that-name", ERR_NOT_FOUND, "no user 'nobody-of-that-name'"},
		{"", ERR_INVALID, "USER:GROUP"},
		{":", ERR_INVALID, "USER:GROUP"},
		{":0", ERR_INVALID, "USER:GROUP"},
		{"1:", ERR_INVALID, "USER:GROUP"},
		{"root:", ERR_INVALID, "USER:GROUP"},
		{"0x", ERR_NOT_FOUND, "no user '0x'"},
		{"0x0", ERR_NOT_FOUND, "no user '0x0'"},
		{"+5", ERR_NOT_FOUND, "no user '+5'"},
		{"-1", ERR_NOT_FOUND, "no user '-1'"},
		{" 0", ERR_NOT_FOUND, "no user ' 0'"},
		{"1:2:3", ERR_NOT_FOUND, "no group '2:3'"},
		{"4294967295", ERR_NOT_FOUND, "no user '4294967295'"},
		{"4294967296", ERR_NOT_FOUND, "no user '4294967296'"},
		{"18446744073709551616", ERR_NOT_FOUND, "no user"},
		{"0:4294967295", ERR_NOT_FOUND, "no group '4294967295'"},
		{"0:-1", ERR_NOT_FOUND, "no group '-1'"},
		{"0:none", ERR_NOT_FOUND, "no group 'none'"},
		{"0:bad", ERR_NOT_FOUND, "no group 'bad'"},
		/* lines that are not well formed are no lines */
		{"short", ERR_NOT_FOUND, "no user"},
		{"hex", ERR_NOT_FOUND, "no user"},
		{"signed", ERR_NOT_FOUND, "no user"},
		{"minus", ERR_NOT_FOUND, "no user"},
		{"spaced", ERR_NOT_FOUND, "no user"},
		{"overflow", ERR_NOT_FOUND, "no user"},
		{"leave", ERR_NOT_FOUND, "no user"},
		{"root:short", ERR_NOT_FOUND, "no group"},
	};
	struct err err = ERR_INIT;

	make_tree();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct identity who;

		CHECK_ERR(resolve(rows[i].text, &who, &err), rows[i].kind, rows[i].part);
	}
}

TEST(groups_that_list_the_user_are_taken_by_whole_names)
{
	struct err err = ERR_INIT;
	struct identity who;

	make_tree();
	CHECK_OK(resolve("web", &who, &err));
	CHECK_INT(who.group_count, 2); /* not audio's webmaster, no group with an impossible id */
	CHECK_INT(who.groups[0], 26);
	CHECK_INT(who.groups[1], 44);
	CHECK_OK(resolve("web:web", &who, &err));
	CHECK_INT(who.group_count, 0); /* a group that is asked for comes alone */
}

TEST(so_many_groups_are_cut_at_the_limit)
{
	own(str) struct str text = STR_INIT(1u << 20);
	struct err err = ERR_INIT;
	struct identity who;

	make_tree();
	for (int i = 0; i < 2 * JOB_MAX_GROUPS; i++)
		str_addf(&text, "g%d:x:%d:web\n", i, 5000 + i);
	put("etc/group", text.data);
	CHECK_OK(resolve("web", &who, &err));
	CHECK_INT(who.group_count, JOB_MAX_GROUPS);
	CHECK_INT(who.groups[JOB_MAX_GROUPS - 1], 5000 + JOB_MAX_GROUPS - 1);
}

TEST(numbers_of_a_specification_are_taken_as_they_are)
{
	uint32_t gids[] = {4, 5};
	struct spec_user user = {
		.uid = 33, .gid = 1, .additional_gids = gids, .additional_gid_count = 2};
	struct err err = ERR_INIT;
	struct identity who;

	make_tree();
	CHECK_OK(identity_resolve(test_dir(), &user, &who, &err));
	CHECK_INT(who.uid, 33);
	CHECK_INT(who.gid, 1);
	CHECK_INT(who.group_count, 2);
	CHECK_INT(who.groups[1], 5);
	CHECK_STR(who.home, "/srv/www");
	user.additional_gid_count = JOB_MAX_GROUPS + 1;
	CHECK_ERR(identity_resolve(test_dir(), &user, &who, &err), ERR_LIMIT, "additionalGids");
}

/* Neither hangs nor is read: a name cannot be looked up, a number needs no look. */
static void refuses_file(enum err_kind kind, const char *part)
{
	struct err err = ERR_INIT;
	struct identity who;

	CHECK_ERR(resolve("web", &who, &err), kind, part);
	struct spec_user numbers = {.uid = 5, .gid = 6};
	CHECK_OK(identity_resolve(test_dir(), &numbers, &who, &err));
	CHECK_INT(who.uid, 5);
	CHECK_STR(who.home, "");
}

static void replace_passwd(void)
{
	make_tree();
	CHECK(unlinkat(test_dir(), "etc/passwd", 0) == 0);
}

TEST(passwd_is_a_fifo)
{
	replace_passwd();
	CHECK(mkfifoat(test_dir(), "etc/passwd", 0644) == 0);
	refuses_file(ERR_INVALID, "FIFO");
}

TEST(passwd_is_a_link_to_a_fifo)
{
	replace_passwd();
	CHECK(mkfifoat(test_dir(), "fifo", 0644) == 0);
	CHECK(symlinkat("/fifo", test_dir(), "etc/passwd") == 0);
	refuses_file(ERR_INVALID, "FIFO");
}

TEST(passwd_is_a_directory)
{
	replace_passwd();
	CHECK(mkdirat(test_dir(), "etc/passwd", 0755) == 0);
	refuses_file(ERR_INVALID, "directory");
}

TEST(passwd_is_a_device)
{
	replace_passwd();
	if (mknodat(test_dir(), "etc/passwd", S_IFCHR | 0666, 0x105) < 0)
		SKIP("making a device node takes CAP_MKNOD");
	refuses_file(ERR_INVALID, "device");
}

TEST(passwd_is_half_a_gigabyte_of_nothing)
{
	replace_passwd();
	own_fd int fd = openat(test_dir(), "etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && ftruncate(fd, 500 << 20) == 0);
	refuses_file(ERR_LIMIT, "more than 1048576 bytes");
}

TEST(passwd_is_a_link_that_leads_out)
{
	struct err err = ERR_INIT;
	struct identity who;

	replace_passwd();
	put("inside", "root:x:8:9::/inside:/bin/sh\n");
	CHECK(symlinkat("/../../../../inside", test_dir(), "etc/passwd") == 0);
	CHECK_OK(
		resolve("root", &who, &err)); /* "/" is the container's, and has nothing above it */
	CHECK_INT(who.uid, 8);
	CHECK_STR(who.home, "/inside");
}

TEST(a_loop_of_links_ends)
{
	struct err err = ERR_INIT;
	struct identity who;

	replace_passwd();
	CHECK(symlinkat("passwd", test_dir(), "etc/passwd") == 0);
	CHECK_ERR(resolve("web", &who, &err), ERR_DENIED, "too many symbolic links");
}

TEST(no_passwd_at_all)
{
	struct err err = ERR_INIT;
	struct identity who;

	CHECK_OK(resolve("1000:1000", &who, &err));
	CHECK_INT(who.uid, 1000);
	CHECK_STR(who.home, "");
	CHECK_ERR(resolve("root", &who, &err), ERR_NOT_FOUND, "no user 'root'");
}

TEST(lines_without_an_end_and_with_nul)
{
	static const char odd[] = "a:x:1:1::/a:/bin/sh\0b:x:2:2::/b:/bin/sh\nc:x:3:3::/c:/s\n";
	struct err err = ERR_INIT;
	struct identity who;

	replace_passwd();
	own_fd int fd = openat(test_dir(), "etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && write(fd, odd, sizeof odd - 1) == (ssize_t)sizeof odd - 1);
	CHECK_OK(resolve("a", &who, &err));
	CHECK_INT(who.uid, 1);
	CHECK_ERR(resolve("b", &who, &err), ERR_NOT_FOUND, "user 'b'"); /* text ends there */
}

TEST_MAIN()
