/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * paired: commands measured side by side, in turns.
 *
 * The machines that this runs on are noisy, and their noise comes in waves of seconds: ten runs of
 * one program and then ten of another compare two moments, not two programs. So every round runs each
 * command once, and a ratio is taken within its round; what a whole wave slows down cancels out.
 * The median of those ratios is what a budget is held against. The least, the lower quartile and the
 * median of the times themselves are there to be looked at: interruptions only ever add.
 *
 * Processor time and peak memory count everything that a command started and left to somebody else:
 * we are the subreaper, and reap what it leaves (a keeper that ends after its client has gone) before
 * the next command runs. Wall time ends when the command itself does.
 *
 *	paired [-n ROUNDS] [-w WARM-UPS] NAME COMMAND [NAME[@PID][=BUDGET] COMMAND]...
 *
 * COMMAND is run by execvp, split at spaces; {} in it is a number that is never used twice. It runs in
 * the mount namespace of the process PID, where one is given. The first command is ours: the ratios
 * are ours to each other one, and BUDGET is the most that they may be.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 16
#define ROUNDS_MAX 1000
#define WORDS_MAX 128

enum measure { WALL, CPU, MEASURES };

struct contender {
	char *name;
	const char *command;
	double budget;			      /* 0: none */
	int mount_ns;			      /* -1: ours */
	double samples[MEASURES][ROUNDS_MAX]; /* milliseconds */
	long peak_kib;
	int failures;
};

static struct contender contenders[COMMANDS_MAX];
static int contender_count, rounds = 20, warm_ups = 2;
static unsigned int unique;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "paired: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double usage_ms(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e3 +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e3;
}

/* Split at spaces into words, with {} replaced; the text is kept in buf. */
static void split(const char *command, char *buf, size_t size, char *words[WORDS_MAX])
{
	size_t length = 0;
	int count = 0;

	for (const char *p = command; *p && length + 32 < size; p++) {
		if (strncmp(p, "{}", 2) == 0) {
			length += (size_t)snprintf(buf + length, size - length, "%d-%u",
						   (int)getpid(), unique);
			p++;
		} else {
			buf[length++] = *p;
		}
	}
	buf[length] = '\0';
	for (char *rest = buf, *word; (word = strsep(&rest, " ")) && count < WORDS_MAX - 1;)
		if (*word)
			words[count++] = word;
	words[count] = NULL;
	unique++;
}

/* The child's part: an input that has ended, output to the log, and off. /dev/null is no input for crun, which
 * gives what it has for one to container root: the host's own device. */
static _Noreturn void execute(const struct contender *c, char *const words[])
{
	const char *log = getenv("PAIRED_LOG");
	int ends[2], in = pipe2(ends, O_CLOEXEC) < 0 || close(ends[1]) < 0 ? -1 : ends[0];
	int out = open(log ? log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(127);
	if (c->mount_ns >= 0 && setns(c->mount_ns, CLONE_NEWNS) < 0)
		_exit(127);
	execvp(words[0], words);
	_exit(127);
}

/* One run, with what it leaves. Returns whether it succeeded. */
static bool run(const struct contender *c, double ret[MEASURES], long *peak_kib)
{
	char buf[8192], *words[WORDS_MAX];
	struct rusage usage;
	double start, cpu = 0;
	int status = 0;
	bool good = false;
	pid_t pid, ended;

	split(c->command, buf, sizeof(buf), words);
	start = now_ms();
	pid = fork();
	if (pid < 0)
		die("cannot fork");
	if (pid == 0)
		execute(c, words);
	while ((ended = wait4(-1, &status, 0, &usage)) > 0) {
		if (ended == pid) {
			ret[WALL] = now_ms() - start;
			good = status == 0;
		}
		cpu += usage_ms(&usage);
		if (usage.ru_maxrss > *peak_kib)
			*peak_kib = usage.ru_maxrss;
	}
	ret[CPU] = cpu;
	return good;
}

static void measure(void)
{
	/* Another one begins each round: whoever comes after a big one finds cold caches. */
	for (int round = -warm_ups; round < rounds; round++)
		for (int i = 0; i < contender_count; i++) {
			struct contender *c = &contenders[(i + round + warm_ups) % contender_count];
			double result[MEASURES];
			long peak_kib = 0;

			if (!run(c, result, &peak_kib))
				c->failures++;
			if (round < 0)
				continue;
			c->samples[WALL][round] = result[WALL];
			c->samples[CPU][round] = result[CPU];
			if (peak_kib > c->peak_kib)
				c->peak_kib = peak_kib;
		}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The value that the given part of the samples lies below. */
static double quantile(const double *samples, double part)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, samples, (size_t)rounds * sizeof(*sorted));
	qsort(sorted, (size_t)rounds, sizeof(*sorted), compare);
	return sorted[(int)((double)(rounds - 1) * part + 0.5)];
}

/* Median over the rounds of ours divided by theirs. */
static double paired_ratio(const struct contender *c, enum measure m)
{
	double ratios[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		ratios[i] = contenders[0].samples[m][i] / c->samples[m][i];
	return quantile(ratios, 0.5);
}

static void report_ratio(const struct contender *c)
{
	double quarter = quantile(contenders[0].samples[WALL], 0.25) /
			 quantile(c->samples[WALL], 0.25);
	double wall = paired_ratio(c, WALL);

	printf(" %7.2f %7.2f %7.2f", wall, paired_ratio(c, CPU), quarter);
	if (c->budget > 0)
		printf("  %.2f %s", c->budget, wall <= c->budget ? "met" : "MISSED");
}

static void report(void)
{
	printf("%-24s %8s %8s %8s %8s %8s %7s %7s %7s  %s\n", "", "min ms", "p25", "median",
	       "cpu p25", "peak KiB", "x wall", "x cpu", "x p25", "budget");
	for (int i = 0; i < contender_count; i++) {
		const struct contender *c = &contenders[i];

		printf("%-24s %8.2f %8.2f %8.2f %8.2f %8ld", c->name, quantile(c->samples[WALL], 0),
		       quantile(c->samples[WALL], 0.25), quantile(c->samples[WALL], 0.5),
		       quantile(c->samples[CPU], 0.25), c->peak_kib);
		if (i > 0)
			report_ratio(c);
		if (c->failures)
			printf("  (%d of %d runs failed)", c->failures, rounds + warm_ups);
		putchar('\n');
	}
}

static int open_mount_ns(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

static void add_contender(char *name, const char *command)
{
	struct contender *c = &contenders[contender_count++];
	char *equals = strchr(name, '='), *at = strchr(name, '@');

	c->name = name;
	c->command = command;
	c->mount_ns = -1;
	if (equals) {
		*equals = '\0';
		c->budget = strtod(equals + 1, NULL);
	}
	if (at) {
		*at = '\0';
		c->mount_ns = open_mount_ns(at + 1);
	}
}

static int usage(void)
{
	fputs("usage: paired [-n ROUNDS] [-w WARM-UPS] NAME COMMAND [NAME[@PID][=BUDGET] "
	      "COMMAND]...\n",
	      stderr);
	return 2;
}

int main(int argc, char *argv[])
{
	int option;

	while ((option = getopt(argc, argv, "+n:w:")) != -1) {
		if (option != 'n' && option != 'w')
			return usage();
		*(option == 'n' ? &rounds : &warm_ups) = (int)strtol(optarg, NULL, 10);
	}
	argc -= optind;
	argv += optind;
	if (argc < 2 || argc % 2 || argc / 2 > COMMANDS_MAX || rounds < 1 || rounds > ROUNDS_MAX)
		return usage();
	for (int i = 0; i < argc; i += 2)
		add_contender(argv[i], argv[i + 1]);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		die("cannot be a subreaper");
	measure();
	report();
	return 0;
}
