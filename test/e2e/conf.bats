#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Configuration files: what counts more, where each value comes from, and that nothing wrong is passed over.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup() {
	e2e_setup
	CONF=$E2E_STATE/conf
	export INSULA_CONF=$CONF
	: >"$CONF"
}

teardown() {
	: >"$CONF"
	e2e_teardown
}

conf() {
	printf '%s\n' "$@" >"$CONF"
}

setting() {
	insula info --format json | jq -r --arg name "$1" '[.settings[] | select(.name == $name) | "\(.value) \(.from)"] | last'
}

@test "[run]: options of every new container" {
	conf '# ours' '' '[run]' 'hostname = fromfile' '  env = A=one two  ' 'env=B=2' 'init = true' 'pids-limit = 77'
	ok insula run --rm "$E2E_IMAGE" sh -c 'hostname; echo "$A"; echo $B; cat /proc/1/comm'
	shows $'fromfile\none two\n2\ninsula-init'
	ok insula create --name made "$E2E_IMAGE" true
	[ "$(detail made .Spec.linux.resources.pids.limit)" = 77 ]
}

@test "[run]: the command line counts more, and adds to what may be repeated" {
	conf '[run]' 'hostname = fromfile' 'env = A=file' 'env = B=file' 'read-only = true'
	ok insula run --rm --hostname flag --read-only=false -e A=flag -e C=flag "$E2E_IMAGE" sh -c 'hostname; touch /x; echo $A $B $C'
	shows $'flag\nflag file flag'
}

@test "[store]: directories, which the environment and flags override" {
	conf '[store]' "root = $E2E_STATE/conf-root" "runroot = $E2E_STATE/conf-run"
	[ "$(setting store.root)" = "$INSULA_ROOT INSULA_ROOT" ]
	[ "$(insula --root "$E2E_STATE/flag" info --format json | jq -r '.settings[0].from')" = --root ]
	(
		unset INSULA_ROOT INSULA_RUNROOT
		[ "$(setting store.root)" = "$E2E_STATE/conf-root $CONF:2" ]
		[ "$(setting store.runroot)" = "$E2E_STATE/conf-run $CONF:3" ]
	)
	[ -d "$E2E_STATE/conf-root/containers" ]
}

@test "[store]: ids are the ranges that containers get" {
	conf '[store]' 'ids = 2000000000:131072'
	[ "$(setting store.ids)" = "2000000000:131072 $CONF:2" ]
	ok insula run -d --name one "$E2E_IMAGE" sleep 600
	local first
	first=$(detail one .IdMap.HostId)
	[ "$first" = 2000000000 ] || [ "$first" = 2000065536 ]
	ok insula run -d --name two "$E2E_IMAGE" sleep 600
	refused 125 'no id range is free' insula run --rm "$E2E_IMAGE" true
}

# overlap FIRST SECOND: do ranges that begin there have an id in common?
overlap() {
	[ "$1" -lt $(($2 + 65536)) ] && [ "$2" -lt $(($1 + 65536)) ]
}

@test "[store]: ids that change give nobody what another one has, whether it shares it or not" {
	local first shared second
	conf '[store]' 'ids = 2000000000:65536'
	ok insula run -d --name one "$E2E_IMAGE" sleep 600
	first=$(detail one .IdMap.HostId)
	for ids in 2000000000:65536 2000000001:65536 1999934465:65536; do
		conf '[store]' "ids = $ids"
		refused 125 'no id range is free' insula run --rm "$E2E_IMAGE" true
	done
	ok insula run -d --name guest --userns container:one "$E2E_IMAGE" sleep 600
	conf '[store]' 'ids = 1999934464:131072' # one before it, and itself
	ok insula run -d --name two "$E2E_IMAGE" sleep 600
	second=$(detail two .IdMap.HostId)
	! overlap "$first" "$second" || fail "$first $second"
	refused 125 'no id range is free' insula run --rm "$E2E_IMAGE" true
	ok insula rm -f one
	shared=$(detail guest .IdMap.HostId)
	[ "$shared" = "$first" ]
	ok insula rm -f two
	conf '[store]' 'ids = 2000030000:65536'
	refused 125 'no id range is free' insula run --rm "$E2E_IMAGE" true
	ok insula rm -f guest
	ok insula run --rm "$E2E_IMAGE" true
	ok insula doctor
}

@test "info tells what is in force and where it stands" {
	[ "$(setting run.timezone)" = null ]
	conf '[run]' 'timezone = local' 'timezone = Europe/Rome'
	[ "$(setting run.timezone)" = "Europe/Rome $CONF:3" ]
	[ "$(setting store.ids | cut -d' ' -f2)" != "$CONF:3" ]
}

@test "what is wrong is told with its line, and nothing is done" {
	local text expected
	while IFS='|' read -r text expected; do
		printf '%b' "$text" >"$CONF"
		refused 125 "$expected" insula run --rm "$E2E_IMAGE" true || fail "$text"
		[[ $stderr == *"$CONF:"* ]] || fail "no line: $stderr"
	done <<-'ROWS'
		root = /x\n|is in no section
		[store]\nrot = /x\n|no key 'rot'
		[sector]\n|no section 'sector'
		[store\n|is not [SECTION]
		[store]\nroot\n|is not KEY = VALUE
		[store]\n= /x\n|is not KEY = VALUE
		[store]\nroot = relative\n|root
		[store]\nids = 0:65536\n|FIRST:COUNT
		[store]\nids = 100000:10\n|FIRST:COUNT
		[store]\nids = 4294967000:65536\n|FIRST:COUNT
		[run]\nhostnam = x\n|no option 'hostnam'
		[run]\nname = x\n|about one container
		[run]\nprivileged = true\n|privileged
		[run]\npids-limit = many\n|pids-limit
		[run]\ninit = perhaps\n|init
		[run]\nenv = A=\x1b\n|control characters
	ROWS
}

@test "what was meant is proposed" {
	conf '[run]' 'hostnam = x'
	exits 125 insula ps
	[[ $stderr == *"did you mean 'hostname'"* ]]
	conf '[store]' 'rot = /x'
	exits 125 insula ps
	[[ $stderr == *"did you mean 'root'"* ]]
}

@test "a file that others can write to is not believed, and one that is named must be there" {
	conf '[run]' 'init = true'
	chmod 666 "$CONF"
	refused 125 'written by others' insula run --rm "$E2E_IMAGE" true
	chmod 644 "$CONF"
	chown 65534 "$CONF"
	refused 125 'written by others' insula run --rm "$E2E_IMAGE" true
	chown 0 "$CONF"
	INSULA_CONF=/nowhere refused 125 /nowhere insula run --rm "$E2E_IMAGE" true
	INSULA_CONF='' ok insula run --rm "$E2E_IMAGE" true
	printf 'x\0' >"$CONF"
	refused 125 NUL insula run --rm "$E2E_IMAGE" true
	rm "$CONF"
	mkfifo "$CONF"
	refused 125 'not a file' timeout 10 "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" true
	rm "$CONF"
}

# in_etc COMMAND...: with the test's own /etc/insula.
in_etc() {
	unshare -m --propagation private sh -c '
		mount -t overlay overlay -o "lowerdir=/etc,upperdir=$0/etc,workdir=$0/work" /etc && exec "$@"' "$E2E_STATE" "$@"
}

@test "the system's file, then the user's" {
	mkdir -p "$E2E_STATE"/etc/insula "$E2E_STATE"/work "$E2E_STATE"/home/.config/insula
	in_etc true 2>/dev/null || skip "no overlay can be mounted on /etc here"
	printf '[run]\nhostname = system\nenv = A=system\n' >"$E2E_STATE/etc/insula/insula.conf"
	printf '[run]\nhostname = users\n' >"$E2E_STATE/home/.config/insula/insula.conf"
	insula run --rm "$E2E_IMAGE" true # the launch pad is the host's, not that of a namespace which goes
	unset INSULA_CONF
	export HOME=$E2E_STATE/home
	ok in_etc "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" sh -c 'hostname; echo $A'
	shows $'users\nsystem'
	ok in_etc "$INSULA_BIN/insula" info --format json
	[ "$(jq -r '[.settings[] | select(.name == "run.hostname")] | last.from' <<<"$output")" = "$HOME/.config/insula/insula.conf:2" ]
}

@test "a file that has become wrong ends no health check and no restart of what runs" {
	ok insula run -d --name sound --health-cmd true --health-interval 100ms --health-retries 1 --health-on-failure kill \
		"$E2E_IMAGE" sleep 600
	ok insula run -d --name again --restart always "$E2E_IMAGE" sh -c 'echo run; sleep 0.2'
	eventually 20 sh -c '"$INSULA_BIN/insula" inspect sound | jq -e ".[0].State.Health.Status == \"healthy\"" >/dev/null'
	conf '[run]' 'no-such-option = 1'
	exits 125 insula ps
	[[ $stderr == *"no-such-option"* ]] || fail
	sleep 1
	conf ''
	[ "$(detail sound .State.Status)" = running ] || fail
	[ "$(detail sound '[.State.Health.Log[].ExitCode] | add')" = 0 ] || fail "$(detail sound .State.Health)"
	local before
	before=$(detail again .RestartCount)
	conf '[store]' 'ids = nonsense'
	: >"$E2E_STATE/right"
	eventually 60 restarted again "$before"
	[[ $(INSULA_CONF=$E2E_STATE/right detail again .State.Status) == r* ]] || fail
	conf ''
}

# restarted CONTAINER COUNT: more often than that, as one sees it whose own file is right.
restarted() {
	[ "$(INSULA_CONF=$E2E_STATE/right detail "$1" .RestartCount)" -gt "$2" ]
}
