/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Id ranges, with lines of subuid and subgid of our own: as root, in a mount namespace for each test. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "engine/store_private.h"
#include "test.h"

static struct err err;

static void cover(const char *path, const char *name, const char *text)
{
	own_free char *file = str_printf(&err, "%s/%s", test_dir_path(), name);
	own_fd int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_OK(fd_write_all(fd, text, strlen(text), name, &err));
	CHECK(mount(file, path, NULL, MS_BIND, NULL) == 0);
}

/* A store, and the two files as given; the mounts end with the test's process. */
static void use(struct store *ret, const char *subuid, const char *subgid)
{
	own_free char *root = str_printf(&err, "%s/lib", test_dir_path());
	own_free char *run = str_printf(&err, "%s/run", test_dir_path());

	if (geteuid() != 0 || access("/etc/subuid", F_OK) < 0 || access("/etc/subgid", F_OK) < 0)
		SKIP("this takes root and the files of subuid(5)");
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	cover("/etc/subuid", "subuid", subuid);
	cover("/etc/subgid", "subgid", subgid);
	CHECK_OK(store_open(root, run, ret, &err));
}

static const char *id_of(int n)
{
	static char id[STORE_ID_LENGTH + 1];

	snprintf(id, sizeof id, "%06x%058d", (unsigned int)n * 7, n);
	return id;
}

static int claim(struct store *store, int n, uint32_t *ret_base)
{
	int slot;

	return store_claim_ids(store, id_of(n), ret_base, &slot, &err);
}

TEST(our_lines_are_used_up_one_by_one)
{
	static const char lines[] = "somebody:100000:65536\ninsula:1000000:196608\n";
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	bool seen[3] = {false};
	uint32_t base;

	use(&store, lines, lines);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(claim(&store, i, &base));
		CHECK(base >= 1000000 && (base - 1000000) % 65536 == 0 && base < 1196608);
		CHECK(!seen[(base - 1000000) / 65536]);
		seen[(base - 1000000) / 65536] = true;
	}
	CHECK_ERR(claim(&store, 3, &base), ERR_LIMIT, "no id range is free (3 in all)");
	CHECK_OK(store_release_ids_of(&store, id_of(1), &err));
	CHECK_OK(claim(&store, 4, &base));
}

TEST(without_lines_of_ours_the_range_that_nobody_gives_out)
{
	static const char lines[] = "somebody:100000:65536\n";
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, lines, lines);
	for (int i = 0; i < 20; i++) {
		CHECK_OK(claim(&store, i, &base));
		CHECK(base >= STORE_FIRST_ID && base <= INT32_MAX - 65535);
	}
}

TEST(ranges_of_others_are_passed_over)
{
	/* the first and the last of three are somebody's, even if by one id only */
	static const char uids[] = "insula:1000000:196608\na:1065535:1\n";
	static const char gids[] = "insula:1000000:196608\nb:1131072:10\n";
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, uids, gids);
	CHECK_OK(claim(&store, 0, &base));
	CHECK_INT(base, 1065536);
	CHECK_ERR(claim(&store, 1, &base), ERR_LIMIT, "no id range is free");
}

TEST(lines_that_differ_are_refused)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, "insula:1000000:65536\n", "insula:2000000:65536\n");
	CHECK_ERR(claim(&store, 0, &base), ERR_INVALID, "differ");
}

TEST(a_line_on_one_side_only_is_refused)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, "insula:1000000:65536\n", "");
	CHECK_ERR(claim(&store, 0, &base), ERR_INVALID, "differ");
}

TEST(a_range_with_root_in_it_is_refused)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, "insula:0:65536\n", "insula:0:65536\n");
	CHECK_ERR(claim(&store, 0, &base), ERR_INVALID, "not between 1 and");
}

TEST(a_range_past_the_last_id_is_refused)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, "insula:4294901760:131072\n", "insula:4294901760:131072\n");
	CHECK_ERR(claim(&store, 0, &base), ERR_INVALID, "not between 1 and");
}

TEST(a_line_that_is_too_short_gives_nothing)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, "insula:1000000:65535\n", "insula:1000000:65535\n");
	CHECK_ERR(claim(&store, 0, &base), ERR_LIMIT, "no id range is free (0 in all)");
}

TEST(lines_that_are_none_are_passed_over)
{
	static const char lines[] = "\n#\ninsula\ninsula:\ninsula:1\ninsula:x:65536\ninsula:1:y\n"
				    "insula:-1:5\n:::\ninsula:1000000:65536";
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, lines, lines);
	CHECK_OK(claim(&store, 0, &base));
	CHECK_INT(base, 1000000);
}

/* Of the range that begins at 1000000. */
static int share(struct store *store, int n, int with)
{
	own_free char *other = str_dup(id_of(with), &err);

	return store_share_ids(store, id_of(n), other, 1000000, &err);
}

TEST(a_range_that_is_shared_is_nobody_elses_until_the_last_one_has_gone)
{
	static const char lines[] = "insula:1000000:65536\n";
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, lines, lines);
	CHECK_OK(claim(&store, 1, &base));
	CHECK_OK(share(&store, 2, 1));
	CHECK_OK(share(&store, 3, 2)); /* with one that shares it */
	CHECK_OK(store_release_ids_of(&store, id_of(1), &err));
	CHECK_ERR(claim(&store, 4, &base), ERR_LIMIT, "no id range is free");
	CHECK_ERR(share(&store, 4, 1), ERR_STATE, "has ended");
	CHECK_OK(store_release_ids_of(&store, id_of(2), &err));
	CHECK_ERR(claim(&store, 4, &base), ERR_LIMIT, "no id range is free");
	CHECK_OK(store_release_ids_of(&store, id_of(3), &err));
	CHECK_OK(claim(&store, 4, &base));
}

/* Whoever shared it was killed before his file was in it, or after it was gone. */
TEST(a_directory_of_sharers_with_nobody_in_it_keeps_nobody_out)
{
	static const char lines[] = "insula:1000000:65536\n";
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, lines, lines);
	CHECK(mkdirat(store.run_fd, "ids/15.d", 0700) == 0);
	CHECK_OK(claim(&store, 1, &base));
	CHECK(faccessat(store.run_fd, "ids/15.d", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
}

static void configure(uint64_t start, uint64_t count)
{
	const struct store_range range = {.start = start, .count = count, .is_configured = true};

	store_use_ids(&range);
}

/* The names of the files are those of other ranges then, and where these begin is, too. */
TEST(another_configuration_hands_out_nothing_that_a_container_has)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, "", "");
	configure(1000000, 2 * 65536);
	CHECK_OK(claim(&store, 0, &base));
	CHECK_OK(claim(&store, 1, &base));
	/* the same place, one range before, and four that begin elsewhere: three of these overlap */
	configure(1000000, 65536);
	CHECK_ERR(claim(&store, 2, &base), ERR_LIMIT, "no id range is free (1 in all)");
	configure(1000000 - 65536, 2 * 65536);
	CHECK_OK(claim(&store, 2, &base));
	CHECK_INT(base, 1000000 - 65536);
	CHECK_OK(store_release_ids_of(&store, id_of(2), &err));
	configure(1000000 - 1, 3 * 65536);
	CHECK_ERR(claim(&store, 2, &base), ERR_LIMIT, "no id range is free");
	configure(1000000 - 65536 - 1000, 4 * 65536);
	CHECK_OK(claim(&store, 3, &base));
	CHECK_INT(base, 1000000 - 65536 - 1000);
	CHECK_ERR(claim(&store, 4, &base), ERR_LIMIT, "no id range is free");
	configure(1000000 - 65536 + 1, 4 * 65536);
	CHECK_OK(claim(&store, 4, &base));
	CHECK_INT(base, 1000000 + 2 * 65536 + 1);
	CHECK_ERR(claim(&store, 5, &base), ERR_LIMIT, "no id range is free");
}

TEST(what_is_shared_is_in_the_way_of_another_configuration_as_well)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, "", "");
	configure(1000000, 65536);
	CHECK_OK(claim(&store, 1, &base));
	CHECK_OK(share(&store, 2, 1));
	CHECK_OK(store_release_ids_of(&store, id_of(1), &err));
	configure(1000000 + 65535, 65536);
	CHECK_ERR(claim(&store, 3, &base), ERR_LIMIT, "no id range is free");
	configure(1000000 - 65535, 65536);
	CHECK_ERR(claim(&store, 3, &base), ERR_LIMIT, "no id range is free");
	configure(1000000 + 65536, 65536);
	CHECK_OK(claim(&store, 3, &base));
	CHECK_OK(store_release_ids_of(&store, id_of(3), &err));
	CHECK_OK(store_release_ids_of(&store, id_of(2), &err));
	configure(1000000 + 65535, 65536);
	CHECK_OK(claim(&store, 4, &base));
}

static void plant(const struct store *store, const char *path, const char *text)
{
	own_fd int fd = openat(store->run_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_OK(fd_write_all(fd, text, strlen(text), path, &err));
}

/* By hand, or by one who was killed as he wrote it. */
TEST(a_file_that_does_not_say_where_its_range_begins_is_in_the_way_of_its_neighbours)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t base;

	use(&store, "", "");
	plant(&store, "ids/15", id_of(1));
	configure(16 * 65536, 65536);
	CHECK_ERR(claim(&store, 2, &base), ERR_LIMIT, "no id range is free");
	configure(17 * 65536, 65536);
	CHECK_OK(claim(&store, 2, &base));
	CHECK(mkdirat(store.run_fd, "ids/19.d", 0700) == 0);
	plant(&store, "ids/19.d/x", "");
	configure(18 * 65536, 65536);
	CHECK_ERR(claim(&store, 3, &base), ERR_LIMIT, "no id range is free");
}

/* Each with a configuration of his own, so that they overlap without having a name in common. */
TEST(claimants_at_once_of_different_configurations_do_not_overlap)
{
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	uint32_t bases[8];
	int pipes[2], count = 0;

	use(&store, "", "");
	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		uint32_t base;

		CHECK(pid >= 0);
		if (pid > 0)
			continue;
		configure(1000000 + 30000 * (uint64_t)i, 4 * 65536);
		if (claim(&store, 8 * i, &base) == 0 && write(pipes[1], &base, sizeof base) < 0)
			_exit(1);
		_exit(0);
	}
	fd_close(pipes[1]);
	while (wait(NULL) > 0)
		;
	while (read(pipes[0], &bases[count], sizeof *bases) > 0)
		count++;
	fd_close(pipes[0]);
	CHECK(count >= 1);
	for (int i = 0; i < count; i++)
		for (int k = 0; k < i; k++)
			CHECK(bases[i] >= bases[k] + 65536 || bases[k] >= bases[i] + 65536);
}

TEST(claimants_at_once_have_ranges_of_their_own)
{
	static const char lines[] = "insula:1000000:524288\n"; /* eight */
	own(store) struct store store = {.root_fd = -1, .run_fd = -1};
	bool seen[8] = {false};

	use(&store, lines, lines);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();
		uint32_t base;

		CHECK(pid >= 0);
		if (pid == 0)
			_exit(claim(&store, 8 * i, &base) == 0 ? (int)(base - 1000000) / 65536
							       : 99);
	}
	for (int i = 0; i < 8; i++) {
		int status;

		CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < 8);
		CHECK(!seen[WEXITSTATUS(status)]);
		seen[WEXITSTATUS(status)] = true;
	}
}

TEST_MAIN()
