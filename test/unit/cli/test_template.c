/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Templates of --format, and times as people type them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/own.h"
#include "cli/moment.h"
#include "cli/template.h"
#include "test.h"

static struct err err;

static const struct template_field fields[] = {
	{"ID", "id", "CONTAINER ID"},	   {"Names", "name", "NAMES"},
	{"ExitCode", "exit_code", "EXIT"}, {"Labels", "labels", "LABELS"},
	{"State", "state", "STATE"},	   {0},
};

static const char rows[] =
	"[{\"id\":\"abc\",\"name\":\"web\",\"exit_code\":-1,\"labels\":[\"a=b\",\"c=d=e\",\"f\"],"
	"\"state\":{\"pid\":7,\"Health_Status\":\"good\",\"up\":true,\"none\":null,\"cpu\":1.25}},"
	"{\"id\":\"d\\u001b[2J\",\"name\":\"q\\\"\",\"labels\":[]}]";

static char *rendered_of(const char *text, const struct template_field *known)
{
	own_template struct template *t = template_parse(text, known, &err);
	own_json struct json *doc = json_parse(rows, sizeof rows - 1, "rows", &err);
	char *out = NULL;
	size_t size = 0;

	CHECK(t && doc);
	FILE *file = open_memstream(&out, &size);
	int status = template_print(t, doc, 0, file, &err);
	fclose(file);
	CHECK_OK(status);
	return out;
}

#define RENDERS(text, wanted) \
	do { \
		own_free char *got = rendered_of(text, fields); \
		CHECK_STR(got, wanted); \
	} while (0)

TEST(fields_are_found_by_the_table)
{
	RENDERS("{{.ID}}-{{ .Names }}", "abc-web\nd?[2J-q\"\n");
	RENDERS("{{.id}} {{.exitcode}}", "abc -1\nd?[2J \n");
	RENDERS("x{{.State.Pid}}y{{.State.HealthStatus}}{{.State.up}}{{.State.none}}{{.State.cpu}}",
		"x7ygoodtrue1.25\nxy\n");
}

TEST(functions)
{
	RENDERS("{{json .Names}} {{json .Labels}}",
		"\"web\" [\"a=b\",\"c=d=e\",\"f\"]\n\"q\\\"\" []\n");
	RENDERS("{{upper .Names}}{{lower .ID}}", "WEBabc\nQ\"d?[2j\n");
	RENDERS("{{join .Labels \" + \"}}|{{.Labels}}", "a=b + c=d=e + f|a=b,c=d=e,f\n|\n");
	RENDERS("{{index .Labels \"c\"}}{{index .State \"pid\"}}{{index .Labels `f`}}", "d=e7\n\n");
	RENDERS("{{json .ExitCode}}", "-1\nnull\n");
	RENDERS("{{json .State}}", "{\"pid\":7,\"Health_Status\":\"good\",\"up\":true,\"none\":"
				   "null,\"cpu\":1.25}\nnull\n");
}

TEST(text_has_escapes)
{
	RENDERS("a\\t{{.ID}}\\n\\\\\\x", "a\tabc\n\\\\x\na\td?[2J\n\\\\x\n");
}

TEST(a_table_has_a_heading)
{
	RENDERS("table {{.ID}}\\t{{.Names}}",
		"CONTAINER ID  NAMES\nabc           web\nd?[2J         q\"\n");
}

TEST(without_a_table_the_keys_count)
{
	own_free char *got = rendered_of("{{.Name}}", NULL);
	own_template struct template *t = template_parse("{{.nosuch}}", NULL, &err);
	own_json struct json *doc = json_parse(rows, sizeof rows - 1, "rows", &err);

	CHECK_STR(got, "web\nq\"\n");
	CHECK(t && doc);
	CHECK_ERR(template_print(t, doc, 0, stderr, &err), ERR_USAGE, "there is no field 'nosuch'");
}

TEST(mistakes_are_told)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"plain", "not a format"},
		{"{{.Nosuch}}", "no field 'Nosuch'"},
		{"{{.ID", "'{{' is not closed"},
		{"{{}}", "neither a field nor a function"},
		{"{{range .ID}}", "neither a field nor a function: 'range'"},
		{"{{json}}", "a function wants a field"},
		{"{{join .Labels}}", "a function wants a field"},
		{"{{upper ID}}", "a function wants a field"},
		{"{{join .Labels \", }}", "a quote is not closed"},
		{"{{json .a .b .c .d}}", "too many words"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_ERR(template_check(bad[i].text, fields, &err), ERR_USAGE, bad[i].why);
	}
	CHECK_OK(template_check("json", fields, &err));
	CHECK_OK(template_check(NULL, fields, &err));
	CHECK_ERR(template_check("{{.x}}", fields, &err), ERR_USAGE, "no field");
}

static int64_t moment(const char *text)
{
	int64_t ns = 0;

	CHECK_OK(parse_moment("--since", text, &ns, &err));
	return ns;
}

TEST(times)
{
	const int64_t noon = INT64_C(1769860800) * 1000000000;

	CHECK(moment("2026-01-31T12:00:00Z") == noon);
	CHECK(moment("2026-01-31T12:00:00") == noon);
	CHECK(moment("2026-01-31 12:00:00") == noon);
	CHECK(moment("2026-01-31T12:00") == noon);
	CHECK(moment("2026-01-31T13:30:00+01:30") == noon);
	CHECK(moment("2026-01-31T11:00:00-01:00") == noon);
	CHECK(moment("2026-01-31") == noon - INT64_C(43200) * 1000000000);
	CHECK(moment("2026-01-31T12:00:00.25Z") == noon + 250000000);
	CHECK(moment("1769860800") == noon);
	CHECK(moment("1769860800.000000001") == noon + 1);
	CHECK(moment("@5") == INT64_C(5000000000));
	int64_t before = clock_real_ns();
	CHECK(moment("1h") >= before - INT64_C(3600) * 1000000000);
	CHECK(moment("1h") <= before - INT64_C(3500) * 1000000000);
	CHECK(moment("+1h") > clock_real_ns() + INT64_C(3500) * 1000000000);
}

TEST(what_is_no_time)
{
	static const char *const bad[] = {"",
					  "yesterday",
					  "2026-13-01",
					  "@",
					  "@1x",
					  "-5m",
					  "99999999999999999999",
					  "+",
					  "2026-01-31T12:00:00+1",
					  "1.2.3"};
	int64_t ns = 77;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_ERR(parse_moment("--since", bad[i], &ns, &err), ERR_USAGE,
			  "neither a time nor a duration");
		CHECK(ns == 77);
	}
}

TEST_MAIN()
