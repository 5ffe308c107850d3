/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logs: what is written, what is read back, rotation, a full disk, following. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/own.h"
#include "engine/log.h"
#include "engine/log_format.h"
#include "test.h"

#define BOTH (1 << LOG_STDOUT | 1 << LOG_STDERR)
#define SMALLEST 65536

static void log_writer_done(struct log_writer **w)
{
	log_writer_free(*w);
}

#define own_writer __attribute__((cleanup(log_writer_done)))

static struct log_writer *open_writer(uint64_t max_size, int max_files)
{
	struct err err = ERR_INIT;
	struct log_writer *w = log_writer_new(test_dir(), max_size, max_files, &err);

	CHECK_OK(w);
	return w;
}

static void put(struct log_writer *w, enum log_stream stream, const char *text)
{
	log_writer_put(w, stream, text, strlen(text));
}

static void print_log(int run_fd, const struct log_read_options *options, bool timestamps,
		      FILE *out)
{
	struct log_printer printer;
	struct err err = ERR_INIT;

	CHECK(out);
	log_printer_init(&printer, out, out, timestamps);
	CHECK_OK(log_read(test_dir(), run_fd, options, &printer.sink, &err));
	fclose(out);
}

static char *read_log(const struct log_read_options *options)
{
	char *text = NULL;
	size_t size;

	print_log(-1, options, false, open_memstream(&text, &size));
	return text;
}

static char *read_all(void)
{
	return read_log(&(struct log_read_options){.tail = -1, .streams = BOTH});
}

static char *read_tail(int64_t lines)
{
	return read_log(&(struct log_read_options){.tail = lines, .streams = BOTH});
}

static char *raw(const char *name)
{
	struct err err = ERR_INIT;
	char *text = NULL;

	CHECK_OK(file_read(test_dir(), name, 64 << 20, &text, &err));
	return text;
}

static off_t size_of(const char *name)
{
	struct stat st;

	return fstatat(test_dir(), name, &st, 0) == 0 ? st.st_size : -1;
}

TEST(entries_have_the_format_of_the_container_runtime_interface)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *text = NULL;
	struct log_entry entry;
	int64_t now_ns = clock_real_ns();
	char *second;

	put(w, LOG_STDOUT, "hello\nwor");
	put(w, LOG_STDERR, "oops\n");
	text = raw("log");
	second = strchr(text, '\n') + 1;
	CHECK(strncmp(text + LOG_TIME_SIZE, " stdout F hello\n", 16) == 0);
	CHECK(strncmp(second + LOG_TIME_SIZE, " stdout P wor\n", 14) == 0);
	CHECK(strstr(second, "Z stderr F oops\n"));
	CHECK(log_parse(text, strcspn(text, "\n"), &entry));
	CHECK(entry.time_ns >= now_ns && entry.time_ns - now_ns < INT64_C(60000000000));
	CHECK_INT(entry.size, 5);
}

TEST(output_comes_back_as_it_was)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *text = NULL;

	put(w, LOG_STDOUT, "a");
	put(w, LOG_STDOUT, "b");
	put(w, LOG_STDOUT, "\n\n\tc\r\n");
	put(w, LOG_STDOUT, "\x1b[31mred\n \n");
	put(w, LOG_STDOUT, "no end");
	text = read_all();
	CHECK_STR(text, "ab\n\n\tc\r\n\x1b[31mred\n \nno end");
}

TEST(silence_makes_no_file)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *text = read_all();

	CHECK_STR(text, "");
	log_writer_idle(w);
	CHECK_INT(size_of("log"), -1);
}

TEST(a_long_line_is_cut_and_joined_again)
{
	own_writer struct log_writer *w = open_writer(1 << 20, 3);
	own_free char *line = malloc(100001), *text = NULL;
	unsigned int entries = 0;

	memset(line, 'x', 100000);
	line[99999] = '\n';
	line[100000] = '\0';
	put(w, LOG_STDOUT, line);
	text = raw("log");
	for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
		CHECK(strcspn(at, "\n") <= LOG_PREFIX_SIZE + LOG_LINE_MAX);
		entries++;
	}
	CHECK_INT(entries, 100000 / LOG_LINE_MAX + 1);
	free(text);
	text = read_all();
	CHECK_STR(text, line);
}

/* Any byte but the newline is text. */
TEST(binary_output_survives)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	struct log_read_options options = {.tail = -1, .streams = BOTH};
	own_free char *text = NULL;
	char all[256];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	log_writer_put(w, LOG_STDOUT, all, sizeof(all));
	print_log(-1, &options, false, out);
	CHECK_INT(size, 256);
	CHECK(memcmp(text, all, 256) == 0);
}

static void put_numbers(struct log_writer *w, int first, int last)
{
	char text[32];

	for (int i = first; i <= last; i++) {
		snprintf(text, sizeof(text), "%d\n", i);
		put(w, i % 2 ? LOG_STDOUT : LOG_STDERR, text);
	}
}

static int check_numbers(const char *text, int last)
{
	int first = atoi(text), expected = first;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1)
		CHECK_INT(atoi(line), expected++);
	CHECK_INT(expected, last + 1);
	return first;
}

TEST(rotation_keeps_the_newest_within_bounds)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *text = NULL;

	put_numbers(w, 1, 20000);
	CHECK(size_of("log") > 0 && size_of("log") <= SMALLEST);
	CHECK(size_of("log.1") > SMALLEST / 2 && size_of("log.1") <= SMALLEST);
	CHECK(size_of("log.2") > SMALLEST / 2 && size_of("log.2") <= SMALLEST);
	CHECK_INT(size_of("log.3"), -1);
	text = read_all();
	CHECK(check_numbers(text, 20000) > 1);
}

/* As a writer leaves them that was killed between two of its renames. */
TEST(a_gap_hides_nothing_and_is_filled_by_the_next_rotation)
{
	own_free char *all = NULL, *tail = NULL, *later = NULL;

	{
		own_writer struct log_writer *w = open_writer(SMALLEST, 5);

		put_numbers(w, 1, 5000);
	}
	CHECK(size_of("log.3") > 0 && size_of("log.4") == -1);
	CHECK(renameat(test_dir(), "log.3", test_dir(), "log.4") == 0);
	CHECK(renameat(test_dir(), "log.2", test_dir(), "log.3") == 0);
	all = read_all();
	CHECK_INT(check_numbers(all, 5000), 1);
	tail = read_tail(4999);
	CHECK_INT(check_numbers(tail, 5000), 2);
	/* `log` is free as well, for one that died after the last rename */
	CHECK(renameat(test_dir(), "log.1", test_dir(), "log.2") == 0);
	CHECK(renameat(test_dir(), "log", test_dir(), "log.1") == 0);
	free(all);
	all = read_all();
	CHECK_INT(check_numbers(all, 5000), 1);
	CHECK(renameat(test_dir(), "log.1", test_dir(), "log") == 0);
	{
		own_writer struct log_writer *w = open_writer(SMALLEST, 5);

		put_numbers(w, 5001, 6500);
	}
	CHECK(size_of("log.1") > 0 && size_of("log.5") == -1);
	later = read_all();
	CHECK_INT(check_numbers(later, 6500), 1);
}

TEST(a_single_file_starts_over)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 1);
	own_free char *text = NULL;

	put_numbers(w, 1, 5000);
	CHECK(size_of("log") > 0 && size_of("log") <= SMALLEST);
	CHECK_INT(size_of("log.1"), -1);
	text = read_all();
	check_numbers(text, 5000);
}

/* One call with more lines than the buffer holds. */
TEST(a_burst_of_empty_lines_is_complete)
{
	own_writer struct log_writer *w = open_writer(8 << 20, 3);
	own_free char *lines = malloc(32768), *text = NULL;

	memset(lines, '\n', 32768);
	log_writer_put(w, LOG_STDOUT, lines, 32768);
	text = read_all();
	CHECK_INT(strlen(text), 32768);
}

TEST(the_tail_reaches_over_rotated_files)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *none = NULL, *two = NULL, *many = NULL, *all = NULL;

	put_numbers(w, 1, 3000);
	none = read_tail(0);
	two = read_tail(2);
	many = read_tail(2000);
	all = read_tail(1000000);
	CHECK_STR(none, "");
	CHECK_STR(two, "2999\n3000\n");
	CHECK_INT(check_numbers(many, 3000), 1001);
	CHECK(check_numbers(all, 3000) <= 1001);
}

TEST(a_line_without_its_end_belongs_to_the_tail)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *text = NULL;

	put(w, LOG_STDOUT, "one\ntwo\n");
	put(w, LOG_STDOUT, "$ ");
	text = read_tail(1);
	CHECK_STR(text, "$ ");
	free(text);
	text = read_tail(2);
	CHECK_STR(text, "two\n$ ");
}

/* A prompt on one stream, begun before whole lines of the other. */
TEST(lines_of_the_tail_count_from_their_beginning_on_each_stream)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *last = NULL, *both = NULL, *ended = NULL;

	put(w, LOG_STDOUT, "one\n$ ");
	put(w, LOG_STDERR, "bad\n");
	last = read_tail(1);
	CHECK_STR(last, "bad\n");
	both = read_tail(2);
	CHECK_STR(both, "$ bad\n");
	put(w, LOG_STDOUT, "ls\n");
	ended = read_tail(2);
	CHECK_STR(ended, "$ bad\nls\n");
}

TEST(streams_are_told_apart)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *out = NULL, *errors = NULL;

	put_numbers(w, 1, 4);
	out = read_log(&(struct log_read_options){.tail = -1, .streams = 1 << LOG_STDOUT});
	errors = read_log(&(struct log_read_options){.tail = -1, .streams = 1 << LOG_STDERR});
	CHECK_STR(out, "1\n3\n");
	CHECK_STR(errors, "2\n4\n");
}

TEST(since_and_until_select_by_time)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *late = NULL, *early = NULL, *stamped = NULL;
	char time[CLOCK_TEXT_SIZE];
	int64_t middle_ns;
	size_t size;

	put(w, LOG_STDOUT, "early\n");
	middle_ns = clock_real_ns();
	put(w, LOG_STDOUT, "late\n");
	late = read_log(
		&(struct log_read_options){.tail = -1, .streams = BOTH, .since_ns = middle_ns});
	early = read_log(
		&(struct log_read_options){.tail = -1, .streams = BOTH, .until_ns = middle_ns});
	CHECK_STR(late, "late\n");
	CHECK_STR(early, "early\n");
	put(w, LOG_STDOUT, "in ");
	put(w, LOG_STDOUT, "pieces\n");
	print_log(-1, &(struct log_read_options){.tail = 1, .streams = BOTH}, true,
		  open_memstream(&stamped, &size));
	clock_text(middle_ns, time);
	CHECK(strncmp(stamped, time, 11) == 0);
	CHECK_STR(stamped + LOG_TIME_SIZE, " in pieces\n");
}

/* A keeper that was killed in the middle of a write. */
TEST(a_torn_entry_spoils_no_other)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	own_free char *text = NULL;
	own_fd int fd = -1;

	put(w, LOG_STDOUT, "before\n");
	fd = openat(test_dir(), "log", O_WRONLY | O_APPEND | O_CLOEXEC);
	CHECK(write(fd, "2026-11-22T17:3", 15) == 15);
	log_writer_free(w);
	w = open_writer(SMALLEST, 3);
	put(w, LOG_STDOUT, "after\n");
	text = read_all();
	CHECK_STR(text, "before\nafter\n");
}

TEST(what_is_no_entry_is_skipped)
{
	static const char *const bad[] = {
		"",
		"hello",
		"2026-11-22T17:32:14.123456789Z",
		"2026-11-22T17:32:14.123456789Z stdout",
		"2026-11-22T17:32:14.123456789Z stdout X text",
		"2026-11-22T17:32:14.123456789Z stdwut F text",
		"2026-13-22T17:32:14.123456789Z stdout F text",
		"2026-11-22T17:32:14.12345678xZ stdout F text",
		"2026-11-22 17:32:14.123456789Z stdout F text",
		"+026-11-22T17:32:14.123456789Z stdout F text",
		"9999-11-22T17:32:14.123456789Z stdout F text",
	};
	struct log_entry entry;
	const char *good = "2026-11-22T17:32:14.123456789Z stdout F ";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (log_parse(bad[i], strlen(bad[i]), &entry))
			test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
	CHECK(log_parse(good, strlen(good), &entry));
	CHECK_INT(entry.size, 0);
	CHECK_INT(entry.time_ns, INT64_C(1795368734123456789));
}

TEST(a_line_longer_than_any_entry_does_not_stop_the_reader)
{
	own_writer struct log_writer *w = open_writer(1 << 20, 3);
	own_free char *junk = calloc(1, 200001), *text = NULL;
	own_fd int fd = openat(test_dir(), "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	memset(junk, 'j', 200000);
	junk[199999] = '\n';
	CHECK(write(fd, junk, 200000) == 200000);
	put(w, LOG_STDOUT, "after\n");
	text = read_all();
	CHECK_STR(text, "after\n");
}

/* The file system refuses more than 8,090 bytes; later there is room again. */
TEST(a_full_disk_loses_entries_and_says_so)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	struct rlimit limit = {.rlim_cur = 8090, .rlim_max = RLIM_INFINITY};
	own_free char *text = NULL;
	char block[4001];

	signal(SIGXFSZ, SIG_IGN);
	memset(block, 'b', 4000);
	block[3999] = '\n';
	block[4000] = '\0';
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	put(w, LOG_STDOUT, block);
	put(w, LOG_STDOUT, block);
	put(w, LOG_STDOUT, block); /* does not fit */
	put(w, LOG_STDOUT, block);
	CHECK_INT(size_of("log"), 2 * (LOG_PREFIX_SIZE + 4000));
	limit.rlim_cur = RLIM_INFINITY;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	put(w, LOG_STDOUT, "room\n");
	put(w, LOG_STDOUT, "more\n");
	text = read_all();
	CHECK_STR(text + 8000, "[insula: 8000 bytes of output are missing here: no room]\n"
			       "room\nmore\n");
}

TEST(a_directory_that_is_gone_does_no_harm)
{
	own_writer struct log_writer *w = NULL;
	own_fd int dir_fd = -1;
	struct err err = ERR_INIT;

	CHECK(mkdirat(test_dir(), "container", 0700) == 0);
	dir_fd = openat(test_dir(), "container", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w = log_writer_new(dir_fd, SMALLEST, 3, &err);
	CHECK_OK(w);
	put(w, LOG_STDOUT, "one\n");
	CHECK(unlinkat(dir_fd, "log", 0) == 0);
	CHECK(unlinkat(test_dir(), "container", AT_REMOVEDIR) == 0);
	put_numbers(w, 1, 5000);
	CHECK_INT(size_of("log"), -1);
}

/* Writes with pauses and rotates under the reader, holding the keeper's lock. */
_Noreturn static void write_slowly(int last)
{
	struct log_writer *w = open_writer(SMALLEST, 3);
	struct err err = ERR_INIT;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (file_lock(test_dir(), "alive", LOCK_EXCLUSIVE, 5000, &err) < 0)
		_exit(1);
	for (int first = 1; first <= last; first += 100) {
		put_numbers(w, first, first + 99 < last ? first + 99 : last);
		usleep(1000);
	}
	_exit(0);
}

TEST(following_sees_every_line_until_the_end)
{
	struct log_read_options options = {.tail = -1, .streams = BOTH, .follow = true};
	struct err err = ERR_INIT;
	own_free char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int64_t began_ms = clock_boot_ms();
	pid_t pid;

	test_dir(); /* made by the parent, so that both have the same */
	pid = fork();
	if (pid == 0)
		write_slowly(20000);
	while (file_lock_held(test_dir(), "alive", &err) == 0)
		usleep(1000);
	print_log(test_dir(), &options, false, out);
	CHECK_INT(check_numbers(text, 20000), 1);
	CHECK(clock_boot_ms() - began_ms < 20000);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

TEST(following_a_container_that_ended_ends)
{
	own_writer struct log_writer *w = open_writer(SMALLEST, 3);
	struct log_read_options options = {.tail = -1, .streams = BOTH, .follow = true};
	own_free char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	put(w, LOG_STDOUT, "all\n");
	print_log(test_dir(), &options, false, out);
	CHECK_STR(text, "all\n");
}

TEST_MAIN()
