#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Memory that runs out and calls that the kernel refuses, in every verb of insula-runtime: see test/e2e/oci-sweep
# for what each case does; a sample of them, INSULA_FULL=1 takes all.

# shellcheck disable=SC2154  # status and lines are set by run

load helpers
load oci

setup_file() {
	file_setup
	static_program "$E2E_DIR/refuse.c" "$BATS_FILE_TMPDIR/refuse"
}

sweep() {
	# With a hook of each kind, a limit and a filter: what a start has steps for.
	bundle '.process.args = ["sleep", "600"] | .linux.resources.pids.limit = 100
		| .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["keyctl"], action: "SCMP_ACT_ERRNO"}]}
		| .hooks = {createRuntime: [{path: "/bin/true"}], poststop: [{path: "/bin/true"}]}'
	jq '.process.args = ["true"]' "$BUNDLE/config.json" >"$BUNDLE/ends.json"
	export OCI_SWEEP_GROUP=insula-$UNIQUE-one
	run "$E2E_DIR/oci-sweep" "$1" "$BUNDLE" "$E2E_STATE"
	echo "$output"
	[ "$status" -eq 0 ]
	echo "# $1: ${lines[0]}" >&3
}

@test "oci sweeps: the n-th allocation of every verb fails" {
	needs_failpoints
	sweep allocations
}

@test "oci sweeps: the n-th system call of every verb is refused" {
	export REFUSE=$BATS_FILE_TMPDIR/refuse
	sweep calls
}
