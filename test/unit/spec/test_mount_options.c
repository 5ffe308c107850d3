/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every option of the table by its effect, the order of options, and what is handed on. */
#include <stdarg.h>
#include <sys/mount.h>

#include "base/own.h"
#include "spec/mount_options.h"
#include "test.h"

/* Parse the given options (NULL ends) or fail the test. */
static struct mount_options parse(const char *first, ...)
{
	own(strv) struct strv texts = STRV_INIT;
	struct mount_options o = {0};
	struct err err = ERR_INIT;
	va_list ap;

	va_start(ap, first);
	for (const char *text = first; text; text = va_arg(ap, const char *))
		CHECK_OK(strv_add(&texts, text, &err));
	va_end(ap);
	CHECK_OK(mount_options_parse(&texts, &o, &err));
	return o;
}

static void check_error(const char *option, enum err_kind kind, const char *part)
{
	own(strv) struct strv texts = STRV_INIT;
	struct mount_options o = {.flags = 12345};
	struct err err = ERR_INIT;

	CHECK_OK(strv_add(&texts, "ro", &err));
	CHECK_OK(strv_add(&texts, option, &err));
	CHECK_ERR(mount_options_parse(&texts, &o, &err), kind, part);
	CHECK_INT(o.flags, 12345);
}

/* What one option alone does. */
static const struct effect {
	const char *name;
	uint64_t attr_set, attr_clear, rec_set, rec_clear;
	unsigned long propagation, sb_flags, sb_clear;
	unsigned int flags;
	bool recursive;
} effects[] = {
	{"defaults"},
	{"ro", .attr_set = MOUNT_ATTR_RDONLY},
	{"rw", .attr_clear = MOUNT_ATTR_RDONLY},
	{"nosuid", .attr_set = MOUNT_ATTR_NOSUID},
	{"suid", .attr_clear = MOUNT_ATTR_NOSUID},
	{"nodev", .attr_set = MOUNT_ATTR_NODEV},
	{"dev", .attr_clear = MOUNT_ATTR_NODEV},
	{"noexec", .attr_set = MOUNT_ATTR_NOEXEC},
	{"exec", .attr_clear = MOUNT_ATTR_NOEXEC},
	{"nosymfollow", .attr_set = MOUNT_ATTR_NOSYMFOLLOW},
	{"symfollow", .attr_clear = MOUNT_ATTR_NOSYMFOLLOW},
	{"nodiratime", .attr_set = MOUNT_ATTR_NODIRATIME},
	{"diratime", .attr_clear = MOUNT_ATTR_NODIRATIME},
	{"noatime", .attr_set = MOUNT_ATTR_NOATIME, .attr_clear = MOUNT_ATTR__ATIME},
	{"atime", .attr_clear = MOUNT_ATTR__ATIME},
	{"relatime", .attr_clear = MOUNT_ATTR__ATIME},
	{"norelatime", .attr_set = MOUNT_ATTR_STRICTATIME, .attr_clear = MOUNT_ATTR__ATIME},
	{"strictatime", .attr_set = MOUNT_ATTR_STRICTATIME, .attr_clear = MOUNT_ATTR__ATIME},
	{"nostrictatime", .attr_clear = MOUNT_ATTR__ATIME},
	{"rro", .rec_set = MOUNT_ATTR_RDONLY},
	{"rrw", .rec_clear = MOUNT_ATTR_RDONLY},
	{"rnosuid", .rec_set = MOUNT_ATTR_NOSUID},
	{"rsuid", .rec_clear = MOUNT_ATTR_NOSUID},
	{"rnodev", .rec_set = MOUNT_ATTR_NODEV},
	{"rdev", .rec_clear = MOUNT_ATTR_NODEV},
	{"rnoexec", .rec_set = MOUNT_ATTR_NOEXEC},
	{"rexec", .rec_clear = MOUNT_ATTR_NOEXEC},
	{"rnosymfollow", .rec_set = MOUNT_ATTR_NOSYMFOLLOW},
	{"rsymfollow", .rec_clear = MOUNT_ATTR_NOSYMFOLLOW},
	{"rnodiratime", .rec_set = MOUNT_ATTR_NODIRATIME},
	{"rdiratime", .rec_clear = MOUNT_ATTR_NODIRATIME},
	{"rnoatime", .rec_set = MOUNT_ATTR_NOATIME, .rec_clear = MOUNT_ATTR__ATIME},
	{"ratime", .rec_clear = MOUNT_ATTR__ATIME},
	{"rrelatime", .rec_clear = MOUNT_ATTR__ATIME},
	{"rnorelatime", .rec_set = MOUNT_ATTR_STRICTATIME, .rec_clear = MOUNT_ATTR__ATIME},
	{"rstrictatime", .rec_set = MOUNT_ATTR_STRICTATIME, .rec_clear = MOUNT_ATTR__ATIME},
	{"rnostrictatime", .rec_clear = MOUNT_ATTR__ATIME},
	{"sync", .sb_flags = MS_SYNCHRONOUS},
	{"async", .sb_clear = MS_SYNCHRONOUS},
	{"dirsync", .sb_flags = MS_DIRSYNC},
	{"lazytime", .sb_flags = MS_LAZYTIME},
	{"nolazytime", .sb_clear = MS_LAZYTIME},
	{"mand", .sb_flags = MS_MANDLOCK},
	{"nomand", .sb_clear = MS_MANDLOCK},
	{"iversion", .sb_flags = MS_I_VERSION},
	{"noiversion", .sb_clear = MS_I_VERSION},
	{"silent", .sb_flags = MS_SILENT},
	{"loud", .sb_clear = MS_SILENT},
	{"private", .propagation = MS_PRIVATE},
	{"rprivate", .propagation = MS_PRIVATE, .recursive = true},
	{"slave", .propagation = MS_SLAVE},
	{"rslave", .propagation = MS_SLAVE, .recursive = true},
	{"shared", .propagation = MS_SHARED},
	{"rshared", .propagation = MS_SHARED, .recursive = true},
	{"unbindable", .propagation = MS_UNBINDABLE},
	{"runbindable", .propagation = MS_UNBINDABLE, .recursive = true},
	{"bind", .flags = MOUNT_OPT_BIND},
	{"rbind", .flags = MOUNT_OPT_BIND | MOUNT_OPT_RECURSIVE},
	{"remount", .flags = MOUNT_OPT_REMOUNT},
	{"idmap", .flags = MOUNT_OPT_IDMAP},
	{"ridmap", .flags = MOUNT_OPT_RIDMAP},
	{"tmpcopyup", .flags = MOUNT_OPT_TMPCOPYUP},
	{"copy-symlink", .flags = MOUNT_OPT_COPY_SYMLINK},
	{"src-nofollow", .flags = MOUNT_OPT_SRC_NOFOLLOW},
	{"dest-nofollow", .flags = MOUNT_OPT_DEST_NOFOLLOW},
};

#define EFFECT_COUNT (sizeof(effects) / sizeof(effects[0]))

static void check_effect(const struct effect *e)
{
	struct mount_options o = parse(e->name, NULL);

	if (o.attr_set != e->attr_set || o.attr_clear != e->attr_clear || o.rec_set != e->rec_set ||
	    o.rec_clear != e->rec_clear || o.propagation != e->propagation ||
	    o.propagation_recursive != e->recursive || o.sb_flags != e->sb_flags ||
	    o.sb_clear != e->sb_clear || o.flags != e->flags || o.data.count != 0)
		test_fail(__FILE__, __LINE__, "option '%s' has another effect", e->name);
}

TEST(each_option_has_its_effect_and_no_other)
{
	for (size_t i = 0; i < EFFECT_COUNT; i++)
		check_effect(&effects[i]);
}

TEST(every_option_of_the_table_is_in_this_test)
{
	for (size_t i = 0; i < EFFECT_COUNT; i++)
		CHECK_STR(mount_option_name_at(i), effects[i].name);
	CHECK_STR(mount_option_name_at(EFFECT_COUNT), NULL);
}

TEST(the_later_option_wins)
{
	struct mount_options o = parse("ro", "rw", "suid", "nosuid", "noatime", "strictatime",
				       "sync", "async", "rshared", "private", "rro", "rrw", NULL);

	CHECK_INT(o.attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
	CHECK_INT(o.attr_clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
	CHECK_INT(o.rec_set, 0);
	CHECK_INT(o.rec_clear, MOUNT_ATTR_RDONLY);
	CHECK_INT(o.sb_flags, 0);
	CHECK_INT(o.sb_clear, MS_SYNCHRONOUS);
	CHECK_INT(o.propagation, MS_PRIVATE);
	CHECK(!o.propagation_recursive);
}

TEST(options_of_the_file_system_are_handed_on_one_by_one)
{
	struct mount_options o = parse("nosuid", "mode=1777", "size=1k,ro", "newinstance",
				       "lowerdir=/a:/b", "path=\\054x", NULL);

	CHECK_INT(o.data.count, 5);
	CHECK_STR(o.data.items[0], "mode=1777");
	CHECK_STR(o.data.items[1], "size=1k,ro");
	CHECK_STR(o.data.items[3], "lowerdir=/a:/b");
	CHECK_STR(o.data.items[4], "path=\\054x");
	CHECK_INT(o.attr_set, MOUNT_ATTR_NOSUID);
	mount_options_done(&o);
	CHECK_INT(o.data.count, 0);
}

TEST(names_are_matched_whole_and_by_case)
{
	struct mount_options o = parse("RO", "r", "rwx", "binds", NULL);

	CHECK_INT(o.data.count, 4);
	CHECK_INT(o.attr_set | o.attr_clear | o.flags, 0);
	mount_options_done(&o);
}

TEST(no_options_are_no_effect)
{
	struct mount_options o = parse(NULL);

	CHECK_INT(o.flags | o.attr_set | o.attr_clear | o.data.count, 0);
}

TEST(an_option_that_cannot_be_one_is_refused)
{
	own_free char *huge = malloc(5001);

	CHECK(huge);
	memset(huge, 'a', 5000);
	huge[5000] = '\0';
	check_error("", ERR_INVALID, "is empty");
	check_error("=value", ERR_INVALID, "has no name");
	check_error("mode=755\n", ERR_INVALID, "has control characters");
	check_error("\x1b[2J", ERR_INVALID, "has control characters");
	check_error("bad\xff", ERR_INVALID, "has control characters");
	check_error(huge, ERR_LIMIT, "longer than 4095 bytes");
}

TEST(what_only_fstab_means_has_no_effect)
{
	struct mount_options o = parse("auto", "noauto", "nofail", "_netdev", "x-gvfs-show",
				       "X-mount.mkdir=755", "comment=systemd.automount", NULL);

	CHECK_INT(o.flags | o.attr_set | o.attr_clear | o.sb_flags | o.data.count, 0);
}

/* ---- every option string of config.md is known, and known as what it is ---- */

/* The table "Linux mount options" of runtime-spec 1.3 in its order. */
static const char *const of_the_specification[] = {
	"async",	  "atime",	"bind",		"defaults",    "dev",
	"diratime",	  "dirsync",	"exec",		"iversion",    "lazytime",
	"loud",		  "mand",	"noatime",	"nodev",       "nodiratime",
	"noexec",	  "noiversion", "nolazytime",	"nomand",      "norelatime",
	"nostrictatime",  "nosuid",	"nosymfollow",	"private",     "ratime",
	"rbind",	  "rdev",	"rdiratime",	"relatime",    "remount",
	"rexec",	  "rnoatime",	"rnodiratime",	"rnoexec",     "rnorelatime",
	"rnostrictatime", "rnosuid",	"rnosymfollow", "ro",	       "rprivate",
	"rrelatime",	  "rro",	"rrw",		"rshared",     "rslave",
	"rstrictatime",	  "rsuid",	"rsymfollow",	"runbindable", "rw",
	"shared",	  "silent",	"slave",	"strictatime", "suid",
	"symfollow",	  "sync",	"tmpcopyup",	"unbindable",  "idmap",
	"ridmap",
};

TEST(every_option_of_the_specification_is_in_the_table)
{
	for (size_t i = 0; i < sizeof of_the_specification / sizeof *of_the_specification; i++) {
		bool found = false;

		for (size_t k = 0; mount_option_name_at(k); k++)
			found |= strcmp(mount_option_name_at(k), of_the_specification[i]) == 0;
		if (!found)
			test_fail(__FILE__, __LINE__, "'%s' is missing", of_the_specification[i]);
	}
}

TEST(a_type_can_say_bind)
{
	static const struct {
		const char *type;
		unsigned int flags;
	} types[] = {{"bind", MOUNT_OPT_BIND},
		     {"rbind", MOUNT_OPT_BIND | MOUNT_OPT_RECURSIVE},
		     {"none", 0},
		     {"tmpfs", 0},
		     {NULL, 0}};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		struct spec_mount m = {.type = (char *)types[i].type};
		struct mount_options o;
		struct err err = ERR_INIT;

		CHECK_OK(mount_options_of(&m, &o, &err));
		CHECK_INT(o.flags, types[i].flags);
	}
}

/* ---- whose ids a mount shows ---- */

static struct spec_idmap userns_lines[] = {{0, 100000, 1000}, {1000, 300000, 10}};
static const struct spec_linux with_userns = {.uid_maps = {userns_lines, 2},
					      .gid_maps = {userns_lines, 2}};

static int maps_of(const char *option, struct mount_maps *ret, struct err *ret_err)
{
	own(mount_options) struct mount_options o = parse(option, NULL);
	struct spec_mount m = {0};

	return mount_maps_of(&with_userns, &m, &o, ret, ret_err);
}

static void check_line(const struct spec_idmaps *maps, size_t i, uint32_t first, uint32_t second,
		       uint32_t size)
{
	CHECK(i < maps->count);
	CHECK_INT(maps->items[i].container_id, first);
	CHECK_INT(maps->items[i].host_id, second);
	CHECK_INT(maps->items[i].size, size);
}

TEST(maps_inside_an_option)
{
	struct mount_maps maps;
	struct err err = ERR_INIT;

	CHECK_OK(maps_of("ridmap=uids=0-1-10#10-11-10;gids=0-100-10", &maps, &err));
	CHECK_INT(maps.kind, MOUNT_MAP_OWN);
	CHECK(maps.recursive);
	CHECK_INT(maps.uids.count, 2);
	check_line(&maps.uids, 0, 0, 1, 10);
	check_line(&maps.uids, 1, 10, 11, 10);
	check_line(&maps.gids, 0, 0, 100, 10);
	mount_maps_done(&maps);
}

TEST(maps_inside_an_option_that_count_from_the_user_namespace)
{
	struct mount_maps maps;
	struct err err = ERR_INIT;

	CHECK_OK(maps_of("idmap=uids=@1-3-10#@50-1002-8;gids=@0-0-1000", &maps, &err));
	CHECK(!maps.recursive);
	check_line(&maps.uids, 0, 1, 100003, 10);
	check_line(&maps.uids, 1, 50, 300002, 8);
	check_line(&maps.gids, 0, 0, 100000, 1000);
	mount_maps_done(&maps);
}

TEST(maps_that_cannot_be_read)
{
	static const char *const bad[][2] = {
		{"idmap=", "neither 'uids=' nor 'gids='"},
		{"idmap=uids=0-1-2", "'gids=' is missing"},
		{"idmap=gids=0-1-2", "'uids=' is missing"},
		{"idmap=uids=0-1;gids=0-1-2", "is not FIRST-SECOND-COUNT"},
		{"idmap=uids=0-1-2-3;gids=0-1-2", "is behind FIRST-SECOND-COUNT"},
		{"idmap=uids=0-1-x;gids=0-1-2", "an id"},
		{"idmap=uids=0-1-4294967296;gids=0-1-2", "an id"},
		{"idmap=uids=-1-1-1;gids=0-1-2", "an id"},
		{"idmap=uids=0-1-2#;gids=0-1-2", "an id"},
		{"idmap=uids=@0-995-10;gids=0-1-2", "from 995 to 1004"},
		{"idmap=uids=@0-5000-1;gids=0-1-2", "from 5000 to 5000"},
		{"idmap=uids=0-1-2;groups=0-1-2", "'groups=0-1-2' is neither"},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct mount_maps maps = {.kind = MOUNT_MAP_NONE};
		struct err err = ERR_INIT;

		CHECK_ERR(maps_of(bad[i][0], &maps, &err), ERR_INVALID, bad[i][1]);
	}
}

TEST_MAIN()
