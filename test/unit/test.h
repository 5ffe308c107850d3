/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The unit test harness.
 *
 *	#include "test.h"
 *
 *	TEST(adding_beyond_the_limit_fails)
 *	{
 *		own(str) struct str s = STR_INIT(4);
 *		struct err err = ERR_INIT;
 *
 *		str_add(&s, "hello");
 *		CHECK_ERR(str_check(&s, "greeting", &err), ERR_LIMIT, "greeting");
 *	}
 *
 *	TEST_MAIN()
 *
 * Each test runs in a child process of its own, with a deadline: a crash, a hang or an exhausted
 * table is one failed test. A check that fails ends its test at once, also from within a helper
 * function. A test that ends with more (or fewer) open descriptors than it began with has failed.
 * Names given on the command line select tests. The output is TAP.
 */
#ifndef INSULA_TEST_H
#define INSULA_TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *test);
int test_main(int argc, char **argv);

/* End the running test: failed with a place and a reason, or skipped with a reason. */
_Noreturn void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An empty directory for the running test, made at the first call and removed after the test with
 * all that it holds: as a borrowed descriptor, and as an absolute path. */
int test_dir(void);
const char *test_dir_path(void);
/* Remove from it what writers that were killed have left (base/file.h). */
void test_sweep_temporary(void);

/* The amount times INSULA_TEST_SLOW, which says how much slower than usual this machine is (the guest's
 * emulation is): for every bound on time, and every sleep that only hopes that something has happened. */
int test_slowed(int amount);
void test_sleep_ms(int ms);

/* Both ends of a new terminal that passes output through unchanged. By /dev/ptmx, which everybody may
 * open, unlike the ptmx of a host's own devpts. */
void test_terminal(int *ret_master_fd, int *ret_slave_fd);

/* From here on, in this test and its children, the system call fails with this errno. */
void test_fail_syscall(long number, int errnum);

void test_check_str(const char *file, int line, const char *text, const char *got,
		    const char *want);
void test_check_int(const char *file, int line, const char *text, intmax_t got, intmax_t want);
void test_check_ok(const char *file, int line, const char *text, bool failed,
		   const struct err *err);
void test_check_err(const char *file, int line, const char *text, bool failed,
		    const struct err *err, enum err_kind kind, const char *part);

#define TEST(name) \
	static void test_run_##name(void); \
	static struct test test_##name = {#name, test_run_##name, NULL}; \
	__attribute__((constructor)) static void test_register_##name(void) \
	{ \
		test_register(&test_##name); \
	} \
	static void test_run_##name(void)

#define TEST_MAIN() \
	int main(int argc, char **argv) \
	{ \
		return test_main(argc, argv); \
	}

#define CHECK(condition) \
	do { \
		if (!(condition)) \
			test_fail(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

/* Equal strings; NULL equals NULL only. */
#define CHECK_STR(got, want) test_check_str(__FILE__, __LINE__, #got, (got), (want))
#define CHECK_INT(got, want) test_check_int(__FILE__, __LINE__, #got, (got), (want))

/* Failure as functions with a `struct err *` report it: negative, or NULL. */
#define TEST_FAILED(expr) \
	({ \
		__auto_type result_ = (expr); \
		__builtin_classify_type(result_) == 5 ? (intptr_t)result_ == 0 \
						      : (intptr_t)result_ < 0; \
	})

/* The expression succeeds; a `struct err err` that it fills must be in scope. */
#define CHECK_OK(expr) test_check_ok(__FILE__, __LINE__, #expr, TEST_FAILED(expr), &err)

/* The expression fails with this kind and with `part` in its message; `err` is cleared first. */
#define CHECK_ERR(expr, kind, part) \
	do { \
		err = ERR_INIT; \
		test_check_err(__FILE__, __LINE__, #expr, TEST_FAILED(expr), &err, (kind), \
			       (part)); \
	} while (0)

#define SKIP(...) test_skip(__VA_ARGS__)

#endif
