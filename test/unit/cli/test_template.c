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

#define OF(text, wanted) \
	do { \
		own_free char *got = rendered_of(text, NULL); \
		CHECK_STR(got, wanted); \
	} while (0)

TEST(conditions)
{
	RENDERS("{{if .State.up}}up{{else}}down{{end}}", "up\ndown\n");
	RENDERS("{{if eq .Names \"web\"}}1{{else if .Labels}}2{{else}}3{{end}}", "1\n3\n");
	RENDERS("{{if and .State (gt .State.pid 6) (lt .State.pid 8)}}seven{{end}}", "seven\n\n");
	RENDERS("{{if or .Labels .State}}x{{end}}{{not .Labels}}", "xfalse\ntrue\n");
	RENDERS("{{eq .ExitCode -1}} {{ne .ExitCode 1 }}", "true true\nfalse true\n");
	RENDERS("{{eq .Names \"a\" \"web\" \"b\"}}", "true\nfalse\n");
	RENDERS("{{le 1 1.5}}{{ge 2 2}}{{lt \"a\" \"b\"}}{{eq true false}}",
		"truetruetruefalse\ntruetruetruefalse\n");
	RENDERS("{{with .State}}{{.pid}}{{$.ID}}{{else}}none{{end}}", "7abc\nnone\n");
	RENDERS("{{with $x := .State}}{{$x.pid}}{{end}}", "7\n\n");
}

TEST(lists)
{
	RENDERS("{{range .Labels}}[{{.}}]{{else}}none{{end}}", "[a=b][c=d=e][f]\nnone\n");
	RENDERS("{{range $i, $l := .Labels}}{{if $i}}, {{end}}{{$i}}:{{$l}}{{end}}",
		"0:a=b, 1:c=d=e, 2:f\n\n");
	RENDERS("{{range $k, $v := .State}}{{$k}}={{$v}};{{end}}",
		"pid=7;Health_Status=good;up=true;none=;cpu=1.25;\n\n");
	RENDERS("{{range .Labels}}{{println .}}{{end}}", "a=b\nc=d=e\nf\n\n\n");
	RENDERS("{{range .Labels}}{{$.ID}}{{range split . \"=\"}}<{{.}}>{{end}}{{end}}",
		"abc<a><b>abc<c><d><e>abc<f>\n\n");
	RENDERS("{{len .Labels}}{{len .Names}}{{len .State}}", "335\n020\n");
	RENDERS("{{with .Labels}}{{index . 1}} {{slice . 1 3}}{{end}}", "c=d=e c=d=e,f\n\n");
	RENDERS("{{$n := \"\"}}{{range .Labels}}{{$n = .}}{{end}}{{$n}}", "f\n\n");
}

TEST(pipelines_and_values_of_values)
{
	RENDERS("{{.State | json}}", "{\"pid\":7,\"Health_Status\":\"good\",\"up\":true,\"none\":"
				     "null,\"cpu\":1.25}\nnull\n");
	OF("{{.id | upper | printf \"%s-%s\" .name}}", "web-ABC\nq\"-D?[2J\n");
	RENDERS("{{with .State}}{{(index $.State \"pid\")}}{{($.State).pid}}{{end}}", "77\n\n");
	RENDERS("{{index (split .ID \"b\") 0}}", "a\nd?[2J\n");
	RENDERS("{{printf \"%-5s|%5s|%03d|%q|%t|%%|%.1f|%x\" .Names `a` 7 \"\\\"\" true 1.26 255}}",
		"web  |    a|007|\"\\\"\"|true|%|1.3|ff\nq\"   |    "
		"a|007|\"\\\"\"|true|%|1.3|ff\n");
	RENDERS("{{truncate .ID 2}}{{slice .ID 1 2}}{{title \"two words\"}}{{pad .Names 1 2}}.",
		"abbTwo Words web  .\nd??Two Words q\"  .\n");
	RENDERS("{{print 1 2 \"a\" 3}}{{println}}{{println 1 \"b\"}}",
		"1 2a3\n1 b\n\n1 2a3\n1 b\n\n");
	RENDERS("{{split \"\" \"\" | len}}{{split \"abc\" \"\"}}{{split \"a,\" \",\" | json}}",
		"0a,b,c[\"a\",\"\"]\n0a,b,c[\"a\",\"\"]\n");
}

TEST(space_and_remarks)
{
	RENDERS(" a {{- .ID -}} \n b{{/* no {{.x}} more */}}{{- /* x */ -}}  c",
		" aabcbc\n ad?[2Jbc\n");
}

TEST(mistakes_that_show_later)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"{{range .labels}}{{.x}}{{end}}", "there is no field 'labels.x'"},
		{"{{.state.nosuch}}", "there is no field 'state.nosuch'"},
		{"{{.labels.x}}", "there is no field 'labels.x', as that is a list"},
		{"{{with .state}}{{.pid.x}}{{end}}", "there is no field 'state.pid.x'"},
		{"{{index .labels 3}}", "there is no item 3 in a list of 3"},
		{"{{index .labels -1}}", "there is no item -1"},
		{"{{index .state 0}}", "index wants"},
		{"{{index .state \"x\" 0}}", "there is no list to look in"},
		{"{{slice .id 2 1}}", "there is no 2 to 1 of 3"},
		{"{{range .id}}{{end}}", "range wants a list or an object"},
		{"{{len 1}}", "len wants"},
		{"{{lt .id 1}}", "lt wants two numbers, or two texts"},
		{"{{eq .id 1}}", "a comparison wants"},
		{"{{printf \"%y\" 1}}", "printf does not know '%y'"},
		{"{{printf \"%d\" .id}}", "a number for %d"},
		{"{{printf \"%s\"}}", "a value for each %"},
		{"{{printf \"x\" 1}}", "a % for each value"},
		{"{{printf \"%9999d\" 1}}", "a width is at most"},
		{"{{join .labels 1}}", "join wants"},
	};
	own_json struct json *doc = json_parse(rows, sizeof rows - 1, "rows", &err);

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		own_template struct template *t = template_parse(bad[i].text, NULL, &err);
		own(str) struct str out = STR_INIT(1 << 20);

		CHECK(t);
		CHECK_ERR(template_render(t, doc, json_first(doc, 0), &out, &err), ERR_USAGE,
			  bad[i].why);
	}
}

static void add_times(struct str *s, const char *text, int times)
{
	while (times--)
		str_add(s, text);
}

/* By whatever way it gets there. */
TEST(what_is_printed_of_a_document_has_no_control_characters)
{
	OF("{{join .labels .id}}|{{printf .id}}|{{print .id}}|{{printf \"%s%v\" .id .id}}",
	   "a=babcc=d=eabcf|abc|abc|abcabc\n|d?[2J|d?[2J|d?[2Jd?[2J\n");
	OF("{{join (split \"x,y\" \",\") .id}}", "xabcy\nxd?[2Jy\n");
}

TEST(a_range_is_left_and_an_item_passed_over)
{
	RENDERS("{{range .Labels}}{{if eq . \"f\"}}{{break}}{{end}}[{{.}}]{{end}}|",
		"[a=b][c=d=e]|\n|\n");
	RENDERS("{{range $i, $l := .Labels}}{{if eq $i 1}}{{continue}}{{end}}{{$i}}{{$l}} {{end}}",
		"0a=b 2f \n\n");
	/* The inner one only. */
	RENDERS("{{range .Labels}}{{range split . \"=\"}}{{.}}{{break}}{{end}}{{end}}.",
		"acf.\n.\n");
	/* That of the range around it, as this one has no items. */
	RENDERS("{{range .Labels}}x{{range $.State.none}}{{else}}{{break}}{{end}}y{{end}}",
		"x\n\n");
	RENDERS("{{range $l := .Labels}}{{else}}{{len $l}}{{end}}", "\n0\n");
}

TEST(texts_and_numbers_are_those_of_go)
{
	OF("{{print \"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\\'\"}}",
	   "\a\b\f\n\r\t\v\\\"'\n\a\b\f\n\r\t\v\\\"'\n");
	OF("{{print \"\\x1b[1m\\101\\u00e9\\u20ac\\U0001F600\"}}",
	   "\033[1mA\303\251\342\202\254\360\237\230\200\n\033["
	   "1mA\303\251\342\202\254\360\237\230\200\n");
	OF("{{print `\\x1b` 0x1f 010 -0x10 1e3 2.5e-1 +4 08}}",
	   "\\x1b31 8 -16 1000 0.25 4 8\n\\x1b31 8 -16 1000 0.25 4 8\n");
	OF("{{printf \"%d\" 1e2}} {{eq 9007199254740993 9007199254740992}}",
	   "100 false\n100 false\n");
}

TEST(everything_is_bounded)
{
	static const struct {
		const char *open, *middle, *close, *why;
		int times;
	} bad[] = {
		{"{{if .id}}", "x", "{{end}}", "more than 32 deep", 33},
		{"{{print ", "1", "}}", "more than 1024 parts", 1100},
		{"(", "1", ")", "more than 32 parentheses", 40},
		{"1 ", "1", "", "more than 1024 values", 1100},
		{"{{range $}}", "{{range $}}x{{end}}", "{{end}}", "more than", 30},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		own(str) struct str text = STR_INIT(1 << 20);
		bool inside = bad[i].open[0] != '{', whole = i == 1;

		str_add(&text, inside ? "{{print " : "");
		for (int n = 0; whole && n < bad[i].times; n++)
			str_add(&text, "{{.}}");
		add_times(&text, bad[i].open, whole ? 0 : bad[i].times);
		str_add(&text, whole ? "" : bad[i].middle);
		add_times(&text, bad[i].close, whole ? 0 : bad[i].times);
		str_add(&text, inside ? "}}" : "");
		own_template struct template *t = template_parse(text.data, NULL, &err);
		if (!t) {
			CHECK(strstr(err.message, bad[i].why));
			continue;
		}
		own_json struct json *doc = json_parse("[[1,2,3,4]]", 11, "rows", &err);
		own(str) struct str out = STR_INIT(1 << 20);
		CHECK_ERR(template_render(t, doc, json_first(doc, 0), &out, &err), ERR_LIMIT,
			  bad[i].why);
	}
}

TEST(what_is_absent_at_times)
{
	static const char *const names[] = {"state.health", "labels.*", NULL};
	static const struct json_field inner[] = {
		{.key = "uid", .kind = JSON_F_INT}, {.key = "map", .kind = JSON_F_MAP}, {0}};
	static const struct json_field schema[] = {
		{.key = "user", .kind = JSON_F_OBJECT, .fields = inner},
		{.key = "mounts", .kind = JSON_F_ARRAY, .fields = inner},
		{0}};
	static const struct template_absent absent = {
		.names = names, .schema_at = "spec", .schema = schema};
	static const struct {
		const char *text, *missing; /* NULL: it may be */
	} cases[] = {
		{"{{.state.health.status}}", NULL},
		{"{{.state.healthy}}", "state.healthy"},
		{"{{.labels.any}}", NULL},
		{"{{.spec.user}}", NULL},
		{"{{.Spec.User.Uid}}", NULL},
		{"{{.spec.user.gid}}", NULL}, /* of what is not there nothing is known */
		{"{{.spec.x}}", "spec.x"},
		{"{{range .spec.mounts}}{{.uid}}{{.map}}{{end}}", NULL},
		{"{{range .spec.mounts}}{{.nosuch}}{{end}}", "spec.mounts.nosuch"},
		{"{{.spec.mounts.uid}}", "spec.mounts.uid"},
	};
	static const char text[] =
		"[{\"state\":{},\"labels\":{},\"spec\":{\"mounts\":[{\"a\":1}]}}]";

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		own(str) struct str doc = STR_INIT(1000);

		str_add(&doc, text);
		if (!cases[i].missing)
			CHECK_OK(print_document_rows(cases[i].text, &absent, &doc, &err));
		else
			CHECK_ERR(print_document_rows(cases[i].text, &absent, &doc, &err),
				  ERR_USAGE, cases[i].missing);
	}
}

TEST(what_a_row_is_asked_for)
{
	CHECK(template_names("{{.Security.x}}", "security"));
	CHECK(template_names("{{range .Mounts}}{{$.Security}}{{end}}", "security"));
	CHECK(template_names("{{if .Name}}{{json .Security}}{{end}}", "security"));
	CHECK(!template_names("{{range .Mounts}}{{.Security}}{{end}}", "security"));
	CHECK(!template_names("{{.HostConfig.Security}}", "security"));
	CHECK(!template_names("{{", "security"));
}

TEST(text_has_escapes)
{
	RENDERS("a\\t{{.ID}}\\n\\\\\\x", "a\tabc\n\\\\x\na\td?[2J\n\\\\x\n");
}

TEST(a_table_has_a_heading)
{
	RENDERS("table {{.ID}}\\t{{.Names}}",
		"CONTAINER ID  NAMES\nabc           web\nd?[2J         q\"\n");
	/* However it is set off from the template. */
	static const char *const same[] = {"table{{.ID}}", "table  {{.ID}}", "table\t{{.ID}}",
					   "table\\t{{.ID}}", "table \\t{{.ID}}"};
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		RENDERS(same[i], "CONTAINER ID\nabc\nd?[2J\n");
	RENDERS("tablet {{.ID}}", "tablet abc\ntablet d?[2J\n");
	RENDERS("table {{json .ID}}\t{{if .State}}{{.State}}{{end}}\t{{range .Labels}}{{.}}{{end}}",
		"CONTAINER ID  STATE                                            LABELS\n"
		"\"abc\"         pid=7,Health_Status=good,up=true,none=,cpu=1.25  a=bc=d=ef\n"
		"\"d\\u001b[2J\"                                                   \n");
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
		{"{{define \"x\"}}", "neither a field nor a function: 'define \"x\"'"},
		{"{{range .ID}}", "a block has no {{end}}"},
		{"{{if .ID}}{{else}}", "a block has no {{end}}"},
		{"{{if .ID}}{{else if .ID}}{{end}}{{end}}", "there is no block: 'end'"},
		{"{{if .ID}}{{else}}{{else}}{{end}}", "a block has one of them at most: 'else'"},
		{"{{if .ID}}{{with .Names}}{{end}}", "a block has no {{end}}: 'if .ID'"},
		{"{{if .ID}}{{else if .Names}}", "a block has no {{end}}: 'else if .Names'"},
		{"{{if .ID}}{{else range .ID}}{{end}}", "else takes nothing but if and with"},
		{"{{if}}x{{end}}", "a value is missing: 'if'"},
		{"{{.ID | }}", "a value is missing: '.ID |'"},
		{"{{json ()}}", "a value is missing: ')'"},
		{"{{| json}}", "a value is missing: '| json'"},
		{"{{$x := }}", "a value is missing"},
		{"{{$x}}", "there is no variable '$x'"},
		{"{{if $x := .ID}}{{end}}{{$x}}", "there is no variable '$x'"},
		{"{{if .ID}}{{$x := 1}}{{else}}{{$x}}{{end}}", "there is no variable '$x'"},
		{"{{range $i, $l := .Labels}}{{end}}{{$i}}", "there is no variable '$i'"},
		{"{{$x = 1}}", "there is no variable '$x'"},
		{"{{$x := $x}}", "there is no variable '$x'"},
		{"{{join .Labels ','}}", "a text stands in double quotes or backquotes: '','"},
		{"{{print \"\\q\"}}", "this is no escape: '\\q\"'"},
		{"{{print \"\\x0\"}}", "this is no escape"},
		{"{{print \"\\x00\"}}", "this is no escape"},
		{"{{print \"\\400\"}}", "this is no escape"},
		{"{{print \"\\ud800\"}}", "this is no escape"},
		{"{{print \"\\U00110000\"}}", "this is no escape"},
		{"{{print 1x}}", "not a number: '1x'"},
		{"{{print 0x}}", "not a number"},
		{"{{print 1_0}}", "not a number"},
		{"{{print +inf}}", "not a number"},
		{"{{print 1e999}}", "not a number"},
		{"{{print 1-1}}", "space is missing before: '-1'"},
		{"{{print\"x\"}}", "space is missing before: '\"x\"'"},
		{"{{print .ID\"x\"}}", "space is missing before: '\"x\"'"},
		{"{{print .ID(print)}}", "space is missing before: '(print)'"},
		{"{{print 1111111111111111111111111111111111111111111111111111111111111111111}}",
		 "not a number"},
		{"{{(print) .ID}}", "only a function takes values: '.ID'"},
		{"{{/* x */ .ID /* y */}}", "a comment is all that its braces have"},
		{"{{/*/}}", "a comment is not closed"},
		{"{{break}}", "there is no range around it: 'break'"},
		{"{{range .Labels}}{{else}}{{continue}}{{end}}", "there is no range around it"},
		{"{{range .Labels}}{{break 1}}{{end}}", "nothing belongs behind break"},
		{"tablet {{.Nosuch}}", "no field"},
		{"{{end}}", "there is no block: 'end'"},
		{"{{else}}", "there is no block: 'else'"},
		{"{{if .ID}}{{end x}}", "end takes nothing"},
		{"{{json}}", "json wants 1 value, not 0"},
		{"{{join .Labels}}", "join wants 2 values, not 1"},
		{"{{json .ID .ID}}", "json wants 1 value, not 2"},
		{"{{.ID | json .ID}}", "json wants 1 value, not 2"},
		{"{{print json}}", "json wants 1 value, not 0"},
		{"{{upper ID}}", "neither a field nor a function: 'ID'"},
		{"{{join .Labels \", }}", "a quote is not closed"},
		{"{{.ID .ID}}", "only a function takes values"},
		{"{{.ID | .Names}}", "only a function takes values"},
		{"{{(json .ID}}", "a parenthesis is not closed"},
		{"{{json .ID)}}", "what is this: ')'"},
		{"{{..}}", "only a function takes values"},
		{"{{$.}}", "no name behind the dot"},
		{"{{$.Nosuch}}", "no field 'Nosuch'"},
		{"{{range .Labels}}{{$.Nosuch}}{{end}}", "no field 'Nosuch'"},
		{"{{len -x}}", "not a number"},
		{"{{/* {{.ID}} }}", "is not closed"},
		{"{{- }}", "neither a field"},
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
