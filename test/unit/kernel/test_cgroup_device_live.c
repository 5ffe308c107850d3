/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The live kernel, as root: rules for devices, and that a change of them has no gap.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "cgroup_fixture.h"
#include "kernel/cgroup_device.h"
#include "test.h"

static struct cgroup_device rules[8];

static void set_rules(size_t count, ...)
{
	static const struct cgroup_device known[] = {{false, 'a', -1, -1, "rwm"},
						     {true, 'c', 1, 3, "rwm"},
						     {true, 'c', 1, 5, "rwm"},
						     {false, 'c', 1, 3, "w"}};
	va_list ap;

	va_start(ap, count);
	for (size_t i = 0; i < count; i++)
		rules[i] = known[va_arg(ap, int)];
	va_end(ap);
	r.devices = rules;
	r.device_count = count;
}

enum { DENY_ALL, ALLOW_NULL, ALLOW_ZERO, NO_NULL_WRITE };

/* Bits: 1 null opens for writing, 2 null opens for reading, 4 zero opens, 8 random opens. */
static void try_devices(void)
{
	int found = 0;

	found |= open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0 ? 1 : 0;
	found |= open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? 2 : 0;
	found |= open("/dev/zero", O_RDONLY | O_CLOEXEC) >= 0 ? 4 : 0;
	found |= open("/dev/urandom", O_RDONLY | O_CLOEXEC) >= 0 ? 8 : 0;
	_exit(found);
}

static int devices_seen(void)
{
	struct proc child = spawn(try_devices);

	return reap(&child).code;
}

static void keep_opening(void)
{
	for (;;) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			_exit(5);
		close(fd);
	}
}

TEST(device_rules_are_in_force_and_change_without_a_gap)
{
	begin();
	need(CG_DEVICES);
	set_rules(2, DENY_ALL, ALLOW_NULL);
	CHECK_OK(create());
	CHECK_INT(devices_seen(), 1 | 2);
	struct proc opener = spawn(keep_opening);

	for (int i = 0; i < 500; i++) {
		set_rules(3, DENY_ALL, ALLOW_ZERO, ALLOW_NULL);
		CHECK_OK(apply());
		set_rules(3, DENY_ALL, ALLOW_NULL, NO_NULL_WRITE);
		CHECK_OK(apply());
	}
	CHECK_INT(devices_seen(), 2);
	/* Never refused in between. */
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	CHECK_INT(reap(&opener).signal, SIGKILL);
	r.devices = NULL;
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* No list says "allow by default" and then "deny by default" without an empty set in between: nobody in the
 * group may see that. */
TEST(a_changed_default_is_never_seen_half_done)
{
	begin();
	need(CG_DEVICES | CG_FREEZER);
	CHECK_OK(create());
	struct proc opener = spawn(keep_opening);

	for (int i = 0; i < 50; i++) {
		set_rules(2, DENY_ALL, ALLOW_NULL);
		CHECK_OK(apply());
		rules[0] = (struct cgroup_device){true, 'a', -1, -1, "rwm"};
		r.device_count = 1;
		CHECK_OK(apply());
	}
	CHECK_INT(devices_seen(), 15);
	set_rules(2, DENY_ALL, ALLOW_NULL);
	CHECK_OK(apply());
	CHECK_INT(devices_seen(), 1 | 2);
	CHECK(!cgroup_is_frozen(&cg));
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	CHECK_INT(reap(&opener).signal, SIGKILL);
	r.devices = NULL;
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

/* The BPF program itself, on the v2 hierarchy of any host, hybrid ones too. */
TEST(a_device_program_is_attached_and_replaced)
{
	begin();
	CHECK_OK(create());
	if (cg.v2_fd < 0)
		SKIP("this host has no cgroup v2");
	set_rules(3, DENY_ALL, ALLOW_NULL, ALLOW_ZERO);
	if (cgroup_device_attach(cg.v2_fd, rules, 3, &err) < 0)
		SKIP("this kernel refuses device programs: %s", err.message);
	CHECK_INT(devices_seen(), 1 | 2 | 4);
	struct proc opener = spawn(keep_opening);

	for (int i = 0; i < 500; i++) {
		set_rules(2, DENY_ALL, ALLOW_NULL);
		CHECK_OK(cgroup_device_attach(cg.v2_fd, rules, 2, &err));
		set_rules(3, DENY_ALL, ALLOW_NULL, NO_NULL_WRITE);
		CHECK_OK(cgroup_device_attach(cg.v2_fd, rules, 3, &err));
	}
	CHECK_INT(devices_seen(), 2);
	/* A set that allows everything gives all back: the older programs are gone, not stacked. */
	rules[0] = (struct cgroup_device){true, 'a', -1, -1, "rwm"};
	CHECK_OK(cgroup_device_attach(cg.v2_fd, rules, 1, &err));
	CHECK_INT(devices_seen(), 15);
	CHECK_OK(cgroup_kill(&cg, 5000, &err));
	CHECK_INT(reap(&opener).signal, SIGKILL);
	r.devices = NULL;
	CHECK_OK(cgroup_remove(&cg, 1000, &err));
	finish();
}

int main(int argc, char **argv)
{
	return cgroup_test_main(argc, argv);
}
