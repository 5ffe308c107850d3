/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a scope is asked to have: properties from resources and from annotations, and the message.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "runtime/scope.h"
#include "test.h"

static struct scope_properties properties;
static struct cgroup_resources r;
static struct cgroup_host host;
static struct err err;

static void begin(enum cgroup_mode mode)
{
	host.mode = mode;
	cgroup_resources_init(&r);
	err = ERR_INIT;
}

/* "Name type value value\n" for each; the properties are released. */
static const char *lines(void)
{
	static char text[4096];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < properties.count; i++) {
		const struct scope_property *p = &properties.items[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %s", p->name,
					 p->type);
		for (size_t k = 0; k < p->values.count; k++)
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %s",
						 p->values.items[k]);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "\n");
	}
	scope_properties_done(&properties);
	return text;
}

static const char *of_resources(void)
{
	CHECK_OK(scope_add_resources(&properties, &host, &r, &err));
	return lines();
}

TEST(v2_limits_are_properties)
{
	begin(CGROUP_V2);
	r.memory_limit = 64 << 20;
	r.memory_reservation = 32 << 20;
	r.memory_swap = 96 << 20;
	r.cpu_shares = 512;
	r.cpu_quota = 50000;
	r.cpu_period = 200000;
	r.pids_limit = 10;
	r.io_weight = 500;
	CHECK_STR(of_resources(), "MemoryMax t 67108864\n"
				  "MemoryLow t 33554432\n"
				  "MemorySwapMax t 33554432\n"
				  "CPUWeight t 59\n"
				  "CPUQuotaPeriodUSec t 200000\n"
				  "CPUQuotaPerSecUSec t 250000\n"
				  "TasksMax t 10\n"
				  "IOWeight t 4950\n");
}

TEST(no_reservation_is_no_protection)
{
	begin(CGROUP_V2);
	r.memory_reservation = -1;
	CHECK_STR(of_resources(), "MemoryLow t 0\n");
}

TEST(v1_has_fewer_and_other_names)
{
	begin(CGROUP_V1);
	r.memory_limit = 64 << 20;
	r.memory_swap = 96 << 20;
	r.cpu_shares = 512;
	r.io_weight = 500;
	r.cpuset_cpus = (char[]){"0"};
	CHECK_STR(of_resources(), "MemoryLimit t 67108864\nCPUShares t 512\nBlockIOWeight t 500\n");
}

TEST(unlimited_is_the_highest_number)
{
	begin(CGROUP_V2);
	r.memory_limit = r.cpu_quota = r.pids_limit = -1;
	CHECK_STR(of_resources(), "MemoryMax t 18446744073709551615\n"
				  "MemorySwapMax t 18446744073709551615\n"
				  "CPUQuotaPerSecUSec t 18446744073709551615\n"
				  "TasksMax t 18446744073709551615\n");
}

TEST(what_nobody_asked_for_is_left_alone)
{
	begin(CGROUP_V2);
	CHECK_STR(of_resources(), "");
	/* Zero as engines write it, a quota that idle time makes meaningless, and too few processes for
	 * the one that holds the place. */
	r.memory_limit = r.memory_swap = r.cpu_shares = r.cpu_quota = r.io_weight = 0;
	r.pids_limit = 1;
	CHECK_STR(of_resources(), "");
	r.pids_limit = 0;
	r.cpu_idle = 1;
	r.cpu_shares = 1024;
	CHECK_STR(of_resources(), "");
}

TEST(a_quota_is_rounded_up_to_what_the_manager_keeps)
{
	begin(CGROUP_V2);
	r.cpu_quota = 1001;
	CHECK_STR(of_resources(), "CPUQuotaPerSecUSec t 20000\n");
}

TEST(cpu_sets_are_masks)
{
	begin(CGROUP_V2);
	r.cpuset_cpus = (char[]){"0-2,9"};
	r.cpuset_mems = (char[]){"0"};
	CHECK_STR(of_resources(), "AllowedCPUs ay 7 2\nAllowedMemoryNodes ay 1\n");
}

TEST(unified_files_with_a_property_of_the_same_meaning)
{
	begin(CGROUP_V2);
	CHECK_OK(strv_add(&r.unified, "memory.high=1000000", &err));
	CHECK_OK(strv_add(&r.unified, "memory.max=max", &err));
	CHECK_OK(strv_add(&r.unified, "pids.max=1", &err));
	CHECK_OK(strv_add(&r.unified, "io.max=8:0 rbps=1", &err));
	CHECK_STR(of_resources(), "MemoryMax t 18446744073709551615\nMemoryHigh t 1000000\n");
	cgroup_resources_done(&r);
	CHECK_OK(strv_add(&r.unified, "memory.high=many", &err));
	CHECK_ERR(scope_add_resources(&properties, &host, &r, &err), ERR_INVALID,
		  "linux.resources.unified");
	scope_properties_done(&properties);
	cgroup_resources_done(&r);
}

/* Each after what linux.resources has of the same, as the last one counts. */
TEST(unified_overrides_the_cpu_of_the_scope)
{
	begin(CGROUP_V2);
	r.cpu_quota = 40000;
	r.cpuset_cpus = (char[]){"0"};
	CHECK_OK(strv_add(&r.unified, "cpu.max=90000 50000", &err));
	CHECK_OK(strv_add(&r.unified, "cpuset.cpus=0-1", &err));
	CHECK_OK(strv_add(&r.unified, "cpuset.mems=", &err));
	CHECK_STR(of_resources(), "CPUQuotaPerSecUSec t 400000\nAllowedCPUs ay 1\n"
				  "CPUQuotaPeriodUSec t 50000\nCPUQuotaPerSecUSec t 1800000\n"
				  "AllowedCPUs ay 3\n");
	r.cpuset_cpus = NULL;
	cgroup_resources_done(&r);
	begin(CGROUP_V2);
	CHECK_OK(strv_add(&r.unified, "cpu.max=max", &err));
	CHECK_STR(of_resources(), "CPUQuotaPerSecUSec t 18446744073709551615\n");
	cgroup_resources_done(&r);
}

TEST(unified_cpu_that_is_no_number_is_refused)
{
	static const char *const values[] = {
		"cpu.max=", "cpu.max=many", "cpu.max=1000 many", "cpu.max=0", "cpuset.cpus=x",
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		begin(CGROUP_V2);
		CHECK_OK(strv_add(&r.unified, values[i], &err));
		CHECK_ERR(scope_add_resources(&properties, &host, &r, &err), ERR_INVALID,
			  "linux.resources.unified");
		scope_properties_done(&properties);
		cgroup_resources_done(&r);
		err = ERR_INIT;
	}
}

static const char *annotation(const char *name, const char *text)
{
	begin(CGROUP_V2);
	CHECK_OK(scope_add_annotation(&properties, name, text, &err));
	return lines();
}

TEST(annotations_in_gvariant_text)
{
	CHECK_STR(annotation("A", "uint64 18446744073709551615"), "A t 18446744073709551615\n");
	CHECK_STR(annotation("A", " uint32  7 "), "A u 7\n");
	CHECK_STR(annotation("A", "-3"), "A i -3\n");
	CHECK_STR(annotation("A", "int64 -3"), "A x -3\n");
	CHECK_STR(annotation("A", "1.5"), "A d 1.5\n");
	CHECK_STR(annotation("A", "true"), "A b true\n");
	CHECK_STR(annotation("A", "'it\\'s'"), "A s it's\n");
	CHECK_STR(annotation("A", "\"two words\""), "A s two words\n");
	CHECK_STR(annotation("A", "['a', \"b\"]"), "A as a b\n");
	CHECK_STR(annotation("A", "@as []"), "A as\n");
	CHECK_STR(annotation("A", "[byte 1, 2]"), "A ay 1 2\n");
	CHECK_STR(annotation("TimeoutStopSec", "uint64 5"), "TimeoutStopUSec t 5000000\n");
	CHECK_STR(annotation("TimeoutStopSec", "0.25"), "TimeoutStopUSec t 250000\n");
	CHECK_STR(annotation("TimeoutStopUSec", "uint64 5"), "TimeoutStopUSec t 5\n");
}

TEST(annotations_that_cannot_be_read_are_refused)
{
	static const char *const bad[] = {
		"",
		"uint64",
		"uint64 -1",
		"uint32 4294967296",
		"int32 2147483648",
		"word",
		"'open",
		"'a' 'b'",
		"['a'",
		"['a',, 'b']",
		"[true]",
		"[1, 'a']",
		"['a', 1]",
		"5 apples",
		"byte 5",
		"'a\\x'",
		"uint64 1.5",
		"1.2.3",
		"--5",
		"{'a': 1}",
		"(1, 2)",
		"[['a']]",
		"'line\nbreak'",
		"@as 5",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERR(scope_add_annotation(&properties, "Foo", bad[i], &err), ERR_INVALID,
			  "org.systemd.property.Foo");
		scope_properties_done(&properties);
	}
	CHECK_ERR(scope_add_annotation(&properties, "XSec", "'soon'", &err), ERR_INVALID, "XSec");
	CHECK_ERR(scope_add_annotation(&properties, "XSec", "-1", &err), ERR_INVALID, "XSec");
	scope_properties_done(&properties);
}

TEST(a_message_comes_back_as_it_went)
{
	struct scope_request request = {
		.verb = SCOPE_SET, .user = true, .unit = (char[]){"a-b.scope"}, .timeout_ms = 77};
	struct scope_request got = {0};
	own(str) struct str text = STR_INIT(SCOPE_REQUEST_MAX);

	begin(CGROUP_V2);
	CHECK_OK(scope_add(&request.properties, "X", "t", &err, "%d", 5));
	CHECK_OK(scope_request_print(&request, &text, &err));
	CHECK_OK(scope_request_parse(text.data, text.len, &got, &err));
	CHECK_INT(got.verb, SCOPE_SET);
	CHECK(got.user);
	CHECK_STR(got.unit, "a-b.scope");
	CHECK_INT(got.timeout_ms, 77);
	CHECK_INT(got.properties.count, 1);
	CHECK_STR(got.properties.items[0].values.items[0], "5");
	scope_request_done(&got);
	scope_properties_done(&request.properties);
}

TEST(a_request_to_attach_names_process_and_directory)
{
	struct scope_request request = {.verb = SCOPE_ATTACH,
					.unit = (char[]){"a.scope"},
					.subgroup = (char[]){"container/x"},
					.pid = 4711,
					.timeout_ms = 5};
	struct scope_request got = {0};
	own(str) struct str text = STR_INIT(SCOPE_REQUEST_MAX);

	begin(CGROUP_V2);
	CHECK_OK(scope_request_print(&request, &text, &err));
	CHECK_OK(scope_request_parse(text.data, text.len, &got, &err));
	CHECK_INT(got.verb, SCOPE_ATTACH);
	CHECK_STR(got.subgroup, "container/x");
	CHECK_INT(got.pid, 4711);
	scope_request_done(&got);
}

TEST(without_the_helper_the_error_names_it)
{
	struct scope_request request = {.unit = (char[]){"a.scope"}, .timeout_ms = 100};

	begin(CGROUP_V2);
	unsetenv("INSULA_SYSTEMD");
	CHECK_ERR(scope_ask(&request, NULL, NULL, &err), ERR_NOT_FOUND, "insula-systemd");
}

TEST(a_helper_that_dies_is_no_success)
{
	struct scope_request request = {.unit = (char[]){"a.scope"}, .timeout_ms = 100};

	begin(CGROUP_V2);
	CHECK(setenv("INSULA_SYSTEMD", "/bin/true", 1) == 0);
	CHECK_ERR(scope_ask(&request, NULL, NULL, &err), ERR_IO, "without an answer");
	CHECK(setenv("INSULA_SYSTEMD", "/no/such/program", 1) == 0);
	CHECK_ERR(scope_ask(&request, NULL, NULL, &err), ERR_IO, "without an answer");
}

TEST_MAIN()
