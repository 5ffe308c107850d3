/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of a container in the store: what is its own goes, what is another's stays. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "engine/store_private.h"
#include "test.h"

#define OURS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHERS "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

/* ROOT and RUN in one scratch directory, with a container of each id. */
static void make_store(struct store *ret)
{
	static const char *const directories[] = {
		"root/names",
		"root/containers/" OURS "/upper/etc",
		"root/containers/" OTHERS,
		"run/ids",
		"run/containers/" OURS,
		"run/containers/" OTHERS,
	};
	struct err err = ERR_INIT;
	char path[600];

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", test_dir_path(), directories[i]);
		close(file_open_dirs(path, 0700, &err));
	}
	*ret = (struct store){
		.root_fd = openat(test_dir(), "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
		.run_fd = openat(test_dir(), "run", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	CHECK(ret->root_fd >= 0 && ret->run_fd >= 0);
}

static void close_store(struct store *store)
{
	close(store->root_fd);
	close(store->run_fd);
}

static void claim(const char *directory, const char *name, const char *id)
{
	own_fd int fd = openat(test_dir(), directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;

	CHECK_OK(file_create_excl(fd, name, id, strlen(id), 0600, false, &err));
}

static bool exists(const char *path)
{
	return faccessat(test_dir(), path, F_OK, 0) == 0;
}

static struct container container(struct store *store, const char *name, int slot)
{
	struct container ct = {.store = store, .root_fd = -1, .run_fd = -1};

	memcpy(ct.id, OURS, sizeof(ct.id));
	ct.record.name = (char *)name;
	ct.state.id_slot = slot;
	return ct;
}

TEST(removal_takes_name_range_and_directories)
{
	struct store store;
	struct container ct;
	struct err err = ERR_INIT;

	make_store(&store);
	claim("root/names", "mine", OURS);
	claim("run/ids", "3", OURS);
	ct = container(&store, "mine", 3);
	CHECK_OK(store_remove(&ct, &err));
	CHECK(!exists("root/names/mine"));
	CHECK(!exists("run/ids/3"));
	CHECK(!exists("root/containers/" OURS));
	CHECK(!exists("run/containers/" OURS));
	CHECK(exists("root/containers/" OTHERS));
	CHECK(exists("run/containers/" OTHERS));
	/* Once more, as after a crash in the middle: nothing to do, and no error. */
	CHECK_OK(store_remove(&ct, &err));
	close_store(&store);
}

/* The name and the range that were ours have been taken by another since. */
TEST(removal_leaves_what_another_has_taken)
{
	struct store store;
	struct container ct;
	struct err err = ERR_INIT;

	make_store(&store);
	claim("root/names", "mine", OTHERS);
	claim("run/ids", "3", OTHERS);
	ct = container(&store, "mine", 3);
	CHECK_OK(store_remove(&ct, &err));
	CHECK(exists("root/names/mine"));
	CHECK(exists("run/ids/3"));
	close_store(&store);
}

TEST(a_range_is_released_by_its_owner_alone)
{
	struct store store;

	make_store(&store);
	claim("run/ids", "0", OTHERS);
	claim("run/ids", "1", OURS);
	store_release_ids(&store, OURS, 0);
	store_release_ids(&store, OURS, -1);
	store_release_ids(&store, OURS, 77);
	CHECK(exists("run/ids/0") && exists("run/ids/1"));
	store_release_ids(&store, OURS, 1);
	CHECK(exists("run/ids/0") && !exists("run/ids/1"));
	close_store(&store);
}

TEST(an_exit_record_comes_back_as_it_was)
{
	own(exit_record) struct exit_record back = {0};
	struct exit_record record = {.version = 1,
				     .code = 137,
				     .signal = 9,
				     .oom_killed = true,
				     .finished_ns = INT64_C(1795368734123456789),
				     .started_ns = INT64_C(1795368730000000001),
				     .reason = (char *)"failed to start: \"x\"\n"};
	struct store store;
	struct container ct;
	struct err err = ERR_INIT;

	make_store(&store);
	ct = container(&store, "mine", -1);
	CHECK_ERR(store_read_exit(test_dir(), &back, &err), ERR_NOT_FOUND, "exit.json");
	ct.root_fd = test_dir();
	CHECK_OK(store_write_exit(&ct, &record, &err));
	CHECK_OK(store_read_exit(test_dir(), &back, &err));
	CHECK_INT(back.code, 137);
	CHECK_INT(back.signal, 9);
	CHECK(back.oom_killed);
	CHECK_INT(back.finished_ns, record.finished_ns);
	CHECK_INT(back.started_ns, record.started_ns);
	CHECK_STR(back.reason, record.reason);
	close_store(&store);
}

TEST(a_damaged_exit_record_is_an_error)
{
	static const char *const bad[] = {
		"",	  "{}\n",	 "{\"code\":256}", "{\"code\":-1}",
		"\0\0\0", "{\"code\":0", "{\"code\":0}\n"};
	struct exit_record record;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
		own(str) struct str text = STR_INIT(1000);

		str_add(&text, bad[i / 2]);
		if (i % 2) { /* what a program of ours would have written, had it written that */
			store_add_sum(&text);
			str_add_char(&text, '\n');
		}
		if (i % 2 && strstr(bad[i / 2], ":0"))
			continue;
		CHECK_OK(file_write_atomic(test_dir(), "exit.json", text.data, text.len, 0600,
					   false, &err));
		CHECK_ERR(store_read_exit(test_dir(), &record, &err), ERR_CORRUPT, "exit.json");
	}
}

/* In the moment between the end of its lock and that of its directory. */
TEST(what_is_being_removed_gets_no_second_lock)
{
	struct err err = ERR_INIT;
	struct store store;
	struct container ct = CONTAINER_INIT;

	make_store(&store);
	ct.store = &store;
	memcpy(ct.id, OURS, sizeof ct.id);
	ct.record.name = (char *)"box";
	ct.run_fd = openat(store.run_fd, "containers/" OURS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd int remover = openat(store.run_fd, "containers/" OURS, O_RDONLY | O_DIRECTORY);
	CHECK(file_lock_directory(remover, &err) == 1);
	CHECK_ERR(store_lock(&ct, 20, &err), ERR_BUSY, "'box': it is being removed");
	CHECK(!exists("run/containers/" OURS "/lock"));
	err = ERR_INIT;
	CHECK(unlinkat(store.run_fd, "containers/" OURS, AT_REMOVEDIR) == 0);
	CHECK_ERR(store_lock(&ct, 20, &err), ERR_NOT_FOUND, "it was removed");
	close(take_fd(remover));
	err = ERR_INIT;
	CHECK_ERR(store_lock(&ct, 20, &err), ERR_NOT_FOUND, "it was removed");
	fd_close(ct.run_fd);
	/* What somebody left who was killed at that, and what has just been made. */
	ct.run_fd = openat(store.run_fd, "containers/" OTHERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	memcpy(ct.id, OTHERS, sizeof ct.id);
	err = ERR_INIT;
	own_fd int locked = store_lock(&ct, 0, &err);
	CHECK_OK(locked);
	CHECK_ERR(store_lock(&ct, 0, &err), ERR_BUSY, "held by process");
	fd_close(ct.run_fd);
	close_store(&store);
}

TEST_MAIN()
