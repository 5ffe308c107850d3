/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failpoints: the test build's way to fail, die or stop at a named place.
 *
 * What is armed comes from the environment, because it must reach every process of a command:
 * the keeper, the container's init, helpers. Each process counts its own visits (a forked child
 * goes on from its parent's count).
 *
 * The log of visits is opened once and kept, since a container's init visits points when the log's
 * path is no longer reachable. Its descriptor sits high up, where no one expects a particular
 * number; it is close-on-exec, and before each use it is compared with what was opened, because
 * code that closes descriptors wholesale may have closed this one too and another file may have
 * taken its number.
 *
 * A malformed INSULA_FAIL ends the program: a sweep that silently tests nothing is worse.
 */
#include "base/fail.h"

#ifdef INSULA_FAILPOINTS

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define RULES_MAX 16
#define LOG_FD_MIN 800

struct rule {
	char name[64];
	char action[32];
	unsigned long at, visits;
};

static struct rule rules[RULES_MAX];
static size_t rule_count;
static bool loaded;
static int log_fd = -1;
static struct stat log_stat;

static bool action_is_known(const char *action)
{
	return str_eq(action, "kill") || str_eq(action, "stop") || str_eq(action, "log") ||
	       (str_starts(action, "error:") && err_errno_of_name(action + strlen("error:")) > 0);
}

/* Copy what lies between two places; false where it is empty or does not fit. */
static bool copy_between(const char *from, const char *to, char *buf, size_t size)
{
	size_t length = (size_t)(to - from);

	if (length == 0 || length >= size)
		return false;
	memcpy(buf, from, length);
	buf[length] = '\0';
	return true;
}

/* "NAME=ACTION[@N]" */
static bool parse_rule(const char *text, struct rule *ret)
{
	const char *equals = strchr(text, '='), *at_sign = strchrnul(text, '@');
	struct err ignored;
	uint64_t at = 1;

	*ret = (struct rule){0};
	if (!equals || equals > at_sign ||
	    !copy_between(text, equals, ret->name, sizeof(ret->name)) ||
	    !copy_between(equals + 1, at_sign, ret->action, sizeof(ret->action)) ||
	    (*at_sign && str_to_u64(at_sign + 1, 1, INT32_MAX, "visit", &at, &ignored) < 0))
		return false;
	ret->at = (unsigned long)at;
	return action_is_known(ret->action);
}

static void load_rules(const char *text)
{
	while (text && *text) {
		size_t length = strcspn(text, ",");
		char one[128];

		snprintf(one, sizeof(one), "%.*s", (int)length, text);
		if (length >= sizeof(one) || rule_count == RULES_MAX ||
		    !parse_rule(one, &rules[rule_count])) {
			fprintf(stderr, "INSULA_FAIL: cannot understand '%s'\n", one);
			_exit(125);
		}
		rule_count++;
		text += length + (text[length] == ',');
	}
}

static void open_log(const char *path)
{
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;

	if (fd < 0)
		return;
	log_fd = fcntl(fd, F_DUPFD_CLOEXEC, LOG_FD_MIN);
	close(fd);
	if (log_fd >= 0 && fstat(log_fd, &log_stat) < 0)
		log_fd = -1;
}

static void write_log(const char *name, const char *what)
{
	struct stat now;
	char line[128];
	int length = snprintf(line, sizeof(line), "%.63s %.31s\n", name, what);

	if (log_fd < 0 || fstat(log_fd, &now) < 0 || now.st_dev != log_stat.st_dev ||
	    now.st_ino != log_stat.st_ino)
		return;
	/* One write each: lines of several processes do not mix. */
	if (write(log_fd, line, (size_t)length) < 0)
		log_fd = -1;
}

/* The action of this visit, or NULL. */
static const char *visit(const char *name)
{
	const char *action = NULL;

	for (size_t i = 0; i < rule_count; i++)
		if (str_eq(rules[i].name, name) && ++rules[i].visits == rules[i].at)
			action = rules[i].action;
	return action;
}

/* Until somebody sends SIGCONT. */
static void stop_self(void)
{
	sigset_t set, saved;
	int received;

	if (getpid() != 1) {
		kill(getpid(), SIGSTOP);
		return;
	}
	/* The kernel keeps SIGSTOP away from the first process of a pid namespace that sends it to
	 * itself: a keeper, an init. */
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, &saved);
	sigwait(&set, &received);
	sigprocmask(SIG_SETMASK, &saved, NULL);
}

int fail_log_fd(void)
{
	return log_fd;
}

static void load(void)
{
	if (loaded)
		return;
	loaded = true;
	load_rules(getenv("INSULA_FAIL"));
	open_log(getenv("INSULA_FAIL_LOG"));
}

bool fail_alloc(void)
{
	load();
	if (!visit("alloc"))
		return false;
	write_log("alloc", "error");
	errno = ENOMEM;
	return true;
}

int fail_point(const char *name, struct err *err)
{
	const char *action;

	load();
	action = visit(name);
	write_log(name, action ? action : "seen");
	if (!action)
		return 0;
	if (str_eq(action, "kill")) {
		kill(getpid(), SIGKILL);
		/* Still here: the first process of a pid namespace is kept from this one as well. */
		_exit(128 + SIGKILL);
	}
	if (str_eq(action, "stop"))
		stop_self();
	if (!str_starts(action, "error:"))
		return 0;
	errno = err_errno_of_name(action + strlen("error:"));
	return err_errno(err, "failpoint %s", name);
}

#endif
