/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The event loop: descriptors, timers, signals, and removal at awkward moments.
 */
#include "base/loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "test.h"

static void loop_done(struct loop **loop)
{
	loop_free(*loop);
}

#define own_loop __attribute__((cleanup(loop_done)))

static struct loop *new_loop(void)
{
	struct err err = ERR_INIT;
	struct loop *loop = loop_new(&err);

	CHECK_OK(loop);
	return loop;
}

struct pipe {
	int read_fd, write_fd;
};

static struct pipe new_pipe(void)
{
	int ends[2];

	CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
	return (struct pipe){ends[0], ends[1]};
}

static void pipe_done(struct pipe *p)
{
	fd_close(p->read_fd);
	fd_close(p->write_fd);
}

/* What callbacks of these tests know. */
struct seen {
	struct loop *loop;
	struct loop_source *source, *other;
	int count, stop_at, signal;
	int32_t sender;
	uint32_t events;
	char text[64];
	int64_t at_ms;
};

static void on_readable(void *data, int fd, uint32_t events)
{
	struct seen *seen = data;
	ssize_t n = read(fd, seen->text, sizeof(seen->text) - 1);

	seen->text[n > 0 ? n : 0] = '\0';
	seen->events |= events;
	if (++seen->count == seen->stop_at)
		loop_stop(seen->loop, 5);
}

static void on_timer(void *data)
{
	struct seen *seen = data;

	seen->at_ms = clock_boot_ms();
	if (++seen->count == seen->stop_at)
		loop_stop(seen->loop, 6);
}

static void stop_loop(void *data)
{
	loop_stop(data, 99);
}

/* Run for a while, to see that nothing more happens. */
static void run_for(struct loop *loop, int64_t ms)
{
	struct err err = ERR_INIT;
	struct loop_source *timer = loop_add_timer(loop, ms, stop_loop, loop, &err);

	CHECK_OK(timer);
	CHECK_INT(loop_run(loop, &err), 99);
	loop_remove(timer);
}

TEST(a_readable_descriptor_is_dispatched)
{
	own_loop struct loop *loop = new_loop();
	own(pipe) struct pipe p = new_pipe();
	struct seen seen = {.loop = loop, .stop_at = 1};
	struct err err = ERR_INIT;

	CHECK_OK(loop_add_io(loop, p.read_fd, EPOLLIN, on_readable, &seen, &err));
	CHECK_INT(write(p.write_fd, "hi", 2), 2);
	CHECK_INT(loop_run(loop, &err), 5);
	CHECK_STR(seen.text, "hi");
	CHECK_INT(seen.events, EPOLLIN);
}

TEST(free_takes_null_and_leaves_the_callers_descriptors)
{
	own(pipe) struct pipe p = new_pipe();
	struct loop *loop = new_loop();
	struct seen seen = {.loop = loop};
	struct err err = ERR_INIT;

	loop_free(NULL);
	loop_remove(NULL);
	CHECK_OK(loop_add_io(loop, p.read_fd, EPOLLIN, on_readable, &seen, &err));
	CHECK_OK(loop_add_timer(loop, 1000, on_timer, &seen, &err));
	loop_free(loop);
	CHECK(fcntl(p.read_fd, F_GETFD) >= 0);
}

TEST(hangup_is_reported)
{
	own_loop struct loop *loop = new_loop();
	own(pipe) struct pipe p = new_pipe();
	struct seen seen = {.loop = loop, .stop_at = 1};
	struct err err = ERR_INIT;

	CHECK_OK(loop_add_io(loop, p.read_fd, EPOLLIN, on_readable, &seen, &err));
	close(take_fd(p.write_fd));
	CHECK_INT(loop_run(loop, &err), 5);
	CHECK(seen.events & EPOLLHUP);
}

TEST(a_paused_source_hears_nothing_not_even_a_hangup)
{
	own_loop struct loop *loop = new_loop();
	own(pipe) struct pipe p = new_pipe();
	struct seen seen = {.loop = loop};
	struct err err = ERR_INIT;
	struct loop_source *source = loop_add_io(loop, p.read_fd, EPOLLIN, on_readable, &seen,
						 &err);

	CHECK_OK(source);
	CHECK_OK(loop_set_events(source, 0, &err));
	CHECK_INT(write(p.write_fd, "later", 5), 5);
	close(take_fd(p.write_fd));
	run_for(loop, 20);
	CHECK_INT(seen.count, 0);
	seen.stop_at = 1;
	CHECK_OK(loop_set_events(source, EPOLLIN, &err));
	CHECK_OK(loop_set_events(source, EPOLLIN, &err));
	CHECK_INT(loop_run(loop, &err), 5);
	CHECK_STR(seen.text, "later");
}

TEST(a_regular_file_is_always_ready)
{
	own_loop struct loop *loop = new_loop();
	own_fd int file = memfd_create("test", MFD_CLOEXEC);
	struct seen seen = {.loop = loop, .stop_at = 3};
	struct err err = ERR_INIT;
	struct loop_source *source = loop_add_io(loop, file, EPOLLIN, on_readable, &seen, &err);

	CHECK_OK(source);
	CHECK_INT(loop_run(loop, &err), 5);
	CHECK_INT(seen.count, 3);
	CHECK_OK(loop_set_events(source, 0, &err));
	run_for(loop, 10);
	CHECK_INT(seen.count, 3);
	CHECK_OK(loop_set_events(source, EPOLLIN, &err));
	loop_remove(source);
	run_for(loop, 10);
	CHECK_INT(seen.count, 3);
}

TEST(a_bad_descriptor_is_an_error)
{
	own_loop struct loop *loop = new_loop();
	struct seen seen = {.loop = loop};
	struct err err = ERR_INIT;

	CHECK_ERR(loop_add_io(loop, -1, EPOLLIN, on_readable, &seen, &err), ERR_IO,
		  "cannot watch descriptor -1: bad file descriptor");
	CHECK_ERR(loop_add_io(loop, 9999, EPOLLIN, on_readable, &seen, &err), ERR_IO, "9999");
}

TEST(a_timer_fires_once_after_its_delay)
{
	own_loop struct loop *loop = new_loop();
	struct seen seen = {.loop = loop};
	struct err err = ERR_INIT;
	int64_t start = clock_boot_ms();

	CHECK_OK(loop_add_timer(loop, 20, on_timer, &seen, &err));
	run_for(loop, 80);
	CHECK_INT(seen.count, 1);
	CHECK(seen.at_ms - start >= 20);
}

TEST(a_timer_is_armed_again_and_disarmed)
{
	own_loop struct loop *loop = new_loop();
	struct seen seen = {.loop = loop, .stop_at = 1};
	struct err err = ERR_INIT;
	struct loop_source *timer = loop_add_timer(loop, 0, on_timer, &seen, &err);

	CHECK_OK(timer);
	CHECK_INT(loop_run(loop, &err), 6);
	seen.stop_at = 2;
	loop_timer_set(timer, 1);
	CHECK_INT(loop_run(loop, &err), 6);
	loop_timer_set(timer, 10);
	loop_timer_set(timer, -1);
	run_for(loop, 40);
	CHECK_INT(seen.count, 2);
}

TEST(a_timer_added_disarmed_waits)
{
	own_loop struct loop *loop = new_loop();
	struct seen seen = {.loop = loop, .stop_at = 1};
	struct err err = ERR_INIT;
	struct loop_source *timer = loop_add_timer(loop, -1, on_timer, &seen, &err);

	run_for(loop, 20);
	CHECK_INT(seen.count, 0);
	loop_timer_set(timer, 0);
	CHECK_INT(loop_run(loop, &err), 6);
}

static void on_signal(void *data, int signal, int32_t sender)
{
	struct seen *seen = data;

	seen->signal = signal;
	seen->sender = sender;
	if (++seen->count == seen->stop_at)
		loop_stop(seen->loop, 7);
}

TEST(signals_are_delivered_and_the_mask_is_restored)
{
	own_loop struct loop *loop = new_loop();
	struct seen seen = {.loop = loop, .stop_at = 2};
	struct err err = ERR_INIT;
	struct loop_source *source;
	sigset_t set, now;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	source = loop_add_signals(loop, &set, on_signal, &seen, &err);
	CHECK_OK(source);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGTERM);
	CHECK_INT(loop_run(loop, &err), 7);
	CHECK_INT(seen.sender, getpid());
	CHECK_INT(seen.signal, SIGTERM);
	loop_remove(source);
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGTERM));
}

/* ---- removal inside callbacks ---- */

static void remove_self_and_other(void *data, int fd, uint32_t events)
{
	struct seen *seen = data;

	(void)fd;
	(void)events;
	seen->count++;
	loop_remove(seen->source);
	loop_remove(seen->other);
	loop_remove(seen->other); /* twice is harmless */
}

TEST(a_callback_may_remove_itself_and_others_of_the_same_batch)
{
	own_loop struct loop *loop = new_loop();
	own(pipe) struct pipe a = new_pipe(), b = new_pipe();
	struct seen first = {.loop = loop}, second = {.loop = loop};
	struct err err = ERR_INIT;

	first.source = second.other = loop_add_io(loop, a.read_fd, EPOLLIN, remove_self_and_other,
						  &first, &err);
	first.other = second.source = loop_add_io(loop, b.read_fd, EPOLLIN, remove_self_and_other,
						  &second, &err);
	CHECK_INT(write(a.write_fd, "x", 1), 1);
	CHECK_INT(write(b.write_fd, "x", 1), 1);
	run_for(loop, 20);
	CHECK_INT(first.count + second.count, 1);
}

static void remove_other_timer(void *data)
{
	struct seen *seen = data;

	seen->count++;
	loop_remove(seen->other);
}

TEST(a_timer_may_remove_another_that_is_due)
{
	own_loop struct loop *loop = new_loop();
	struct seen first = {.loop = loop}, second = {.loop = loop};
	struct err err = ERR_INIT;

	first.source = second.other = loop_add_timer(loop, 5, remove_other_timer, &first, &err);
	first.other = second.source = loop_add_timer(loop, 5, remove_other_timer, &second, &err);
	usleep(10000); /* both are due when the loop looks */
	run_for(loop, 20);
	CHECK_INT(first.count + second.count, 1);
}

static void disarm_other(void *data)
{
	struct seen *seen = data;

	seen->count++;
	loop_timer_set(seen->other, -1);
}

TEST(a_timer_disarmed_in_its_own_batch_does_not_fire)
{
	own_loop struct loop *loop = new_loop();
	struct seen first = {.loop = loop}, second = {.loop = loop};
	struct err err = ERR_INIT;

	first.source = second.other = loop_add_timer(loop, 5, disarm_other, &first, &err);
	first.other = second.source = loop_add_timer(loop, 5, disarm_other, &second, &err);
	usleep(10000);
	run_for(loop, 20);
	CHECK_INT(first.count + second.count, 1);
}

static void remove_own_signals(void *data, int signal, int32_t sender)
{
	struct seen *seen = data;

	(void)signal;
	(void)sender;
	seen->count++;
	loop_remove(seen->source);
}

TEST(a_signal_callback_may_remove_itself)
{
	own_loop struct loop *loop = new_loop();
	struct seen seen = {.loop = loop};
	struct err err = ERR_INIT;
	sigset_t set;

	signal(SIGUSR1, SIG_IGN); /* the second one comes through when the mask is restored */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGURG);
	seen.source = loop_add_signals(loop, &set, remove_own_signals, &seen, &err);
	kill(getpid(), SIGURG);
	raise(SIGURG);
	run_for(loop, 20);
	CHECK_INT(seen.count, 1);
}

static void add_timer_and_go(void *data)
{
	struct seen *seen = data;
	struct err err = ERR_INIT;

	loop_remove(seen->source);
	seen->stop_at = 1;
	seen->source = loop_add_timer(seen->loop, 0, on_timer, seen, &err);
}

TEST(a_callback_may_add_sources)
{
	own_loop struct loop *loop = new_loop();
	struct seen seen = {.loop = loop};
	struct err err = ERR_INIT;

	seen.source = loop_add_timer(loop, 0, add_timer_and_go, &seen, &err);
	CHECK_INT(loop_run(loop, &err), 6);
	CHECK_INT(seen.count, 1);
}

TEST(many_sources_come_and_go)
{
	own_loop struct loop *loop = new_loop();
	struct loop_source *sources[200];
	struct seen seen = {.loop = loop, .stop_at = 200};
	struct err err = ERR_INIT;

	for (int round = 0; round < 5; round++) {
		seen.count = 0;
		for (int i = 0; i < 200; i++)
			sources[i] = loop_add_timer(loop, 0, on_timer, &seen, &err);
		CHECK_INT(loop_run(loop, &err), 6);
		CHECK_INT(seen.count, 200);
		for (int i = 0; i < 200; i++)
			loop_remove(sources[i]);
	}
}

TEST(what_the_kernel_refuses_is_an_error_without_a_leak)
{
	own_loop struct loop *loop = new_loop();
	struct seen seen = {.loop = loop};
	struct err err = ERR_INIT;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	test_fail_syscall(SYS_epoll_ctl, ENOSPC);
	CHECK_ERR(loop_add_timer(loop, 0, on_timer, &seen, &err), ERR_IO, "no space left");
	CHECK_ERR(loop_add_signals(loop, &set, on_signal, &seen, &err), ERR_IO, "no space left");
	test_fail_syscall(SYS_epoll_create1, EMFILE);
	CHECK_ERR(loop_new(&err), ERR_IO, "cannot create an event loop: too many open files");
}

TEST_MAIN()
