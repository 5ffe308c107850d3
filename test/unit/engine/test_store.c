/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The store: names, ids and prefixes, claims that race, records that are damaged. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "engine/lifecycle.h"
#include "engine/store_private.h"
#include "test.h"

static struct err err;

static void open_store(struct store *ret)
{
	own_free char *root = str_printf(&err, "%s/lib", test_dir_path());
	own_free char *run = str_printf(&err, "%s/run", test_dir_path());

	CHECK_OK(store_open(root, run, ret, &err));
}

static void fill(struct record *r, const char *id, const char *name)
{
	record_init(r);
	r->id = str_dup(id, &err);
	r->name = name ? str_dup(name, &err) : NULL;
	r->image = str_dup("host", &err);
	r->image_stamp = str_dup("", &err);
	r->stop_signal = 15;
	CHECK_OK(strv_add(&r->command, "true", &err));
	CHECK_OK(spec_default(&r->spec, &err));
}

/* An id of one digit repeated, with another tail. */
static const char *make_id(char digit, const char *tail)
{
	static char id[4][STORE_ID_LENGTH + 1];
	static int next;
	char *p = id[next++ % 4];

	size_t length = strlen(tail);

	CHECK(length <= STORE_ID_LENGTH);
	memset(p, digit, STORE_ID_LENGTH - length);
	memcpy(p + STORE_ID_LENGTH - length, tail, length + 1);
	return p;
}

static void create(struct store *store, const char *id, const char *name)
{
	own(container) struct container ct = CONTAINER_INIT;
	struct record r;

	fill(&r, id, name);
	CHECK_OK(store_create(store, &r, false, &ct, &err));
	record_done(&r);
}

static void write_at(struct store *store, const char *id, const char *name, const char *text,
		     size_t size)
{
	own_free char *path = str_printf(&err, "containers/%s/%s", id, name);
	own_fd int fd = openat(store->root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			       0600);

	CHECK(fd >= 0);
	CHECK_OK(fd_write_all(fd, text, size, name, &err));
}

static char *read_at(struct store *store, const char *id, const char *name, size_t *ret_size)
{
	own_free char *path = str_printf(&err, "containers/%s/%s", id, name);
	own_fd int fd = openat(store->root_fd, path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;

	CHECK(fd >= 0);
	ssize_t n = fd_read_all(fd, 1u << 20, name, &text, &err);
	CHECK(n > 0);
	*ret_size = (size_t)n;
	return text;
}

TEST(names)
{
	static const char *const good[] = {"a", "0", "web-1", "A.b_c-d", "x."};
	static const char *const bad[] = {"",	"-a",  ".a",   "_a",	      "a b", "a/b",
					  "..", "a\n", "\033", "caf\303\251", "a:b", "a@b"};
	char longest[STORE_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK_OK(store_check_name(good[i], &err));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK_ERR(store_check_name(bad[i], &err), ERR_INVALID, "not a container name");
	memset(longest, 'n', sizeof longest);
	longest[STORE_NAME_MAX + 1] = '\0';
	CHECK_ERR(store_check_name(longest, &err), ERR_INVALID, "not a container name");
	longest[STORE_NAME_MAX] = '\0';
	CHECK_OK(store_check_name(longest, &err));
}

TEST(ids)
{
	CHECK(store_is_id(make_id('a', "0")));
	CHECK(!store_is_id(make_id('a', "g")));
	CHECK(!store_is_id(make_id('a', "A")));
	CHECK(!store_is_id(make_id('a', "") + 1));
	CHECK(!store_is_id(""));
}

TEST(found_by_name_id_and_unique_prefix)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	const char *one = make_id('a', "1"), *two = make_id('b', "2");
	static const char *const refs[] = {"first", "a", "aaaaaaaaaaaa"};

	open_store(&store);
	create(&store, one, "first");
	create(&store, two, "second");
	for (size_t i = 0; i < sizeof refs / sizeof *refs; i++) {
		own(container) struct container ct = CONTAINER_INIT;

		CHECK_OK(store_find(&store, refs[i], &ct, &err));
		CHECK_STR(ct.id, one);
		CHECK_STR(ct.record.name, "first");
	}
	own(container) struct container whole = CONTAINER_INIT;
	CHECK_OK(store_find(&store, two, &whole, &err));
	CHECK_STR(whole.record.name, "second");
	CHECK_INT(whole.status, CT_STARTING);
}

TEST(a_prefix_of_two_and_of_none)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;

	open_store(&store);
	create(&store, make_id('a', "1"), "one");
	create(&store, make_id('a', "2"), "two");
	CHECK_ERR(store_find(&store, "aa", &ct, &err), ERR_INVALID, "2 containers");
	CHECK_ERR(store_find(&store, "c", &ct, &err), ERR_NOT_FOUND, "no container 'c'");
	CHECK_ERR(store_find(&store, "twp", &ct, &err), ERR_NOT_FOUND, "no container 'twp'");
	CHECK(strstr(err.hint, "did you mean 'two'"));
	CHECK_ERR(store_find(&store, make_id('a', "3"), &ct, &err), ERR_NOT_FOUND, "no container");
}

TEST(a_name_goes_before_a_prefix)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	const char *named = make_id('1', "1");

	open_store(&store);
	create(&store, make_id('a', "1"), "other");
	create(&store, named, "aaa");
	CHECK_OK(store_find(&store, "aaa", &ct, &err));
	CHECK_STR(ct.id, named);
}

TEST(what_is_no_reference)
{
	static const char *const bad[] = {"", ".", "..", "../names", "a/b", "x\ny"};
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;

	open_store(&store);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK_ERR(store_find(&store, bad[i], &ct, &err), ERR_INVALID,
			  "neither a name nor an id");
}

TEST(a_busy_name_is_refused_and_nothing_is_left)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	own(strv) struct strv ids = STRV_INIT;
	struct record r;

	open_store(&store);
	create(&store, make_id('a', "1"), "web");
	fill(&r, make_id('b', "2"), "web");
	CHECK_ERR(store_create(&store, &r, false, &ct, &err), ERR_EXISTS,
		  "in use by container aaaa");
	record_done(&r);
	CHECK_OK(store_list(&store, &ids, &err));
	CHECK_INT(ids.count, 1);
}

TEST(a_name_whose_container_is_gone_is_taken_over)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own_fd int names_fd = -1;

	open_store(&store);
	names_fd = openat(store.root_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(file_create_excl(names_fd, "web", make_id('d', "0"), STORE_ID_LENGTH, 0600, false,
				  &err));
	create(&store, make_id('a', "1"), "web");
	own(container) struct container ct = CONTAINER_INIT;
	CHECK_OK(store_find(&store, "web", &ct, &err));
}

TEST(of_many_claimants_one_has_the_name)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	int winners = 0;

	open_store(&store);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0) {
			struct container ct = CONTAINER_INIT;
			struct record r;
			char tail[2] = {(char)('0' + i), '\0'};

			fill(&r, make_id('a', tail), "web");
			_exit(store_create(&store, &r, false, &ct, &err) == 0 ? 1
			      : err.kind == ERR_EXISTS			      ? 0
									      : 2);
		}
	}
	for (int i = 0; i < 8; i++) {
		int status;

		CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < 2);
		winners += WEXITSTATUS(status);
	}
	CHECK_INT(winners, 1);
	own(strv) struct strv ids = STRV_INIT;
	CHECK_OK(store_list(&store, &ids, &err));
	CHECK_INT(ids.count, 1);
}

TEST(names_are_made_up_and_differ)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	char seen[30][STORE_NAME_MAX + 1];

	open_store(&store);
	for (int i = 0; i < 30; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct record r;
		char tail[8];

		snprintf(tail, sizeof tail, "%d", i);
		fill(&r, make_id('a', tail),
		     NULL); /* the same first digits: the same first choice */
		CHECK_OK(store_create(&store, &r, false, &ct, &err));
		record_done(&r);
		CHECK_OK(store_check_name(ct.record.name, &err));
		snprintf(seen[i], sizeof seen[i], "%s", ct.record.name);
		for (int k = 0; k < i; k++)
			CHECK(strcmp(seen[i], seen[k]) != 0);
	}
}

/* A number is for when there are many: so that the names of a few hundred do not run out, which costs each start. */
TEST(four_hundred_names_without_a_number)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	int numbered = 0;

	open_store(&store);
	for (unsigned int i = 0; i < 400; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct record r;
		char id[STORE_ID_LENGTH + 1];

		snprintf(id, sizeof id, "%08x%056u", i * 2654435761u, i);
		fill(&r, id, NULL);
		CHECK_OK(store_create(&store, &r, false, &ct, &err));
		record_done(&r);
		numbered += strpbrk(ct.record.name, "0123456789") != NULL;
	}
	CHECK_INT(numbered, 0);
}

TEST(a_record_is_read_as_it_was_written)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container made = CONTAINER_INIT;
	own(container) struct container read = CONTAINER_INIT;
	struct record r;

	open_store(&store);
	fill(&r, make_id('a', "1"), "web");
	r.created_ns = INT64_MAX;
	r.terminal = r.strict = true;
	r.stop_timeout_ms = UINT64_MAX;
	CHECK_OK(strv_add(&r.labels, "k=v \"\\\xc3\xa9", &err));
	r.spec.process.user.name = str_dup("web:tape", &err);
	r.spec.init = r.spec.seccomp_default = true;
	CHECK_OK(store_create(&store, &r, false, &made, &err));
	CHECK_OK(store_load(&store, make_id('a', "1"), &read, &err));
	CHECK_INT(read.record.created_ns, INT64_MAX);
	CHECK(read.record.stop_timeout_ms == UINT64_MAX);
	CHECK(read.record.terminal && read.record.strict && !read.record.interactive);
	CHECK_STR(read.record.labels.items[0], "k=v \"\\\xc3\xa9");
	CHECK(!read.record.spec.process.cwd); /* not read yet */
	CHECK_OK(store_load_spec(&read, &err));
	CHECK_OK(store_load_spec(&read, &err));
	CHECK_STR(read.record.spec.process.cwd, made.record.spec.process.cwd);
	CHECK_STR(read.record.spec.process.user.name, "web:tape");
	CHECK(read.record.spec.init && read.record.spec.seccomp_default);
	CHECK_INT(read.record.spec.mount_count, made.record.spec.mount_count);
}

TEST(members_of_a_newer_version_are_passed_over)
{
	own(str) struct str text = STR_INIT(1000);
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	const char *id = make_id('a', "1");

	open_store(&store);
	create(&store, id, "web");
	str_add(&text, "{\"version\":1,\"id\":\"x\",\"name\":\"web\",\"image\":\"host\","
		       "\"of_tomorrow\":{\"a\":[1,2,{}]},\"restart\":null}");
	store_add_sum(&text);
	str_add(&text, "\n{\"spec\":{\"ociVersion\":\"1.2.0\"},\"of_tomorrow\":7}");
	store_add_sum(&text);
	str_add(&text, "\n{\"of_tomorrow\"\n");
	write_at(&store, id, "record.json", text.data, text.len);
	CHECK_OK(store_load(&store, id, &ct, &err));
	CHECK_STR(ct.record.name, "web");
	CHECK_OK(store_load_spec(&ct, &err));
}

/* It is told, it is in the list, and it can be removed; nothing is guessed. */
static void check_damaged(struct store *store, const char *id)
{
	own(container) struct container ct = CONTAINER_INIT;
	own(strv) struct strv ids = STRV_INIT;

	CHECK_ERR(store_load(store, id, &ct, &err), ERR_CORRUPT, "container aaaa");
	CHECK_OK(store_list(store, &ids, &err));
	CHECK_INT(ids.count, 1);
}

TEST(damaged_records_are_told)
{
	static const char *const bad[] = {
		"",
		"{",
		"null",
		"[]",
		"{}",
		"{\"version\":1}",
		"{\"version\":2,\"id\":\"a\"}",
		"{\"version\":1,\"version\":1,\"id\":\"x\",\"name\":\"w\",\"image\":\"h\"}",
		"{\"version\":1,\"id\":7,\"name\":\"w\",\"image\":\"h\"}",
		"{\"version\":1,\"id\":\"x\",\"name\":\"w\",\"image\":\"h\",\"stop_signal\":99}",
		"{\"version\":1,\"id\":\"x\",\"name\":\"w\",\"image\":\"h\"} trailing",
		"\xff\xfe{}",
	};
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	const char *id = make_id('a', "1");

	open_store(&store);
	create(&store, id, "web");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		write_at(&store, id, "record.json", bad[i], strlen(bad[i]));
		check_damaged(&store, id);
	}
}

TEST(what_is_damaged_is_found_by_whoever_removes)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	own(container) struct container whole = CONTAINER_INIT;
	own(strv) struct strv ids = STRV_INIT;
	const char *id = make_id('a', "1");
	own_fd int names_fd = -1;

	open_store(&store);
	create(&store, id, "web");
	create(&store, make_id('b', "2"), "other");
	write_at(&store, id, "record.json", "{", 1);
	CHECK_ERR(store_find(&store, "web", &ct, &err), ERR_CORRUPT, "container aaaa");
	CHECK(strstr(err.hint, "rm --force"));
	CHECK_OK(store_find_damaged(&store, "web", &ct, &err));
	CHECK_STR(ct.id, id);
	CHECK_OK(store_remove(&ct, &err));
	CHECK_OK(store_list(&store, &ids, &err));
	CHECK_INT(ids.count, 1);
	names_fd = openat(store.root_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(faccessat(names_fd, "web", F_OK, 0) < 0);
	CHECK_OK(store_find_damaged(&store, "other", &whole, &err)); /* what is whole is whole */
	CHECK_STR(whole.record.name, "other");
	CHECK_ERR(store_find_damaged(&store, "none", &ct, &err), ERR_NOT_FOUND, "no container");
}

/* Everything that is in the record. */
static int load_whole(struct store *store, const char *id, struct container *ret)
{
	return store_load(store, id, ret, &err) < 0 ? -1 : store_load_spec(ret, &err);
}

/* Any single flipped bit is a clear error, never a crash, and never another limit than was asked for. */
TEST(flipped_bytes)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	const char *id = make_id('a', "1");
	own_free char *text = NULL;
	size_t size;

	open_store(&store);
	create(&store, id, "web");
	text = read_at(&store, id, "record.json", &size);
	for (size_t i = 0; i < size; i += 7) {
		own(container) struct container ct = CONTAINER_INIT;

		text[i] ^= (char)(1 << i % 8);
		write_at(&store, id, "record.json", text, size);
		err = ERR_INIT;
		CHECK(load_whole(&store, id, &ct) < 0);
		CHECK_INT(err.kind, ERR_CORRUPT);
		text[i] ^= (char)(1 << i % 8);
	}
	write_at(&store, id, "record.json", text, size);
	own(container) struct container ct = CONTAINER_INIT;
	CHECK_OK(load_whole(&store, id, &ct));
}

TEST(words_that_changed_places)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	const char *id = make_id('a', "1");
	own_free char *text = NULL;
	char word[4];
	size_t size;

	open_store(&store);
	create(&store, id, "web");
	text = read_at(&store, id, "record.json", &size);
	for (size_t i = 0; i + 8 <= size; i += 4) {
		own(container) struct container ct = CONTAINER_INIT;

		if (!memcmp(text + i, text + i + 4, 4))
			continue;
		for (int twice = 0; twice < 2; twice++) {
			memcpy(word, text + i, 4);
			memcpy(text + i, text + i + 4, 4);
			memcpy(text + i + 4, word, 4);
			write_at(&store, id, "record.json", text, size);
			if (!twice)
				CHECK_ERR(load_whole(&store, id, &ct), ERR_CORRUPT, "record.json");
		}
	}
}

TEST(a_record_longer_than_what_is_read_at_once)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container made = CONTAINER_INIT;
	struct record r;

	open_store(&store);
	fill(&r, make_id('a', "1"), "web");
	for (int i = 0; i < 300; i++) {
		CHECK_OK(strv_addf(&r.labels, &err, "label-%d=%070d", i, i));
		CHECK_OK(strv_addf(&r.spec.process.env, &err, "NAME_%d=%070d", i, i));
	}
	CHECK_OK(store_create(&store, &r, false, &made, &err));
	own(container) struct container ct = CONTAINER_INIT;
	CHECK_OK(load_whole(&store, made.id, &ct));
	CHECK_STR(ct.record.labels.items[299], made.record.labels.items[299]);
	CHECK_INT(ct.record.spec.process.env.count, made.record.spec.process.env.count);
}

TEST(truncated_at_any_place)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	const char *id = make_id('a', "1");
	own_free char *text = NULL;
	size_t size;

	open_store(&store);
	create(&store, id, "web");
	text = read_at(&store, id, "record.json", &size);
	for (size_t n = 0; n + 2 < size; n += 11) {
		own(container) struct container ct = CONTAINER_INIT;

		write_at(&store, id, "record.json", text, n);
		CHECK_ERR(load_whole(&store, id, &ct), ERR_CORRUPT, "container aaaa");
	}
}

TEST(what_died_before_its_record_is_listed_and_removed)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	own(strv) struct strv ids = STRV_INIT;
	const char *id = make_id('a', "1");
	own_free char *path = str_printf(&err, "containers/%s", id);
	own_fd int names_fd = -1;

	open_store(&store);
	CHECK(mkdirat(store.run_fd, path, 0700) == 0);
	names_fd = openat(store.root_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(file_create_excl(names_fd, "web", id, STORE_ID_LENGTH, 0600, false, &err));
	CHECK_OK(store_load(&store, id, &ct, &err));
	CHECK_STR(ct.record.name, "aaaaaaaaaaaa");
	CHECK_OK(store_remove(&ct, &err));
	CHECK_OK(store_list(&store, &ids, &err));
	CHECK_INT(ids.count, 0);
	CHECK(faccessat(names_fd, "web", F_OK, 0) < 0); /* its name too, which no record tells */
}

TEST(removal_leaves_the_names_of_others)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	const char *id = make_id('a', "1");
	own_fd int names_fd = -1;

	open_store(&store);
	create(&store, id, "web");
	create(&store, make_id('b', "2"), "other");
	names_fd = openat(store.root_fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(store_load(&store, id, &ct, &err));
	CHECK_OK(store_remove(&ct, &err));
	CHECK(faccessat(names_fd, "web", F_OK, 0) < 0);
	CHECK(faccessat(names_fd, "other", F_OK, 0) == 0);
	CHECK_OK(store_remove(&ct, &err)); /* once more is no error */
	CHECK(faccessat(names_fd, "other", F_OK, 0) == 0);
}

TEST(an_exit_is_read_as_it_was_written)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	own(container) struct container again = CONTAINER_INIT;
	struct exit_record how = {.version = 1,
				  .code = 143,
				  .signal = 15,
				  .oom_killed = true,
				  .finished_ns = 5,
				  .started_ns = 4,
				  .reason = (char *)"signalled"};
	const char *id = make_id('a', "1");

	open_store(&store);
	create(&store, id, "web");
	CHECK_OK(store_load(&store, id, &ct, &err));
	CHECK_OK(store_write_exit(&ct, &how, &err));
	CHECK_OK(store_load(&store, id, &again, &err));
	CHECK_INT(again.status, CT_EXITED);
	CHECK_INT(again.exit.code, 143);
	CHECK_INT(again.exit.signal, 15);
	CHECK(again.exit.oom_killed);
	CHECK_STR(again.exit.reason, "signalled");
}

/* What there is in the run directory, and which state that is. */
static const struct {
	bool alive, state, stopping, fresh, exit, restarting;
	bool ready; /* made by create */
	bool older; /* the exit is of an earlier run */
	enum container_status status;
} states[] = {
	{.fresh = true, .status = CT_STARTING}, /* by one that was killed */
	{.alive = true, .fresh = true, .status = CT_STARTING},
	{.alive = true, .fresh = true, .state = true, .status = CT_RUNNING},
	{.alive = true, .state = true, .status = CT_RUNNING},
	{.alive = true, .state = true, .exit = true, .status = CT_RUNNING},
	{.alive = true, .stopping = true, .exit = true, .status = CT_STOPPING},
	{.alive = true, .stopping = true, .status = CT_STOPPING}, /* --rm */
	{.alive = true, .exit = true, .status = CT_STOPPING},
	{.alive = true, .status = CT_STOPPING},
	{.exit = true, .status = CT_EXITED},
	{.exit = true, .state = true, .status = CT_EXITED},
	{.exit = true, .stopping = true, .status = CT_EXITED},
	{.state = true, .status = CT_DEAD},
	{.stopping = true, .status = CT_DEAD},
	{.alive = true, .restarting = true, .exit = true, .status = CT_RESTARTING},
	{.restarting = true, .exit = true, .status = CT_EXITED}, /* the keeper was killed */
	{.alive = true, .fresh = true, .exit = true, .status = CT_STARTING},
	{.ready = true, .status = CT_CREATED},
	{.ready = true, .fresh = true, .status = CT_CREATED}, /* a start was killed */
	{.ready = true, .fresh = true, .alive = true, .status = CT_STARTING},
	{.ready = true, .state = true, .status = CT_DEAD},
	{.ready = true, .state = true, .alive = true, .status = CT_RUNNING},
	{.exit = true, .fresh = true, .alive = true, .status = CT_STARTING},
	{.exit = true, .fresh = true, .status = CT_EXITED},
	{.exit = true, .older = true, .state = true, .alive = true, .status = CT_RUNNING},
	{.exit = true, .older = true, .state = true, .status = CT_DEAD},
	{.exit = true, .older = true, .stopping = true, .status = CT_DEAD},
	{.status = CT_DEAD},
};

static void mark(const struct container *ct, bool there, const char *name)
{
	own_fd int fd = -1;

	CHECK(unlinkat(ct->run_fd, name, 0) == 0 || errno == ENOENT);
	if (there)
		fd = openat(ct->run_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(!there || fd >= 0);
}

TEST(the_status_is_what_the_files_and_the_lock_say)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	struct run_state state = {.version = 1, .init_pid = 2, .id_slot = -1};
	struct exit_record end = {.version = 1, .code = 3};
	struct record r;

	open_store(&store);
	fill(&r, make_id('a', "1"), "web");
	CHECK_OK(store_create(&store, &r, false, &ct, &err));
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		own(container) struct container read = CONTAINER_INIT;
		own_fd int alive_fd = -1;

		mark(&ct, false, STORE_STATE);
		mark(&ct, false, STORE_STOPPING);
		mark(&ct, false, STORE_RESTARTING);
		if (states[i].alive)
			alive_fd = file_lock(ct.run_fd, STORE_ALIVE, LOCK_EXCLUSIVE, 0, &err);
		if (states[i].state || states[i].stopping || states[i].restarting)
			CHECK_OK(store_write_state(&ct, &state, &err));
		if (states[i].stopping)
			CHECK(renameat(ct.run_fd, STORE_STATE, ct.run_fd, STORE_STOPPING) == 0);
		if (states[i].restarting)
			CHECK(renameat(ct.run_fd, STORE_STATE, ct.run_fd, STORE_RESTARTING) == 0);
		mark(&ct, states[i].fresh, STORE_FRESH);
		CHECK(unlinkat(ct.root_fd, "exit.json", 0) == 0 || errno == ENOENT);
		CHECK(unlinkat(ct.root_fd, STORE_READY, 0) == 0 || errno == ENOENT);
		if (states[i].ready)
			CHECK_OK(store_mark_ready(&ct, &err));
		mark(&ct, states[i].fresh, STORE_FRESH);
		end.started_ns = states[i].older ? 1 : 0;
		if (states[i].exit)
			CHECK_OK(store_write_exit(&ct, &end, &err));
		CHECK_OK(store_load(&store, ct.id, &read, &err));
		CHECK_STR(container_status_name(read.status),
			  container_status_name(states[i].status));
		own(container) struct container listed = CONTAINER_INIT;
		CHECK_OK(store_summarize(&store, ct.id, &listed, &err));
		CHECK_STR(container_status_name(listed.status),
			  container_status_name(states[i].status));
		CHECK_STR(listed.record.name, "web");
		CHECK_STR(listed.record.command.items[0], "true");
		CHECK_INT(listed.exit.code,
			  states[i].restarting || listed.status == CT_EXITED ? 3 : 0);
		CHECK(listed.run_fd < 0 && listed.root_fd < 0);
	}
}

TEST(what_was_removed_meanwhile_is_told)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	own(container) struct container ct = CONTAINER_INIT;
	own(container) struct container other = CONTAINER_INIT;

	open_store(&store);
	create(&store, make_id('a', "1"), "web");
	CHECK_OK(store_find(&store, "web", &ct, &err));
	CHECK_OK(store_find(&store, "web", &other, &err));
	CHECK(!store_is_going(&ct) && !store_is_gone(&ct));
	CHECK_OK(store_remove(&other, &err));
	CHECK(store_is_going(&ct) && store_is_gone(&ct));
	CHECK_ERR(store_refresh(&ct, &err), ERR_NOT_FOUND, "'web' was removed");
	CHECK_OK(engine_remove(&ct, false, &err)); /* as wished */
	CHECK_OK(engine_repair(&ct, &err));
}

TEST(directories_are_for_their_owner_alone)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	struct stat st;

	open_store(&store);
	create(&store, make_id('a', "1"), "web");
	CHECK(fstat(store.root_fd, &st) == 0 && (st.st_mode & 0777) == 0700);
	CHECK(fstatat(store.root_fd, "containers", &st, 0) == 0 && (st.st_mode & 0077) == 0);
	CHECK(fstatat(store.root_fd, "names/web", &st, 0) == 0 && (st.st_mode & 0777) == 0600);
}

TEST(relative_roots_are_refused)
{
	struct store store;

	CHECK_ERR(store_open("relative", "/tmp", &store, &err), ERR_INVALID, "relative");
}

TEST_MAIN()
