/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes as a container's configuration, and as a seccomp profile file.
 *
 * What must hold: a refusal has a message of one printable line and leaves the target alone; what is
 * accepted is printed, parsed again and printed the same; and validation comes to the same verdict
 * about both, because a record on disk must not mean something else than what was asked for. Who asks for
 * every problem gets one exactly if the document is refused, and the error of the first among them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "spec/seccomp.h"
#include "spec/spec.h"
#include "must.h"

static void check_error(const struct err *err)
{
	MUST(err->kind == ERR_INVALID || err->kind == ERR_LIMIT || err->kind == ERR_UNSUPPORTED);
	MUST(*err->message && !str_has_control(err->message) && !str_has_control(err->hint));
}

/* The verdict of validation; its words are the same for equal configurations. */
static void validate(const struct spec *s, struct err *err)
{
	if (spec_validate(s, err) < 0)
		check_error(err);
}

static void check_printed(const struct spec *s)
{
	own(str) struct str once = STR_INIT(JSON_MAX_SIZE), twice = STR_INIT(JSON_MAX_SIZE);
	struct err err = ERR_INIT, first = ERR_INIT, second = ERR_INIT;
	own(spec) struct spec again = {0};

	MUST(spec_print(s, 2, &once, &err) == 0);
	MUST(spec_parse(once.data, once.len, "printed", &again, &err) == 0);
	MUST(spec_print(&again, 2, &twice, &err) == 0);
	MUST(str_eq(once.data, twice.data));
	validate(s, &first);
	validate(&again, &second);
	MUST(first.kind == second.kind && str_eq(first.message, second.message));
}

static bool is_among(const struct problems *found, const struct err *err)
{
	for (size_t i = 0; i < found->count; i++)
		if (str_ends(err->message, found->items[i].message))
			return true;
	return false;
}

static void check_problems(const char *text, size_t size)
{
	own(problems) struct problems found = {0};
	own(spec) struct spec s = {0}, all = {0};
	struct err err = ERR_INIT, first = ERR_INIT;
	bool good = spec_parse(text, size, "input", &s, &first) == 0 &&
		    spec_validate(&s, &first) == 0;

	spec_init(&all);
	MUST(spec_find(text, size, "input", &all, &found, &err) == 0);
	MUST(good == (found.count == 0));
	MUST(good || found.full || is_among(&found, &first));
}

static void as_configuration(const char *text, size_t size)
{
	static const struct spec untouched;
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	if (spec_parse(text, size, "input", &s, &err) == 0) {
		check_printed(&s);
		return;
	}
	check_error(&err);
	MUST(memcmp(&s, &untouched, sizeof(s)) == 0);
}

static void as_profile(const char *text, size_t size)
{
	own(seccomp_profile) struct seccomp_profile p = {0};
	struct err err = ERR_INIT;

	if (spec_seccomp_file_parse(text, size, "input", CAPS_DEFAULT, &p, &err) < 0) {
		check_error(&err);
		MUST(!p.rules && !p.archs);
		return;
	}
	for (size_t i = 0; i < p.rule_count; i++)
		MUST(p.rules[i].names.count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_configuration((const char *)data, size);
	check_problems((const char *)data, size);
	as_profile((const char *)data, size);
	return 0;
}
