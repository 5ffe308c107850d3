/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The event log: what is written is read, torn lines spoil nothing, both files stay bounded. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/event.h"
#include "engine/filter.h"
#include "test.h"

static struct err err;

static void open_store(struct store *ret)
{
	own_free char *root = str_printf(&err, "%s/lib", test_dir_path());
	own_free char *run = str_printf(&err, "%s/run", test_dir_path());

	CHECK_OK(store_open(root, run, ret, &err));
}

/* Only what an event takes of it. */
static struct container container(struct store *store, const char *name)
{
	struct container ct = CONTAINER_INIT;

	ct.store = store;
	memset(ct.id, 'a', STORE_ID_LENGTH);
	ct.record.name = (char *)name;
	ct.record.image = (char *)"host";
	return ct;
}

struct seen {
	size_t count;
	const char *last; /* the event after which it has seen enough */
	struct str text;
};

static int see(void *data, const struct event *e, struct err *failed)
{
	struct seen *seen = data;

	(void)failed;
	seen->count++;
	str_addf(&seen->text, "%s %s", e->event, e->name);
	for (size_t i = 0; i < e->attributes.count; i++)
		str_addf(&seen->text, " %s", e->attributes.items[i]);
	for (size_t i = 0; i < e->labels.count && e->labels.count < 10; i++)
		str_addf(&seen->text, " %s", e->labels.items[i]);
	str_add_char(&seen->text, '\n');
	return str_eq(e->event, seen->last);
}

static struct seen seen_of(const struct store *store, const struct event_query *query)
{
	struct seen seen = {.text = STR_INIT(1u << 20)};

	CHECK_OK(event_read(store, query, see, &seen, &err));
	return seen;
}

static void append(const struct store *store, const char *text)
{
	own_fd int fd = openat(store->run_fd, EVENT_FILE, O_WRONLY | O_APPEND | O_CREAT, 0600);

	CHECK(fd >= 0);
	CHECK_OK(fd_write_all(fd, text, strlen(text), EVENT_FILE, &err));
}

static off_t size_of(const struct store *store, const char *name)
{
	struct stat st;

	return fstatat(store->run_fd, name, &st, 0) < 0 ? -1 : st.st_size;
}

TEST(what_was_written_is_read)
{
	own(store) struct store store;
	open_store(&store);
	struct container ct = container(&store, "web");
	const struct event_query all = {0};

	CHECK_OK(strv_add(&ct.record.labels, "a=b", &err));
	event_note(&ct, "create", NULL, NULL);
	event_note_number(&ct, "die", "code", 137);
	event_note(&ct, "exec", "command", "a=b \"c\"\n");
	strv_done(&ct.record.labels);
	struct seen seen = seen_of(&store, &all);
	CHECK_STR(seen.text.data,
		  "create web a=b\ndie web code=137 a=b\nexec web command=a=b \"c\"\n a=b\n");
	str_done(&seen.text);
}

TEST(an_empty_log_has_no_events)
{
	own(store) struct store store;
	open_store(&store);
	struct seen seen = seen_of(&store, &(struct event_query){0});

	CHECK(seen.count == 0);
	str_done(&seen.text);
}

TEST(a_torn_line_spoils_no_other)
{
	own(store) struct store store;
	open_store(&store);
	struct container ct = container(&store, "web");

	event_note(&ct, "create", NULL, NULL);
	append(&store, "\n{\"time_ns\":5,\"type\":\"cont");
	event_note(&ct, "start", NULL, NULL);
	append(&store, "\n{\"time_ns\":5,\"type\":\"a\",\"event\":\"b\"}\nrubbish\n\n");
	event_note(&ct, "die", NULL, NULL);
	struct seen seen = seen_of(&store, &(struct event_query){0});
	CHECK_STR(seen.text.data, "create web\nstart web\ndie web\n");
	str_done(&seen.text);
}

TEST(labels_that_are_too_long_are_left_out)
{
	own(store) struct store store;
	open_store(&store);
	struct container ct = container(&store, "web");

	for (int i = 0; i < 2000; i++)
		CHECK_OK(strv_add(&ct.record.labels, "a-long-label=with-a-long-value", &err));
	event_note(&ct, "create", NULL, NULL);
	strv_done(&ct.record.labels);
	struct seen seen = seen_of(&store, &(struct event_query){0});
	CHECK_STR(seen.text.data, "create web\n");
	CHECK(size_of(&store, EVENT_FILE) < EVENT_LINE_MAX);
	str_done(&seen.text);
}

TEST(since_and_until)
{
	own(store) struct store store;
	open_store(&store);
	struct container ct = container(&store, "web");

	event_note(&ct, "create", NULL, NULL);
	test_sleep_ms(5);
	int64_t middle = clock_real_ns();
	test_sleep_ms(5);
	event_note(&ct, "start", NULL, NULL);
	struct seen after = seen_of(&store, &(struct event_query){.since_ns = middle});
	struct seen before = seen_of(&store, &(struct event_query){.until_ns = middle});
	CHECK_STR(after.text.data, "start web\n");
	CHECK_STR(before.text.data, "create web\n");
	str_done(&after.text);
	str_done(&before.text);
}

/* Five processes at once, until both files have been full. */
TEST(many_writers_and_a_bound)
{
	own(store) struct store store;
	open_store(&store);
	struct container ct = container(&store, "web");
	const int writers = 5, each = 2500;

	for (int i = 0; i < writers; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid)
			continue;
		for (int k = 0; k < each; k++)
			event_note_number(&ct, "kill", "signal", i);
		_exit(0);
	}
	for (int i = 0, status; i < writers; i++)
		CHECK(wait(&status) > 0 && status == 0);
	CHECK(size_of(&store, EVENT_OLD_FILE) >= EVENT_FILE_MAX);
	CHECK(size_of(&store, EVENT_OLD_FILE) < 2 * EVENT_FILE_MAX);
	CHECK(size_of(&store, EVENT_FILE) > 0 && size_of(&store, EVENT_FILE) < 2 * EVENT_FILE_MAX);
	struct seen seen = seen_of(&store, &(struct event_query){0});
	/* Every line that is left is whole. */
	own_free char *line = str_dup("kill web signal=0\n", &err);
	CHECK(seen.count * strlen(line) == seen.text.len);
	CHECK(seen.count > EVENT_FILE_MAX / 300);
	str_done(&seen.text);
}

static void *write_more(void *data)
{
	struct container *ct = data;

	for (int i = 0; i < 8000; i++)
		event_note_number(ct, "kill", "signal", i);
	event_note(ct, "die", NULL, NULL);
	return NULL;
}

struct following {
	struct seen seen;
	struct container *ct;
	pthread_t thread;
};

/* The others are written once the first was seen. */
static int see_and_write(void *data, const struct event *e, struct err *failed)
{
	struct following *f = data;

	if (f->seen.count == 0)
		CHECK(pthread_create(&f->thread, NULL, write_more, f->ct) == 0);
	return see(&f->seen, e, failed);
}

/* Through a rotation: each once, in order. */
TEST(following_misses_nothing)
{
	own(store) struct store store;
	open_store(&store);
	struct container ct = container(&store, "web");
	struct following f = {.seen = {.last = "die", .text = STR_INIT(1u << 20)}, .ct = &ct};
	const struct event_query query = {.follow = true,
					  .until_ns = clock_real_ns() +
						      INT64_C(1000000000) * test_slowed(25)};
	own(str) struct str wanted = STR_INIT(1u << 20);

	event_note(&ct, "start", NULL, NULL);
	CHECK_OK(event_read(&store, &query, see_and_write, &f, &err));
	pthread_join(f.thread, NULL);
	str_add(&wanted, "start web\n");
	for (int i = 0; i < 8000; i++)
		str_addf(&wanted, "kill web signal=%d\n", i);
	str_add(&wanted, "die web\n");
	CHECK_STR(f.seen.text.data, wanted.data);
	CHECK(size_of(&store, EVENT_OLD_FILE) >= EVENT_FILE_MAX);
	str_done(&f.seen.text);
}

TEST(following_ends_at_its_time)
{
	own(store) struct store store;
	open_store(&store);
	struct container ct = container(&store, "web");

	event_note(&ct, "create", NULL, NULL);
	int64_t begin = clock_boot_ms();
	struct seen seen = seen_of(
		&store,
		&(struct event_query){.follow = true, .until_ns = clock_real_ns() + 200000000});
	CHECK(seen.count == 1);
	CHECK(clock_boot_ms() - begin >= 190 && clock_boot_ms() - begin < test_slowed(5000));
	str_done(&seen.text);
}

/* ---- filters ---- */

static bool passes(const struct event *e, const char *a, const char *b)
{
	own(strv) struct strv filters = STRV_INIT;

	CHECK_OK(strv_add(&filters, a, &err));
	if (b)
		CHECK_OK(strv_add(&filters, b, &err));
	CHECK_OK(filters_check(event_filter_keys, &filters, &err));
	return filters_match(event_filter_keys, &filters, e);
}

TEST(filters)
{
	struct event e = {.type = (char *)"container",
			  .event = (char *)"die",
			  .id = (char *)"0123",
			  .name = (char *)"web",
			  .image = (char *)"host"};

	CHECK_OK(strv_add(&e.labels, "a=b", &err));
	CHECK_OK(strv_add(&e.labels, "c", &err));
	CHECK(passes(&e, "event=die", NULL));
	CHECK(!passes(&e, "event=start", NULL));
	CHECK(passes(&e, "event=start", "event=die"));
	CHECK(!passes(&e, "event=die", "container=other"));
	CHECK(passes(&e, "container=web", "event=die"));
	CHECK(passes(&e, "container=012", NULL));
	CHECK(passes(&e, "label=a", "label=c"));
	CHECK(passes(&e, "label=a=b", NULL));
	CHECK(!passes(&e, "label=a=bc", NULL));
	CHECK(!passes(&e, "label=a", "label=d"));
	CHECK(passes(&e, "image=host", "type=container"));
	strv_done(&e.labels);
}

TEST(filters_that_are_none)
{
	static const char *const bad[] = {"event", "event=",   "nosuch=x",  "",
					  "=x",	   "event=di", "type=image"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		own(strv) struct strv filters = STRV_INIT;

		CHECK_OK(strv_add(&filters, bad[i], &err));
		CHECK_ERR(filters_check(event_filter_keys, &filters, &err), ERR_USAGE, "--filter");
		err = ERR_INIT;
	}
}

TEST_MAIN()
