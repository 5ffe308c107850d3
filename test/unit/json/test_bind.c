/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Binding along a table and writing back: every kind, every way in which a value can be wrong,
 * defaults, absence, and that a failed binding leaves nothing behind.
 */
#include <limits.h>

#include "base/own.h"
#include "heap.h"
#include "json/json.h"
#include "test.h"

enum colour { RED = 3, GREEN = 5 };

struct point {
	int x;
	char *label;
	struct strv tags;
};

struct inner {
	bool flag;
	uint32_t size;
	char *text;
};

struct outer {
	char *name;
	bool on, on_given;
	uint64_t u64;
	int64_t i64;
	uint32_t u32;
	int number;
	int percent;
	uint64_t small, at_least;
	int colour;
	struct strv args, map;
	bool args_given;
	struct inner inner, optional;
	bool optional_given;
	struct inner *pointer;
	struct json_array points;
	char *custom;
};

static const struct json_name colours[] = {{"red", RED}, {"green", GREEN}, {NULL}};

static const struct json_field point_fields[] = {
	{"x", JSON_F_INT, offsetof(struct point, x), .has_unset = true, .unset = -1},
	{"label", JSON_F_STRING, offsetof(struct point, label), .required = true},
	{"tags", JSON_F_STRINGS, offsetof(struct point, tags), .max_count = 2},
	{NULL},
};

static const struct json_field inner_fields[] = {
	{"flag", JSON_F_BOOL, offsetof(struct inner, flag), .has_unset = true},
	{"size", JSON_F_U32, offsetof(struct inner, size), .has_unset = true, .unset = -1},
	{"text", JSON_F_STRING, offsetof(struct inner, text)},
	{NULL},
};

/* "x" and any string: the string doubled. */
static int bind_custom(const struct json *doc, json_node n, void *slot, struct err *err)
{
	const char *text = json_string(doc, n);

	if (!text)
		return json_error(doc, n, err, "no text to double");
	free(*(char **)slot);
	*(char **)slot = str_printf(err, "%s%s", text, text);
	return *(char **)slot ? 0 : -1;
}

static void custom_done(void *slot)
{
	free(*(char **)slot);
	*(char **)slot = NULL;
}

static void custom_write(struct json_writer *w, const char *key, const void *slot)
{
	if (*(char *const *)slot)
		json_write_member(w, key, *(char *const *)slot);
}

#define AT(field) offsetof(struct outer, field)

static const struct json_field fields[] = {
	{"name", JSON_F_STRING, AT(name)},
	{"on", JSON_F_BOOL, AT(on), AT(on_given)},
	{"u64", JSON_F_U64, AT(u64), .has_unset = true},
	{"i64", JSON_F_I64, AT(i64), .has_unset = true},
	{"u32", JSON_F_U32, AT(u32), .has_unset = true},
	{"number", JSON_F_INT, AT(number), .has_unset = true},
	{"percent", JSON_F_INT, AT(percent), .min = -5, .max = 100, .has_unset = true,
	 .unset = -99},
	{"small", JSON_F_U64, AT(small), .min = 2, .max = 9, .has_unset = true},
	{"minimum", JSON_F_U64, AT(at_least), .min = 5, .max = 0, .has_unset = true},
	{"colour", JSON_F_ENUM, AT(colour), .names = colours, .has_unset = true},
	{"args", JSON_F_STRINGS, AT(args), AT(args_given)},
	{"map", JSON_F_MAP, AT(map), .max_count = 3},
	{"inner", JSON_F_OBJECT, AT(inner), .fields = inner_fields},
	{"optional", JSON_F_OBJECT, AT(optional), AT(optional_given), .fields = inner_fields},
	{"pointer", JSON_F_POINTER, AT(pointer), .fields = inner_fields,
	 .item_size = sizeof(struct inner)},
	{"points", JSON_F_ARRAY, AT(points), .fields = point_fields,
	 .item_size = sizeof(struct point), .max_count = 4},
	{"ignored", JSON_F_IGNORE},
	{"custom", JSON_F_CUSTOM, AT(custom), .custom = bind_custom, .custom_done = custom_done,
	 .custom_write = custom_write},
	{NULL},
};

static struct err err;
static struct outer o;

static int bind_as(const char *text, enum json_unknown unknown)
{
	own_json struct json *doc = json_parse(text, strlen(text), "doc", &err);

	if (!doc)
		test_fail(__FILE__, __LINE__, "'%s' is not JSON: %s", text, err.message);
	json_bind_done(fields, &o);
	o = (struct outer){.percent = -99, .inner.size = UINT32_MAX, .optional.size = UINT32_MAX};
	err = ERR_INIT;
	return json_bind(doc, 0, fields, unknown, &o, &err);
}

static int bind(const char *text)
{
	return bind_as(text, JSON_UNKNOWN_REFUSE);
}

static void refused(const char *text, const char *message)
{
	CHECK_ERR(bind(text), ERR_INVALID, "");
	CHECK_STR(err.message, message);
}

static void done(void)
{
	json_bind_done(fields, &o);
}

TEST(every_kind)
{
	const struct point *points;

	CHECK_OK(bind("{\"name\":\"n\",\"on\":true,\"u64\":18446744073709551615,"
		      "\"i64\":-9223372036854775808,\"u32\":4294967295,\"number\":-2147483648,"
		      "\"percent\":100,\"colour\":\"green\",\"args\":[\"a\",\"\"],"
		      "\"map\":{\"k\":\"v=w\",\"l\":\"\"},\"inner\":{\"flag\":true,\"size\":0},"
		      "\"pointer\":{\"text\":\"t\"},"
		      "\"points\":[{\"x\":7,\"label\":\"p\"},{\"label\":\"q\",\"tags\":[\"r\"]}],"
		      "\"ignored\":[{\"any\":1e3}],\"custom\":\"ab\"}"));
	CHECK_STR(o.name, "n");
	CHECK(o.on && o.on_given);
	CHECK(o.u64 == UINT64_MAX && o.i64 == INT64_MIN && o.u32 == UINT32_MAX);
	CHECK(o.number == INT_MIN && o.percent == 100 && o.colour == GREEN);
	CHECK(o.args_given && o.args.count == 2);
	CHECK_STR(o.args.items[0], "a");
	CHECK_STR(o.args.items[1], "");
	CHECK_INT(o.map.count, 2);
	CHECK_STR(o.map.items[0], "k=v=w");
	CHECK_STR(o.map.items[1], "l=");
	CHECK(o.inner.flag && o.inner.size == 0 && !o.inner.text);
	CHECK(!o.optional_given);
	CHECK(o.pointer && !o.pointer->flag && o.pointer->size == UINT32_MAX);
	CHECK_STR(o.pointer->text, "t");
	CHECK_INT(o.points.count, 2);
	points = o.points.items;
	CHECK_INT(points[0].x, 7);
	CHECK_STR(points[0].label, "p");
	CHECK_INT(points[1].x, -1);
	CHECK_STR(points[1].tags.items[0], "r");
	CHECK_STR(o.custom, "abab");
	done();
	CHECK(!o.name && !o.args.items && !o.map.items && !o.pointer && !o.points.items &&
	      !o.points.count && !o.custom);
}

struct limits {
	struct {
		int64_t soft;
		uint64_t hard;
		bool on;
	} values;
	int64_t top;
};

TEST(new_items_start_unset)
{
	static const struct json_field values[] = {
		{"soft", JSON_F_I64, 0, .has_unset = true, .unset = INT64_MIN},
		{"hard", JSON_F_U64, 8, .has_unset = true, .unset = -1},
		{"on", JSON_F_BOOL, 16, .has_unset = true, .unset = true},
		{NULL},
	};
	static const struct json_field limits[] = {
		{"values", JSON_F_OBJECT, offsetof(struct limits, values), .fields = values},
		{"top", JSON_F_I64, offsetof(struct limits, top), .has_unset = true, .unset = -7},
		{NULL},
	};
	static const struct json_field list[] = {
		{"list", JSON_F_ARRAY, 0, .fields = limits, .item_size = sizeof(struct limits)},
		{NULL},
	};
	static const char text[] = "{\"list\":[{\"values\":{\"soft\":0}},{}]}";
	own_json struct json *doc = json_parse(text, strlen(text), "doc", &err);
	own(str) struct str out = STR_INIT(200);
	struct json_array array = {0};
	const struct limits *items;
	struct json_writer w;

	CHECK_OK(json_bind(doc, 0, list, JSON_UNKNOWN_REFUSE, &array, &err));
	items = array.items;
	CHECK(items[0].values.soft == 0 && items[1].values.soft == INT64_MIN);
	CHECK(items[0].values.hard == UINT64_MAX && items[1].values.on && items[1].top == -7);
	json_writer_init(&w, &out, 0);
	json_write_struct(&w, list, &array);
	CHECK_STR(out.data, text);
	json_bind_done(list, &array);
}

TEST(null_is_absent)
{
	CHECK_OK(bind("{\"name\":null,\"on\":null,\"args\":null,\"inner\":null,\"pointer\":null,"
		      "\"points\":null,\"custom\":null,\"u64\":null}"));
	CHECK(!o.name && !o.on_given && !o.args_given && !o.pointer && !o.points.items &&
	      !o.custom);
	CHECK_OK(bind("{\"optional\":{},\"args\":[],\"points\":[],\"on\":false}"));
	CHECK(o.optional_given && o.args_given && o.on_given && !o.points.items && !o.on);
	done();
}

TEST(wrong_types)
{
	refused("[]", "doc: expected an object, found an array");
	refused("{\"name\":1}", "doc: name: expected a string, found a number");
	refused("{\"on\":\"true\"}", "doc: on: expected a boolean, found a string");
	refused("{\"on\":1}", "doc: on: expected a boolean, found a number");
	refused("{\"u64\":\"1\"}", "doc: u64: expected an integer, found a string");
	refused("{\"u32\":1.0}", "doc: u32: expected an integer, found 1.0");
	refused("{\"number\":1e3}", "doc: number: expected an integer, found 1e3");
	refused("{\"i64\":-0}", "doc: i64: expected an integer, found -0");
	refused("{\"colour\":3}", "doc: colour: expected a string, found a number");
	refused("{\"args\":{}}", "doc: args: expected an array, found an object");
	refused("{\"args\":[\"a\",null]}", "doc: args[1]: expected a string, found null");
	refused("{\"args\":[\"a\",1]}", "doc: args[1]: expected a string, found a number");
	refused("{\"map\":[]}", "doc: map: expected an object, found an array");
	refused("{\"map\":{\"k\":1}}", "doc: map.k: expected a string, found a number");
	refused("{\"map\":{\"k\":null}}", "doc: map.k: expected a string, found null");
	refused("{\"inner\":[]}", "doc: inner: expected an object, found an array");
	refused("{\"pointer\":\"x\"}", "doc: pointer: expected an object, found a string");
	refused("{\"points\":{}}", "doc: points: expected an array, found an object");
	refused("{\"points\":[null]}", "doc: points[0]: expected an object, found null");
	refused("{\"custom\":1}", "doc: custom: no text to double");
	done();
}

TEST(numbers_out_of_range)
{
	refused("{\"u64\":-1}", "doc: u64: -1 is negative");
	refused("{\"u64\":18446744073709551616}", "doc: u64: 18446744073709551616 is out of range");
	refused("{\"i64\":9223372036854775808}", "doc: i64: 9223372036854775808 is out of range");
	refused("{\"u32\":4294967296}", "doc: u32: 4294967296 is not between 0 and 4294967295");
	refused("{\"u32\":-1}", "doc: u32: -1 is not between 0 and 4294967295");
	refused("{\"number\":2147483648}",
		"doc: number: 2147483648 is not between -2147483648 and 2147483647");
	refused("{\"percent\":101}", "doc: percent: 101 is not between -5 and 100");
	refused("{\"percent\":-6}", "doc: percent: -6 is not between -5 and 100");
	CHECK_OK(bind("{\"percent\":-5,\"small\":2}"));
	CHECK_OK(bind("{\"small\":9}"));
	refused("{\"small\":1}", "doc: small: 1 is not between 2 and 9");
	refused("{\"small\":10}", "doc: small: 10 is not between 2 and 9");
	CHECK_OK(bind("{\"minimum\":18446744073709551615}"));
	refused("{\"minimum\":4}", "doc: minimum: 4 is not between 5 and 18446744073709551615");
	done();
}

TEST(a_bound_may_be_zero_or_equal_to_the_other)
{
	static const struct json_field bounds[] = {
		{"most", JSON_F_I64, 0, .min = 0, .max = 10},
		{"below", JSON_F_I64, 0, .min = -10, .max = 0},
		{"exactly", JSON_F_I64, 0, .min = 7, .max = 7},
		{"from", JSON_F_I64, 0, .min = 5, .max = 0},
		{"u64Most", JSON_F_U64, 0, .min = 0, .max = 10},
		{"u64Exactly", JSON_F_U64, 0, .min = 7, .max = 7},
		{NULL},
	};
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"{\"most\":0}", true},
		{"{\"most\":10}", true},
		{"{\"most\":-1}", false},
		{"{\"most\":11}", false},
		{"{\"below\":-10}", true},
		{"{\"below\":0}", true},
		{"{\"below\":-11}", false},
		{"{\"below\":1}", false},
		{"{\"exactly\":7}", true},
		{"{\"exactly\":6}", false},
		{"{\"exactly\":8}", false},
		{"{\"from\":5}", true},
		{"{\"from\":9223372036854775807}", true},
		{"{\"from\":4}", false},
		{"{\"u64Most\":0}", true},
		{"{\"u64Most\":10}", true},
		{"{\"u64Most\":11}", false},
		{"{\"u64Exactly\":7}", true},
		{"{\"u64Exactly\":6}", false},
		{"{\"u64Exactly\":8}", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		own_json struct json *doc = json_parse(cases[i].text, strlen(cases[i].text), "doc",
						       &err);
		int64_t value;
		int r = json_bind(doc, 0, bounds, JSON_UNKNOWN_REFUSE, &value, &err);

		if ((r == 0) != cases[i].good)
			test_fail(__FILE__, __LINE__, "%s", cases[i].text);
	}
}

TEST(names_of_an_enumeration)
{
	CHECK_OK(bind("{\"colour\":\"red\"}"));
	CHECK_INT(o.colour, RED);
	refused("{\"colour\":\"Red\"}", "doc: colour: 'Red' is not one of red, green");
	refused("{\"colour\":\"\"}", "doc: colour: '' is not one of red, green");
	done();
}

TEST(keys_of_a_map)
{
	refused("{\"map\":{\"a=b\":\"c\"}}", "doc: map[\"a=b\"]: a key must not contain '='");
	refused("{\"map\":{\"\":\"c\"}}", "doc: map[\"\"]: a key must not be empty");
	done();
}

TEST(counts_are_bounded)
{
	CHECK_OK(bind("{\"map\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}"));
	CHECK_ERR(bind("{\"map\":{\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":\"\"}}"), ERR_LIMIT,
		  "doc: map: 4 items are more than the limit of 3");
	CHECK_ERR(bind("{\"points\":[{\"label\":\"\",\"tags\":[\"a\",\"b\",\"c\"]}]}"), ERR_LIMIT,
		  "doc: points[0].tags: 3 items are more than the limit of 2");
	CHECK_ERR(bind("{\"points\":[1,2,3,4,5]}"), ERR_LIMIT,
		  "doc: points: 5 items are more than the limit of 4");
	done();
}

TEST(counts_have_a_bound_of_their_own)
{
	own(str) struct str text = STR_INIT(1 << 20);

	str_add(&text, "{\"args\":[\"\"");
	for (int i = 1; i < 65536; i++)
		str_add(&text, ",\"\"");
	str_add(&text, "]}");
	CHECK_OK(bind(text.data));
	CHECK_INT(o.args.count, 65536);
	text.len -= 2;
	str_add(&text, ",\"\"]}");
	CHECK_ERR(bind(text.data), ERR_LIMIT,
		  "doc: args: 65537 items are more than the limit of 65536");
	done();
}

TEST(required_members)
{
	refused("{\"points\":[{\"label\":\"a\"},{\"x\":1}]}", "doc: points[1].label: is missing");
	refused("{\"points\":[{\"label\":null}]}", "doc: points[0].label: is missing");
	done();
}

TEST(unknown_members)
{
	refused("{\"namex\":\"x\"}", "doc: namex: unknown key");
	CHECK_STR(err.hint, "did you mean 'name'?");
	refused("{\"completely-else\":1}", "doc: completely-else: unknown key");
	CHECK_STR(err.hint, "");
	refused("{\"nme\":1}", "doc: nme: unknown key");
	CHECK_STR(err.hint, "did you mean 'name'?");
	refused("{\"inher\":1,\"name\":1}", "doc: inher: unknown key");
	CHECK_STR(err.hint, "did you mean 'inner'?");
	refused("{\"customary\":1}", "doc: customary: unknown key");
	CHECK_STR(err.hint, "");
	refused("{\"customly\":1}", "doc: customly: unknown key");
	CHECK_STR(err.hint, "did you mean 'custom'?");
	refused("{\"inner\":{\"nope\":1}}", "doc: inner.nope: unknown key");
	refused("{\"nope\":null}", "doc: nope: unknown key");
	CHECK_OK(
		bind_as("{\"nope\":1,\"inner\":{\"nope\":[]},\"points\":[{\"label\":\"\",\"q\":1}],"
			"\"name\":\"x\"}",
			JSON_UNKNOWN_ALLOW));
	CHECK_STR(o.name, "x");
	done();
}

TEST(a_failure_releases_everything)
{
	refused("{\"name\":\"n\",\"args\":[\"a\"],\"map\":{\"k\":\"v\"},\"inner\":{\"text\":\"t\"},"
		"\"pointer\":{\"text\":\"t\"},\"points\":[{\"label\":\"p\",\"tags\":[\"t\"]}],"
		"\"custom\":\"c\",\"on\":1}",
		"doc: on: expected a boolean, found a number");
	CHECK(!o.name && !o.args.items && !o.map.items && !o.inner.text && !o.pointer &&
	      !o.points.items && !o.points.count && !o.custom);
}

TEST(defaults_stay_or_are_replaced)
{
	static const char text[] = "{\"name\":\"new\",\"args\":[\"new\"],\"map\":{\"new\":\"1\"},"
				   "\"pointer\":{},\"points\":[{\"label\":\"new\"}]}";
	own_json struct json *empty = json_parse("{}", 2, "doc", &err);
	own_json struct json *full = json_parse(text, strlen(text), "doc", &err);
	size_t blocks = heap_blocks();

	CHECK_OK(bind("{\"name\":\"old\",\"args\":[\"old\"],\"map\":{\"old\":\"0\"},\"u32\":7,"
		      "\"pointer\":{\"text\":\"old\"},\"points\":[{\"label\":\"old\"}]}"));
	CHECK_OK(json_bind(empty, 0, fields, JSON_UNKNOWN_REFUSE, &o, &err));
	CHECK_STR(o.name, "old");
	CHECK_STR(o.map.items[0], "old=0");
	CHECK_OK(json_bind(full, 0, fields, JSON_UNKNOWN_REFUSE, &o, &err));
	CHECK_STR(o.name, "new");
	CHECK_INT(o.args.count, 1);
	CHECK_STR(o.args.items[0], "new");
	CHECK_INT(o.map.count, 1);
	CHECK_STR(o.map.items[0], "new=1");
	CHECK(!o.pointer->text);
	CHECK_STR(((struct point *)o.points.items)[0].label, "new");
	CHECK_INT(o.u32, 7);
	done();
	CHECK_INT(heap_blocks(), blocks);
}

/* ---- writing back ---- */

static const char *written(void)
{
	static char text[4096];
	own(str) struct str out = STR_INIT(sizeof(text) - 1);
	struct json_writer w;

	json_writer_init(&w, &out, 0);
	json_write_struct(&w, fields, &o);
	CHECK_OK(str_check(&out, "text", &err));
	memcpy(text, out.data, out.len + 1);
	return text;
}

static void round_trip(const char *text)
{
	CHECK_OK(bind(text));
	CHECK_STR(written(), text);
	done();
}

TEST(what_was_read_is_written)
{
	round_trip("{}");
	round_trip("{\"name\":\"n\",\"on\":true,\"u64\":18446744073709551615,"
		   "\"i64\":-9223372036854775808,\"u32\":4294967295,\"number\":-2147483648,"
		   "\"percent\":0,\"small\":2,\"colour\":\"green\",\"args\":[\"a\",\"\"],"
		   "\"map\":{\"k\":\"v=w\",\"l\":\"\"},\"inner\":{\"flag\":true,\"size\":0},"
		   "\"optional\":{\"text\":\"\"},\"pointer\":{\"text\":\"t\"},"
		   "\"points\":[{\"x\":7,\"label\":\"p\"},{\"label\":\"q\",\"tags\":[\"r\"]}]}");
	round_trip("{\"name\":\"\",\"pointer\":{}}");
	round_trip("{\"on\":false,\"args\":[],\"optional\":{}}");
}

TEST(what_is_absent_is_not_written)
{
	CHECK_OK(bind("{\"map\":{},\"points\":[],\"inner\":{},\"u64\":0,\"percent\":null,"
		      "\"ignored\":1}"));
	CHECK_STR(written(), "{}");
	o.on = true;
	CHECK_STR(written(), "{}");
	o.inner.text = str_dup("t", &err);
	CHECK_STR(written(), "{\"inner\":{\"text\":\"t\"}}");
	done();
}

TEST(an_empty_object_between_others_leaves_no_trace)
{
	CHECK_OK(bind("{\"map\":{\"a\":\"b\"},\"inner\":{},\"pointer\":{}}"));
	CHECK_STR(written(), "{\"map\":{\"a\":\"b\"},\"pointer\":{}}");
	done();
}

TEST(required_members_are_written_even_when_empty)
{
	static const struct json_field required[] = {
		{"args", JSON_F_STRINGS, AT(args), .required = true},
		{"points", JSON_F_ARRAY, AT(points), .required = true, .fields = point_fields,
		 .item_size = sizeof(struct point)},
		{"inner", JSON_F_OBJECT, AT(inner), .required = true, .fields = inner_fields},
		{NULL},
	};
	own(str) struct str out = STR_INIT(100);
	struct json_writer w;

	o.inner.size = UINT32_MAX;
	json_writer_init(&w, &out, 0);
	json_write_struct(&w, required, &o);
	CHECK_STR(out.data, "{\"args\":[],\"points\":[],\"inner\":{}}");
}

TEST(custom_fields_are_written_by_their_own_function)
{
	CHECK_OK(bind("{\"custom\":\"ab\"}"));
	CHECK_STR(written(), "{\"custom\":\"abab\"}");
	done();
}

TEST(an_overflow_is_known_at_the_end)
{
	for (size_t limit = 0; limit < 60; limit++) {
		own(str) struct str out = STR_INIT(limit);
		struct json_writer w;

		CHECK_OK(bind("{\"name\":\"n\",\"inner\":{},\"optional\":{},\"pointer\":{},"
			      "\"map\":{\"k\":\"v\"}}"));
		json_writer_init(&w, &out, 2);
		json_write_struct(&w, fields, &o);
		CHECK_ERR(str_check(&out, "text", &err), ERR_LIMIT, "text");
		CHECK(out.len <= limit);
	}
	done();
}

TEST_MAIN()
