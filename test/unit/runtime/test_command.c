/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a command is looked for, and which error is reported when it is nowhere. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "runtime/command.h"
#include "test.h"

/* What was tried, in order; the answers come from a list of "FILE" that work or fail. */
static char tried[8192];
static const char *good, *denied;

static int note(const char *file, void *data)
{
	size_t n = strlen(tried);

	CHECK(data == tried);
	snprintf(tried + n, sizeof tried - n, "%s%s", n ? " " : "", file);
	if (str_eq(file, good))
		return 0;
	return str_eq(file, denied) ? EACCES : ENOENT;
}

static int find(const char *name, const char *path)
{
	tried[0] = '\0';
	return command_find(name, path, note, tried);
}

TEST(every_directory_of_path_in_order)
{
	CHECK_INT(find("ls", "/a:/b:/c"), ENOENT);
	CHECK_STR(tried, "/a/ls /b/ls /c/ls");
}

TEST(the_first_that_works_ends_the_search)
{
	good = "/b/ls";
	CHECK_INT(find("ls", "/a:/b:/c"), 0);
	CHECK_STR(tried, "/a/ls /b/ls");
}

TEST(a_name_with_a_slash_is_not_searched)
{
	CHECK_INT(find("./ls", "/a:/b"), ENOENT);
	CHECK_STR(tried, "./ls");
	CHECK_INT(find("bin/", "/a"), ENOENT);
	CHECK_STR(tried, "bin/");
}

TEST(a_file_that_is_there_says_more_than_those_that_are_not)
{
	denied = "/a/ls";
	CHECK_INT(find("ls", "/a:/b"), EACCES);
	good = "/b/ls"; /* and is passed over where another one works, as execvp(3) has it */
	CHECK_INT(find("ls", "/a:/b"), 0);
}

TEST(empty_elements_are_not_the_working_directory)
{
	CHECK_INT(find("ls", ":/a::/b:"), ENOENT);
	CHECK_STR(tried, "/a/ls /b/ls");
	CHECK_INT(find("ls", ""), ENOENT);
	CHECK_STR(tried, "");
	CHECK_INT(find("ls", ":::"), ENOENT);
	CHECK_STR(tried, "");
}

TEST(without_path_the_usual_places)
{
	CHECK_INT(find("x", NULL), ENOENT);
	CHECK_STR(tried,
		  "/usr/local/sbin/x /usr/local/bin/x /usr/sbin/x /usr/bin/x /sbin/x /bin/x");
}

TEST(an_empty_name_is_nowhere)
{
	CHECK_INT(find("", "/a:/b"), ENOENT);
	CHECK_STR(tried, "");
}

TEST(places_too_long_to_exist_are_passed_over)
{
	char path[2 * PATH_MAX + 8], exact[PATH_MAX];

	memset(path, 'd', sizeof path);
	memcpy(path + 2 * PATH_MAX, ":/a", 4);
	CHECK_INT(find("ls", path), ENOENT);
	CHECK_STR(tried, "/a/ls");

	/* "DIR/x" with its NUL is exactly PATH_MAX long, and one more is too long */
	memset(exact, 'd', sizeof exact);
	exact[PATH_MAX - 3] = '\0';
	CHECK_INT(find("x", exact), ENOENT);
	CHECK_INT(strlen(tried), PATH_MAX - 1);
	CHECK_INT(find("xy", exact), ENOENT);
	CHECK_STR(tried, "");
}

TEST(path_is_found_among_other_variables)
{
	char *const env[] = {(char *)"PAT=no",	  (char *)"PATHS=no",	  (char *)"XPATH=no",
			     (char *)"PATH=/yes", (char *)"PATH=/second", NULL};
	char *const empty[] = {(char *)"PATH=", NULL}, *const none[] = {NULL};

	CHECK_STR(command_path(env), "/yes");
	CHECK_STR(command_path(empty), "");
	CHECK_STR(command_path(none), NULL);
}

TEST_MAIN()
