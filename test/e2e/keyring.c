/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program with keys: "add" puts one into its session keyring, "find" tells in which keyring it is found,
 * "session COMMAND..." runs it with a session "_ses.caller" that has the key, "join NAME" succeeds where the
 * session of that name has it.
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEY "insula-test"

static int fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return 1;
}

static int add(void)
{
	long key = syscall(SYS_add_key, "user", KEY, "x", 1UL, KEY_SPEC_SESSION_KEYRING);

	/* Another user of the same session, too. */
	if (key < 0 || syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f0000UL) < 0)
		return fail("add_key");
	return 0;
}

static int find(void)
{
	char text[512] = "";
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", KEY, 0);

	if (key < 0)
		return fail("search");
	if (syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, text, sizeof text) < 0)
		return fail("describe");
	printf("found in %s\n", strrchr(text, ';') + 1);
	return 0;
}

int main(int argc, char *argv[])
{
	const char *verb = argc > 1 ? argv[1] : "";

	setbuf(stdout, NULL);
	if (!strcmp(verb, "add")) {
		if (add())
			return 1;
		puts("added");
		return 0;
	}
	if (!strcmp(verb, "find"))
		return find();
	if (!strcmp(verb, "join") && argc > 2)
		return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, argv[2]) < 0 ? 1 : find();
	if (strcmp(verb, "session") != 0 || argc < 3)
		return 2;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, "_ses.caller") < 0 || add())
		return fail("session");
	execvp(argv[2], argv + 2);
	return fail(argv[2]);
}
