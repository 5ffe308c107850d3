#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The flags of runc (1.1 to 1.3) and crun (1.8 to 1.27), of all verbs and of each: taken, and obeyed.

# shellcheck disable=SC2154  # output and stderr are set by run

load helpers
load oci

# "VERB FLAG...", "-" for those in front of the verb, with a value where they take one. What is ours alone is
# walked by the unit tests of the tables.
flags() {
	cat <<-'FLAGS'
	- --debug --log=/dev/null --log-format=json --log-level=error --root=/x --criu=criu --rootless=auto
	- --systemd-cgroup --cgroup-manager=disabled -v --version -V -h --help -? --usage
	create -b=. --bundle=. -f=x --config=x --console-socket=x --pidfd-socket=x --pid-file=x --no-pivot
	create --no-new-keyring --no-subreaper --preserve-fds=1 -h -? --usage
	run -b=. --bundle=. -f=x --config=x --console-socket=x --pidfd-socket=x --pid-file=x --no-pivot -d
	run --no-new-keyring --no-subreaper --preserve-fds=1 --detach --keep -h -? --usage
	exec --console-socket=x --pidfd-socket=x --cwd=/ -e=A=b --env=A=b -t --tty --tty=true -u=1 --user=1:1 -g=1
	exec --additional-gids=1 -p=x --process=x -d --detach --pid-file=x --process-label=x --apparmor=x -c=CAP_KILL
	exec --no-new-privs --cap=CAP_KILL --preserve-fds=1 --cgroup=x --ignore-paused --no-subreaper -h -? --usage
	start -h -? --usage
	state -h -? --usage
	list -f=json --format=table -q --quiet -h -? --usage
	ps -f=json --format=table -h -? --usage
	kill -a --all -r --regex -h -? --usage
	delete -f --force -r --regex -h -? --usage
	pause -h -? --usage
	resume -h -? --usage
	update -r=x --resources=x --blkio-weight=10 --cpu-period=1000 --cpu-quota=1000 --cpu-burst=0 --cpu-share=2
	update --cpu-rt-period=1000 --cpu-rt-runtime=1000 --cpu-idle=1 --cpuset-cpus=0 --cpuset-mems=0
	update --kernel-memory=1m --kernel-memory-tcp=1m --memory=1m --memory-reservation=1m --memory-swap=1m
	update --pids-limit=1 --l3-cache-schema=x --mem-bw-schema=x -h -? --usage
	events --interval=1s --stats -h -? --usage
	spec -b=. --bundle=. -f=x --file=x --rootless -h -? --usage
	features -h -? --usage
	help -h -? --usage
	FLAGS
}

@test "oci flags: every one of runc and crun is taken" {
	local verb words flag n=0
	while read -r verb words; do
		[ "$verb" != - ] || verb=
		for flag in $words; do
			# shellcheck disable=SC2086  # no verb
			ok runtime $verb "$flag" --help </dev/null
			case $flag in
			-v | -V | --version) ;; # the version comes first
			*) [[ $output == 'Usage: insula-runtime '* ]] || fail "$verb $flag: no help" ;;
			esac
			n=$((n + 1))
		done
	done < <(flags)
	[ $n -gt 150 ] || fail "only $n"
}

# peers_flags PROGRAM VERB: those that its help lists, one a line.
peers_flags() {
	# shellcheck disable=SC2086  # no verb
	"$1" $2 --help 2>&1 | grep -o -E '^ +-[^ ].*' | grep -o -E '(^| )--?[a-z?V][a-z0-9-]*' | tr -d ' ' | sort -u
}

@test "oci flags: none is missing of the programs that are installed here" {
	local program verb flag known looked=0
	for program in runc crun; do
		"$program" --version >/dev/null 2>&1 || continue
		for verb in - create run exec start state list ps kill delete pause resume update events spec features; do
			known=--help$'\n'$(flags | sed -n "s/^$verb //p" | tr ' ' '\n' | sed 's/=.*//')
			for flag in $(peers_flags "$program" "${verb#-}"); do
				# The text of a help goes on in a new line with a word of its own.
				grep -q -x -e "$flag" <<<"$known" || fail "$program $verb has $flag"
				looked=$((looked + 1))
			done
		done
	done
	[ $looked -gt 0 ] || skip "neither runc nor crun is here"
	[ $looked -gt 30 ] || fail "only $looked were found"
}

@test "oci flags: booleans as runc has them, options behind the id, and what is wrong with others" {
	bundle '.process.args = ["true"]'
	ok runtime run --keep=1 --no-pivot=False one --bundle "$BUNDLE"
	ok runtime delete one --force=t
	refused_by 125 '--keep must be true or false' runtime run --keep=maybe --bundle "$BUNDLE" one
	refused_by 125 'unknown option --nothing' runtime run --nothing --bundle "$BUNDLE" one
	refused_by 125 'option --pid-file needs a value' runtime run one --bundle "$BUNDLE" --pid-file
	refused_by 125 "'checkpoint' is not in this version" runtime --criu /usr/sbin/criu checkpoint --image-path x one
	refused_by 125 "'restore' is not in this version" runtime restore --image-path x --bundle "$BUNDLE" one
}

@test "oci flags: help of all and of a verb, under each name" {
	local name
	ok runtime help
	[[ $output == 'Usage: insula-runtime [OPTION...] VERB '*'  exec '* ]] || fail
	ok runtime help kill
	[[ $output == 'Usage: insula-runtime kill '*--regex* ]] || fail
	refused_by 125 "there is no verb 'nothing'" runtime help nothing
	for name in runc crun; do
		ln -sf "$INSULA_BIN/insula-runtime" "$E2E_STATE/$name"
		ok "$E2E_STATE/$name" h
		[[ $output == "Usage: $name [OPTION...] VERB "* ]] || fail
		ok "$E2E_STATE/$name" exec -h
		[[ $output == "Usage: $name exec "* ]] || fail
		ok "$E2E_STATE/$name" -V
		[[ $output == "$name version "* ]] || fail
	done
}

@test "oci flags: a configuration that is named begins where the caller is" {
	bundle '.process.args = ["echo", "of the bundle"]'
	mkdir "$E2E_STATE/here"
	jq '.process.args = ["echo", "of the caller"]' "$BUNDLE/config.json" >"$E2E_STATE/here/config.json"
	cd "$E2E_STATE/here"
	ok runtime run --bundle "$BUNDLE" one
	[ "$output" = 'of the bundle' ] || fail
	ok runtime run --bundle "$BUNDLE" --config config.json one
	[ "$output" = 'of the caller' ] || fail
	ok runtime validate --bundle "$BUNDLE" --config config.json
	cd "$BUNDLE"
	refused_by 125 "cannot read 'here.json'" runtime run --config here.json one
	ok runtime spec -f here.json
	jq -e .ociVersion here.json >/dev/null || fail "no configuration"
}

# A socket of datagrams; the first two that come are printed, with what is not text as a dot.
receive_datagrams() {
	python3 - "$1" <<-'PYTHON'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		s.settimeout(20)
		for _ in range(2):
		    print("".join(chr(b) if 32 <= b < 127 or b == 10 else "." for b in s.recv(65536)), flush=True)
	PYTHON
}

@test "oci flags: --log to the journal and to syslog, as crun has it" {
	local kind
	needs_failpoints # the sockets have other names in a test build alone
	export INSULA_JOURNAL_SOCKET=$E2E_STATE/journald INSULA_SYSLOG_SOCKET=$E2E_STATE/syslog
	for kind in journald syslog; do
		refused_by 125 "--log: cannot connect to '$E2E_STATE/$kind'" runtime --log "$kind:web" list
		refused_by 125 "--log: '' is no name" runtime --log "$kind:" list
		refused_by 125 "is no name" runtime --log "$kind:"$'a\nPRIORITY=0' list
		receive_datagrams "$E2E_STATE/$kind" >"$OUT.$kind" 3>&- &
		eventually 10 test -S "$E2E_STATE/$kind"
		# An error goes to the standard error as well, as it does with a file.
		refused_by 125 "container 'none' does not exist" runtime --log "$kind:web" state none
		ok runtime --log "$kind:web" --debug list
		wait $!
	done
	[[ $(cat "$OUT.journald") == "PRIORITY=3
SYSLOG_IDENTIFIER=web
ID=web
MESSAGE
"*"container 'none' does not exist"*PRIORITY=7*"insula-runtime "*list* ]] || fail "$(cat "$OUT.journald")"
	[[ $(cat "$OUT.syslog") == '<27>web['*"]: container 'none' does not exist"*'<31>web['*list* ]] || fail "$(cat "$OUT.syslog")"
	ok runtime --log "file:$OUT.file" --debug list
	grep -q level=debug "$OUT.file" || fail "nothing was written"
}

# Every step of a start is a line then.
@test "oci flags: a journal that takes nothing holds up a start once, and not for each line" {
	local full=$E2E_STATE/full
	needs_failpoints
	python3 - "$full" 3>&- <<-'PYTHON' &
		import os, socket, sys, time
		test = os.getppid()
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1] + ".new")
		c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		c.connect(sys.argv[1] + ".new")
		c.setblocking(False)
		try:
		    while True:
		        c.send(b"x")
		except BlockingIOError:
		    os.rename(sys.argv[1] + ".new", sys.argv[1])
		while os.getppid() == test:
		    time.sleep(0.1)
	PYTHON
	eventually 20 test -S "$full"
	bundle '.process.args = ["echo", "started"]'
	ok env INSULA_JOURNAL_SOCKET="$full" timeout 30 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" \
		--log journald:web --debug run --bundle "$BUNDLE" one
	[ "$output" = started ] || fail
	kill $!
	wait $! || true
}

@test "oci flags: annotations of crun's that mean another container are refused" {
	local key
	for key in run.oci.handler run.oci.systemd.force_cgroup_v1 run.oci.timens_offset run.oci.seccomp.plugins; do
		bundle ".process.args = [\"true\"] | .annotations = {\"$key\": \"x\"}"
		refused_by 125 "annotations[\"$key\"]: " runtime run --bundle "$BUNDLE" one
		refused_by 1 '' runtime validate "$BUNDLE"
		[[ $output == "annotations[\"$key\"]: "* ]] || fail
	done
}
