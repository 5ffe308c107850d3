/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The error value: text, kinds, wrapping, cutting, and what a hostile name may not do.
 */
#include "base/err.h"

#include <stdio.h>

#include "test.h"

TEST(a_fresh_error_is_empty)
{
	struct err err = ERR_INIT;

	CHECK_INT(err.kind, ERR_NONE);
	CHECK_STR(err.message, "");
	CHECK_STR(err.hint, "");
	CHECK_INT(err_exit_code(&err), 0);
}

TEST(set_records_kind_text_reason_and_place)
{
	struct err err = ERR_INIT;

	CHECK_INT(err_set(&err, ERR_DENIED, EACCES, "cannot mount '%s' on '%s'", "/a", "/b"), -1);
	CHECK_INT(err.kind, ERR_DENIED);
	CHECK_INT(err.errnum, EACCES);
	CHECK_STR(err.message, "cannot mount '/a' on '/b': permission denied");
	CHECK_STR(err.file, "test_err.c");
	CHECK(err.line > 0);
}

TEST(set_without_errno_adds_no_reason)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_INVALID, 0, "the name is empty");
	CHECK_STR(err.message, "the name is empty");
	CHECK_INT(err.errnum, 0);
}

TEST(set_clears_an_older_hint)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_IO, 0, "one");
	err_hint(&err, "do this");
	err_set(&err, ERR_IO, 0, "two");
	CHECK_STR(err.hint, "");
}

TEST(errno_chooses_the_kind)
{
	static const struct {
		int errnum;
		enum err_kind kind;
	} cases[] = {
		{EACCES, ERR_DENIED}, {EPERM, ERR_DENIED},	 {ENOENT, ERR_NOT_FOUND},
		{EEXIST, ERR_EXISTS}, {ENOSYS, ERR_UNSUPPORTED}, {EOPNOTSUPP, ERR_UNSUPPORTED},
		{EIO, ERR_IO},	      {ENOSPC, ERR_IO},		 {EBUSY, ERR_IO},
		{0, ERR_INTERNAL},    {99999, ERR_IO},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;

		errno = cases[i].errnum;
		CHECK_INT(err_errno(&err, "cannot x"), -1);
		CHECK_INT(err.kind, cases[i].kind);
		CHECK_INT(err.errnum, cases[i].errnum);
	}
}

TEST(a_long_message_keeps_its_reason)
{
	struct err err = ERR_INIT;
	char path[4096];

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	err_set(&err, ERR_IO, ENOSPC, "cannot write '%s'", path);
	CHECK_INT(strlen(err.message), sizeof(err.message) - 1);
	CHECK(strstr(err.message, "...: no space left on device"));
	err_set(&err, ERR_IO, 0, "cannot write '%s'", path);
	CHECK_INT(strlen(err.message), sizeof(err.message) - 1);
	CHECK_STR(err.message + strlen(err.message) - 4, "p...");
}

TEST(wrap_puts_text_in_front)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_NOT_FOUND, ENOENT, "cannot open 'x'");
	CHECK_INT(err_wrap(&err, "container '%s'", "c1"), -1);
	CHECK_STR(err.message, "container 'c1': cannot open 'x': no such file or directory");
	CHECK_INT(err.kind, ERR_NOT_FOUND);
}

TEST(a_wrap_that_does_not_fit_keeps_both_ends)
{
	struct err err = ERR_INIT;
	char path[1024];

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	err_set(&err, ERR_IO, EIO, "cannot read '%s'", path);
	err_wrap(&err, "%s", path);
	CHECK_INT(strlen(err.message), sizeof(err.message) - 1);
	CHECK(strstr(err.message, "ppp...: cannot read 'ppp"));
	CHECK(strstr(err.message, "p...: input/output error"));
	for (int i = 0; i < 100; i++)
		err_wrap(&err, "layer %d", i);
	CHECK(strncmp(err.message, "layer 99: layer 98: ", 20) == 0);
	CHECK(strstr(err.message, "input/output error"));
}

TEST(the_first_hint_stays)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_IO, 0, "x");
	CHECK_INT(err_hint(&err, "the inner %d", 1), -1);
	err_hint(&err, "the outer");
	CHECK_STR(err.hint, "the inner 1");
}

TEST(terminal_escapes_are_made_harmless)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_INVALID, 0, "bad name '%s'", "a\x1b[2Jb\nc\x7f");
	CHECK_STR(err.message, "bad name 'a?[2Jb?c?'");
	err_wrap(&err, "line\r");
	CHECK_STR(err.message, "line?: bad name 'a?[2Jb?c?'");
	err_hint(&err, "\xc2\x9b"
		       "31m");
	CHECK_STR(err.hint, "??31m");
}

TEST(a_cut_never_leaves_half_a_character)
{
	for (size_t pad = 0; pad < 4; pad++) {
		struct err err = ERR_INIT;
		char text[2048] = "";

		memset(text, 'a', pad);
		for (size_t i = pad; i + 4 < sizeof(text); i += 3)
			memcpy(text + i, "\xe2\x82\xac", 4);
		err_set(&err, ERR_INVALID, 0, "%s", text);
		CHECK(!strstr(err.message, "\xe2\x82."));
		CHECK(!strstr(err.message, "\xe2."));
		CHECK_STR(err.message + strlen(err.message) - 3, "...");
	}
}

TEST(exit_codes_are_those_of_the_field)
{
	for (int kind = ERR_USAGE; kind < ERR_KIND_COUNT; kind++) {
		struct err err = {.kind = (enum err_kind)kind};
		int want = kind == ERR_CMD_NOT_FOUND ? 127 : kind == ERR_CMD_NOT_EXEC ? 126 : 125;

		CHECK_INT(err_exit_code(&err), want);
	}
	CHECK_INT(err_exit_code(&(struct err){.kind = (enum err_kind)999}), 125);
}

TEST(every_kind_has_a_name_of_its_own)
{
	for (int a = 0; a < ERR_KIND_COUNT; a++) {
		CHECK(err_kind_name((enum err_kind)a) && *err_kind_name((enum err_kind)a));
		for (int b = 0; b < a; b++)
			CHECK(strcmp(err_kind_name((enum err_kind)a),
				     err_kind_name((enum err_kind)b)) != 0);
	}
	CHECK_STR(err_kind_name((enum err_kind) - 1), "unknown");
	CHECK_STR(err_kind_name(ERR_NOT_FOUND), "not-found");
}

TEST(errno_texts_are_lower_case_and_never_null)
{
	for (int i = -5; i < 5000; i++) {
		const char *text = err_errno_text(i);

		CHECK(text && *text);
		CHECK(*text >= 'a' && *text <= 'z');
	}
	CHECK_STR(err_errno_text(ENOENT), "no such file or directory");
	CHECK_STR(err_errno_text(4242), "errno 4242");
	CHECK_STR(err_errno_text(-1), "errno -1");
}

TEST_MAIN()
