/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader: what is JSON and what is not, what an error says and where it says it is, exact
 * integers, paths, and the accessors.
 */
#include "base/own.h"
#include "json/json.h"
#include "test.h"

static struct err err;

/* From a block of exactly this size, so that a sanitizer sees the first byte read beyond it. */
static struct json *parse(const char *text, size_t size)
{
	own_free char *copy = malloc(size ? size : 1);

	CHECK(copy);
	memcpy(copy, text, size);
	err = ERR_INIT;
	return json_parse(copy, size, "doc", &err);
}

static struct json *accepted(const char *text)
{
	struct json *doc = parse(text, strlen(text));

	if (!doc)
		test_fail(__FILE__, __LINE__, "'%s' was refused: %s", text, err.message);
	return doc;
}

static void refused_bytes(const char *text, size_t size, enum err_kind kind, const char *message)
{
	own_json struct json *doc = parse(text, size);

	if (doc)
		test_fail(__FILE__, __LINE__, "'%s' was accepted", text);
	CHECK_STR(err.message, message);
	CHECK_INT(err.kind, kind);
}

static void refused(const char *text, const char *message)
{
	refused_bytes(text, strlen(text), ERR_INVALID, message);
}

/* ---- values ---- */

TEST(every_type)
{
	own_json struct json *doc = accepted("{\"a\":null,\"b\":true,\"c\":false,\"d\":-12,"
					     "\"e\":\"x\",\"f\":[1,[2],{}],\"g\":{\"h\":0}}");
	static const enum json_type types[] = {JSON_NULL,   JSON_BOOL,	JSON_BOOL,  JSON_NUMBER,
					       JSON_STRING, JSON_ARRAY, JSON_OBJECT};
	char key[2] = "a";
	json_node n = json_first(doc, 0);

	CHECK_INT(json_type(doc, 0), JSON_OBJECT);
	CHECK_INT(json_count(doc, 0), 7);
	for (int i = 0; i < 7; i++, n = json_next(doc, n)) {
		key[0] = (char)('a' + i);
		CHECK_INT(json_type(doc, n), types[i]);
		CHECK_STR(json_key(doc, n), key);
		CHECK_INT(json_get(doc, 0, key), n);
	}
	CHECK(n == JSON_NONE);
	CHECK(json_bool(doc, json_get(doc, 0, "b")));
	CHECK(!json_bool(doc, json_get(doc, 0, "c")));
	CHECK_STR(json_string(doc, json_get(doc, 0, "e")), "x");
	CHECK_INT(json_count(doc, json_get(doc, 0, "f")), 3);
}

TEST(siblings_after_nested_containers)
{
	own_json struct json *doc = accepted(" [ [ [ ] , 1 ] , { \"k\" : [ 2 , 3 ] } , 4 ] ");
	json_node a = json_first(doc, 0), b = json_next(doc, a), c = json_next(doc, b);
	uint64_t value;

	CHECK_INT(json_count(doc, a), 2);
	CHECK_INT(json_type(doc, json_first(doc, a)), JSON_ARRAY);
	CHECK(json_first(doc, json_first(doc, a)) == JSON_NONE);
	CHECK_OK(json_u64(doc, json_next(doc, json_first(doc, a)), &value, &err));
	CHECK_INT(value, 1);
	CHECK(json_next(doc, json_next(doc, json_first(doc, a))) == JSON_NONE);
	CHECK_INT(json_count(doc, json_get(doc, b, "k")), 2);
	CHECK_OK(json_u64(doc, c, &value, &err));
	CHECK_INT(value, 4);
	CHECK(json_next(doc, c) == JSON_NONE);
	CHECK(json_next(doc, 0) == JSON_NONE);
}

TEST(any_value_may_be_the_top_one)
{
	static const char *const texts[] = {"null", "true", "0", "\"\"", "[]", "{}", "\t\r\n 1 \n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		json_free(accepted(texts[i]));
}

TEST(accessors_answer_nothing_for_nothing_and_for_other_types)
{
	own_json struct json *doc = accepted("{\"s\":\"x\",\"a\":[]}");
	json_node s = json_get(doc, 0, "s"), a = json_get(doc, 0, "a");

	CHECK(json_get(doc, 0, "no") == JSON_NONE);
	CHECK(json_get(doc, s, "x") == JSON_NONE);
	CHECK(json_get(doc, a, "x") == JSON_NONE);
	CHECK(json_get(doc, JSON_NONE, "x") == JSON_NONE);
	CHECK(json_first(doc, s) == JSON_NONE);
	CHECK(json_first(doc, a) == JSON_NONE);
	CHECK(json_first(doc, JSON_NONE) == JSON_NONE);
	CHECK(json_next(doc, JSON_NONE) == JSON_NONE);
	CHECK(!json_string(doc, a));
	CHECK(!json_string(doc, JSON_NONE));
	CHECK(!json_bool(doc, s));
	CHECK(!json_bool(doc, JSON_NONE));
	CHECK(!json_key(doc, 0));
	CHECK(!json_key(doc, JSON_NONE));
	CHECK_INT(json_count(doc, s), 0);
	CHECK_INT(json_count(doc, JSON_NONE), 0);
	CHECK_INT(json_type(doc, JSON_NONE), JSON_NULL);
	json_free(NULL);
}

/* ---- strings ---- */

static void decodes(const char *text, const char *want)
{
	own_json struct json *doc = accepted(text);

	CHECK_STR(json_string(doc, 0), want);
}

TEST(strings)
{
	decodes("\"\"", "");
	decodes("\"plain\"", "plain");
	decodes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
	decodes("\"a\\u0041\\u00e9\\u20AC\\uD83D\\uDE00z\"",
		"aA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
	decodes("\"\\u0001\\u001f\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
		"\x01\x1f\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf");
	decodes("\"\\ud800\\udc00\\udbff\\udfff\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	decodes("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"",
		"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
	decodes("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\x7f\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\x7f");
}

TEST(strings_that_are_none)
{
	refused("\"abc", "doc: line 1, column 1: the string has no end");
	refused("\"abc\\\"", "doc: line 1, column 1: the string has no end");
	refused("\"abc\\",
		"doc: line 1, column 6: expected an escape (one of \" \\ / b f n r t u), "
		"found the end");
	refused("\"\\x41\"",
		"doc: line 1, column 3: expected an escape (one of \" \\ / b f n r t u), "
		"found 'x'");
	refused("\"a\tb\"", "doc: line 1, column 3: control character 0x09 in a string must be "
			    "escaped");
	refused("\"a\nb\"", "doc: line 1, column 3: control character 0x0a in a string must be "
			    "escaped");
	refused_bytes("\"a\0b\"", 5, ERR_INVALID,
		      "doc: line 1, column 3: control character 0x00 in a string must be escaped");
	refused_bytes("\"\\\0\"", 4, ERR_INVALID,
		      "doc: line 1, column 3: expected an escape (one of \" \\ / b f n r t u), "
		      "found byte 0x00");
	refused("'a'", "doc: line 1, column 1: expected a value, found '''");
}

TEST(unicode_escapes_that_are_none)
{
	static const char *const short_ones[] = {"\"\\u\"",	"\"\\u004\"", "\"\\u00g0\"",
						 "\"\\u+041\"", "\"\\u00",    "\"\\u"};

	for (size_t i = 0; i < sizeof(short_ones) / sizeof(short_ones[0]); i++)
		refused(short_ones[i], "doc: line 1, column 2: \\u needs four hexadecimal digits");
	refused("\"\\u0000\"", "doc: line 1, column 2: \\u0000 is not allowed in a string");
	refused("{\"a\\u0000b\":1}", "doc: line 1, column 4: \\u0000 is not allowed in a string");
	refused("\"\\ud800\"", "doc: line 1, column 2: \\ud800 is one half of a character");
	refused("\"\\udbffx\"", "doc: line 1, column 2: \\udbff is one half of a character");
	refused("\"\\ud800\\n\"", "doc: line 1, column 2: \\ud800 is one half of a character");
	refused("\"\\ud800\\u0041\"", "doc: line 1, column 2: \\ud800 is one half of a character");
	refused("\"\\ud800\\ud800\"", "doc: line 1, column 2: \\ud800 is one half of a character");
	refused("\"\\ud800\\ue000\"", "doc: line 1, column 2: \\ud800 is one half of a character");
	refused("\"\\udc00\\udc00\"", "doc: line 1, column 2: \\udc00 is one half of a character");
	refused("\"\\ud800\\udc0", "doc: line 1, column 2: \\ud800 is one half of a character");
	refused("\"\\udc00\"", "doc: line 1, column 2: \\udc00 is one half of a character");
	refused("\"\\udfff\\ud800\"", "doc: line 1, column 2: \\udfff is one half of a character");
}

TEST(invalid_utf8)
{
	static const char *const bytes[] = {"\x80",
					    "\xbf",
					    "\xc0\x80",
					    "\xc1\xbf",
					    "\xc2",
					    "\xc2\x41",
					    "\xc2\xc0",
					    "\xe0\x80\x80",
					    "\xe0\x9f\xbf",
					    "\xe1\x80",
					    "\xe1\x80\x41",
					    "\xed\xa0\x80",
					    "\xed\xbf\xbf",
					    "\xf0\x80\x80\x80",
					    "\xf0\x8f\xbf\xbf",
					    "\xf1\x80\x80",
					    "\xf1\x80\x80\x41",
					    "\xf4\x90\x80\x80",
					    "\xf5\x80\x80\x80",
					    "\xfe",
					    "\xff"};

	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		char text[16], message[80];
		int len = snprintf(text, sizeof(text), "\"a%s\"", bytes[i]);

		snprintf(message, sizeof(message),
			 "doc: line 1, column 3: invalid UTF-8, byte 0x%02x",
			 (unsigned int)(unsigned char)bytes[i][0]);
		refused(text, message);
		/* The text may also end within the character. */
		refused_bytes(text, (size_t)len - 1, ERR_INVALID, message);
	}
}

/* ---- numbers ---- */

TEST(numbers_that_are_none)
{
	refused("-", "doc: line 1, column 2: expected a digit, found the end");
	refused("[-]", "doc: line 1, column 3, in [0]: expected a digit, found ']'");
	refused("+1", "doc: line 1, column 1: expected a value, found '+'");
	refused(".5", "doc: line 1, column 1: expected a value, found '.'");
	refused("1.", "doc: line 1, column 3: expected a digit, found the end");
	refused("[1.]", "doc: line 1, column 4, in [0]: expected a digit, found ']'");
	refused("1e", "doc: line 1, column 3: expected a digit, found the end");
	refused("1e+", "doc: line 1, column 4: expected a digit, found the end");
	refused("01", "doc: line 1, column 1: a number must not begin with 0");
	refused("-00", "doc: line 1, column 2: a number must not begin with 0");
	refused("0x10", "doc: line 1, column 2: expected nothing after the value, found 'x'");
	refused("[1_000]", "doc: line 1, column 3: expected ',' or ']', found '_'");
	refused("NaN", "doc: line 1, column 1: expected a value, found 'N'");
	refused("nan", "doc: line 1, column 1: expected a value, found 'n'");
	refused("Infinity", "doc: line 1, column 1: expected a value, found 'I'");
	refused("{\"a\":-Infinity}", "doc: line 1, column 7, in a: expected a digit, found 'I'");
}

TEST(numbers_beyond_a_double)
{
	own_free char *digits = malloc(402);

	refused("[1e400]", "doc: line 1, column 2, in [0]: the number is out of range");
	refused("[0,1e400]", "doc: line 1, column 4, in [1]: the number is out of range");
	refused("-1e309", "doc: line 1, column 1: the number is out of range");
	refused("1e99999999999999999999", "doc: line 1, column 1: the number is out of range");
	json_free(accepted("[1e308, 1e-400, 0.1e-99999, 1.7976931348623157e308]"));
	memset(digits, '9', 401);
	digits[401] = '\0';
	refused_bytes(digits, 401, ERR_LIMIT, "doc: line 1, column 1: a number of 401 characters");
	refused_bytes(digits, 310, ERR_INVALID,
		      "doc: line 1, column 1: the number is out of range");
	refused_bytes(digits, 400, ERR_INVALID,
		      "doc: line 1, column 1: the number is out of range");
	digits[308] = '\0';
	json_free(accepted(digits));
}

static const char *as_u64(const char *text)
{
	own_json struct json *doc = accepted(text);
	static char answer[64];
	uint64_t value = 77;

	err = ERR_INIT;
	if (json_u64(doc, 0, &value, &err) < 0) {
		CHECK_INT(err.kind, ERR_INVALID);
		CHECK_INT(value, 77);
		return err.message;
	}
	snprintf(answer, sizeof(answer), "%ju", (uintmax_t)value);
	return answer;
}

static const char *as_i64(const char *text)
{
	own_json struct json *doc = accepted(text);
	static char answer[64];
	int64_t value = 77;

	err = ERR_INIT;
	if (json_i64(doc, 0, &value, &err) < 0) {
		CHECK_INT(err.kind, ERR_INVALID);
		CHECK_INT(value, 77);
		return err.message;
	}
	snprintf(answer, sizeof(answer), "%jd", (intmax_t)value);
	return answer;
}

TEST(integers_are_exact)
{
	CHECK_STR(as_u64("0"), "0");
	CHECK_STR(as_u64("9007199254740993"), "9007199254740993");
	CHECK_STR(as_u64("18446744073709551615"), "18446744073709551615");
	CHECK_STR(as_u64("18446744073709551616"), "doc: 18446744073709551616 is out of range");
	CHECK_STR(as_u64("99999999999999999999"), "doc: 99999999999999999999 is out of range");
	CHECK_STR(as_u64("-1"), "doc: -1 is negative");
	CHECK_STR(as_i64("0"), "0");
	CHECK_STR(as_i64("-1"), "-1");
	CHECK_STR(as_i64("9223372036854775807"), "9223372036854775807");
	CHECK_STR(as_i64("9223372036854775808"), "doc: 9223372036854775808 is out of range");
	CHECK_STR(as_i64("-9223372036854775808"), "-9223372036854775808");
	CHECK_STR(as_i64("-9223372036854775809"), "doc: -9223372036854775809 is out of range");
	CHECK_STR(as_i64("-99999999999999999999"), "doc: -99999999999999999999 is out of range");
}

TEST(what_is_no_integer_is_none)
{
	static const char *const texts[] = {
		"1.0", "1e3", "1E0", "-0", "-0.0", "0.5", "99999999999999999999.5"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char message[80];

		snprintf(message, sizeof(message), "doc: expected an integer, found %s", texts[i]);
		CHECK_STR(as_u64(texts[i]), message);
		CHECK_STR(as_i64(texts[i]), message);
	}
	CHECK_STR(as_u64("\"1\""), "doc: expected an integer, found a string");
	CHECK_STR(as_i64("null"), "doc: expected an integer, found null");
	CHECK_STR(as_u64("true"), "doc: expected an integer, found a boolean");
	CHECK_STR(as_u64("[]"), "doc: expected an integer, found an array");
}

TEST(an_absent_value_is_no_integer)
{
	own_json struct json *doc = accepted("{}");
	uint64_t value;

	CHECK_ERR(json_u64(doc, json_get(doc, 0, "no"), &value, &err), ERR_INVALID, "found null");
}

/* ---- structure ---- */

TEST(broken_structure)
{
	refused("", "doc: line 1, column 1: expected a value, found the end");
	refused(" \n ", "doc: line 2, column 2: expected a value, found the end");
	refused("[", "doc: line 1, column 2, in [0]: expected a value, found the end");
	refused("[1", "doc: line 1, column 3: expected ',' or ']', found the end");
	refused("[1 2]", "doc: line 1, column 4: expected ',' or ']', found '2'");
	refused("[1,]", "doc: line 1, column 4, in [1]: expected a value, found ']'");
	refused("[,1]", "doc: line 1, column 2, in [0]: expected a value, found ','");
	refused("[1}", "doc: line 1, column 3: expected ',' or ']', found '}'");
	refused("]", "doc: line 1, column 1: expected a value, found ']'");
	refused("{", "doc: line 1, column 2: expected a key in quotes, found the end");
	refused("{]", "doc: line 1, column 2: expected a key in quotes, found ']'");
	refused("{a:1}", "doc: line 1, column 2: expected a key in quotes, found 'a'");
	refused("{1:1}", "doc: line 1, column 2: expected a key in quotes, found '1'");
	refused("{\"a\"}", "doc: line 1, column 5: expected ':', found '}'");
	refused("{\"a\":}", "doc: line 1, column 6, in a: expected a value, found '}'");
	refused("{\"a\":1,}", "doc: line 1, column 8: expected a key in quotes, found '}'");
	refused("{\"a\":1 \"b\":2}", "doc: line 1, column 8: expected ',' or '}', found '\"'");
	refused("{\"a\":1]", "doc: line 1, column 7: expected ',' or '}', found ']'");
	refused("tru", "doc: line 1, column 1: expected a value, found 't'");
	refused("True", "doc: line 1, column 1: expected a value, found 'T'");
	refused("null0", "doc: line 1, column 5: expected nothing after the value, found '0'");
	refused("[1]// x", "doc: line 1, column 4: expected nothing after the value, found '/'");
	refused("[/**/]", "doc: line 1, column 2, in [0]: expected a value, found '/'");
	refused("\v1", "doc: line 1, column 1: expected a value, found byte 0x0b");
	refused("[\xc2\xa0"
		"1]",
		"doc: line 1, column 2, in [0]: expected a value, found byte 0xc2");
}

TEST(trailing_bytes)
{
	refused("{} {}", "doc: line 1, column 4: expected nothing after the value, found '{'");
	refused("1,", "doc: line 1, column 2: expected nothing after the value, found ','");
	refused_bytes("{}\0", 3, ERR_INVALID,
		      "doc: line 1, column 3: expected nothing after the value, found byte 0x00");
	refused_bytes("\0", 1, ERR_INVALID,
		      "doc: line 1, column 1: expected a value, found byte 0x00");
	refused("\xef\xbb\xbf{}", "doc: line 1, column 1: a byte order mark is not allowed");
	refused("\xef\xbb\xbf", "doc: line 1, column 1: a byte order mark is not allowed");
	refused("\xef\xbb", "doc: line 1, column 1: expected a value, found byte 0xef");
	refused("{}\xef\xbb\xbf",
		"doc: line 1, column 3: expected nothing after the value, found byte 0xef");
}

TEST(only_the_given_bytes_are_read)
{
	own_json struct json *doc = parse("12345", 2);
	uint64_t value;

	CHECK_OK(json_u64(doc, 0, &value, &err));
	CHECK_INT(value, 12);
	refused_bytes("true", 3, ERR_INVALID, "doc: line 1, column 1: expected a value, found 't'");
	refused_bytes("\"ab\"", 3, ERR_INVALID, "doc: line 1, column 1: the string has no end");
}

TEST(the_text_may_be_released_after_parsing)
{
	own_free char *text = strdup("{\"key\":[\"value\",12]}");
	own_json struct json *doc = accepted(text);
	json_node list = json_get(doc, 0, "key");

	memset(text, 'x', strlen(text));
	CHECK(json_get(doc, 0, "key") != JSON_NONE);
	CHECK_STR(json_string(doc, json_first(doc, list)), "value");
}

TEST(lines_and_columns_count_characters)
{
	refused("{\n  \"a\": 1,\r\n\t\"\xc3\xa9\xe2\x82\xac\" 2\n}",
		"doc: line 3, column 7: expected ':', found '2'");
	refused("[\n\n\n  x]", "doc: line 4, column 3, in [0]: expected a value, found 'x'");
}

TEST(errors_inside_name_the_value)
{
	refused("{\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":pid}]}}",
		"doc: line 1, column 48, in linux.namespaces[1].type: expected a value, found 'p'");
	refused("{\"a\":{\"b\":[1,2,{\"c\":3 4}]}}",
		"doc: line 1, column 23, in a.b[2]: expected ',' or '}', found '4'");
}

/* ---- duplicate keys ---- */

TEST(duplicate_keys)
{
	refused("{\"a\":1,\"a\":1}", "doc: a: the key is there twice");
	refused("{\"\":1,\"b\":2,\"\":3}", "doc: [\"\"]: the key is there twice");
	refused("{\"x\":[0,{\"k\":1,\"l\":2,\"\\u006b\":3}]}",
		"doc: x[1].k: the key is there twice");
	json_free(accepted("{\"a\":{\"a\":{\"a\":1}},\"A\":2,\"a \":3}"));
}

/* `count` distinct keys, and one of them again at the end if `again` is not negative. */
static char *many_keys(int count, int again)
{
	own(str) struct str text = STR_INIT(1 << 20);

	str_add(&text, "{");
	for (int i = 0; i < count; i++)
		str_addf(&text, "\"key-of-some-length-%d\":%d,", i, i);
	if (again >= 0)
		str_addf(&text, "\"key-of-some-length-%d\":0}", again);
	else
		str_add(&text, "\"\":0}");
	CHECK_OK(str_check(&text, "text", &err));
	return str_take(&text);
}

TEST(duplicate_keys_in_objects_of_every_size)
{
	for (int count = 1; count < 300; count += count < 40 ? 1 : 37) {
		int places[] = {0, count / 2, count - 1};
		own_free char *distinct = many_keys(count, -1);

		json_free(accepted(distinct));
		for (int i = 0; i < 3; i++) {
			own_free char *text = many_keys(count, places[i]);
			char message[80];

			snprintf(message, sizeof(message),
				 "doc: key-of-some-length-%d: the key is there twice", places[i]);
			refused(text, message);
		}
	}
}

TEST(keys_that_differ_in_one_block_or_in_length_only)
{
	own(str) struct str text = STR_INIT(1 << 20);

	/* Prefixes of each other, and one letter moved along. */
	str_add(&text, "{");
	for (int len = 0; len < 40; len++)
		str_addf(&text, "\"%.*s\":0,", len, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	for (int at = 0; at < 40; at++)
		str_addf(&text, "\"%.*sb%.*s\":0,", at,
			 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 40 - at,
			 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	str_add(&text, "\"end\":0}");
	json_free(accepted(text.data));
}

/* ---- paths ---- */

static const char *path_of(const char *text, size_t size)
{
	own_json struct json *doc = accepted(text);
	static char path[256];
	json_node n = 0;

	/* The last value of the document: down the last item of every container. */
	while (json_first(doc, n) != JSON_NONE)
		for (n = json_first(doc, n); json_next(doc, n) != JSON_NONE;)
			n = json_next(doc, n);
	CHECK(json_path(doc, n, path, size) == path);
	return path;
}

TEST(paths)
{
	CHECK_STR(path_of("1", 256), "");
	CHECK_STR(path_of("{\"a\":0,\"b\":1}", 256), "b");
	CHECK_STR(path_of("{\"linux\":{\"namespaces\":[{},{},{\"type\":1}]}}", 256),
		  "linux.namespaces[2].type");
	CHECK_STR(path_of("[[[],[0,1]]]", 256), "[0][1][1]");
	CHECK_STR(path_of("[{\"a\":1}]", 256), "[0].a");
	CHECK_STR(path_of("{\"annotations\":{\"org.example/x\":1}}", 256),
		  "annotations[\"org.example/x\"]");
	CHECK_STR(path_of("{\"$schema\":{\"\":1}}", 256), "$schema[\"\"]");
}

TEST(long_paths_are_cut)
{
	CHECK_STR(path_of("{\"abcdef\":{\"ghijkl\":1}}", 14), "abcdef.ghijkl");
	CHECK_STR(path_of("{\"abcdef\":{\"ghijkl\":1}}", 13), "abcdef.gh...");
	CHECK_STR(path_of("{\"abcdef\":{\"ghijkl\":1}}", 7), "abc...");
	CHECK_STR(path_of("{\"abcdef\":{\"ghijkl\":1}}", 1), "");
}

TEST(custom_errors_carry_name_and_path)
{
	own_json struct json *doc = accepted("{\"a\":[1,2]}");
	json_node second = json_next(doc, json_first(doc, json_get(doc, 0, "a")));

	CHECK_ERR(json_error(doc, second, &err, "%d is too many", 2), ERR_INVALID,
		  "doc: a[1]: 2 is too many");
	CHECK_ERR(json_error(doc, 0, &err, "not today"), ERR_INVALID, "doc: not today");
	CHECK_ERR(json_error(doc, JSON_NONE, &err, "nothing"), ERR_INVALID, "doc: nothing");
}

TEST_MAIN()
