#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a hostile image, command or container root tries. Escapes are aimed at canaries: directories
# and files of the test itself, never at something that the host needs.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2030,SC2031  # output is set by run

load helpers

setup_file() {
	file_setup
	static_program "$E2E_DIR/escape.c" "$E2E_ROOT/bin/escape"
	static_program "$E2E_DIR/fds.c" "$E2E_ROOT/bin/fds"
	static_program "$E2E_DIR/swapper.c" "$E2E_ROOT/bin/swapper"
	touch "$E2E_ROOT/this-root-is-for-escape-tests"
}

setup() {
	e2e_setup
	CANARY=$BATS_TEST_TMPDIR/canary
	mkdir "$CANARY"
	echo untouched >"$CANARY/file"
	chmod -R a+rwX "$CANARY"
	CANARY_BEFORE=$(canary)
}

teardown() {
	[ -z "${SWAPPER:-}" ] || kill "$SWAPPER" 2>/dev/null || true
	[ "$(canary)" = "$CANARY_BEFORE" ] || {
		echo "the canary was touched:"
		canary
		return 1
	}
	e2e_teardown
}

canary() {
	find "$CANARY" -type d -printf '%p %y %m\n' -o -printf '%p %y %m %s %T@\n' | sort
	cat "$CANARY/file"
	grep -F "$CANARY" /proc/self/mountinfo || true
}

# all_powers FLAG...: root with every capability and no filter.
all_powers() {
	insula run --rm --cap-add all --security-opt seccomp=unconfined "$@"
}

# ---- images with links in the places that we mount on ----

# linked PLACE: an image with a link to the canary in that place.
linked() {
	local root
	root=$(copy_of_root linked)
	rm -rf "${root:?}$1"
	mkdir -p "$(dirname "$root$1")"
	ln -s "$CANARY" "$root$1"
	echo "dir:$root"
}

@test "/dev, /proc, /sys as links out of the image" {
	for place in /dev /proc /sys; do
		image=$(linked $place)
		insula run --rm "$image" sh -c 'ls /dev /proc /sys; echo x >/dev/null' >/dev/null 2>&1 || true
		insula run --rm --userns host "$image" true >/dev/null 2>&1 || true
		rm -rf "$BATS_TEST_TMPDIR/linked"
	done
	[ "$(ls -A "$CANARY")" = file ]
}

@test "/dev/null, /dev/console and /dev/pts in the image mean nothing" {
	root=$(copy_of_root linked)
	ln -s "$CANARY/file" "$root/dev/null"
	ln -s "$CANARY/file" "$root/dev/console"
	ln -s "$CANARY" "$root/dev/pts"
	for mode in private host; do
		ok insula run --rm --userns $mode "dir:$root" sh -c 'echo overwritten >/dev/null; stat -c %F /dev/null; cat /proc/kcore | wc -c'
		shows $'character special file\n0'
		run pty -- "$INSULA_BIN/insula" run --rm -it --userns $mode "dir:$root" sh -c 'echo overwritten >/dev/console; tty'
		contains /dev/pts/0
	done
}

@test "the targets of mounts as links out of the image" {
	mkdir "$BATS_TEST_TMPDIR/data"
	echo planted >"$BATS_TEST_TMPDIR/data/planted"
	for mode in private host; do
		image=$(linked /mnt/target)
		insula run --rm --userns $mode -v "$BATS_TEST_TMPDIR/data:/mnt/target/new" "$image" true 2>/dev/null || true
		insula run --rm --userns $mode -v "$BATS_TEST_TMPDIR/data/planted:/mnt/target/file" "$image" true 2>/dev/null || true
		insula run --rm --userns $mode --tmpfs /mnt/target "$image" touch /mnt/target/x 2>/dev/null || true
		insula run --rm --userns $mode -w /mnt/target/deep "$image" touch x 2>/dev/null || true
		rm -rf "$BATS_TEST_TMPDIR/linked"
	done
	[ "$(ls -A "$CANARY")" = file ]
}

@test "a chain of links with '..' and absolute ones stays inside" {
	root=$(copy_of_root linked)
	ln -s ../../../../../../../.. "$root/up"
	ln -s "/up$CANARY" "$root/mnt"
	insula run --rm --tmpfs /mnt/x -w /mnt/y "dir:$root" touch /mnt/y/z 2>/dev/null || true
	[ "$(ls -A "$CANARY")" = file ]
}

@test "places that are a file, a FIFO or a device instead of a directory" {
	root=$(copy_of_root odd)
	for kind in file fifo device; do
		for place in dev proc sys etc; do
			rm -rf "${root:?}/$place"
			case $kind in
			file) touch "$root/$place" ;;
			fifo) mkfifo "$root/$place" ;;
			device) mknod "$root/$place" c 1 3 ;;
			esac
			exits 125 timeout 20 "$INSULA_BIN/insula" run --rm "dir:$root" true || [ "$status" -eq 0 ]
			rm -f "$root/$place"
			cp -a "$E2E_ROOT/$place" "$root/$place"
		done
	done
}

@test "passwd and group of the image: a FIFO, a device, a link, a huge one" {
	root=$(copy_of_root users)
	for file in passwd group; do
		rm "$root/etc/$file"
		mkfifo "$root/etc/$file"
		run timeout 20 "$INSULA_BIN/insula" run --rm -u user "dir:$root" true
		[ "$status" -eq 125 ] || fail "FIFO as $file"
		rm "$root/etc/$file"
		cp "$E2E_ROOT/etc/$file" "$CANARY/accounts"
		ln -s "$CANARY/accounts" "$root/etc/$file"
		run timeout 20 "$INSULA_BIN/insula" run --rm -u user:extra "dir:$root" true
		[ "$status" -eq 125 ] || fail "link as $file"
		rm "$CANARY/accounts"
		rm "$root/etc/$file"
		truncate -s 500M "$root/etc/$file"
		run timeout 20 "$INSULA_BIN/insula" run --rm -u user "dir:$root" true
		[ "$status" -eq 125 ] || fail "huge $file"
		rm "$root/etc/$file"
		cp "$E2E_ROOT/etc/$file" "$root/etc/$file"
	done
}

@test "nothing that is mounted inside shows up outside" {
	before=$(cut -d' ' -f4- /proc/self/mountinfo | grep -v insula-e2e | sort)
	all_powers "$E2E_IMAGE" sh -c 'mount -t tmpfs leak /mnt; mount --make-rshared /; mount -t tmpfs leak /srv; mkdir /x; mount --rbind / /x' || true
	ok insula run -d "$E2E_IMAGE" sleep 60
	after=$(cut -d' ' -f4- /proc/self/mountinfo | grep -v insula-e2e | sort)
	[ "$after" = "$before" ] || fail "$(diff <(echo "$before") <(echo "$after"))"
}

# ---- descriptors ----

@test "200 inherited descriptors end at our door" {
	for mode in private host; do
		ok bash -c '
			for i in $(seq 10 209); do eval "exec $i</"; done
			exec 210<"$1"
			exec "$INSULA_BIN/insula" run --rm --userns $2 "$E2E_IMAGE" fds' bash "$CANARY" $mode
		shows '0 1 2'
	done
}

@test "exec: 200 inherited descriptors end at our door" {
	ok insula run -d --name box "$E2E_IMAGE" sleep 60
	ok bash -c '
		for i in $(seq 10 209); do eval "exec $i</"; done
		exec "$INSULA_BIN/insula" exec box fds'
	shows '0 1 2'
}

@test "the keeper and the first process hold nothing of the caller's" {
	exec 77<"$CANARY"
	ok insula run -d --name box --init "$E2E_IMAGE" sleep 60
	exec 77<&-
	for pid in $(field box pid) $(detail box .State.KeeperPid); do
		for fd in "/proc/$pid/fd/"*; do
			[ "$(readlink "$fd")" != "$CANARY" ] || fail "process $pid has $fd"
		done
	done
}

@test "standard descriptors that are closed do not become something else" {
	exits 0 sh -c 'exec "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" fds <&- >&- 2>&-'
	ok sh -c 'exec "$INSULA_BIN/insula" run --rm "$E2E_IMAGE" sh -c "ls -l /proc/self/fd/0" <&-'
	contains /dev/null
}

@test "a working directory of /proc/self/fd/N leads nowhere" {
	local n
	{
		for n in $(seq 0 40); do
			printf '%s\n' "/proc/self/fd/$n" "/proc/self/fd/$n/../../.." "/proc/1/fd/$n"
		done
		printf '%s\n' /proc/self/root /proc/thread-self/cwd
	} >"$E2E_STATE/places"
	# shellcheck disable=SC2016  # the inner shells expand it
	xargs -P 4 -n 1 bash -c 'exec 3</ 7</ 9</; exec "$INSULA_BIN/insula" run --rm --userns host -w "$1" "$E2E_IMAGE" \
		sh -c "echo in $1; test -e ./tmp/$0 && echo ESCAPED; pwd"' "$(basename "$E2E_STATE")" \
		<"$E2E_STATE/places" >"$E2E_STATE/out" 2>&1 || [ $? -eq 123 ] || fail "not everything was tried"
	[ "$(grep -c "^insula: \|^in " "$E2E_STATE/out")" -eq "$(wc -l <"$E2E_STATE/places")" ] || fail "$(cat "$E2E_STATE/out")"
	! grep 'ESCAPED\|unreachable' "$E2E_STATE/out" || fail
}

# ---- our own executable ----

programs() {
	find "$INSULA_BIN" -maxdepth 1 -type f -executable -exec md5sum {} + | sort
}

@test "an entrypoint of #!/proc/self/exe does not reach our program" {
	root=$(copy_of_root exe)
	cat >"$root/bin/overwrite" <<-'SH'
		#!/bin/sh
		for pid in /proc/[0-9]*; do
			[ "$(readlink $pid/exe)" != /bin/busybox ] || continue
			echo "x" >>$pid/exe && echo "wrote $pid"
		done
		exit 0
	SH
	printf '#!/proc/self/exe\n' >"$root/bin/again"
	chmod 755 "$root/bin/overwrite" "$root/bin/again"
	local before
	before=$(programs)
	insula run --rm --userns host "dir:$root" /bin/again >/dev/null 2>&1 || true
	insula run -d --name target --userns host --cap-add all --security-opt seccomp=unconfined "dir:$root" \
		sh -c 'while :; do /bin/overwrite; done' >/dev/null
	for _ in $(seq 5); do insula exec target /bin/again >/dev/null 2>&1 || true; done
	ok insula logs target
	lacks 'wrote'
	[ "$(programs)" = "$before" ]
}

# Close-on-exec comes too late: the command's path, its "#!" and its ELF interpreter are looked up before.
@test "a command, or a #! of the image's, below a descriptor of ours leads nowhere" {
	local n root out=$E2E_STATE/out bundle=$E2E_STATE/bundle up=../../../../../../../..
	root=$(copy_of_root hashbang)
	chmod 755 "$E2E_STATE" "$root"
	printf '#!/bin/sh\necho OUT\n' >"$E2E_STATE/script"
	cp "$(command -v busybox)" "$E2E_STATE/busybox"
	chmod 755 "$E2E_STATE/script" "$E2E_STATE/busybox"
	mkdir "$bundle"
	ln -s "$root" "$bundle/rootfs"
	for n in $(seq 3 40); do
		printf '#!/proc/self/fd/%s/%s%s/busybox echo OUT\n' "$n" $up "$E2E_STATE" >"$root/bin/entry$n"
		chmod 755 "$root/bin/entry$n"
	done
	for n in $(seq 3 40); do
		"$INSULA_BIN/insula-runtime" spec --output - |
			jq --arg path "/proc/self/fd/$n/$up$E2E_STATE/script" --arg root "$root" '.root.path = $root
				| .process.terminal = false | .process.args = [$path]' >"$bundle/config.json"
		"$INSULA_BIN/insula-runtime" --root "$E2E_STATE/oci" run --bundle "$bundle" "out-${E2E_STATE##*.}" </dev/null || true
		insula run --rm --userns host "dir:$root" "/proc/self/fd/$n/$up$E2E_STATE/script" </dev/null || true
		insula run --rm --userns host "dir:$root" "/bin/entry$n" </dev/null || true
		insula run --rm "dir:$root" "/bin/entry$n" </dev/null || true
	done >"$out" 2>&1
	! grep -n OUT "$out" || fail "something of the host's was executed"
	[ "$(grep -c 'proc/self/fd\|/bin/entry' "$out")" -ge 152 ] || fail "not everything was tried: $(cat "$out")"
}

@test "no library, loader or name service of the image is used by our programs" {
	root=$(copy_of_root poisoned)
	mkdir -p "$root/lib64" "$root/lib/x86_64-linux-gnu"
	printf '#!/bin/sh\ntouch /poisoned\n' >"$root/lib64/ld-linux-x86-64.so.2"
	chmod 755 "$root/lib64/ld-linux-x86-64.so.2"
	printf 'passwd: evil\n' >"$root/etc/nsswitch.conf"
	cp "$root/lib64/ld-linux-x86-64.so.2" "$root/lib/x86_64-linux-gnu/libnss_evil.so.2"
	ok insula run --rm -u user "dir:$root" sh -c 'ls /'
	lacks poisoned
}

# ---- too much of everything ----

@test "a fork bomb stays within its limit, and the host goes on" {
	ok insula run -d --name bomb --pids-limit 64 "$E2E_IMAGE" sh -c 'b() { b | b & }; b; sleep 60'
	sleep 1
	[ "$(group_value bomb pids.current pids/pids.current)" -le 64 ]
	ok insula run --rm "$E2E_IMAGE" echo fine
	shows fine
	ok timeout 30 "$INSULA_BIN/insula" rm -f bomb
}

@test "a memory hog ends alone" {
	ok insula run -d --name neighbour -m 32m "$E2E_IMAGE" sleep 60
	exits 137 insula run --name hog -m 32m --memory-swap 32m "$E2E_IMAGE" tail -c 300m /dev/zero
	[ "$(detail hog .State.OOMKilled)" = true ]
	[ "$(field neighbour status)" = running ]
}

@test "a hog in /dev/shm and in a tmpfs is stopped by size or by memory" {
	run insula run --rm -m 32m --memory-swap 32m --shm-size 1g "$E2E_IMAGE" sh -c 'head -c 500m /dev/zero >/dev/shm/x'
	[ "$status" -ne 0 ]
}

@test "a flood of output costs a bounded disk" {
	ok insula run -d --name flood "$E2E_IMAGE" sh -c 'yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | head -c 120m; echo end'
	ok timeout 120 "$INSULA_BIN/insula" wait flood
	local id size
	id=$(field flood id)
	size=$(cat "$INSULA_ROOT/containers/$id"/log* | wc -c)
	[ "$size" -le $((33 * 1024 * 1024)) ] || fail "$size bytes"
	ok insula logs --tail 1 flood
	shows end
}

@test "a reader that does not read holds up nobody else" {
	ok insula run -d --name talk "$E2E_IMAGE" sh -c 'yes | head -c 20m; echo end; sleep 600'
	mkfifo "$BATS_TEST_TMPDIR/stuck"
	tail -f /dev/null <"$BATS_TEST_TMPDIR/stuck" &
	local sleeper=$!
	timeout 60 "$INSULA_BIN/insula" logs -f talk >"$BATS_TEST_TMPDIR/stuck" &
	local reader=$!
	eventually 30 sh -c '"$INSULA_BIN/insula" logs --tail 1 talk | grep -q end'
	ok timeout 10 "$INSULA_BIN/insula" ps
	ok timeout 20 "$INSULA_BIN/insula" rm -f talk
	kill $sleeper $reader 2>/dev/null || true
	wait $sleeper $reader 2>/dev/null || true
}

@test "escape sequences in names and commands do not reach the terminal of ps and inspect" {
	ok insula run -d "$E2E_IMAGE" sh -c 'sleep 60' $'\e[2J\e]0;title\a'
	ok insula ps --no-trunc
	[[ $output != *$'\e'* ]] || fail
	ok insula inspect "$(insula ps -q)"
	[[ $output != *$'\e'* ]] || fail
}

# typed_by COMMAND...: run it on a terminal; then what waits there to be read, as if it had been typed.
typed_by() {
	run pty -- sh -c '"$@"; stty -icanon -echo min 0 time 1
		echo "typed:$(dd bs=100 count=1 2>/dev/null | od -An -c | tr -d " \n")."' sh "$@"
	[[ $output == *' terminals tried'* ]] || fail "$*"
}

nothing_typed_by() {
	typed_by "$@"
	[[ $output == *'typed:.'* ]] || fail "$*"
}

@test "characters cannot be pushed into the caller's terminal by run, exec, or who attaches" {
	local how insula=$INSULA_BIN/insula
	for how in '' -i -t -it; do
		# shellcheck disable=SC2086  # no word is one, too
		nothing_typed_by "$insula" run --rm $how --cap-add all "$E2E_IMAGE" escape terminal
		[[ $how != -*t ]] || [[ $output == *'3 terminals tried'* ]] || fail "run $how"
	done
	ok insula run -d --name box --cap-add all "$E2E_IMAGE" sleep 600
	for how in '' -i -t -it; do
		# shellcheck disable=SC2086
		nothing_typed_by "$insula" exec $how box escape terminal
		[[ $how != -*t ]] || [[ $output == *'3 terminals tried'* ]] || fail "exec $how"
	done
	ok insula create -it --name later --cap-add all "$E2E_IMAGE" escape terminal
	nothing_typed_by "$insula" start --attach --interactive later
	[[ $output == *'3 terminals tried'* ]] || fail "attached"
	# and it would be seen
	typed_by "$E2E_ROOT/bin/escape" terminal
	[[ $output == *'typed:x'* ]] || fail "by the host"
}

# ---- container root against the covers ----

@test "container root with every power uncovers nothing that is masked" {
	ok all_powers "$E2E_IMAGE" escape masked /proc/interrupts /proc/keys /proc/timer_list /proc/kcore /sys/firmware
	shows 'nothing uncovered'
}

@test "what is masked is so for an exec, and after a restart" {
	ok insula run -d --name box --cap-add all --security-opt seccomp=unconfined "$E2E_IMAGE" sleep 600
	ok insula exec box escape masked /proc/interrupts /proc/keys /sys/firmware
	shows 'nothing uncovered'
	ok insula restart -t 0 box
	ok insula exec box escape masked /proc/interrupts /proc/keys /sys/firmware
	shows 'nothing uncovered'
}

@test "container root with every power writes nothing that is read-only" {
	local before
	before=$(sysctl -n net.ipv4.ip_forward kernel.core_pattern)
	ok all_powers "$E2E_IMAGE" escape readonly /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/net/ipv4/ip_forward
	shows 'nothing written'
	[ "$(sysctl -n net.ipv4.ip_forward kernel.core_pattern)" = "$before" ]
}

@test "container root with every power undoes no read-only bind" {
	chmod 777 "$CANARY"
	ok all_powers -v "$CANARY:/canary:ro" "$E2E_IMAGE" escape readonly /canary/file
	shows 'nothing written'
}

# Without covers, in a root of its own: what the program can reach there is thrown away afterwards.
escape_uncovered() {
	unshare --mount --pid --fork --root="$1" --mount-proc /bin/escape "${@:2}"
}

@test "the escape program can tell: without covers it reads and writes" {
	root=$(copy_of_root loose)
	echo x >"$root/srv/file"
	exits 1 escape_uncovered "$root" masked /proc/interrupts
	contains 'uncovered /proc/interrupts by nothing at all here'
	exits 1 escape_uncovered "$root" readonly /srv/file
	contains 'wrote /srv/file by nothing at all here'
	exits 64 "$root/bin/escape" masked /proc/interrupts
}

@test "groups outside of its own cannot be changed" {
	ok all_powers "$E2E_IMAGE" sh -c '
		for f in $(find /sys/fs/cgroup -name cgroup.procs -o -name release_agent -o -name memory.max -o -name memory.limit_in_bytes); do
			echo 1 >"$f" && echo "wrote $f"
		done 2>/dev/null; true'
	lacks release_agent
	lacks 'limit_in_bytes'
	lacks 'memory.max'
}

# ---- what changes under our hands ----

# swaps ROOT PLACE...: from now on each of these directories of the image is, half of the time, a link to the
# canary. The process is $SWAPPER.
swaps() {
	local root=$1 place
	local -a pairs=()
	shift
	for place in "$@"; do
		mkdir -p "$root$place"
		ln -s "$CANARY" "$root$place.link"
		pairs+=("$root$place" "$root$place.link")
	done
	"$E2E_ROOT/bin/swapper" "${pairs[@]}" &
	SWAPPER=$!
}

stop_swapping() {
	kill "$SWAPPER"
	wait "$SWAPPER" 2>/dev/null || true
}

@test "directories of the image that are exchanged with links while it starts" {
	root=$(copy_of_root swapped)
	mkdir "$BATS_TEST_TMPDIR/data"
	echo planted >"$BATS_TEST_TMPDIR/data/planted"
	swaps "$root" /mnt /dev /proc /sys /etc /srv /data
	local started=0
	for i in $(seq 40); do
		for mode in private host; do
			! timeout 20 "$INSULA_BIN/insula" run --rm --userns $mode -w /srv/made/"$i" --tmpfs /mnt/tmp \
				-v "$BATS_TEST_TMPDIR/data:/data/here" "dir:$root" true 2>/dev/null ||
				started=$((started + 1))
		done
	done
	stop_swapping
	[ "$(ls -A "$CANARY")" = file ]
	[ "$started" -gt 0 ] || fail "none of 80 started: nothing was tried"
}

@test "a volume whose directories are exchanged with links by one container while another starts on it" {
	mkdir -p "$BATS_TEST_TMPDIR/volume/sub"
	chmod -R 777 "$BATS_TEST_TMPDIR/volume"
	ok insula run -d --name attacker --userns host -v "$BATS_TEST_TMPDIR/volume:/volume" "$E2E_IMAGE" \
		sh -c "ln -s $CANARY /volume/link; exec /bin/swapper /volume/sub /volume/link"
	eventually 10 test -L "$BATS_TEST_TMPDIR/volume/sub"
	for i in $(seq 40); do
		timeout 20 "$INSULA_BIN/insula" run --rm --userns host -v "$BATS_TEST_TMPDIR/volume:/volume" \
			--tmpfs "/volume/sub/made-$i" -w /volume/sub "$E2E_IMAGE" true 2>/dev/null || true
	done
	[ "$(field attacker status)" = running ] || fail
	[ "$(ls -A "$CANARY")" = file ]
}

@test "the source of a bind that is exchanged with a link is one of the two, and nothing else" {
	mkdir "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
	echo one >"$BATS_TEST_TMPDIR/one/name"
	echo two >"$BATS_TEST_TMPDIR/two/name"
	"$E2E_ROOT/bin/swapper" "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two" &
	SWAPPER=$!
	for _ in $(seq 10); do
		run -0 timeout 20 "$INSULA_BIN/insula" run --rm -v "$BATS_TEST_TMPDIR/one:/data:ro" "$E2E_IMAGE" cat /data/name /data/name
		[ "$output" = $'one\none' ] || [ "$output" = $'two\ntwo' ] || fail
	done
	stop_swapping
}

@test "the source of a bind that a container has made a link is not followed at its restart" {
	local volume=$BATS_TEST_TMPDIR/volume
	mkdir -p "$volume/sub"
	chmod -R 777 "$volume"
	ok insula run -d --name thief --restart on-failure:3 -v "$volume:/volume" -v "$volume/sub:/sub" "$E2E_IMAGE" \
		sh -c "echo run; touch /sub/was-here; rm -r /volume/sub; ln -s ../canary /volume/sub; exit 1"
	eventually 20 test -L "$volume/sub"
	eventually 20 sh -c '[ "$("$INSULA_BIN/insula" inspect thief | jq -r ".[0].State.Status")" = exited ]'
	[[ $(detail thief .State.Reason) == "failed to start again: "*"a symbolic link is in the way"* ]] || fail "$(detail thief .State.Reason)"
	[ "$(insula logs thief)" = run ] || fail "it ran again"
	refused 125 'a symbolic link is in the way' insula start thief
	rm "$volume/sub"
	mkdir -m 777 "$volume/sub"
	ok insula start thief
}

@test "the directory of a pidfile that a container has made a link is not followed at its restart" {
	local volume=$BATS_TEST_TMPDIR/volume
	mkdir -p "$volume/sub"
	chmod -R 777 "$volume"
	ok insula run -d --name scribe --restart on-failure:3 --pidfile "$volume/sub/pid" -v "$volume:/volume" "$E2E_IMAGE" \
		sh -c 'until [ -s /volume/sub/pid ]; do sleep 0.05; done; rm -r /volume/sub; ln -s ../canary /volume/sub; exit 1'
	eventually 20 test -L "$volume/sub"
	eventually 20 sh -c '[ "$("$INSULA_BIN/insula" inspect scribe | jq -r ".[0].State.Status")" = exited ]'
	[[ $(detail scribe .State.Reason) == "failed to start again: "*"a symbolic link is in the way"* ]] || fail "$(detail scribe .State.Reason)"
	[ "$(ls -A "$CANARY")" = file ] || fail
}

# ---- a keeper that is stopped, a flood, what outsiders do ----

@test "a keeper that is stopped holds up no other command, and can be got rid of" {
	ok insula run -d --name stuck "$E2E_IMAGE" sleep 600
	ok insula run -d --name other "$E2E_IMAGE" sleep 600
	kill -STOP "$(detail stuck .State.KeeperPid)"
	for verb in 'ps -a' 'inspect stuck other' 'exec stuck true' 'exec other true' 'logs stuck' doctor info 'stop -t 0 other' 'rm other' \
		"run --rm $E2E_IMAGE true"; do
		# shellcheck disable=SC2086  # words
		ok timeout 10 "$INSULA_BIN/insula" $verb
	done
	ok timeout 60 "$INSULA_BIN/insula" rm -f stuck
	[ -z "$(known_ids)" ] || fail
}

@test "a flood of output costs the keeper no memory" {
	ok insula run -d --name flood "$E2E_IMAGE" sh -c 'yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
	sleep 2
	local keeper rss
	keeper=$(detail flood .State.KeeperPid)
	rss=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$keeper/status")
	[ "$rss" -le 2048 ] || fail "$rss KiB"
	ok timeout 30 "$INSULA_BIN/insula" rm -f flood
}

@test "a control group that an outsider removed is no obstacle" {
	local id
	ok insula run -d --name box "$E2E_IMAGE" sleep 600
	id=$(field box id)
	# its processes are moved to the parent first: a group with processes cannot be removed
	find /sys/fs/cgroup -maxdepth 3 -type d -name "insula-$id" | while read -r group; do
		while read -r pid; do echo "$pid" >"$(dirname "$group")/cgroup.procs"; done <"$group/cgroup.procs"
		rmdir "$group"
	done
	ok timeout 20 "$INSULA_BIN/insula" stop -t 0 box
	ok insula rm box
	[ -z "$(known_ids)" ] || fail
}

@test "pids are not guessed: a state whose processes are gone signals nobody else" {
	ok insula run -d --name box "$E2E_IMAGE" sleep 600
	local keeper
	keeper=$(detail box .State.KeeperPid)
	kill -9 "$keeper"
	eventually 10 sh -c "! test -d /proc/$keeper"
	exits 125 insula kill box
	exits 125 insula exec box true
	ok insula wait box
	shows 137
}

@test "escape sequences in labels, environment, host names and errors do not reach the terminal" {
	exits 125 insula run --rm --hostname $'x\e[2J' "$E2E_IMAGE" true
	[[ $stderr != *$'\e'* ]] || fail
	exits 125 insula run --rm -w $'/x\e[2J' "$E2E_IMAGE" true
	[[ $stderr != *$'\e'* ]] || fail
	run --separate-stderr insula run -d --name box --label $'k=\e]0;x\a' -e $'K=\e[2J' "$E2E_IMAGE" sleep 600
	[[ $stderr != *$'\e'* ]] || fail
	if [ "$status" -eq 0 ]; then
		for verb in 'ps --no-trunc' 'ps --format json' 'inspect box'; do
			# shellcheck disable=SC2086  # words
			ok insula $verb
			[[ $output != *$'\e'* ]] || fail "$verb"
		done
	fi
	exits 127 insula run --rm "$E2E_IMAGE" $'no\e[2Jsuch'
	[[ $stderr != *$'\e'* ]] || fail
}

@test "no socket of ours has an abstract name, and no directory of ours is open to others" {
	ok insula run -d "$E2E_IMAGE" sleep 600
	! grep -q '@.*insula' /proc/net/unix || fail
	for directory in "$INSULA_ROOT" "$INSULA_RUNROOT"; do
		[ "$(stat -c %a "$directory")" = 700 ] || fail "$directory"
	done
}

@test "keyrings: what is in the session's is not seen inside" {
	command -v keyctl >/dev/null || skip "no keyctl here"
	ok keyctl session - sh -c 'keyctl add user insula-canary secret @s >/dev/null
		exec "$INSULA_BIN/insula" run --rm --security-opt seccomp=unconfined --userns host "$E2E_IMAGE" cat /proc/keys'
	lacks insula-canary
}
