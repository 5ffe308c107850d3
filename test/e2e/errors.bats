#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Bad input: each gets one clear error that names what is wrong, with the exit status that a podman
# user expects, and nothing is made.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

# run_refused TEXT FLAG...: `run` with these flags.
run_refused() {
	local text=$1
	shift
	refused 125 "$text" insula run "$@" "$E2E_IMAGE" true
}

@test "unknown commands and flags, with what may have been meant" {
	refused 125 "'runn'" insula runn
	[[ $stderr == *"run"* ]]
	run_refused --nmae --nmae=x
	[[ $stderr == *"hint:"*"--name"* ]] || fail
	run_refused "-Z" -Z
	run_refused --privilege --privilege
	refused 125 "--nope" insula ps --nope
	refused 125 "--nope" insula --nope ps
}

@test "what is refused comes with a remedy" {
	local flags
	for flags in '--rm --restart=always' '--memory=64m --memory-reservation=1g' --env= --env==x --label==x --annotation=x --health-interval=5s --health-cmd= \
		'--mount=type=bind'; do
		# shellcheck disable=SC2086  # words
		run_refused "" $flags
		[[ $stderr == *hint:* ]] || fail "$flags"
	done
	ok insula create --name made "$E2E_IMAGE" true
	ok insula mounts add made "$BATS_TEST_TMPDIR:/srv"
	run_refused "container 'made' is not running" --network=container:made
	[[ $stderr == *"insula start made"* ]] || fail
	for verb in "mounts add made $BATS_TEST_TMPDIR:/srv" 'cp made: .' 'start /' 'wait --interval=0 x' 'pause --all x' 'mounts list --all x' 'start --attach x y'; do
		# shellcheck disable=SC2086  # words
		refused 125 "" insula $verb
		[[ $stderr == *hint:* ]] || fail "$verb"
	done
}

@test "flags of other engines are refused, not ignored" {
	for flag in --publish=80:80 --gpus=all --privileged --pod=x; do
		run_refused "${flag%%=*}" "$flag"
	done
	refused 125 -p insula run -p 80:80 "$E2E_IMAGE" true
}

@test "a flag without its value" {
	refused 125 "--name" insula run --name
	refused 125 "-e" insula run "$E2E_IMAGE" -e </dev/null || true
	refused 125 "--memory" insula run --memory
}

@test "a missing image, or one of an unknown kind" {
	refused 125 "argument" insula run
	refused 125 "nosuchimage" insula run nosuchimage true
	refused 125 "dir:" insula run dir: true
	refused 125 "/no/such/dir" insula run dir:/no/such/dir true
	touch "$BATS_TEST_TMPDIR/file"
	refused 125 "$BATS_TEST_TMPDIR/file" insula run "dir:$BATS_TEST_TMPDIR/file" true
	refused 125 "relative" insula run dir:relative true
}

@test "names that are no names" {
	for name in '' .. . -rf a/b ../x 'a b' $'a\nb' $'\e[31mred' ünicode "$(printf 'n%.0s' {1..300})"; do
		run_refused "name" "--name=$name"
	done
}

@test "a name that is taken" {
	ok insula run -d --name taken "$E2E_IMAGE" sleep 60
	run_refused "'taken'" --name taken
}

@test "an unknown container, in every verb" {
	for verb in exec logs stop kill rm wait inspect; do
		local extra=()
		[ $verb != exec ] || extra=(true)
		refused 125 "'ghost'" insula $verb ghost "${extra[@]}"
	done
}

@test "names of containers that are no names" {
	for name in ../../etc -- '' $'a\nb' "$(printf 'f%.0s' {1..2000})"; do
		exits 125 insula inspect -- "$name" || return
		[ -z "$output" ] || [ "$output" = '[]' ] || fail
	done
}

@test "an ambiguous prefix of an id" {
	# among seventeen ids two begin with the same digit
	for _ in $(seq 17); do insula run -d "$E2E_IMAGE" sleep 60 >/dev/null; done
	local digit
	digit=$(known_ids | cut -c1 | sort | uniq -d | head -n 1)
	refused 125 "'$digit'" insula logs "$digit"
}

@test "a store that is another's, or that others may write to" {
	mkdir "$E2E_STATE/theirs"
	chown 65534 "$E2E_STATE/theirs"
	refused 125 "is not ours alone: owner 65534" insula --root "$E2E_STATE/theirs" ps
	refused 125 "is not ours alone" insula --runroot "$E2E_STATE/theirs" ps
	[[ $stderr == *"hint: --root and --runroot name other directories"* ]] || fail
	[ -z "$(ls -A "$E2E_STATE/theirs")" ]
	chown 0 "$E2E_STATE/theirs"
	chmod 0775 "$E2E_STATE/theirs"
	refused 125 "mode 775" insula --root "$E2E_STATE/theirs" ps
	chmod 0755 "$E2E_STATE/theirs"
	ok insula --root "$E2E_STATE/theirs" ps
}

@test "impossible limits" {
	run_refused --memory -m 1k
	run_refused --memory -m -5
	run_refused --memory -m 10x
	run_refused --memory -m 99999999999999999999
	run_refused --memory -m 18446744073709551615
	run_refused --memory -m 9223372036854775808
	run_refused --memory-reservation --memory-reservation 18446744073709551615
	run_refused --memory-swap -m 64m --memory-swap 18446744073709551615
	run_refused --shm-size --shm-size 18446744073709551615
	run_refused --memory-swap -m 64m --memory-swap 32m
	run_refused --memory-swap --memory-swap 32m
	run_refused --cpus --cpus -1
	run_refused --cpus --cpus 100000
	run_refused --cpus --cpus 4294967297
	run_refused --cpus --cpus 1.2345
	run_refused --cpus --cpus many
	run_refused --cpuset-cpus --cpuset-cpus 0-
	run_refused --cpuset-cpus --cpuset-cpus 9999
	run_refused --pids-limit --pids-limit many
	run_refused --pids-limit --pids-limit -7
	run_refused --shm-size --shm-size 0.5q
	run_refused --ulimit --ulimit nofile
	run_refused --ulimit --ulimit coffee=1
	run_refused --ulimit --ulimit nofile=2:1
	run_refused --stop-timeout --stop-timeout never
	run_refused --stop-timeout --stop-timeout 9223372039002259456ms
	run_refused --stop-signal --stop-signal SIGCOFFEE
}

@test "capabilities, security options and sysctls that do not exist" {
	run_refused SYS_GOD --cap-add SYS_GOD
	run_refused SYS_GOD --cap-drop SYS_GOD
	run_refused coffee --security-opt coffee=black
	run_refused /no/such/profile --security-opt seccomp=/no/such/profile
	echo '{"defaultAction": "SCMP_ACT_PERHAPS"}' >"$BATS_TEST_TMPDIR/profile"
	run_refused SCMP_ACT_PERHAPS --security-opt "seccomp=$BATS_TEST_TMPDIR/profile"
	echo '{' >"$BATS_TEST_TMPDIR/profile"
	run_refused "$BATS_TEST_TMPDIR/profile" --security-opt "seccomp=$BATS_TEST_TMPDIR/profile"
	run_refused kernel.panic --sysctl kernel.panic=1
	run_refused net.a+kernel.core_pattern --sysctl net.a+kernel.core_pattern=x
	run_refused net.ipv4.ip_forward --network host --sysctl net.ipv4.ip_forward=1
	run_refused --sysctl --sysctl net.ipv4.ip_forward
	run_refused --userns --userns secret
	run_refused --network --network wonderland
}

@test "mounts that cannot be" {
	run_refused /no/such/source -v /no/such/source:/x
	run_refused relative -v relative:/x
	run_refused --volume -v /tmp:x
	run_refused --volume -v /tmp:/x:sideways
	run_refused --volume -v /tmp:/
	run_refused --volume -v /tmp:/a/../../b
	run_refused --volume -v $'/tmp:/a\nb'
	run_refused --mount --mount type=volume,source=a,destination=/x
	run_refused --mount --mount type=bind,destination=/x
	run_refused --mount --mount type=bind,source=/tmp
	run_refused --mount --mount type=tmpfs,destination=/x,colour=blue
	run_refused --tmpfs --tmpfs relative
	run_refused --tmpfs --tmpfs /proc
	run_refused /no/such/device --device /no/such/device
	run_refused /etc/passwd --device /etc/passwd
}

@test "other values that cannot be" {
	run_refused hostname --hostname "$(printf 'h%.0s' {1..65})"
	run_refused hostname --hostname $'a\nb'
	run_refused --workdir -w relative
	run_refused environment -e =x
	run_refused environment -e $'A\nB=x'
	run_refused 4294967295 -u 4294967295
	run_refused 2:3 -u 1:2:3
	run_refused -1 -u -1
	run_refused user -u $'a\nb'
	run_refused label --label =x
	run_refused --interactive --interactive=perhaps
	refused 125 terminal insula run -it "$E2E_IMAGE" true </dev/null
	run_refused --rm --rm=maybe
}

@test "a state directory that cannot be used" {
	touch "$BATS_TEST_TMPDIR/file"
	refused 125 "$BATS_TEST_TMPDIR/file" env INSULA_ROOT="$BATS_TEST_TMPDIR/file" "$INSULA_BIN/insula" run "$E2E_IMAGE" true
	refused 125 "relative" env INSULA_ROOT=relative "$INSULA_BIN/insula" run "$E2E_IMAGE" true
}

@test "no permission: an ordinary user is told what is missing" {
	chmod 755 "$E2E_STATE"
	command -v setpriv >/dev/null || skip "no setpriv"
	refused 125 "" setpriv --reuid 65534 --regid 65534 --clear-groups "$INSULA_BIN/insula" run "$E2E_IMAGE" true
	[[ $stderr == *"permission"* || $stderr == *"root"* || $stderr == *"privilege"* ]] || fail
}

@test "a full disk: said, and everything is taken back" {
	mkdir "$E2E_STATE/lib"
	mount -t tmpfs -o size=16k,nr_inodes=20,mode=700 full "$E2E_STATE/lib"
	head -c 1m /dev/zero >"$E2E_STATE/lib/filler" 2>/dev/null || true
	exits 125 insula run "$E2E_IMAGE" true || {
		umount "$E2E_STATE/lib"
		return 1
	}
	left=$(known_ids)
	umount "$E2E_STATE/lib"
	[[ $stderr == *"no space left"* ]] || fail
	[ -z "$left" ] || fail "left: $left"
}

@test "verbs in the wrong state" {
	ok insula run --name ended "$E2E_IMAGE" true
	refused 125 ended insula exec ended true
	refused 125 ended insula kill ended
	ok insula run -d --name busy "$E2E_IMAGE" sleep 60
	refused 125 busy insula rm busy
	[[ $stderr == *"hint:"* ]] || fail
	refused 125 COFFEE insula kill -s COFFEE busy
	[ "$(field busy status)" = running ]
}

@test "exec: a command that is missing, unknown or cannot be executed" {
	ok insula run -d --name box "$E2E_IMAGE" sleep 60
	refused 125 argument insula exec box
	refused 127 /no/such insula exec box /no/such
	refused 126 /etc/passwd insula exec box /etc/passwd
	refused 125 stranger insula exec -u stranger box true
	for user in 1: 0x10 +5 4294967296 :; do
		exits 125 insula exec -u "$user" box true || return
	done
	[ "$(field box status)" = running ]
}

# A host that looks as if systemd ran it, on cgroup v2 alone: a bus that does not answer, or none.
@test "nothing is made in the tree of a systemd that cannot be asked" {
	local bus
	for bus in "touch /run/dbus/system_bus_socket" true; do
		BUS=$bus exits 125 unshare --mount --propagation private sh -c '
			umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs run /run || exit
			mkdir -p /run/systemd/system /run/dbus && $BUS || exit
			"$INSULA_BIN/insula" run --rm "$E2E_IMAGE" true
			status=$?
			while mountpoint -q "$INSULA_RUNROOT/pad"; do umount "$INSULA_RUNROOT/pad" || exit; done
			rm -f "$INSULA_RUNROOT/pad" # the pin was in this namespace only
			exit $status'
		[[ $stderr == *"systemd cannot be asked for the container's control group: "*hint:* ]] || fail "$bus"
	done
	[ -z "$(insula ps -aq)" ]
}
