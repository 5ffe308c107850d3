/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays a corpus as an ordinary test: each file of the directories on the command line goes
 * through the fuzz target that this is linked with. A crash or a failed check ends the process, and
 * with it the test; the file at hand is the one after the last "ok".
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Noreturn void give_up(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(1);
}

/* The input is copied to a block of exactly its size, so that a sanitizer sees the first byte read
 * beyond it. */
static void run(const char *data, size_t size)
{
	own_free uint8_t *input = malloc(size ? size : 1);

	if (!input)
		give_up("replay", "out of memory");
	for (size_t i = 0; i < size; i++)
		input[i] = (uint8_t)data[i];
	LLVMFuzzerTestOneInput(input, size);
}

static void replay_file(int dir_fd, const char *name)
{
	own_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	own_free char *data = NULL;
	struct err err = ERR_INIT;
	ssize_t size = fd_read_all(fd, INPUT_MAX, name, &data, &err);

	if (size < 0)
		give_up(name, err.message);
	run(data, (size_t)size);
}

static int replay_dir(const char *path, int count)
{
	own_dir DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		give_up(path, "cannot open the directory");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		replay_file(dirfd(dir), entry->d_name);
		printf("ok %d - %s\n", ++count, entry->d_name);
	}
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		count = replay_dir(argv[i], count);
	if (count == 0)
		give_up("replay", "there is no corpus");
	printf("1..%d\n", count);
	return 0;
}
