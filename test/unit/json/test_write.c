/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer: structure, indentation, escaping, and that whatever it writes can be read.
 */
#include "base/own.h"
#include "json/json.h"
#include "test.h"

static struct err err;

static void write_sample(struct json_writer *w)
{
	struct strv list = STRV_INIT;

	CHECK_OK(strv_add(&list, "x", &err));
	CHECK_OK(strv_add(&list, "y", &err));
	json_write_object(w);
	json_write_member(w, "text", "a");
	json_write_member(w, "none", NULL);
	json_write_key(w, "list");
	json_write_strings(w, &list);
	json_write_key(w, "empty");
	json_write_array(w);
	json_write_end(w, ']');
	json_write_key(w, "nested");
	json_write_array(w);
	json_write_object(w);
	json_write_end(w, '}');
	json_write_object(w);
	json_write_key(w, "n");
	json_write_u64(w, UINT64_MAX);
	json_write_end(w, '}');
	json_write_i64(w, INT64_MIN);
	json_write_bool(w, true);
	json_write_bool(w, false);
	json_write_end(w, ']');
	json_write_end(w, '}');
	strv_done(&list);
}

TEST(compact)
{
	own(str) struct str out = STR_INIT(1000);
	struct json_writer w;

	json_writer_init(&w, &out, 0);
	write_sample(&w);
	CHECK_STR(out.data, "{\"text\":\"a\",\"none\":null,\"list\":[\"x\",\"y\"],\"empty\":[],"
			    "\"nested\":[{},{\"n\":18446744073709551615},-9223372036854775808,"
			    "true,false]}");
}

TEST(indented)
{
	own(str) struct str out = STR_INIT(1000);
	struct json_writer w;

	json_writer_init(&w, &out, 2);
	write_sample(&w);
	CHECK_STR(out.data, "{\n"
			    "  \"text\": \"a\",\n"
			    "  \"none\": null,\n"
			    "  \"list\": [\n"
			    "    \"x\",\n"
			    "    \"y\"\n"
			    "  ],\n"
			    "  \"empty\": [],\n"
			    "  \"nested\": [\n"
			    "    {},\n"
			    "    {\n"
			    "      \"n\": 18446744073709551615\n"
			    "    },\n"
			    "    -9223372036854775808,\n"
			    "    true,\n"
			    "    false\n"
			    "  ]\n"
			    "}");
}

TEST(one_writer_may_write_one_document_per_line)
{
	own(str) struct str out = STR_INIT(100);
	struct json_writer w;

	json_writer_init(&w, &out, 0);
	for (int i = 0; i < 2; i++) {
		json_write_object(&w);
		json_write_end(&w, '}');
		str_add_char(&out, '\n');
	}
	json_write_u64(&w, 1);
	CHECK_STR(out.data, "{}\n{}\n1");
}

static const char *quoted(const char *text)
{
	static char copy[256];
	own(str) struct str out = STR_INIT(sizeof(copy) - 1);
	struct json_writer w;

	json_writer_init(&w, &out, 0);
	json_write_string(&w, text);
	CHECK_OK(str_check(&out, "text", &err));
	memcpy(copy, out.data, out.len + 1);
	return copy;
}

TEST(escapes)
{
	CHECK_STR(quoted(""), "\"\"");
	CHECK_STR(quoted("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	CHECK_STR(quoted("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
	CHECK_STR(quoted("\x01\x1b\x1f\x7f"), "\"\\u0001\\u001b\\u001f\x7f\"");
	CHECK_STR(quoted("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

TEST(what_is_not_utf8_becomes_the_replacement_character)
{
	CHECK_STR(quoted("a\xff"
			 "b"),
		  "\"a\xef\xbf\xbd"
		  "b\"");
	CHECK_STR(quoted("\xc3"), "\"\xef\xbf\xbd\"");
	CHECK_STR(quoted("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	CHECK_STR(quoted("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	CHECK_STR(quoted("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(every_string_that_is_written_can_be_read)
{
	for (unsigned int c = 1; c < 256; c++) {
		char text[] = {'k', (char)c, '"', (char)c, '\0'};
		own(str) struct str out = STR_INIT(200);
		own_json struct json *doc = NULL;
		struct json_writer w;

		json_writer_init(&w, &out, 0);
		json_write_object(&w);
		json_write_member(&w, text, text);
		json_write_end(&w, '}');
		doc = json_parse(out.data, out.len, "doc", &err);
		CHECK(doc);
		CHECK_STR(json_key(doc, 1), json_string(doc, 1));
		if (c < 0x80)
			CHECK_STR(json_string(doc, 1), text);
	}
}

TEST(the_limit_of_the_string_is_the_limit_of_the_document)
{
	own(str) struct str out = STR_INIT(5);
	struct json_writer w;

	json_writer_init(&w, &out, 0);
	json_write_string(&w, "abc");
	CHECK_OK(str_check(&out, "text", &err));
	str_reset(&out);
	json_write_string(&w, "abcd");
	CHECK_ERR(str_check(&out, "text", &err), ERR_LIMIT, "text");
}

TEST_MAIN()
