/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looking up a command. The places where it can be are tried one after another, and the first that works
 * ends the search. When none does, a file that is there and cannot be executed says more than all the
 * places where there is nothing, so its error is the one that is returned.
 *
 * Compiled a second time for insula-init without a C library: hence the loops for what string.h has.
 */
#include "runtime/command.h"

#include <errno.h>
#include <linux/limits.h> /* <limits.h> of a freestanding clang has no PATH_MAX */
#include <stdbool.h>
#include <stddef.h>

/* "DIR/NAME" in file[PATH_MAX]; false where that is too long to exist. */
static bool join(char *file, const char *dir, size_t length, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < length && n < PATH_MAX; i++)
		file[n++] = dir[i];
	if (n < PATH_MAX)
		file[n++] = '/';
	do {
		if (n >= PATH_MAX)
			return false;
		file[n++] = *name;
	} while (*name++);
	return true;
}

static bool has_slash(const char *name)
{
	while (*name && *name != '/')
		name++;
	return *name;
}

int command_find(const char *name, const char *path, command_try_fn *try_file, void *data)
{
	char file[PATH_MAX];
	int seen = ENOENT;

	if (has_slash(name))
		return try_file(name, data);
	for (const char *dir = path ? path : COMMAND_DEFAULT_PATH; *dir;) {
		size_t length = 0;

		while (dir[length] && dir[length] != ':')
			length++;
		if (*name && length && join(file, dir, length, name)) {
			int error = try_file(file, data);

			if (error == 0)
				return 0;
			if (error != ENOENT && error != ENOTDIR)
				seen = error;
		}
		dir += length;
		dir += *dir == ':';
	}
	return seen;
}

const char *command_path(char *const envp[])
{
	static const char name[] = "PATH=";

	for (; *envp; envp++) {
		size_t n = 0;

		while (name[n] && (*envp)[n] == name[n])
			n++;
		if (!name[n])
			return *envp + n;
	}
	return NULL;
}
