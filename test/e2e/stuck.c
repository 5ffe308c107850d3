/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stuck DIRECTORY: a file server that does not answer, by the raw protocol of /dev/fuse.
 *
 * In its directory there is "program", an executable file whose content never comes, and a look for any other
 * name never ends. Whoever asks hangs in the kernel (state D), and once we have read his request not even
 * SIGKILL gets him out: until we end, when the kernel answers for us. So a test has a process that cannot be
 * killed, for as long as it wants. Prints "ready" when it is mounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PROGRAM_ID 2
#define PROGRAM_SIZE 4096

static int device;

static void answer(const struct fuse_in_header *to, int error, const void *data, size_t size)
{
	struct fuse_out_header header = {
		.unique = to->unique, .error = error, .len = (unsigned int)(sizeof header + size)};
	struct iovec parts[] = {{&header, sizeof header}, {(void *)data, size}};

	if (writev(device, parts, 2) < 0)
		perror("stuck: answer");
}

static struct fuse_attr attributes(unsigned long long id)
{
	return (struct fuse_attr){.ino = id,
				  .nlink = 1,
				  .blksize = 4096,
				  .size = id == PROGRAM_ID ? PROGRAM_SIZE : 0,
				  .mode = id == PROGRAM_ID ? S_IFREG | 0755 : S_IFDIR | 0755};
}

static void look(const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out entry = {.nodeid = PROGRAM_ID,
				       .attr = attributes(PROGRAM_ID),
				       .entry_valid = 3600,
				       .attr_valid = 3600};

	if (!strcmp(name, "program"))
		answer(in, 0, &entry, sizeof entry);
}

static void serve(const struct fuse_in_header *in, const char *body)
{
	struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 4096};
	struct fuse_attr_out attr = {.attr = attributes(in->nodeid), .attr_valid = 3600};
	struct fuse_open_out opened = {0};

	switch (in->opcode) {
	case FUSE_INIT:
		answer(in, 0, &init, sizeof init);
		break;
	case FUSE_GETATTR:
		answer(in, 0, &attr, sizeof attr);
		break;
	case FUSE_LOOKUP:
		look(in, body);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		answer(in, 0, &opened, sizeof opened);
		break;
	case FUSE_READ: /* never */
	case FUSE_INTERRUPT:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		break;
	default:
		answer(in, in->opcode == FUSE_RELEASE || in->opcode == FUSE_FLUSH ? 0 : -ENOSYS,
		       NULL, 0);
	}
}

int main(int argc, char *argv[])
{
	static char buffer[1 << 17] __attribute__((aligned(8)));
	char options[100];
	ssize_t size;

	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof options, "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other",
		 device);
	if (argc != 2 || device < 0 || mount("stuck", argv[1], "fuse", 0, options) < 0) {
		perror("stuck");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while ((size = read(device, buffer, sizeof buffer)) > 0 || errno == EINTR ||
	       errno == ENOENT)
		if (size > (ssize_t)sizeof(struct fuse_in_header))
			serve((void *)buffer, buffer + sizeof(struct fuse_in_header));
	return 0;
}
