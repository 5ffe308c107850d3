#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula run, flag by flag: what a user sees inside.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

status_field() {
	in_box "${@:2}" -- awk "/^$1:/ { print \$2 }" /proc/self/status
}

# ---- images ----

@test "host: the container is made from this system" {
	ok insula run --rm host cat /etc/os-release
	shows "$(cat /etc/os-release)"
}

@test "host: what an ordinary user cannot read is absent" {
	exits 1 insula run --rm host cat /etc/shadow
	ok insula run --rm host find /root /home -mindepth 1
	shows ''
}

@test "host: writing inside changes nothing outside" {
	ok insula run --rm host sh -c 'echo planted >/etc/insula-e2e && cat /etc/insula-e2e'
	shows planted
	[ ! -e /etc/insula-e2e ]
}

@test "dir: the container sees the directory as its root" {
	ok in_box -- sh -c '. /etc/os-release; echo $ID; ls /'
	contains e2e
	contains bin
}

@test "dir: writing inside changes nothing in the directory" {
	ok in_box -- sh -c 'echo planted >/etc/planted; rm /etc/os-release; ls /etc'
	lacks os-release
	[ ! -e "$E2E_ROOT/etc/planted" ]
	[ -e "$E2E_ROOT/etc/os-release" ]
}

@test "without a command it is a shell" {
	[ "$(echo 'echo from $0' | insula run --rm -i "$E2E_IMAGE")" = 'from sh' ] ||
		[ "$(echo 'echo from $0' | insula run --rm -i "$E2E_IMAGE")" = 'from /bin/sh' ]
}

# ---- the command ----

@test "the exit status is the command's" {
	exits 42 in_box -- sh -c 'exit 42'
	exits 0 in_box -- true
	exits 1 in_box -- false
}

@test "a command that is killed is 128 + signal" {
	exits 137 in_box -- sh -c 'sh -c "kill -9 \$\$"; exit $?'
}

@test "a command that does not exist is 127" {
	refused 127 "/no/such" in_box -- /no/such
	refused 127 "nothing-of-that-name" in_box -- nothing-of-that-name
}

@test "a command that cannot be executed is 126" {
	refused 126 "/etc/passwd" in_box -- /etc/passwd
	refused 126 "/etc" in_box -- /etc
}

@test "arguments arrive as they are" {
	ok in_box -- printf '[%s]' 'a b' '' "c'd" --rm '*' $'tab\there'
	shows "[a b][][c'd][--rm][*][tab"$'\t'"here]"
}

@test "output and errors stay apart" {
	run --separate-stderr in_box -- sh -c 'echo out; echo err >&2'
	[ "$status" -eq 0 ]
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "a megabyte of output arrives whole" {
	[ "$(in_box -- sh -c 'head -c 1048576 /dev/zero' | md5sum)" = "$(head -c 1048576 /dev/zero | md5sum)" ]
}

# ---- -i, -t, -d ----

@test "-i: input reaches the command, and so does its end" {
	[ "$(printf 'one\ntwo' | in_box -i -- cat)" = $'one\ntwo' ]
}

@test "-i: two megabytes go in and come out" {
	head -c 2097152 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	in_box -i -- cat <"$BATS_TEST_TMPDIR/data" >"$BATS_TEST_TMPDIR/back"
	cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/back"
}

@test "without -i the input is empty" {
	[ -z "$(echo secret | in_box -- cat)" ]
}

@test "-t: the command has a terminal" {
	run pty -- "$INSULA_BIN/insula" run --rm -it "$E2E_IMAGE" sh -c 'tty; test -t 0 && test -t 1 && test -t 2 && echo all'
	[ "$status" -eq 0 ] || fail
	contains /dev/pts/0
	contains all
}

@test "-t: the terminal has the size of the user's, and follows it" {
	run pty --size 31x97 --expect '31 97' --resize 17x55 --send 'stty size\r' --expect '17 55' \
		--send 'exit 3\r' -- "$INSULA_BIN/insula" run --rm -it "$E2E_IMAGE" sh -c 'stty size; exec sh'
	[ "$status" -eq 3 ] || fail
}

@test "-t: ctrl-c interrupts the command inside" {
	run pty --expect ready --send '\x03' --expect got -- "$INSULA_BIN/insula" run --rm -it "$E2E_IMAGE" \
		sh -c 'trap "echo got; exit 9" INT; echo ready; while :; do sleep 0.1; done'
	[ "$status" -eq 9 ] || fail
}

@test "-t: ctrl-p ctrl-q leaves the container running" {
	run pty --expect ready --send '\x10\x11' -- "$INSULA_BIN/insula" run -it --name stays "$E2E_IMAGE" \
		sh -c 'echo ready; sleep 60'
	[ "$status" -eq 0 ] || fail
	[ "$(field stays status)" = running ]
}

@test "-t: what the command writes is not changed on its way" {
	run pty -- "$INSULA_BIN/insula" run --rm -t "$E2E_IMAGE" printf 'a\nb\n'
	[ "$status" -eq 0 ] || fail
	[ "$(printf '%s' "$output" | tr -d '\r')" = $'a\nb' ]
}

@test "-d: prints the id and returns while the command runs" {
	ok insula run -d "$E2E_IMAGE" sleep 60
	[[ $output =~ ^[0-9a-f]{64}$ ]] || fail "not an id"
	[ "$(field "$output" status)" = running ]
}

@test "-d: input, output and the caller's terminal are let go" {
	# A reader of the pipe sees its end as soon as the command returns.
	ok timeout 10 sh -c '"$INSULA_BIN/insula" run -d "$E2E_IMAGE" sleep 60 | cat'
}

# ---- --rm, --name, --hostname, --label ----

@test "--rm: nothing remains of it" {
	ok in_box --name gone -- true
	[ -z "$(known_ids)" ]
	exits 125 insula inspect gone
}

@test "without --rm the container stays to be looked at" {
	ok insula run --name kept "$E2E_IMAGE" sh -c 'echo hello; exit 0'
	[ "$(field kept status)" = exited ]
	ok insula logs kept
	shows hello
}

@test "--name: the container is found by it" {
	ok insula run -d --name some.name-1_x "$E2E_IMAGE" sleep 60
	ok insula exec some.name-1_x echo here
	shows here
}

@test "without --name one is made up" {
	ok insula run -d "$E2E_IMAGE" sleep 60
	[[ $(field "$output" name) =~ ^[a-z0-9][a-z0-9_.-]+$ ]]
}

@test "--hostname: the name inside, and in /etc" {
	ok in_box --hostname lighthouse -- sh -c 'hostname; cat /etc/hostname; grep -c lighthouse /etc/hosts'
	shows $'lighthouse\nlighthouse\n1'
}

@test "without --hostname it is the short id" {
	ok insula run -d "$E2E_IMAGE" sleep 60
	local id=$output
	ok insula exec "$id" hostname
	shows "${id:0:12}"
}

@test "--label: kept with the container" {
	ok insula run -d --name labelled --label tier=front --label empty= --label alone "$E2E_IMAGE" sleep 60
	[ "$(field labelled 'labels | sort | join(" ")')" = 'alone= empty= tier=front' ]
}

# ---- -e, -w, -u, --entrypoint ----

@test "-e: set, taken from the caller, and overridden" {
	export E2E_PASSED='from outside'
	ok in_box -e A=1 -e 'B=two words' -e A=3 -e E2E_PASSED -e E2E_ABSENT -- env
	contains 'A=3'
	contains 'B=two words'
	contains 'E2E_PASSED=from outside'
	lacks 'A=1'
	lacks E2E_ABSENT
}

@test "the caller's environment stays outside" {
	export E2E_SECRET=hunter2
	ok in_box -- env
	lacks hunter2
	contains 'PATH=/usr/local/sbin:'
	contains 'HOME=/root'
}

@test "-w: the working directory, made where it is absent" {
	ok in_box -w /tmp -- pwd
	shows /tmp
	ok in_box -w /srv/new/dir -- pwd
	shows /srv/new/dir
	ok in_box -- pwd
	shows /
}

@test "-u: by number and by name" {
	ok in_box -u 1234:5678 -- id
	contains 'uid=1234 gid=5678'
	ok in_box -u user -- id
	contains 'uid=1000(user) gid=1000(user) groups='
	contains '10(wheel)'
	contains '2000(extra)'
	ok in_box -u user:wheel -- sh -c 'id -u; id -g'
	shows $'1000\n10'
	ok in_box -u 1000 -- sh -c 'id -g; echo $HOME'
	shows $'1000\n/home'
}

@test "-u: an unknown name is refused" {
	refused 125 stranger in_box -u stranger -- id
	refused 125 strangers in_box -u user:strangers -- id
}

@test "-u: not root, so no capability, and files of root are out of reach" {
	ok in_box -u 1000:1000 -- grep -E '^Cap(Prm|Eff|Amb|Inh)' /proc/self/status
	[ "$(grep -c 0000000000000000 <<<"$output")" -eq 4 ] || fail
	exits 1 in_box -u 1000:1000 -- touch /etc/mine
}

@test "--entrypoint: goes before the command" {
	ok in_box --entrypoint /bin/echo -- one two
	shows 'one two'
}

@test "--entrypoint: a JSON list is a command with its first arguments; [ alone is a command" {
	ok in_box --entrypoint '["/bin/echo", "-n", "a b"]' -- one two
	shows 'a b one two'
	ok in_box --entrypoint '[' -- 1 -lt 2 ']'
	exits 125 in_box --entrypoint '[]' -- one
	[[ $stderr == *"--entrypoint: the list is empty"* ]] || fail
	exits 125 in_box --entrypoint '["a", 1]' -- one
	[[ $stderr == *"--entrypoint: the list has something that is no text"* ]] || fail
	exits 125 in_box --entrypoint '[a]' -- one
	[[ $stderr == *"--entrypoint"* ]] || fail
}

# ---- file systems ----

@test "--read-only: the root cannot be written, /tmp and /dev/shm can where mounted" {
	exits 1 in_box --read-only -- touch /etc/x
	[[ $stderr == *'Read-only file system'* ]] || fail
	ok in_box --read-only -- sh -c 'echo x >/dev/shm/x && cat /dev/shm/x'
	shows x
	ok in_box --read-only --tmpfs /tmp -- sh -c 'echo y >/tmp/y && cat /tmp/y'
	shows y
}

@test "--tmpfs: empty, writable, of the size asked for" {
	ok in_box --tmpfs /srv:size=1m,mode=700 -- sh -c 'ls -A /srv; stat -c %a /srv; df -k /srv | tail -n 1'
	contains 700
	contains 1024
	exits 1 in_box --tmpfs /srv:size=1m -- dd if=/dev/zero of=/srv/big bs=64k count=32
	[[ $stderr == *'No space left'* ]] || fail
}

@test "-v: a user's directory is container root's to read and write, and stays the user's" {
	mkdir "$BATS_TEST_TMPDIR/data"
	echo before >"$BATS_TEST_TMPDIR/data/file"
	chown -R 1000:1000 "$BATS_TEST_TMPDIR/data"
	chmod a+x "$BATS_TEST_TMPDIR"
	ok in_box -v "$BATS_TEST_TMPDIR/data:/data" -- sh -c 'cat /data/file; id -u; stat -c %u:%g /data/file; echo after >/data/new'
	shows $'before\n0\n0:0'
	[ "$(stat -c %u:%g "$BATS_TEST_TMPDIR/data/new")" = 1000:1000 ]
	[ "$(cat "$BATS_TEST_TMPDIR/data/new")" = after ]
}

@test "-v ...:ro: cannot be written, not even by remounting" {
	mkdir "$BATS_TEST_TMPDIR/data"
	chmod 777 "$BATS_TEST_TMPDIR/data"
	exits 1 in_box -v "$BATS_TEST_TMPDIR/data:/data:ro" -- touch /data/x
	in_box --cap-add all --security-opt seccomp=unconfined -v "$BATS_TEST_TMPDIR/data:/data:ro" -- \
		sh -c 'mount -o remount,rw,bind /data; mount -o remount,rw /data; touch /data/x' || true
	[ ! -e "$BATS_TEST_TMPDIR/data/x" ]
}

@test "-v: one file" {
	echo content >"$BATS_TEST_TMPDIR/file"
	ok in_box -v "$BATS_TEST_TMPDIR/file:/etc/deep/er/file:ro" -- cat /etc/deep/er/file
	shows content
}

@test "-v: root's directory is not handed over unless asked for" {
	mkdir -m 755 "$BATS_TEST_TMPDIR/data"
	exits 1 in_box -v "$BATS_TEST_TMPDIR/data:/data" -- touch /data/x
	ok in_box -v "$BATS_TEST_TMPDIR/data:/data:idmap" -- sh -c 'touch /data/x; chmod 4755 /data/x; stat -c %u /data/x'
	shows 0
}

@test "--mount: bind and tmpfs by name" {
	echo content >"$BATS_TEST_TMPDIR/file"
	ok in_box --mount "type=bind,source=$BATS_TEST_TMPDIR/file,destination=/srv/file,readonly" \
		--mount type=tmpfs,target=/mnt/t,tmpfs-size=64k,tmpfs-mode=750 -- \
		sh -c 'cat /srv/file; stat -c %a /mnt/t; df -k /mnt/t | tail -n 1'
	contains content
	contains 750
	contains ' 64 '
}

@test "every container has its own /proc, /sys, /dev, shm and mqueue" {
	ok in_box -- mount
	for line in 'on /proc type proc' 'on /sys type sysfs (ro' 'on /dev type tmpfs' 'on /dev/pts type devpts' \
		'on /dev/shm type tmpfs' 'on /dev/mqueue type mqueue'; do
		contains "$line"
	done
	ok in_box -- sh -c 'ls /dev'
	for name in null zero full random urandom tty ptmx pts shm fd stdin stdout stderr; do contains $name; done
	lacks sda
	lacks vda
}

@test "its processes are the only ones" {
	ok in_box -- sh -c 'echo $$; ls /proc | grep -c "^[0-9]"'
	[[ $output == 1$'\n'[1-3] ]] || fail
}

@test "--shm-size: the size of /dev/shm" {
	ok in_box --shm-size 2m -- df -k /dev/shm
	contains ' 2048 '
	ok in_box -- df -k /dev/shm
	contains ' 65536 '
}

# ---- devices ----

@test "--device: the device works under its new name" {
	ok in_box --device /dev/zero:/dev/null2 -- sh -c 'head -c 3 /dev/null2 | wc -c; stat -c %t:%T /dev/null2'
	shows $'3\n1:5'
}

@test "--device: without w it cannot be written" {
	[ -c /dev/fuse ] || skip "no /dev/fuse"
	ok in_box --device /dev/fuse:/dev/f:rw -- sh -c 'exec 3<>/dev/f'
	ok in_box --device /dev/fuse:/dev/f:r -- sh -c 'exec 3</dev/f'
	exits 1 in_box --device /dev/fuse:/dev/f:r -- sh -c 'exec 3>/dev/f'
	exits 1 in_box -- sh -c 'exec 3</dev/fuse'
}

@test "the standard devices work, and no other can be made" {
	ok in_box -- sh -c 'echo x >/dev/null; head -c 4 /dev/urandom | wc -c; head -c 2 /dev/zero | wc -c'
	shows $'4\n2'
	exits 1 in_box --cap-add mknod -- mknod /tmp/disk b 8 0
}

# ---- capabilities and security ----

@test "capabilities: all five sets are exact by default" {
	ok in_box -- grep '^Cap' /proc/self/status
	shows "$(printf 'CapInh:\t%s\nCapPrm:\t%s\nCapEff:\t%s\nCapBnd:\t%s\nCapAmb:\t%s' 0000000000000000 \
		00000000800405fb 00000000800405fb 00000000800405fb 0000000000000000)"
}

@test "--cap-drop, --cap-add" {
	[ "$(status_field CapBnd --cap-drop all)" = 0000000000000000 ]
	[ "$(status_field CapEff --cap-drop all)" = 0000000000000000 ]
	[ "$(status_field CapEff --cap-drop all --cap-add chown)" = 0000000000000001 ]
	[ "$(status_field CapBnd --cap-drop CAP_CHOWN)" = 00000000800405fa ]
	[ "$(status_field CapEff --cap-add SYS_ADMIN)" = 00000000802405fb ]
	[ "$(status_field CapBnd --cap-add all)" = "$(awk '/^CapBnd/ { print $2 }' /proc/self/status)" ] ||
		[ "$(status_field CapBnd --cap-add all)" = "$(printf %016x $(((2 << $(cat /proc/sys/kernel/cap_last_cap)) - 1)))" ]
}

@test "--security-opt no-new-privileges" {
	[ "$(status_field NoNewPrivs --security-opt no-new-privileges)" = 1 ]
	[ "$(status_field NoNewPrivs)" = 0 ]
}

@test "--security-opt seccomp: the default, none, and a file" {
	[ "$(status_field Seccomp)" = 2 ]
	[ "$(status_field Seccomp --security-opt seccomp=unconfined)" = 0 ]
	cat >"$BATS_TEST_TMPDIR/profile.json" <<-'JSON'
		{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
			{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errno": "EOWNERDEAD"}]}
	JSON
	exits 1 in_box --security-opt "seccomp=$BATS_TEST_TMPDIR/profile.json" -- mkdir /tmp/x
	[[ $stderr == *'Owner died'* ]] || fail
}

@test "the default filter refuses what reaches the kernel's corners" {
	static_program "$E2E_DIR/corners.c" "$E2E_ROOT/bin/corners"
	ok in_box --cap-add all --cap-drop sys_admin --cap-drop bpf --cap-drop perfmon -- corners
	shows ''
	ok in_box --security-opt seccomp=unconfined -- corners
	contains request_key
	exits 1 in_box -- mount -t tmpfs none /mnt
}

@test "what the host keeps to itself is covered" {
	ok in_box -- sh -c 'cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; ls -A /sys/firmware /proc/scsi /proc/acpi 2>/dev/null | grep -v :'
	[ -z "$output" ] || fail
}

@test "sysctls cannot be written" {
	exits 1 in_box -- sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	exits 1 in_box -- sh -c 'echo b >/proc/sysrq-trigger'
}

# ---- namespaces ----

@test "--userns private: root inside is nobody outside" {
	ok in_box -- cat /proc/self/uid_map
	read -r inside outside size <<<"$output"
	[ "$inside" -eq 0 ]
	[ "$outside" -ge 65536 ]
	[ "$size" -ge 65536 ]
}

@test "--userns private: two containers have different ids" {
	ok insula run -d "$E2E_IMAGE" sleep 60
	ok insula exec "$output" awk '{ print $2 }' /proc/self/uid_map
	first=$output
	ok in_box -- awk '{ print $2 }' /proc/self/uid_map
	[ "$output" != "$first" ] || fail
}

@test "--userns host: ids are the host's" {
	ok in_box --userns host -- awk '{ print $1, $2, $3 }' /proc/self/uid_map
	shows '0 0 4294967295'
}

@test "each namespace is its own" {
	for kind in user mnt pid net uts ipc cgroup; do
		ok in_box -- readlink "/proc/self/ns/$kind"
		[ "$output" != "$(readlink "/proc/self/ns/$kind")" ] || fail "$kind is the host's"
	done
}

@test "--network none: a loopback that is up, and nothing else" {
	ok in_box -- sh -c 'ls /sys/class/net; ip link show lo | grep -c ",UP"; ip addr show lo | grep -c 127.0.0.1/8'
	shows $'lo\n1\n1'
}

@test "--network host: the host's interfaces" {
	ok in_box --network host -- sh -c 'tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " " | sort'
	shows "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort)"
}

# ---- limits ----

@test "--cpus: a quota, and as many CPUs" {
	ok in_box --cpus 1 -- nproc
	shows 1
	ok insula run -d --name half --cpus 0.5 "$E2E_IMAGE" sleep 60
	[ "$(group_value half cpu.max cpu/cpu.cfs_quota_us cpu,cpuacct/cpu.cfs_quota_us | cut -d' ' -f1)" = 50000 ]
}

@test "--cpuset-cpus: exactly these" {
	ok in_box --cpuset-cpus 0 -- awk '/^Cpus_allowed_list/ { print $2 }' /proc/self/status
	shows 0
}

@test "-m: the limit is in the group, and holds" {
	ok insula run -d --name small -m 64m "$E2E_IMAGE" sleep 60
	[ "$(group_value small memory.max memory/memory.limit_in_bytes)" = 67108864 ]
	# tail keeps what it reads in memory
	exits 137 in_box -m 32m --memory-swap 32m -- sh -c 'tail -c 200m /dev/zero; exit $?'
}

@test "--memory-swap: memory and swap together" {
	ok insula run -d --name swapping -m 64m --memory-swap 96m "$E2E_IMAGE" sleep 60
	local v1
	v1=$(group_value swapping memory/memory.memsw.limit_in_bytes) && [ "$v1" = 100663296 ] ||
		[ "$(group_value swapping memory.swap.max)" = 33554432 ]
}

@test "--pids-limit: no more than that" {
	ok insula run -d --name few --pids-limit 20 "$E2E_IMAGE" sleep 60
	[ "$(group_value few pids.max pids/pids.max)" = 20 ]
	run insula exec few sh -c 'for i in $(seq 40); do sleep 600 & done'
	[[ $output == *"can't fork"* ]] || fail
	[ "$(group_value few pids.current pids/pids.current)" -le 20 ]
}

@test "without --pids-limit there is one all the same" {
	ok insula run -d --name usual "$E2E_IMAGE" sleep 60
	[ "$(group_value usual pids.max pids/pids.max)" = 2048 ]
}

@test "--ulimit: soft and hard" {
	ok in_box --ulimit nofile=100:200 --ulimit core=0 -- sh -c 'ulimit -n; ulimit -Hn; ulimit -c'
	shows $'100\n200\n0'
}

@test "--ulimit nofile: smaller than what a start and an exec need themselves" {
	ok insula run -d --name few --ulimit nofile=5:6 "$E2E_IMAGE" sleep 60
	[ "$(insula exec few sh -c 'ulimit -n; ulimit -Hn')" = $'5\n6' ] || fail
	ok insula exec --detach few true
	local flags
	for flags in '' --init --security-opt=no-new-privileges '--network=container:few --ipc=container:few --pid=container:few'; do
		# shellcheck disable=SC2086  # words, or none
		ok in_box $flags --ulimit nofile=4 -- sh -c 'ulimit -n; ulimit -Hn' </dev/null
		shows $'4\n4'
	done
}

@test "--ulimit beyond this host: clamped with a warning, refused with --strict" {
	[ "$(ulimit -Hn)" != unlimited ] || skip "no limit here"
	capsh --has-p=cap_sys_resource 2>/dev/null && skip "limits can be raised here"
	local above=$(($(ulimit -Hn) + 1))
	ok in_box --ulimit "nofile=$above" -- sh -c 'ulimit -Hn'
	shows "$(ulimit -Hn)"
	[[ $stderr == *nofile* || $stderr == *NOFILE* ]] || fail "no warning"
	refused 125 NOFILE in_box --strict --ulimit "nofile=$above" -- true
}

@test "--sysctl: set inside and not outside" {
	local before
	before=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
	ok in_box --sysctl net.ipv4.ip_unprivileged_port_start=77 --sysctl kernel.shmmax=1234567 -- \
		cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmax
	shows $'77\n1234567'
	[ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" = "$before" ]
}

# ---- --init, --strict, --dry-run ----

@test "--init: a small init reaps what is orphaned and passes signals" {
	ok in_box --init -- sh -c '[ $$ -ne 1 ] && sh -c "sleep 0.1 & exit" && sleep 0.5 && ps -o pid,stat | grep -c Z || echo none'
	[[ $output == 0$'\n'none || $output == none ]] || fail
	exits 7 in_box --init -- sh -c 'exit 7'
	ok insula run -d --name init --init "$E2E_IMAGE" sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done'
	eventually 5 said init ready
	ok insula stop -t 5 init
	[ "$(field init exit_code)" = 5 ]
}

@test "--dry-run: the plan is printed and nothing is made" {
	local before
	before=$(state)
	ok insula run --dry-run --read-only -m 64m "$E2E_IMAGE" true
	contains clone
	contains pivot
	[ "$(state)" = "$before" ]
}

@test "--dry-run: refuses what run refuses" {
	refused 125 sysctl insula run --dry-run --sysctl kernel.panic=1 "$E2E_IMAGE" true
}

# ---- flags in general ----

@test "flags after the image belong to the command" {
	ok in_box -- echo --rm -e X
	shows '--rm -e X'
}

@test "bundled short flags, --flag=value and --flag value are the same" {
	[ "$(echo x | insula run --rm -ie A=1 "$E2E_IMAGE" sh -c 'cat; echo $A')" = $'x\n1' ]
	ok in_box --hostname=a -- hostname
	shows a
	ok in_box --rm=true --hostname a -- hostname
	shows a
}

@test "--help shows every flag, and nothing is made" {
	ok insula run --help
	for flag in --interactive --tty --detach --rm --name --hostname --env --workdir --user --entrypoint --label \
		--read-only --tmpfs --volume --mount --device --cap-add --cap-drop --security-opt --userns --network --cpus \
		--cpuset-cpus --memory --memory-swap --pids-limit --ulimit --sysctl --shm-size --stop-signal --stop-timeout \
		--init --strict --dry-run; do
		contains "$flag"
	done
	[ -z "$(known_ids)" ]
}
