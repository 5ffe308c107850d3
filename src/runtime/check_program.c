/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Would execve(2) take this file?
 *
 * The kernel's answers are one word each: ENOENT for a command that is not there, and for one whose
 * interpreter or dynamic linker is not there; ENOEXEC for a file of another machine, and for a script
 * without "#!". Here the file is read as the kernel does (fs/binfmt_elf.c, fs/binfmt_script.c) to say
 * which it is: the first bytes, the ELF header, the program headers in search of PT_INTERP; and the
 * interpreter is looked up in turn. Everything read is bounded, and only regular files are opened.
 *
 * A machine that is not ours may be emulated: if binfmt_misc has anything registered, it is a warning.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "runtime/check.h"
#include "runtime/command.h"

#define INTERPRETERS_MAX 5 /* scripts of scripts: BINPRM_BUF depth of exec_binprm() */
#define HEADERS_MAX 64
#define LINE_MAX_ 256 /* BINPRM_BUF_SIZE */

#if defined(__x86_64__)
static const int machines[] = {EM_X86_64, EM_386};
#elif defined(__aarch64__)
static const int machines[] = {EM_AARCH64, EM_ARM};
#elif defined(__riscv)
static const int machines[] = {EM_RISCV};
#elif defined(__powerpc64__)
static const int machines[] = {EM_PPC64, EM_PPC};
#elif defined(__s390x__)
static const int machines[] = {EM_S390};
#elif defined(__i386__)
static const int machines[] = {EM_386};
#elif defined(__arm__)
static const int machines[] = {EM_ARM};
#else
static const int machines[] = {EM_NONE};
#endif

static const struct {
	int machine;
	const char *name;
} machine_names[] = {
	{EM_X86_64, "x86_64"}, {EM_386, "i386"},    {EM_AARCH64, "aarch64"}, {EM_ARM, "arm"},
	{EM_RISCV, "riscv"},   {EM_PPC64, "ppc64"}, {EM_PPC, "ppc"},	     {EM_S390, "s390"},
	{EM_MIPS, "mips"},     {EM_SPARC, "sparc"},
};

/* What is known of a program. */
struct program {
	bool foreign;		    /* of another machine */
	char interpreter[PATH_MAX]; /* or "" */
};

static bool is_ours(int machine)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i] == machine || machines[i] == EM_NONE)
			return true;
	return false;
}

static const char *machine_name(int machine)
{
	for (size_t i = 0; i < sizeof(machine_names) / sizeof(machine_names[0]); i++)
		if (machine_names[i].machine == machine)
			return machine_names[i].name;
	return "another machine";
}

/* ---- ELF ---- */

/* Numbers are in the byte order of the file's machine. */
static uint64_t number(const unsigned char *at, size_t size, bool big)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)at[i] << 8 * (big ? size - 1 - i : i);
	return value;
}

#define FIELD_OF(bytes, wide, big, type, member) \
	((wide) ? number((bytes) + offsetof(Elf64_##type, member), \
			 sizeof(((Elf64_##type *)NULL)->member), (big)) \
		: number((bytes) + offsetof(Elf32_##type, member), \
			 sizeof(((Elf32_##type *)NULL)->member), (big)))

static int read_interpreter(int fd, uint64_t offset, uint64_t size, struct program *ret,
			    struct err *err)
{
	if (size < 2 || size > sizeof(ret->interpreter) || offset > INT64_MAX - size ||
	    pread(fd, ret->interpreter, size, (off_t)offset) != (ssize_t)size ||
	    ret->interpreter[size - 1])
		return err_set(err, ERR_CMD_NOT_EXEC, 0,
			       "the name of its dynamic linker is damaged");
	return 0;
}

static int find_interpreter(int fd, const unsigned char *head, bool wide, bool big,
			    struct program *ret, struct err *err)
{
	uint64_t offset = FIELD_OF(head, wide, big, Ehdr, e_phoff);
	uint64_t count = FIELD_OF(head, wide, big, Ehdr, e_phnum);
	size_t size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	unsigned char header[sizeof(Elf64_Phdr)];

	for (uint64_t i = 0; i < count && i < HEADERS_MAX; i++) {
		if (offset > INT64_MAX / 2 ||
		    pread(fd, header, size, (off_t)(offset + i * size)) != (ssize_t)size)
			return err_set(err, ERR_CMD_NOT_EXEC, 0, "its program headers are cut off");
		if (FIELD_OF(header, wide, big, Phdr, p_type) != PT_INTERP)
			continue;
		return read_interpreter(fd, FIELD_OF(header, wide, big, Phdr, p_offset),
					FIELD_OF(header, wide, big, Phdr, p_filesz), ret, err);
	}
	return 0;
}

static int read_elf(int fd, const unsigned char *head, size_t size, struct program *ret,
		    struct err *err)
{
	bool wide = head[EI_CLASS] == ELFCLASS64, big = head[EI_DATA] == ELFDATA2MSB;
	int machine;

	if (size < (wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return err_set(err, ERR_CMD_NOT_EXEC, 0, "its ELF header is cut off");
	machine = (int)FIELD_OF(head, wide, big, Ehdr, e_machine);
	if (!is_ours(machine)) {
		ret->foreign = true;
		return err_set(err, ERR_CMD_NOT_EXEC, 0, "it is a program for %s",
			       machine_name(machine));
	}
	return find_interpreter(fd, head, wide, big, ret, err);
}

/* ---- scripts ---- */

static int read_script(char *line, struct program *ret, struct err *err)
{
	char *name = line + 2 + strspn(line + 2, " \t");

	name[strcspn(name, " \t\n")] = '\0';
	if (!*name)
		return err_set(err, ERR_CMD_NOT_EXEC, 0, "its first line names no interpreter");
	if (strlen(name) >= sizeof(ret->interpreter))
		return err_set(err, ERR_CMD_NOT_EXEC, 0, "the name of its interpreter is too long");
	memcpy(ret->interpreter, name, strlen(name) + 1);
	return 0;
}

/* What the file is, from an O_PATH handle. What may not be read is taken as it is. */
static int read_program(int handle_fd, struct program *ret, struct err *err)
{
	unsigned char head[LINE_MAX_ + 1] = {0};
	struct err ignored = ERR_INIT;
	own_fd int fd = path_reopen(handle_fd, S_IFREG, O_RDONLY, &ignored);
	ssize_t size = fd >= 0 ? pread(fd, head, LINE_MAX_, 0) : -1;

	if (size < 0)
		return 0;
	if (size >= EI_NIDENT && memcmp(head, ELFMAG, SELFMAG) == 0)
		return read_elf(fd, head, (size_t)size, ret, err);
	if (size >= 2 && head[0] == '#' && head[1] == '!')
		return read_script((char *)head, ret, err);
	return err_set(err, ERR_CMD_NOT_EXEC, 0,
		       size ? "it is no program, nor a script with '#!'" : "it is empty");
}

static int check_mode(int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, "it cannot be looked at");
	if (S_ISDIR(st.st_mode))
		return err_set(err, ERR_CMD_NOT_EXEC, 0, "it is a directory");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CMD_NOT_EXEC, 0, "it is no regular file");
	if (!(st.st_mode & 0111))
		return err_set(err, ERR_CMD_NOT_EXEC, 0, "it is not executable");
	return 0;
}

/* ---- in a root file system ---- */

struct search {
	const struct check *c;
	int root_fd;
	const char *cwd;
	char *file;   /* the one that was found */
	bool covered; /* a place where it could be is below a mount: nothing is known */
};

/* command_try_fn: 0 ends the search. Of several that cannot be executed the first is remembered. */
static int try_file(const char *file, void *data)
{
	struct search *s = data;
	struct err reason = ERR_INIT;
	own_free char *path = file[0] == '/' ? str_dup(file, &reason)
					     : str_printf(&reason, "%s/%s", s->cwd, file);
	own_fd int fd = -1;
	bool usable;

	if (!path || check_is_mounted_over(s->c->spec, path)) {
		s->covered = true;
		return 0;
	}
	fd = path_handle(s->root_fd, path, PATH_IN_ROOT, 0, &reason);
	if (fd < 0)
		return reason.errnum ? reason.errnum : ENOENT;
	usable = check_mode(fd, &reason) == 0;
	if (usable || !s->file) {
		free(s->file);
		s->file = take(path);
	}
	return usable ? 0 : EACCES;
}

static int check_file(const struct check *c, int root_fd, const char *path, unsigned int depth,
		      struct program *program, struct err *err);

/* An interpreter is found as the command itself: by its path in the root. */
static int check_interpreter(const struct check *c, int root_fd, const char *of,
			     const struct program *program, unsigned int depth, struct err *err)
{
	struct program next = {0};
	struct err reason = ERR_INIT;

	if (!program->interpreter[0] || program->interpreter[0] != '/' ||
	    check_is_mounted_over(c->spec, program->interpreter))
		return 0;
	if (depth == INTERPRETERS_MAX)
		return err_set(err, ERR_CMD_NOT_EXEC, 0, "'%s': too many interpreters", of);
	if (check_file(c, root_fd, program->interpreter, depth + 1, &next, &reason) == 0)
		return 0;
	if (reason.kind == ERR_CMD_NOT_FOUND)
		return err_set(err, ERR_CMD_NOT_FOUND, 0,
			       "'%s' needs '%s', which is not in the root file system", of,
			       program->interpreter);
	*err = reason;
	return err_wrap(err, "'%s' needs an interpreter", of);
}

static int check_file(const struct check *c, int root_fd, const char *path, unsigned int depth,
		      struct program *program, struct err *err)
{
	struct err reason = ERR_INIT;
	own_fd int fd = path_handle(root_fd, path, PATH_IN_ROOT, 0, &reason);

	if (fd < 0 && reason.kind == ERR_DENIED)
		return 0;
	if (fd < 0)
		return err_set(err, ERR_CMD_NOT_FOUND, 0, "'%s' is not in the root file system",
			       path);
	if (check_mode(fd, err) < 0 || read_program(fd, program, err) < 0)
		return err_wrap(err, "'%s' cannot be executed", path);
	return check_interpreter(c, root_fd, path, program, depth, err);
}

/* Something may be registered that runs what the kernel itself cannot. */
static bool is_emulated(void)
{
	own_fd int dir_fd = open("/proc/sys/fs/binfmt_misc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *dir = NULL;
	const struct dirent *entry;
	bool any = false;

	if (dir_fd < 0)
		return false;
	dir = fdopendir(take_fd(dir_fd));
	while (dir && (entry = readdir(dir)))
		any |= entry->d_name[0] != '.' && strcmp(entry->d_name, "register") != 0 &&
		       strcmp(entry->d_name, "status") != 0;
	return any;
}

static int not_found(const struct spec_process *p, const char *path, struct err *err)
{
	const char *name = p->args.items[0];
	bool by_path = !strchr(name, '/');

	err_set(err, ERR_CMD_NOT_FOUND, 0, "process.args[0]: '%s' is not in the root file system",
		name);
	return by_path ? err_hint(err, "looked for in %s", path ? path : COMMAND_DEFAULT_PATH) : -1;
}

int check_command(const struct check *c, int root_fd, struct problems *found, struct err *err)
{
	const struct spec_process *p = &c->spec->process;
	const char *path = strv_env_get(&p->env, "PATH");
	struct search s = {.c = c, .root_fd = root_fd, .cwd = p->cwd ? p->cwd : "/"};
	struct program program = {0};
	own_free char *file = NULL;

	if (!p->args.count || !p->args.items[0][0])
		return 0;
	command_find(p->args.items[0], path, try_file, &s);
	file = s.file;
	if (s.covered)
		return 0;
	if (!file)
		return not_found(p, path, err) < 0 ? problems_add(found, err) : 0;
	if (check_file(c, root_fd, file, 0, &program, err) == 0)
		return 0;
	err_wrap(err, "process.args[0]");
	return program.foreign && is_emulated() ? problems_add_warning(found, err)
						: problems_add(found, err);
}

int check_host_program(const char *path, struct err *err)
{
	own_fd int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		return 0;
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", path);
	return check_mode(fd, err) < 0 ? err_wrap(err, "'%s'", path) : 0;
}
