/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Warnings: standard error, the sink, and what is in neither.
 */
#include "base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/own.h"
#include "test.h"

struct seen {
	int count;
	char text[2048];
};

static void remember(void *data, const char *text)
{
	struct seen *seen = data;

	seen->count++;
	snprintf(seen->text, sizeof(seen->text), "%s", text);
}

/* What one warning puts on standard error. */
static char *stderr_of_warning(const char *name)
{
	int ends[2], saved = dup(STDERR_FILENO);
	char *text = NULL;
	struct err err = ERR_INIT;

	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	dup2(ends[1], STDERR_FILENO);
	warn_emit("the limit of '%s' was lowered", name);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	CHECK_OK(fd_read_all(ends[0], 4096, "pipe", &text, &err));
	close(ends[0]);
	return text;
}

TEST(a_warning_goes_to_standard_error_as_one_line)
{
	own_free char *text = stderr_of_warning("c1");

	CHECK_STR(text, "insula: warning: the limit of 'c1' was lowered\n");
}

TEST(the_program_name_can_be_set)
{
	own_free char *text = NULL;

	warn_set_program("insula-runtime");
	text = stderr_of_warning("c1");
	CHECK_STR(text, "insula-runtime: warning: the limit of 'c1' was lowered\n");
}

TEST(control_characters_do_not_get_through)
{
	own_free char *text = stderr_of_warning("\x1b[31m\n");

	CHECK_STR(text, "insula: warning: the limit of '?[31m?' was lowered\n");
}

TEST(a_sink_gets_the_text_alone)
{
	struct seen seen = {0};

	warn_set_sink(remember, &seen);
	warn_emit("first %d", 1);
	warn_emit("second\t%d", 2);
	CHECK_INT(seen.count, 2);
	CHECK_STR(seen.text, "second?2");
	warn_set_sink(NULL, NULL);
	own_free char *text = stderr_of_warning("x");
	CHECK(strstr(text, "'x'"));
	CHECK_INT(seen.count, 2);
}

TEST(a_long_warning_is_cut)
{
	struct seen seen = {0};
	char name[5000];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	warn_set_sink(remember, &seen);
	warn_emit("%s", name);
	CHECK_INT(strlen(seen.text), 1023);
	CHECK_STR(seen.text + 1020, "...");
}

TEST(errno_survives_and_a_closed_standard_error_is_harmless)
{
	int saved = dup(STDERR_FILENO);

	close(STDERR_FILENO);
	errno = ENOTTY;
	warn_emit("nobody hears");
	CHECK_INT(errno, ENOTTY);
	dup2(saved, STDERR_FILENO);
	close(saved);
}

TEST_MAIN()
