/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and sets of capabilities; what needs root is in test_caps_live.c. */
#include <linux/capability.h>

#include "kernel/caps.h"
#include "test.h"

static uint64_t bit(int cap)
{
	return UINT64_C(1) << cap;
}

TEST(names_are_read_in_every_spelling)
{
	struct err err = ERR_INIT;

	CHECK_INT(caps_parse("CAP_CHOWN", &err), CAP_CHOWN);
	CHECK_INT(caps_parse("cap_chown", &err), CAP_CHOWN);
	CHECK_INT(caps_parse("chown", &err), CAP_CHOWN);
	CHECK_INT(caps_parse("Net_Bind_Service", &err), CAP_NET_BIND_SERVICE);
	CHECK_INT(caps_parse("CAP_CHECKPOINT_RESTORE", &err), CAP_CHECKPOINT_RESTORE);
}

TEST(every_name_comes_back_as_its_number)
{
	struct err err = ERR_INIT;

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		CHECK(caps_name(cap));
		CHECK_INT(caps_parse(caps_name(cap), &err), cap);
	}
	CHECK_STR(caps_name(-1), NULL);
	CHECK_STR(caps_name(63), NULL);
	CHECK_STR(caps_name(64), NULL);
}

TEST(unknown_names_are_refused_with_the_nearest)
{
	struct err err = ERR_INIT;

	CHECK_ERR(caps_parse("CAP_CHWON", &err), ERR_INVALID, "'CAP_CHWON' is not known");
	CHECK(strstr(err.hint, "CAP_CHOWN"));
	CHECK_ERR(caps_parse("sys_admn", &err), ERR_INVALID, "sys_admn");
	CHECK(strstr(err.hint, "CAP_SYS_ADMIN"));
	CHECK_ERR(caps_parse("", &err), ERR_INVALID, "''");
	CHECK_ERR(caps_parse("CAP_", &err), ERR_INVALID, "'CAP_'");
	CHECK_ERR(caps_parse("ALL", &err), ERR_INVALID, "'ALL'");
	CHECK_ERR(caps_parse("CAP_CAP_CHOWN", &err), ERR_INVALID, "CAP_CAP_CHOWN");
	CHECK_ERR(caps_parse("quite_another_thing_that_is_longer_than_any_of_them", &err),
		  ERR_INVALID, "quite");
	CHECK_STR(err.hint, "");
}

TEST(the_default_is_podmans_eleven)
{
	static const int eleven[] = {CAP_CHOWN,	  CAP_DAC_OVERRIDE,	CAP_FOWNER,    CAP_FSETID,
				     CAP_KILL,	  CAP_SETGID,		CAP_SETUID,    CAP_SETPCAP,
				     CAP_SETFCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT};
	uint64_t set = 0;

	for (size_t i = 0; i < sizeof(eleven) / sizeof(eleven[0]); i++)
		set |= bit(eleven[i]);
	CHECK_INT(__builtin_popcountll(set), 11);
	CHECK_INT(CAPS_DEFAULT, set);
	CHECK((CAPS_DEFAULT & ~caps_all()) == 0);
}

TEST(what_the_kernel_knows_is_without_gaps)
{
	uint64_t all = caps_all();

	CHECK(all & bit(CAP_CHECKPOINT_RESTORE)); /* Linux 5.9, our least is 5.15 */
	CHECK((all & (all + 1)) == 0);
	CHECK_INT(caps_all(), all);
}

TEST(our_own_sets_are_read)
{
	struct err err = ERR_INIT;
	struct caps c;

	CHECK_OK(caps_get(&c, &err));
	CHECK((c.effective & ~c.permitted) == 0);
	CHECK((c.ambient & ~(c.permitted & c.inheritable)) == 0);
	CHECK((caps_bounding(UINT64_MAX) & ~caps_all()) == 0);
}

TEST_MAIN()
