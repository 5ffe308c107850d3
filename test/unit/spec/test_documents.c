/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recorded documents: each in test/data/spec/bad is refused with the kind of error and the text that
 * the file `expected` has for it (the JSON path is in the text); each in good is accepted by parser
 * and validation and comes back the same from print; those in canonical are, byte for byte, what
 * print makes of them.
 */
#include "documents.h"

#define INDENT 2

static int parse_and_validate(const char *text, size_t size, const char *name, struct spec *ret,
			      struct err *err)
{
	if (spec_parse(text, size, name, ret, err) < 0)
		return -1;
	return spec_validate(ret, err);
}

static int count_json(const char *directory)
{
	own_free char *full = NULL;
	own_dir DIR *dir = NULL;
	int count = 0;

	CHECK(asprintf(&full, "%s/spec/%s", TEST_DATA, directory) > 0);
	dir = opendir(full);
	CHECK(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		count += str_ends(entry->d_name, ".json");
	return count;
}

/* One row of `expected`: NAME, KIND and part of the message between tabs. */
static void check_refused(char *row)
{
	char *name = strsep(&row, "\t"), *kind = strsep(&row, "\t"), *part = row;
	own(spec) struct spec s = {0};
	own_free char *text = NULL;
	struct err err = ERR_INIT;
	char path[128];
	size_t size;

	CHECK(part);
	snprintf(path, sizeof(path), "bad/%s.json", name);
	text = document_read(path, &size);
	spec_init(&s);
	if (parse_and_validate(text, size, path, &s, &err) == 0)
		test_fail(__FILE__, __LINE__, "%s was accepted", path);
	if (strcmp(err_kind_name(err.kind), kind) != 0 || !strstr(err.message, part))
		test_fail(__FILE__, __LINE__, "%s: %s (%s), expected: %s (%s)", path, err.message,
			  err_kind_name(err.kind), part, kind);
}

TEST(every_bad_document_is_refused_and_the_member_is_named)
{
	own_free char *expected = NULL;
	char *rest, *row;
	int count = 0;
	size_t size;

	expected = document_read("bad/expected", &size);
	rest = expected;
	while ((row = strsep(&rest, "\n"))) {
		if (!*row || *row == '#')
			continue;
		check_refused(row);
		count++;
	}
	CHECK(count >= 60);
	CHECK_INT(count, count_json("bad"));
}

static void print(const struct spec *s, struct str *out)
{
	struct err err = ERR_INIT;

	CHECK_OK(spec_print(s, INDENT, out, &err));
}

static void check_accepted(const char *name)
{
	own(str) struct str first = STR_INIT(1u << 20), second = STR_INIT(1u << 20);
	own(spec) struct spec a = {0}, b = {0};
	own_free char *text = NULL;
	struct err err = ERR_INIT;
	char path[300];
	size_t size;

	snprintf(path, sizeof(path), "good/%s", name);
	text = document_read(path, &size);
	spec_init(&a);
	spec_init(&b);
	CHECK_OK(parse_and_validate(text, size, path, &a, &err));
	print(&a, &first);
	CHECK_OK(parse_and_validate(first.data, first.len, "printed", &b, &err));
	print(&b, &second);
	CHECK_STR(second.data, first.data);
}

TEST(every_good_document_is_accepted_and_printed_faithfully)
{
	struct dirent **entries;
	int count = scandir(TEST_DATA "/spec/good", &entries, NULL, alphasort);
	int seen = 0;

	CHECK(count > 0);
	for (int i = 0; i < count; i++) {
		if (str_ends(entries[i]->d_name, ".json")) {
			check_accepted(entries[i]->d_name);
			seen++;
		}
		free(entries[i]);
	}
	free(entries);
	CHECK(seen >= 8);
}

TEST(a_document_with_every_member_is_printed_as_it_was)
{
	own(str) struct str out = STR_INIT(1u << 20);
	own(spec) struct spec s = {0};
	own_free char *text = NULL;
	struct err err = ERR_INIT;
	size_t size;

	text = document_read("canonical/everything.json", &size);
	spec_init(&s);
	CHECK_OK(spec_parse(text, size, "everything.json", &s, &err));
	print(&s, &out);
	CHECK_STR(out.data, text);
}

TEST(a_refused_document_leaves_the_target_alone)
{
	struct err err = ERR_INIT;
	struct spec s;

	memset(&s, 0x5a, sizeof(s));
	CHECK_ERR(document_parse("{\"ociVersion\":\"1.0.0\",\"hostname\":7}", &s, &err),
		  ERR_INVALID, "config.json: hostname: ");
	for (size_t i = 0; i < sizeof(s); i++)
		CHECK_INT(((const unsigned char *)&s)[i], 0x5a);
}

TEST(a_cut_document_is_refused_wherever_it_is_cut)
{
	own_free char *text = NULL;
	size_t size;

	text = document_read("good/engine.json", &size);
	for (size_t cut = 0; cut + 2 < size; cut += 7) {
		struct err err = ERR_INIT;
		struct spec s;

		CHECK_ERR(spec_parse(text, cut, "cut.json", &s, &err), ERR_INVALID, "cut.json: ");
	}
}

TEST_MAIN()
