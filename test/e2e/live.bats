#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Mounts and devices that come to a container which runs, and go again; what the record keeps of them; and what a
# container can do to them meanwhile.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside

load helpers

setup_file() {
	file_setup
	static_program "$E2E_DIR/swapper.c" "$E2E_ROOT/bin/swapper"
}

setup() {
	e2e_setup
	DATA=$E2E_STATE/data
	mkdir -m 755 "$DATA"
	echo hello >"$DATA/file"
	chown -R 1000:1000 "$DATA"
	chmod 755 "$E2E_STATE"
}

web() {
	ok insula run -d --name web --network none "$@" "$E2E_IMAGE" sleep 1000
}

inside() {
	insula exec web "$@" </dev/null
}

mounted() {
	insula mounts list --format "{{.Destination}} {{.Mounted}}" web
}

there() {
	insula devices list --format "{{.Path}} {{.There}}" web
}

# ---- mounts ----

@test "a directory comes to a running container, with its owner mapped, and goes again" {
	web
	ok insula mounts add web "$DATA:/srv/deep/data"
	[ "$(inside sh -c 'cat /srv/deep/data/file; stat -c %u /srv/deep/data/file; stat -c %u /srv/deep')" = $'hello\n0\n0' ]
	inside touch /srv/deep/data/made
	[ "$(stat -c %u "$DATA/made")" = 1000 ]
	[ "$(mounted)" = "/srv/deep/data yes" ]
	[ "$(detail web '.Spec.mounts | map(.destination) | index("/srv/deep/data") != null')" = true ]
	[ "$(detail web '.Mounts[] | "\(.Destination) \(.Source) \(.Mounted)"')" = "/srv/deep/data $DATA yes" ]
	run ! grep -F "$DATA" /proc/self/mountinfo
	ok insula mounts remove web /srv/deep/data/
	[ -z "$(mounted)" ]
	[ -z "$(inside ls -A /srv/deep/data)" ]
	[ "$(detail web '.Spec.mounts | map(.destination) | index("/srv/deep/data")')" = null ]
	ok insula events --no-stream -f container=web --format '{{.Event}} {{index .Attributes "destination"}}'
	contains "mount /srv/deep/data"
	contains "unmount /srv/deep/data"
}

@test "a file, a tmpfs, and words as run has them" {
	web
	ok insula mounts add web "$DATA/file:/etc/conf:ro" type=tmpfs,destination=/t,tmpfs-size=64k,tmpfs-mode=700 \
		"type=bind,src=$DATA,dst=/n,ro,noexec,nosuid"
	[ "$(inside cat /etc/conf)" = hello ]
	run ! inside sh -c 'echo x >/etc/conf'
	[ "$(inside sh -c 'stat -c "%a %u" /t; echo x >/t/f; cat /t/f')" = $'700 0\nx' ]
	run ! inside dd if=/dev/zero of=/t/big bs=1k count=128
	# When times of access are written is as it is on the host.
	[[ $(inside sh -c "awk '\$5 == \"/n\" {print \$6}' /proc/self/mountinfo") =~ ^ro,nosuid,noexec,(rel|no)atime,idmapped$ ]] ||
		fail "$(inside cat /proc/self/mountinfo)"
	ok insula mounts remove web /etc/conf /t /n
	[ -z "$(mounted)" ]
}

@test "what was added while it ran is there after a restart, locked, and leaves with the next one" {
	web
	ok insula mounts add web "$DATA:/kept:ro"
	ok insula restart -t 0 web
	[ "$(inside cat /kept/file)" = hello ]
	[ "$(mounted)" = "/kept yes" ]
	refused 125 "it was mounted when the container was started" insula mounts remove web /kept
	refused 125 "it was mounted when the container was started" insula mounts remove --force web /kept
	ok insula mounts remove --next-start web /kept
	[ "$(mounted)" = "/kept until it ends" ]
	[ "$(inside cat /kept/file)" = hello ]
	ok insula restart -t 0 web
	[ -z "$(mounted)" ]
	run ! inside cat /kept/file
}

@test "--temporary is gone at the next start, --next-start comes with it" {
	web
	ok insula mounts add --temporary web "$DATA:/short"
	ok insula mounts add --next-start web "$DATA:/long"
	[ "$(mounted | sort)" = $'/long at the next start\n/short until it ends' ]
	[ "$(inside cat /short/file)" = hello ]
	run ! inside cat /long/file
	ok insula restart -t 0 web
	[ "$(mounted)" = "/long yes" ]
	[ "$(inside cat /long/file)" = hello ]
	ok insula mounts add web "$DATA:/back"
	ok insula mounts remove --temporary web /back
	[ "$(mounted | sort)" = $'/back at the next start\n/long yes' ]
	run ! inside cat /back/file
	ok insula restart -t 0 web
	[ "$(inside cat /back/file)" = hello ]
}

@test "of one that does not run the record changes" {
	ok insula create --name web --network none "$E2E_IMAGE" sleep 1000
	ok insula mounts add web "$DATA:/data" "$DATA:/other"
	ok insula mounts remove web /other
	[ "$(mounted)" = "/data at the next start" ]
	refused 125 "not running" insula mounts add --temporary web "$DATA:/x"
	ok insula start web
	[ "$(mounted)" = "/data yes" ]
	[ "$(inside cat /data/file)" = hello ]
	run ! inside ls /other
}

@test "one that is paused gets its mount too, and keeps it" {
	web
	ok insula pause web
	ok insula mounts add web "$DATA:/data"
	ok insula unpause web
	[ "$(inside cat /data/file)" = hello ]
}

@test "container root with every right over its mounts cannot make a read-only one writable" {
	web --cap-add ALL --security-opt seccomp=unconfined
	ok insula mounts add web "$DATA:/data:ro,nosuid"
	run ! inside mount -o remount,bind,rw /data
	run ! inside mount -o remount,bind,ro,suid /data
	run ! inside touch /data/made
	[ ! -e "$DATA/made" ]
	# and may take it away from itself, as a mount that hides nothing
	inside umount /data
	[ "$(mounted)" = "/data removed inside" ]
	ok insula mounts remove web /data
	[ -z "$(mounted)" ]
}

@test "with the host's user namespace mounts come and go as well" {
	web --userns host --cap-add SYS_ADMIN
	ok insula mounts add web "$DATA:/data" type=tmpfs,dst=/t
	[ "$(inside stat -c %u /data/file /t)" = $'1000\n0' ]
	ok insula mounts remove web /data /t
	[ -z "$(mounted)" ]
	[ -z "$(inside ls -A /data)" ]
}

@test "what is mounted on the host later reaches a mount that is a slave of it, and no other" {
	run unshare -m --propagation private bash -e -c '
		mount -t tmpfs tmpfs "$1" && mount --make-shared "$1" && mkdir "$1/sub"
		"$2/insula" run -d --name web --network none "$3" sleep 1000 </dev/null >/dev/null
		"$2/insula" mounts add web "$1:/slave:rslave" "$1:/alone"
		mount -t tmpfs tmpfs "$1/sub" && touch "$1/sub/late"
		"$2/insula" exec web ls /slave/sub /alone/sub </dev/null
		"$2/insula" rm -f web >/dev/null
		while umount "$INSULA_RUNROOT/pad" 2>/dev/null; do :; done; rm -f "$INSULA_RUNROOT/pad"' sh "$DATA" "$INSULA_BIN" "$E2E_IMAGE"
	[ "$status" -eq 0 ] && [ "$output" = $'/alone/sub:\n\n/slave/sub:\nlate' ] || fail
}

@test "one that is in use stays, unless it is forced, and then whoever uses it keeps it" {
	web
	ok insula mounts add web "$DATA:/data"
	ok insula exec -d web sh -c 'cd /data && touch /tmp/in && sleep 1000'
	eventually 10 inside test -e /tmp/in
	refused 125 "it is in use" insula mounts remove web /data
	[ "$(mounted)" = "/data yes" ]
	ok insula mounts remove --force web /data
	[ -z "$(mounted)" ]
	[ -z "$(inside ls -A /data)" ]
}

@test "only what was added is removed, wherever the container has put it, and nothing that it mounted on it" {
	web --cap-add SYS_ADMIN --security-opt seccomp=unconfined
	ok insula mounts add web "$DATA:/data"
	inside mount -t tmpfs own /data
	inside touch /data/own
	refused 125 "mounted something else on it" insula mounts remove web /data
	refused 125 "mounted something else on it" insula mounts remove --force web /data
	[ "$(inside ls /data)" = own ]
	inside umount /data
	inside mkdir /elsewhere
	inside mount --move /data /elsewhere
	inside mount -t tmpfs own /data
	inside touch /data/own
	ok insula mounts remove web /data
	[ "$(inside ls /data)" = own ]
	[ -z "$(inside ls /elsewhere)" ]
}

@test "one below what the container has mounted over a directory stays, by name as well, until that is gone" {
	web --cap-add SYS_ADMIN --security-opt seccomp=unconfined
	ok insula mounts add web "$DATA:/srv/deep/data"
	inside mount -t tmpfs own /srv
	refused 125 "on a directory above it" insula mounts remove web /srv/deep/data
	[[ $stderr == *'hint: unmount that in the container first'* ]] || fail
	# What has the name now is not what is meant, whatever it is.
	inside sh -c 'mkdir -p /srv/deep/data /tmp/canary && touch /tmp/canary/kept && mount --bind /tmp/canary /srv/deep/data'
	refused 125 "on a directory above it" insula mounts remove --force web /srv/deep/data
	[ "$(inside ls /srv/deep/data)" = kept ]
	inside sh -c 'umount /srv/deep/data && rmdir /srv/deep/data && ln -s /proc/1/root/tmp/canary /srv/deep/data'
	refused 125 "on a directory above it" insula mounts remove --force web /srv/deep/data
	inside sh -c 'rm /srv/deep/data && ln -s data /srv/deep/data'
	refused 125 "on a directory above it" insula mounts remove --force web /srv/deep/data
	[ "$(mounted)" = "/srv/deep/data yes" ]
	[ "$(cat "$DATA/file")" = hello ]
	inside umount /srv
	[ "$(inside cat /srv/deep/data/file)" = hello ]
	ok insula mounts remove web /srv/deep/data
	[ -z "$(mounted)" ]
	# and one whose record goes alone
	ok insula mounts add web "$DATA:/srv/other"
	inside mount -t tmpfs own /srv
	ok insula mounts remove --next-start web /srv/other
	ok insula restart -t 0 web
	[ -z "$(mounted)" ]
}

@test "what cannot be is one clear error, and changes nothing" {
	web -v "$DATA:/start"
	before=$(mounted)
	refused 125 "no container 'nobody'" insula mounts add nobody "$DATA:/x"
	refused 125 "source '/nowhere'" insula mounts add web /nowhere:/x
	refused 125 "unknown option 'bogus'" insula mounts add web "$DATA:/x:bogus"
	refused 125 "it has a mount there already" insula mounts add web "$DATA:/start"
	refused 125 "the destination must not be '/'" insula mounts add web "$DATA:/"
	refused 125 "destination" insula mounts add web "$DATA:/a/../b"
	refused 125 "type 'nfs' is not bind or tmpfs" insula mounts add web type=nfs,source=x,dst=/x
	refused 125 "not a directory" insula mounts add web "$DATA:/etc/passwd"
	refused 125 "no such mount was asked for" insula mounts remove web /nothing
	refused 125 "no such mount was asked for" insula mounts remove web /proc
	refused 125 "exclude each other" insula mounts add --temporary --next-start web "$DATA:/x"
	refused 125 "there is no 'steal'" insula mounts steal web
	refused 125 "an argument is missing" insula mounts add web
	refused 125 "no container is named" insula mounts list
	refused 125 "--force is for remove" insula mounts add --force web "$DATA:/x"
	[ "$(mounted)" = "$before" ]
	run ! inside ls -d /x
	# of several each is by itself
	exits 125 insula mounts add web "$DATA:/one" /nowhere:/two "$DATA:/three"
	[ "$(mounted | sort)" = $'/one yes\n/start yes\n/three yes' ]
}

@test "lists: of several, of all, as a table and as JSON" {
	ok insula create --name one --network none -v "$DATA:/a:ro" "$E2E_IMAGE" true
	ok insula create --name two --network none --device /dev/zero:/dev/z:r "$E2E_IMAGE" true
	ok insula mounts list one two
	[[ ${lines[0]} == CONTAINER*DESTINATION*MOUNTED ]]
	[[ ${lines[1]} == one*/a*bind*"$DATA"*rbind,rro*"at the next start" ]]
	[ "${#lines[@]}" -eq 2 ]
	[ "$(insula mounts ls one two)" = "$output" ]
	ok insula mounts rm one /a
	refused 125 "no such mount" insula mounts remove one /a
	ok insula devices list --all --format json
	[ "$(jq -c '.[] | [.container, .path, .type, .major, .minor, .access]' <<<"$output")" = '["two","/dev/z","c",1,5,"r"]' ]
}

# ---- attacks ----

@test "no link leads a mount to a cover, to a file system of the kernel's, or to a device" {
	web
	inside sh -c 'ln -s /proc/kcore /kcore; ln -s /proc/sys /sysctl; ln -s /dev/null /null; ln -s /proc/self/root/etc /root-etc
		ln -s /dev/pts /pts; ln -s /sys/fs/cgroup /cg; ln -s / /top; ln -s /proc/acpi /acpi'
	for target in /proc/kcore /proc/new /sys/firmware /sys/fs/cgroup/x; do
		refused 125 "kept from" insula mounts add web "$DATA:$target"
	done
	for target in /proc /sys /sysctl /root-etc /pts /cg /top /acpi /dev /dev/shm /dev/mqueue /dev/pts; do
		exits 125 insula mounts add web "$DATA:$target"
	done
	for target in /kcore /null /dev/null /dev/zero; do
		exits 125 insula mounts add web "$DATA/file:$target"
	done
	[ -z "$(mounted)" ]
	[ -z "$(inside cat /proc/kcore /proc/keys 2>/dev/null | head -c 1)" ]
	inside sh -c 'echo x >/dev/null'
}

@test "nothing is mounted where it would hide a cover, nor below one" {
	mkdir -p "$E2E_ROOT/opt/kept/from"
	web --security-opt mask=/opt/kept/from
	refused 125 "'/opt/kept' is what the container is kept from" insula mounts add web "$DATA:/opt/kept"
	refused 125 "is what the container is kept from" insula mounts add web "$DATA:/opt"
	refused 125 "is what the container is kept from" insula mounts add web "$DATA:/opt/kept/from"
	refused 125 "is what the container is kept from" insula mounts add web "$DATA:/opt/kept/from/it"
	ok insula mounts add web "$DATA:/opt/kept/beside"
	rm -r "$E2E_ROOT/opt/kept"
}

@test "covers are what they were after mounts came and went" {
	web --cap-add SYS_ADMIN --security-opt seccomp=unconfined
	before=$(inside sh -c 'awk "{print \$5, \$6}" /proc/self/mountinfo; cat /proc/kcore /proc/timer_list | wc -c; ls /sys/firmware')
	for _ in 1 2 3; do
		ok insula mounts add web "$DATA:/data" type=tmpfs,dst=/t
		ok insula mounts remove web /data /t
	done
	[ "$(inside sh -c 'awk "{print \$5, \$6}" /proc/self/mountinfo; cat /proc/kcore /proc/timer_list | wc -c; ls /sys/firmware')" = "$before" ]
	run ! inside umount /proc/kcore
}

@test "a target that the container exchanges with links all the time never leads out" {
	canary=$E2E_STATE/canary
	mkdir "$canary"
	for userns in private host; do
		ok insula run -d --name web --network none --userns $userns "$E2E_IMAGE" sh -c "mkdir -p /race/sub
			ln -s $canary /race.1; ln -s /proc/1/root$canary /race.2; ln -s /proc/sys /race.3
			swapper /race /race.1 /race /race.2 /race /race.3"
		eventually 10 inside test -L /race.3 -o -L /race
		for i in $(seq 25); do
			timeout 20 "$INSULA_BIN/insula" mounts add --temporary web "$DATA:/race/sub/made-$i" 2>/dev/null || true
			timeout 20 "$INSULA_BIN/insula" mounts remove --force web "/race/sub/made-$i" 2>/dev/null || true
		done
		[ "$(field web status)" = running ] || fail
		[ -z "$(ls -A "$canary")" ] || fail "$userns: $(ls -A "$canary")"
		run ! grep -F "$E2E_STATE/canary" /proc/self/mountinfo
		ok insula rm -f web
	done
}

@test "a source that has become a link is not followed at the next start" {
	web
	ok insula mounts add web "$DATA:/data"
	mv "$DATA" "$DATA.old"
	ln -s /etc "$DATA"
	exits 125 insula restart -t 0 web
	[[ $stderr == *"symbolic link"* || $stderr == *"too many"* || $stderr == *"was none when"* ]] || fail
}

# Who enters a container may be seen in it, by a bind of the host's /proc, and container root that traces would have
# what he has in the moment before he is container root himself. NUMBER: at which entry he is held.
cannot_look() {
	local number=$1 command pid
	shift
	INSULA_FAIL=live.entered=stop@$number INSULA_CANARY=canary "$INSULA_BIN/insula" "$@" >/dev/null 2>&1 </dev/null 3>&- &
	command=$!
	eventually 20 held "$command"
	pid=$(pgrep -P "$command")
	run inside sh -c "cat /host/proc/$pid/environ; readlink /host/proc/$pid/fd/0; exec 3<>/host/proc/$pid/mem && echo open"
	kill -CONT "$pid"
	wait "$command"
	lacks canary
	lacks /dev/null
	lacks open$'\n'
}

held() {
	local child
	child=$(pgrep -P "$1") && grep -q '^State:.*stopped' "/proc/$child/status"
}

@test "container root that traces what it sees has no moment in which the helper that enters is open" {
	needs_failpoints
	web --cap-add SYS_PTRACE -v /proc:/host/proc
	# what is open is seen
	inside sh -c "tr '\\0' '\\n' <\"/host/proc/$(detail web .State.Pid)/environ\"" | grep -q PATH=
	cannot_look 1 mounts add web "$DATA:/data"
	cannot_look 1 devices add web /dev/kmsg
	cannot_look 1 mounts remove web /data
	cannot_look 2 devices remove web /dev/kmsg
}

# ---- devices ----

# Whoever may open the log of the kernel to write needs no capability for it.
opens() {
	inside sh -c "exec 3>$1"
}

@test "a device comes to a running container, with the access that was asked for, and goes again" {
	web
	ok insula devices add web /dev/kmsg:/dev/deep/log:w /dev/kmsg:/dev/reads:r
	[ "$(inside stat -c '%F %t:%T %u' /dev/deep/log)" = "character special file 1:b 0" ]
	opens /dev/deep/log
	[ "$(there)" = $'/dev/deep/log yes\n/dev/reads yes' ]
	[ "$(detail web '.Spec.linux.devices | map(.path) | index("/dev/deep/log") != null')" = true ]
	ok insula devices remove web /dev/deep/log
	run ! inside ls /dev/deep/log
	# the other node is there, and only to be read
	run ! opens /dev/reads
	[ "$(there)" = "/dev/reads yes" ]
	ok insula devices remove web /dev/reads
	ok insula events --no-stream -f container=web --format '{{.Event}} {{index .Attributes "device"}}'
	contains "device_add /dev/deep/log"
	contains "device_remove /dev/deep/log"
}

@test "a device's rule goes with it, and who has it open is named" {
	web
	ok insula devices add web /dev/kmsg /dev/kmsg:/dev/second
	ok insula exec -d web sh -c 'exec 7>/dev/kmsg; touch /tmp/in; sleep 1000'
	eventually 10 inside test -e /tmp/in
	ok insula devices remove web /dev/kmsg
	[[ $stderr == *"of 'web' has '/dev/kmsg' open, and keeps it"* ]] || fail
	opens /dev/second
	# a node that stays, without its rule
	mknod -m 666 "$E2E_STATE/node" c 1 11
	ok insula mounts add web "$E2E_STATE/node:/srv/node:dev"
	opens /srv/node
	ok insula devices remove web /dev/second
	run ! opens /srv/node
}

@test "a container that covers and hides its node loses the device all the same" {
	web --cap-add ALL --security-opt seccomp=unconfined
	ok insula devices add web /dev/kmsg /dev/kmsg:/dev/deep/log
	inside sh -c 'touch /mine /cover && mount --bind /dev/kmsg /mine && mount --bind /cover /dev/kmsg &&
		mount -t tmpfs none /dev/deep'
	opens /mine
	ok insula devices remove web /dev/deep/log
	[[ $stderr == *"the node '/dev/deep/log' stays"* ]] || fail "no warning"
	opens /mine
	ok insula devices remove web /dev/kmsg
	[[ $stderr == *"the node '/dev/kmsg' stays"* ]] || fail "no warning"
	run ! opens /mine
	[ -z "$(there)" ]
	[ "$(detail web .Spec.linux.devices)" = null ]
}

@test "a device is also for what is in a group below, made before: on cgroup v1 each has rules of its own" {
	local pid group
	web
	ok insula exec -d web sh -c 'echo ready >/tmp/in; while [ ! -e /tmp/go ]; do sleep 0.1; done; for i in second third; do
		(exec 7>/dev/$i) 2>/dev/null && echo opened >/tmp/$i || echo refused >/tmp/$i; done; sleep 1000'
	eventually 10 inside test -e /tmp/in
	group=$(find /sys/fs/cgroup -maxdepth 3 -type d -path "*devices*insula-$(detail web .Id)")
	[ -n "$group" ] || skip "device rules are not on cgroup v1"
	mkdir "$group/below" "$group/below/deeper"
	pid=$(grep -l -z "tmp/go" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | grep -x -F -f "$group/cgroup.procs" | head -n 1)
	echo "$pid" >"$group/below/deeper/cgroup.procs"
	ok insula devices add web /dev/kmsg:/dev/second
	grep -q '^c 1:11 ' "$group/below/deeper/devices.list" || fail "not allowed below"
	# What was denied below stays so, for what was allowed before.
	echo 'c 1:7 rwm' >"$group/below/devices.deny"
	ok insula devices add web /dev/fuse:/dev/third
	! grep -q '^c 1:7 ' "$group/below/devices.list" || fail "given back"
	inside touch /tmp/go
	eventually 10 inside test -s /tmp/third
	run inside cat /tmp/second /tmp/third
	shows $'opened\nopened'
	ok insula devices remove web /dev/second
	! grep -q '^c 1:11 ' "$group/below/deeper/devices.list" || fail "still allowed below"
}

@test "devices and the record: restart, temporary, the next start, one that does not run" {
	web
	ok insula devices add web /dev/kmsg:/dev/kept
	ok insula devices add --temporary web /dev/kmsg:/dev/short
	ok insula devices add --next-start web /dev/kmsg:/dev/long
	[ "$(there | sort)" = $'/dev/kept yes\n/dev/long at the next start\n/dev/short until it ends' ]
	ok insula restart -t 0 web
	[ "$(there | sort)" = $'/dev/kept yes\n/dev/long yes' ]
	opens /dev/kept
	# one that is there from the start goes as well
	ok insula devices remove web /dev/kept
	run ! inside ls /dev/kept
	ok insula devices remove --next-start web /dev/long
	[ "$(there)" = "/dev/long until it ends" ]
	opens /dev/long
	ok insula stop -t 0 web
	[ -z "$(there)" ]
	ok insula devices add web /dev/kmsg
	[ "$(there)" = "/dev/kmsg at the next start" ]
	ok insula start web
	opens /dev/kmsg
}

@test "what is there until the end keeps its rule when others come and go, and what comes later has none yet" {
	mknod -m 666 "$E2E_STATE/node" c 1 11
	web --device /dev/zero:/dev/first -v "$E2E_STATE/node:/srv/node:dev"
	ok insula devices add --next-start web /dev/kmsg:/dev/later
	ok insula devices add web /dev/full:/dev/other
	run ! opens /srv/node
	ok insula devices add --temporary web /dev/kmsg:/dev/short
	ok insula devices remove --next-start web /dev/first
	ok insula devices remove web /dev/other
	opens /dev/short
	opens /dev/first
	ok insula update --memory 200m web
	opens /dev/short
	ok insula devices remove web /dev/short
	run ! opens /srv/node
	# nor does it have to stay until the end
	ok insula devices remove web /dev/first
	run ! inside ls /dev/first
	[ "$(there)" = "/dev/later at the next start" ]
}

@test "no other device is refused for a moment while rules change" {
	web
	ok insula exec -d web sh -c 'touch /tmp/on; while [ -e /tmp/on ]; do
		echo x >/dev/null || echo refused >>/tmp/refused; done 2>>/tmp/errors; touch /tmp/off'
	eventually 10 inside test -e /tmp/on
	for _ in $(seq 20); do
		ok insula devices add web /dev/kmsg
		ok insula devices remove web /dev/kmsg
	done
	inside rm /tmp/on
	eventually 10 inside test -e /tmp/off
	run ! inside ls /tmp/refused
}

@test "what cannot be of devices is one clear error" {
	web
	refused 125 "'/nowhere'" insula devices add web /nowhere
	refused 125 "is not a device" insula devices add web /etc/passwd
	refused 125 "no such device was asked for" insula devices remove web /dev/null
	refused 125 "no such device was asked for" insula devices remove web /dev/kmsg
	refused 125 "there is something else already" insula devices add web /dev/zero:/dev/null
	ok insula devices add web /dev/kmsg
	refused 125 "it has a device of that path already" insula devices add web /dev/kmsg
	refused 125 "no container 'nobody'" insula devices list nobody
	inside sh -c 'rm /dev/zero; ln -s /proc /dev/out'
	exits 125 insula devices add web /dev/zero:/dev/out/x
	[ "$(there)" = "/dev/kmsg yes" ]
	inside sh -c 'echo x >/dev/null'
}

# ---- killed and failing ----

@test "killed at any moment, the next command knows what there is" {
	needs_failpoints
	web
	for point in live.noted live.attached record.hidden record.written; do
		INSULA_FAIL=$point=kill run insula mounts add web "$DATA:/data"
		[ "$status" -eq 137 ] || fail "$point was not reached"
		mounted >/dev/null
		insula mounts remove --force web /data || insula mounts add web "$DATA:/data"
		insula mounts remove web /data || true
		[ -z "$(mounted)" ] || fail "$point: $(mounted)"
		run ! inside grep -q ' /data ' /proc/self/mountinfo
		INSULA_FAIL=$point=kill run insula devices add web /dev/kmsg
		[ "$status" -eq 137 ] || fail "$point was not reached"
		insula devices remove web /dev/kmsg || true
		ok insula devices add web /dev/kmsg
		ok insula devices remove web /dev/kmsg
		run ! inside ls /dev/kmsg
	done
	[ "$(field web status)" = running ]
}

@test "an error at any moment of an addition leaves nothing of it" {
	needs_failpoints
	web
	for point in live.noted live.attached record.hidden; do
		INSULA_FAIL=$point=error:ENOSPC exits 125 insula mounts add web "$DATA:/data"
		[ -z "$(mounted)" ] || fail "$point: $(mounted)"
		[ -z "$(inside ls -A /data)" ] || fail "$point"
		INSULA_FAIL=$point=error:ENOSPC exits 125 insula devices add web /dev/kmsg
		[ -z "$(there)" ] || fail "$point: $(there)"
		run ! inside ls /dev/kmsg
	done
	INSULA_FAIL=live.ruled=error:ENOSPC exits 125 insula devices add web /dev/kmsg
	[ -z "$(there)" ]
}
