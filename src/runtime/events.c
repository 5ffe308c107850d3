/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Following a container: statistics by a timer, notices as they come. See events.h. */
#include "runtime/events.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "json/json.h"

#define STATS_MAX (4u << 20)

/* 1: the reader is gone. */
static int write_out(int out_fd, const struct str *line, struct err *err)
{
	if (fd_write_all(out_fd, line->data, line->len, "the events", err) == 0)
		return 0;
	return err->errnum == EPIPE ? 1 : -1;
}

static int print_stats(const struct events_source *source, int out_fd, struct err *err)
{
	own(str) struct str line = STR_INIT(STATS_MAX);

	if (runtime_stats_print(source, &line, err) < 0)
		return -1;
	return write_out(out_fd, &line, err);
}

static int print_notice(const char *id, int out_fd, struct err *err)
{
	own(str) struct str line = STR_INIT(4096);
	struct json_writer w;

	json_writer_init(&w, &line, 0);
	json_write_object(&w);
	json_write_member(&w, "type", "oom");
	json_write_member(&w, "id", id);
	json_write_end(&w, '}');
	str_add_char(&line, '\n');
	return write_out(out_fd, &line, err);
}

static int remaining(int64_t due_ms)
{
	int64_t left = due_ms - clock_boot_ms();

	return left < 0 ? 0 : (int)left;
}

int runtime_events_follow(const struct events_source *source, int interval_ms, int out_fd,
			  struct err *err)
{
	own(cgroup_oom_watch) struct cgroup_oom_watch watch = CGROUP_OOM_WATCH_INIT;
	int64_t due_ms = clock_boot_ms() + interval_ms;
	struct err ignored = ERR_INIT;
	int status = 0;

	/* Without a memory controller there are statistics, and nothing to be told. */
	cgroup_oom_watch(source->host, source->cg, &watch, &ignored);
	struct pollfd fds[] = {{.fd = source->init->pidfd, .events = POLLIN},
			       {.fd = watch.fd, .events = watch.events},
			       {.fd = out_fd}}; /* POLLERR: the reader went away */
	while (status == 0) {
		int n = poll(fds, 3, remaining(due_ms));

		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for events");
		if (n <= 0) {
			if (n < 0 || remaining(due_ms) > 0)
				continue;
			status = print_stats(source, out_fd, err);
			due_ms += interval_ms;
			continue;
		}
		if (fds[1].revents)
			for (unsigned int k = cgroup_oom_seen(source->cg, &watch);
			     k > 0 && status == 0; k--)
				status = print_notice(source->id, out_fd, err);
		if (fds[0].revents || fds[2].revents & (POLLERR | POLLNVAL))
			break;
	}
	return status < 0 ? -1 : 0;
}
