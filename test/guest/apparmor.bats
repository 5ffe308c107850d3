#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# AppArmor, as Debian has it: a profile of a bundle is in force in the container and in what joins it.

# shellcheck disable=SC2154  # output is set by run

load ../e2e/helpers
load ../e2e/oci.bash

setup_file() { file_setup; }
teardown_file() { file_teardown; }

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
