/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The listener of a filter that notifies, from C, who gets it from seccomp(2), to the agent.
 *
 * The filter may notify, or refuse, any call, those with which C would hand the descriptor over included:
 * C would wait for an agent that nobody has told yet. Other runtimes forbid a notified write(2) and the
 * default action, and hang with a notified sendmsg(2). Here C makes no call at all between seccomp(2) and
 * the agent's knowing: both sides have a page in common, C stores the descriptor's number there and looks at
 * the page until P says go on. P takes the descriptor by pidfd_getfd(2). So every call may be notified, and
 * nothing of the container runs before the agent has its listener.
 *
 *	C			P
 *	page --------------->	connects to the agent
 *	       <------------ "go"
 *	seccomp(2)
 *	number into the page	sees it, takes the descriptor, sends it to the agent
 *	goes on		<--	GO into the page
 *
 * Where P may not take it (the runtime of an ordinary user: C is opaque), C is told to send it after all. C
 * looks at the page without sleeping, as sleep is a call: some ten microseconds, and P has a deadline. If P
 * dies meanwhile, C ends itself after a time by an illegal instruction, the one end that is no call.
 */
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/unix.h"
#include "runtime/filter.h"
#include "runtime/start.h"

#define WORD_PAGE 'p'
#define SPINS_MAX (UINT64_C(1) << 32) /* many seconds on any machine */
#define AGENT_SECONDS 10
#define LOOK_NS 20000

enum page_word { PAGE_WAIT, PAGE_GO, PAGE_SEND };

struct page {
	atomic_int listener; /* the descriptor in C, and 1; 0: not yet */
	atomic_int word;     /* enum page_word */
};

static struct page *map_page(int fd, struct err *err)
{
	struct page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (page != MAP_FAILED)
		return page;
	err_errno(err, "cannot map the page of the seccomp filter");
	return NULL;
}

/* ---- C ---- */

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

static int await_page(struct page *page)
{
	uint64_t spins = 0;
	int word;

	while ((word = atomic_load(&page->word)) == PAGE_WAIT) {
		relax();
		if (++spins == SPINS_MAX)
			__builtin_trap();
	}
	return word;
}

static int install_notifying(const struct seccomp_filter *filter, struct page *page, int sync_fd,
			     struct err *err)
{
	int listener = seccomp_install(filter, err);
	char word = WORD_PAGE;

	if (listener < 0)
		return -1;
	atomic_store(&page->listener, listener + 1);
	if (await_page(page) == PAGE_GO)
		return 0;
	atomic_store(&page->word, PAGE_WAIT);
	if (fd_send(sync_fd, &word, 1, &listener, 1, err) < 0)
		return -1;
	await_page(page);
	return 0;
}

/* P's word, or its end: then we end, silently. */
static void await_go(int sync_fd)
{
	struct err ignored = ERR_INIT;
	char word;
	size_t none;

	if (fd_recv(sync_fd, &word, 1, NULL, 0, &none, &ignored) != 1)
		_exit(EXIT_FAILURE);
}

int filter_install(const struct seccomp_filter *filter, int sync_fd, struct err *err)
{
	const char word = WORD_PAGE;

	if (!filter->notify)
		return seccomp_install(filter, err);
	own_fd int page_fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (page_fd < 0 || ftruncate(page_fd, sizeof(struct page)) < 0)
		return err_errno(err, "cannot make the page of the seccomp filter");
	struct page *page = map_page(page_fd, err); /* goes with our memory at execve */
	if (!page || fd_send(sync_fd, &word, 1, &page_fd, 1, err) < 0)
		return -1;
	fd_close(take_fd(page_fd));
	await_go(sync_fd);
	return install_notifying(filter, page, sync_fd, err);
}

/* ---- P ---- */

/* A word of C's with a descriptor, or its error. */
static int receive(int sync_fd, struct err *err)
{
	union {
		char word;
		struct err err;
	} message;
	const struct waiting waiting = {.fd = sync_fd, .timeout_ms = AWAIT_MS};
	int fd = -1;
	size_t count = 0;

	if (await_message(&waiting, err) < 0)
		return -1;
	ssize_t n = fd_recv(sync_fd, &message, sizeof message, &fd, 1, &count, err);
	if (n == 1 && message.word == WORD_PAGE && count == 1)
		return fd;
	fd_close(fd);
	if (n == sizeof message.err)
		*err = message.err;
	else if (n >= 0)
		err_set(err, ERR_STATE, 0, "the container's process died while it was set up");
	return -1;
}

/* Until C has stored its listener, or says why there is none. */
static int await_listener(struct page *page, int sync_fd, struct err *err)
{
	int64_t end = clock_boot_ms() + INT64_C(1000) * AGENT_SECONDS;
	const struct timespec look = {.tv_nsec = LOOK_NS};
	int number;

	while (!(number = atomic_load(&page->listener))) {
		struct pollfd heard = {.fd = sync_fd, .events = POLLIN};

		if (poll(&heard, 1, 0) > 0) {
			own_fd int unexpected = receive(sync_fd, err);

			return unexpected < 0 ? -1
					      : err_set(err, ERR_INTERNAL, 0,
							"a listener that came twice");
		}
		if (clock_boot_ms() > end)
			return err_set(err, ERR_TIMEOUT, 0,
				       "the seccomp filter was not installed in %d seconds",
				       AGENT_SECONDS);
		nanosleep(&look, NULL);
	}
	return number - 1;
}

static int take_listener(const struct filter_agent *agent, struct page *page, int sync_fd,
			 struct err *err)
{
	int number = await_listener(page, sync_fd, err);

	if (number < 0)
		return -1;
	int fd = seccomp_take_listener(agent->process->pidfd, number, err);
	if (fd >= 0 || err->kind != ERR_DENIED)
		return fd;
	*err = ERR_INIT;
	atomic_store(&page->word, PAGE_SEND);
	fd = receive(sync_fd, err);
	return fd < 0 ? err_wrap(err, "the seccomp listener") : fd;
}

/* config-linux.md, "The Container Process State". */
static void write_message(const struct filter_agent *agent, const struct state *state,
			  struct str *out)
{
	const struct seccomp_profile *profile = agent->spec->linux_.seccomp;
	/* A further process is not the container's. */
	pid_t first = agent->status == STATE_RUNNING ? state->pid : agent->pid;
	struct json_writer w;

	json_writer_init(&w, out, 0);
	json_write_object(&w);
	json_write_member(&w, "ociVersion", SPEC_OCI_VERSION);
	json_write_key(&w, "fds");
	json_write_array(&w);
	json_write_string(&w, "seccompFd");
	json_write_end(&w, ']');
	json_write_member_i64(&w, "pid", agent->pid);
	if (profile && profile->listener_metadata)
		json_write_member(&w, "metadata", profile->listener_metadata);
	json_write_key(&w, "state");
	json_write_object(&w);
	state_write_document(state, agent->status, first, &w);
	json_write_end(&w, '}');
	json_write_end(&w, '}');
}

static int make_message(const struct filter_agent *agent, struct str *out, struct err *err)
{
	struct state unknown;

	if (agent->state) {
		write_message(agent, agent->state, out);
		return str_check(out, "the container process state", err);
	}
	state_init(&unknown);
	unknown.id = str_dup(agent->id, err);
	unknown.bundle = str_dup("", err);
	if (unknown.id && unknown.bundle)
		write_message(agent, &unknown, out);
	state_done(&unknown);
	return str_check(out, "the container process state", err);
}

/* In one message, as far as it fits into the socket: agents read once. */
static int tell(int agent_fd, int listener_fd, const struct str *message, struct err *err)
{
	return fd_send(agent_fd, message->data, message->len, &listener_fd, 1, err);
}

static int serve(const struct filter_agent *agent, struct page *page, int sync_fd, struct err *err)
{
	own(str) struct str message = STR_INIT(1u << 20);
	const char *path = spec_seccomp_listener(agent->spec);
	const char go = WORD_DONE;

	if (make_message(agent, &message, err) < 0)
		return -1;
	own_fd int agent_fd = unix_connect(path, AGENT_SECONDS, err);
	if (agent_fd < 0)
		return err_wrap(err, "linux.seccomp.listenerPath");
	if (fd_send(sync_fd, &go, 1, NULL, 0, err) < 0)
		return -1;
	own_fd int listener_fd = take_listener(agent, page, sync_fd, err);
	if (listener_fd < 0)
		return -1;
	if (tell(agent_fd, listener_fd, &message, err) < 0)
		return err_wrap(err, "the seccomp agent at '%s'", path);
	atomic_store(&page->word, PAGE_GO);
	return 0;
}

int filter_serve(const struct filter_agent *agent, int sync_fd, struct err *err)
{
	own_fd int page_fd = receive(sync_fd, err);
	struct page *page = page_fd < 0 ? NULL : map_page(page_fd, err);

	if (!page)
		return -1;
	int status = serve(agent, page, sync_fd, err);
	munmap(page, sizeof *page);
	return status;
}
