/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every problem of a document at once (spec_find). The documents of test/data/spec/bad have one mistake
 * each: exactly one problem is found, and it is the error that an ordinary reader gets. Those in
 * test/data/spec/many have several: the file beside each lists them, PATH, KIND and TEXT with tabs
 * between them, in the order in which they are found.
 */
#include "documents.h"
#include "heap.h"

static void find(const char *path, struct spec *s, struct problems *found)
{
	own_free char *text = NULL;
	struct err err = ERR_INIT;
	size_t size;

	text = document_read(path, &size);
	spec_init(s);
	CHECK_OK(spec_find(text, size, path, s, found, &err));
}

static void print_problems(const struct problems *found, struct str *out)
{
	for (size_t i = 0; i < found->count; i++)
		str_addf(out, "%s\t%s\t%s\n", found->items[i].path,
			 err_kind_name(found->items[i].kind), found->items[i].message);
}

/* The error of who stops at the first. */
static void first_error(const char *path, struct err *err)
{
	own(spec) struct spec s = {0};
	own_free char *text = NULL;
	size_t size;

	text = document_read(path, &size);
	spec_init(&s);
	CHECK(spec_parse(text, size, path, &s, err) < 0 || spec_validate(&s, err) < 0);
}

static void check_one(const char *path)
{
	own(problems) struct problems found = {0};
	own(str) struct str all = STR_INIT(65536);
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;
	const struct problem *p;

	find(path, &s, &found);
	print_problems(&found, &all);
	if (found.count != 1)
		test_fail(__FILE__, __LINE__, "%s: %zu problems\n%s", path, found.count, all.data);
	first_error(path, &err);
	p = &found.items[0];
	CHECK_INT(p->kind, err.kind);
	CHECK_INT(p->severity, PROBLEM_ERROR);
	CHECK_STR(p->hint, err.hint);
	if (!str_ends(err.message, p->message) || !strstr(err.message, p->path))
		test_fail(__FILE__, __LINE__, "%s: '%s' '%s' for '%s'", path, p->path, p->message,
			  err.message);
}

/* Calls `check` for each .json of a directory; the number of them. */
static int for_each(const char *directory, void (*check)(const char *path))
{
	own_free char *full = NULL;
	struct dirent **entries;
	char path[300];
	int count, seen = 0;

	CHECK(asprintf(&full, "%s/spec/%s", TEST_DATA, directory) > 0);
	count = scandir(full, &entries, NULL, alphasort);
	CHECK(count > 0);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%.200s", directory, entries[i]->d_name);
		if (str_ends(path, ".json")) {
			check(path);
			seen++;
		}
		free(entries[i]);
	}
	free(entries);
	return seen;
}

TEST(one_mistake_is_one_problem)
{
	CHECK(for_each("bad", check_one) >= 200);
}

static void check_none(const char *path)
{
	own(problems) struct problems found = {0};
	own(str) struct str all = STR_INIT(65536);
	own(spec) struct spec s = {0};

	find(path, &s, &found);
	print_problems(&found, &all);
	CHECK_STR(all.data, "");
	CHECK(!problems_has_errors(&found));
}

TEST(a_good_document_has_none)
{
	CHECK(for_each("good", check_none) >= 8);
}

static void check_many(const char *path)
{
	own(problems) struct problems found = {0};
	own(str) struct str all = STR_INIT(65536);
	own(spec) struct spec s = {0};
	own_free char *expected = NULL;
	char other[320];
	size_t size;

	find(path, &s, &found);
	print_problems(&found, &all);
	snprintf(other, sizeof(other), "%.*s.expected", (int)(strlen(path) - strlen(".json")),
		 path);
	expected = document_read(other, &size);
	CHECK_STR(all.data, expected);
	CHECK(found.count > 1 && problems_has_errors(&found));
}

TEST(several_mistakes_are_all_found)
{
	CHECK(for_each("many", check_many) >= 20);
}

static char *document_of_entries(size_t count)
{
	own(str) struct str text = STR_INIT(8u << 20);

	str_add(&text,
		"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"annotations\":{\"a\":1},"
		"\"process\":{\"cwd\":\"/\",\"args\":[\"true\"],\"env\":[");
	for (size_t i = 0; i < count; i++)
		str_addf(&text, "%s%zu", i ? "," : "", i);
	str_add(&text, "]},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}");
	return str_take(&text);
}

TEST(there_is_a_bound_to_what_is_listed)
{
	own(problems) struct problems found = {0};
	own_free char *text = document_of_entries(60000);
	own(spec) struct spec s = {0};
	struct err err = ERR_INIT;

	spec_init(&s);
	CHECK_OK(spec_find(text, strlen(text), "config.json", &s, &found, &err));
	CHECK(found.full);
	CHECK_INT(found.count, PROBLEMS_MAX);
	CHECK_STR(found.items[0].path, "annotations.a");
	CHECK_STR(found.items[1].path, "process.env[0]");
	CHECK_STR(found.items[PROBLEMS_MAX - 1].path, "process.env[998]");
}

/* One try with the n-th allocation failing (0: none); false where it did not come to that. A problem is
 * never lost: either all are found (what fails may have been a detail of a message), or it is an error. */
static bool try_with_failure(const char *text, size_t size, size_t n, size_t expected)
{
	struct problems found = {0};
	struct err err = ERR_INIT;
	struct spec s = {0};
	size_t before = heap_blocks();
	bool failed;
	int result;

	spec_init(&s);
	heap_fail_at(n);
	result = spec_find(text, size, "config.json", &s, &found, &err);
	failed = heap_has_failed();
	heap_fail_at(0);
	CHECK(result == 0 || (failed && str_ends(err.message, "out of memory")));
	if (result == 0)
		CHECK_INT(found.count, expected);
	problems_done(&found);
	spec_done(&s);
	CHECK_INT(heap_blocks(), before);
	return failed;
}

TEST(memory_that_runs_out_is_an_error_and_no_problem)
{
	own(problems) struct problems found = {0};
	own(spec) struct spec s = {0};
	own_free char *text = NULL;
	size_t size, n = 1;

	find("many/everything.json", &s, &found);
	text = document_read("many/everything.json", &size);
	while (try_with_failure(text, size, n, found.count))
		n++;
	CHECK(n > 100);
}

TEST_MAIN()
