#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What other engines and conformance suites have found in insula-runtime, each without the engine.

# shellcheck disable=SC2154  # output and stderr are set by run
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers
load oci

# prints TEXT FILTER: the container of that configuration prints TEXT and ends well.
prints() {
	bundle "$2"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = "$1" ] || fail "expected: $1"
}

@test "a profile that refuses close_range, without no_new_privs: the container starts" {
	prints here '.process.args = ["echo", "here"] | .process.noNewPrivileges = false
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
			{names: ["close_range", "openat2", "clone3", "statx"], action: "SCMP_ACT_ERRNO", errnoRet: 1}]}'
}

@test "a profile that refuses getcwd: the root needs no look at it, another directory is an error that says so" {
	local profile='.process.noNewPrivileges = false
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
			{names: ["getcwd"], action: "SCMP_ACT_ERRNO", errnoRet: 1}]}'
	prints here ".process.args = [\"echo\", \"here\"] | $profile"
	bundle ".process.args = [\"true\"] | .process.cwd = \"/srv\" | $profile"
	refused_by 125 'whether the working directory' runtime run --bundle "$BUNDLE" one
}

@test "the source of proc is the one that the configuration gives" {
	prints 'proc
named' '.process.args = ["sh", "-c", "awk \"\\$2 == \\\"/proc\\\" || \\$2 == \\\"/other\\\" { print \\$1 }\" /proc/mounts"]
		| .mounts += [{destination: "/other", type: "proc", source: "named"}]'
}

@test "the links of /dev are those of runtime-linux.md, to the letter" {
	prints '/proc/self/fd
/proc/self/fd/0
/proc/self/fd/1
/proc/self/fd/2' '.process.args = ["sh", "-c", "for name in fd stdin stdout stderr; do readlink /dev/$name; done"]'
}

@test "ambient capabilities without inheritable ones, as buildah asks for them" {
	local caps='{bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"], ambient: ["CAP_KILL"]}'
	prints 'CapAmb:	0000000000000000' ".process.args = [\"grep\", \"CapAmb\", \"/proc/self/status\"]
		| .process.capabilities = $caps"
	[ -z "$stderr" ] || fail "root has what it asked for: nothing to say"
	bundle ".process.args = [\"true\"] | .process.user.uid = 1000 | .process.capabilities = $caps"
	ok runtime run --bundle "$BUNDLE" one
	[[ $stderr == *'ambient capabilities are not granted: CAP_KILL'* ]] || fail "a warning"
	refused_by 125 'CAP_KILL is not in inheritable' runtime run --strict --bundle "$BUNDLE" one
}

@test "what start has started is running, at once and ever after" {
	local n
	bundle '.process.args = ["sleep", "1000"]'
	for n in 1 2 3 4 5; do
		create "s$n"
		runtime start "s$n"
		[ "$(runtime state "s$n" | jq -r .status)" = running ]
		refused_by 125 'it is running' runtime start "s$n"
	done
}

@test "hooks of a container in another's pid namespace are in ours" {
	local pid
	bundle '.process.args = ["sleep", "1000"]'
	create first
	pid=$(runtime state first | jq .pid)
	bundle '.process.args = ["true"]
		| (.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$pid"'/ns/pid"
		| .hooks = {prestart: [{path: "/bin/sh", args: ["sh", "-c", "readlink /proc/self/ns/pid >'"$OUT.hook"'"]}]}'
	ok runtime run --bundle "$BUNDLE" one
	[ "$(cat "$OUT.hook")" = "$(readlink /proc/self/ns/pid)" ] || fail "$(cat "$OUT.hook")"
}
