#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# AppArmor, as Debian has it: a profile of a bundle is in force in the container and in what joins it.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash

setup() {
	oci_setup
	PROFILE=$UNIQUE
	cat >"$E2E_STATE/profile" <<-TEXT
		profile $PROFILE flags=(attach_disconnected) {
		  file,
		  capability,
		  network,
		  signal,
		  deny /srv/secret r,
		}
	TEXT
	echo secret >"$BUNDLE/rootfs/srv/secret"
}

teardown() {
	oci_teardown
	apparmor_parser --remove "$E2E_STATE/profile" 2>/dev/null || true
	rm -rf "${E2E_STATE:?}"
}

# In a user namespace of its own, as the engine makes them, and with the host's, as other engines ask for.
@test "a profile is in force, and what it denies is denied" {
	apparmor_parser --add "$E2E_STATE/profile"
	for namespace in '.' '.linux.namespaces |= map(select(.type != "user"))'; do
		bundle "$namespace | .process.apparmorProfile = \"$PROFILE\"
			| .process.args = [\"sh\", \"-c\", \"cat /proc/self/attr/current; cat /srv/secret || echo denied; ls /srv\"]"
		ok runtime --runroot "$INSULA_RUNROOT" run --bundle "$BUNDLE" one
		[ "${lines[0]}" = "$PROFILE (enforce)" ] || fail
		[ "${lines[1]}" = denied ] || fail
		[ "${lines[2]}" = secret ] || fail
	done
}

# Without no_new_privs the filter is in force before the profile is set, and one of a few years ago refuses
# openat2(2). A startContainer hook is a program of the image, as the command is.
@test "a profile is set whatever the filter refuses, and for the image's hooks" {
	apparmor_parser --add "$E2E_STATE/profile"
	bundle ".process.noNewPrivileges = false | .process.apparmorProfile = \"$PROFILE\"
		| .linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [
			{names: [\"openat2\", \"close_range\"], action: \"SCMP_ACT_ERRNO\", errnoRet: 1}]}
		| .hooks = {startContainer: [{path: \"/bin/sh\", args: [\"sh\", \"-c\",
			\"cat >/dev/null; cat /proc/self/attr/current >/tmp/hook\"]}]}
		| .process.args = [\"sh\", \"-c\", \"cat /proc/self/attr/current; cat /srv/secret || echo denied\"]"
	create one
	ok runtime start one
	eventually 20 grep -q denied "$OUT"
	[ "$(head -n 1 "$OUT")" = "$PROFILE (enforce)" ] || fail "$(cat "$OUT")"
	[ "$(cat "$BUNDLE/rootfs/tmp/hook")" = "$PROFILE (enforce)" ] || fail "$(cat "$BUNDLE/rootfs/tmp/hook")"
}

@test "a further process has the container's profile, or the one that it is given" {
	apparmor_parser --add "$E2E_STATE/profile"
	bundle '.process.args = ["sleep", "600"]'
	create one
	ok runtime start one
	ok runtime exec --apparmor "$PROFILE" one sh -c 'cat /proc/self/attr/current; cat /srv/secret || echo denied'
	[ "$output" = "$PROFILE (enforce)"$'\ndenied' ] || fail
	ok runtime exec one cat /proc/self/attr/current
	[ "$output" = unconfined ] || fail "the first process has no profile"
	ok runtime delete --force one
	bundle ".process.args = [\"sleep\", \"600\"] | .process.apparmorProfile = \"$PROFILE\""
	create one
	ok runtime start one
	ok runtime exec one cat /proc/self/attr/current
	[ "$output" = "$PROFILE (enforce)" ] || fail
}

# What this host has not is no label that could be left out.
@test "a label of SELinux is an error on a host with AppArmor, and a label of mounts is not set" {
	bundle '.process.selinuxLabel = "system_u:system_r:container_t:s0" | .process.args = ["true"]'
	run --separate-stderr runtime --runroot "$INSULA_RUNROOT" run --bundle "$BUNDLE" one
	[ "$status" -ne 0 ]
	[[ $stderr == *"process.selinuxLabel: 'system_u:system_r:container_t:s0': this kernel does not run SELinux"* ]] || fail
	[ -z "$(runtime list -q)" ]
	bundle '.linux.mountLabel = "system_u:object_r:container_file_t:s0"
		| .process.args = ["sh", "-c", "grep -c context= /proc/self/mountinfo"]'
	run --separate-stderr runtime --runroot "$INSULA_RUNROOT" run --bundle "$BUNDLE" one
	[ "$output" = 0 ] || fail
}

@test "a profile that is not loaded is an error that names it" {
	bundle '.process.apparmorProfile = "insula-no-such-profile" | .process.args = ["true"]'
	run --separate-stderr runtime --runroot "$INSULA_RUNROOT" run --bundle "$BUNDLE" one
	[ "$status" -ne 0 ]
	[[ $stderr == *insula-no-such-profile* ]] || fail
	[ -z "$(runtime list -q)" ]
}

@test "without a profile a container is unconfined" {
	ok insula run --rm "$E2E_IMAGE" cat /proc/self/attr/current
	shows unconfined
}
