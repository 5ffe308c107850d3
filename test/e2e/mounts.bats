#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The mounts of a bundle: every option as it shows in /proc/self/mountinfo of the container,
# propagation in both directions, owners, devices, covers, and what a hostile root file system tries.
# Whatever is mounted outside is mounted in a mount namespace of the test's own.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

setup_file() {
	file_setup
	static_program "$E2E_DIR/swap.c" "$BATS_FILE_TMPDIR/swap"
}
teardown_file() { file_teardown; }

setup() {
	e2e_setup
	B=$BATS_TEST_TMPDIR/bundle
	S=$BATS_TEST_TMPDIR/source
	mkdir "$B" "$S"
	cp -a "$E2E_ROOT" "$B/rootfs"
	# Every capability, no filter: what holds, holds against that.
	insula-runtime spec | jq '.process.terminal = false | .root.readonly = false
		| .process.noNewPrivileges = false
		| ["CAP_SYS_ADMIN","CAP_MKNOD","CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_SYS_CHROOT",
		   "CAP_SETUID","CAP_SETGID","CAP_FOWNER","CAP_KILL"] as $all
		| .process.capabilities = {bounding: $all, effective: $all, permitted: $all}
		| .process.env = ["PATH=/bin:/sbin:/usr/bin"]
		| del(.linux.resources)' >"$B/config.json"
}

teardown() { e2e_teardown; }

insula-runtime() {
	"$INSULA_BIN/insula-runtime" --root "$E2E_STATE/oci" --runroot "$INSULA_RUNROOT" \
		--log-level warning "$@"
}

# change FILTER [ARGUMENT...]: the configuration, by jq.
change() {
	jq "$@" <"$B/config.json" >"$B/new.json" && mv "$B/new.json" "$B/config.json"
}

# mount_on DESTINATION TYPE SOURCE OPTION...: one more entry. A source of - is none.
mount_on() {
	local options
	options=$(printf '%s\n' "${@:4}" | jq -R . | jq -s 'map(select(. != ""))')
	change '.mounts += [{destination: $d, type: $t, source: $s, options: $o}
		| if .source == "-" then del(.source) else . end]' \
		--arg d "$1" --arg t "$2" --arg s "$3" --argjson o "$options"
}

userns() {
	change '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]'
}

# box COMMAND...: the bundle runs it. Flags of `run` in $FLAGS.
box() {
	change '.process.args = $ARGS.positional' --args -- "$@"
	# shellcheck disable=SC2086  # FLAGS are words
	insula-runtime run ${FLAGS:-} --bundle "$B" "box$BASHPID"
}

# boxed TEXT...: a shell script, with the name of mountinfo's fields at hand.
script() {
	box sh -c "
	# line PATH: its line of mountinfo, without the numbers
	line() { awk -v p=\"\$1\" '\$5 == p {l = \$0} END {print l}' /proc/self/mountinfo; }
	# flags PATH: attributes of the mount; super PATH: of its file system
	flags() { line \"\$1\" | cut -d' ' -f6; }
	super() { line \"\$1\" | sed 's/.* - [^ ]* [^ ]* //; s/,inode64//'; }
	# tags PATH: shared, master, unbindable
	tags() { line \"\$1\" | sed 's/ - .*//' | cut -d' ' -f7- | sed 's/:[0-9]*//g'; }
	$1"
}

# apart SCRIPT: in a mount namespace of its own that nothing leaves, with these functions.
apart() {
	export -f insula-runtime change mount_on box script userns fail
	export E2E_STATE B S FLAGS=${FLAGS:-}
	mkdir -p "$E2E_STATE/apart"
	# shellcheck disable=SC2016  # expanded by that shell
	INSULA_RUNROOT=$E2E_STATE/apart \
		unshare --mount --propagation private \
		bash -euc 'mount -t tmpfs run "$INSULA_RUNROOT"; '"$1"
}

# ---- options ----

@test "each option of a new file system is in force" {
	local o
	for o in ro nosuid nodev noexec nosymfollow nodiratime noatime relatime; do
		mount_on "/m-$o" tmpfs tmpfs "$o"
	done
	mount_on /m-strictatime tmpfs tmpfs strictatime
	mount_on /m-all tmpfs tmpfs ro nosuid nodev noexec noatime
	mount_on /m-last tmpfs tmpfs ro nosuid rw suid
	for o in sync dirsync lazytime; do mount_on "/s-$o" tmpfs tmpfs "$o"; done
	mount_on /s-none tmpfs tmpfs sync async dirsync lazytime nolazytime loud silent iversion noiversion
	ok script '
	for o in ro nosuid nodev noexec nosymfollow nodiratime noatime relatime; do
		case ,$(flags /m-$o), in *,$o,*) ;; *) echo "$o: $(flags /m-$o)" ;; esac
	done
	flags /m-strictatime; flags /m-all; flags /m-last
	for o in sync dirsync lazytime; do super /s-$o; done
	super /s-none'
	shows 'rw
ro,nosuid,nodev,noexec,noatime
rw,relatime
rw,sync
rw,dirsync
rw,lazytime
rw,dirsync'
}

@test "each option of a bind is in force, and what is not named stays" {
	local o
	cat >"$BATS_TEST_TMPDIR/apart" <<-'END'
	mount -t tmpfs -o nosuid,nodev,noatime source "$S"
	for o in ro nosuid nodev noexec nosymfollow nodiratime noatime; do
		mount_on "/m-$o" bind "$S" bind "$o"
	done
	mount_on /m-none bind "$S" bind
	mount_on /m-clear none "$S" bind suid dev exec
	mount_on /m-strictatime none "$S" rbind strictatime
	mount_on /m-relatime none "$S" rbind relatime ro
	script '
	for o in ro nosuid nodev noexec nosymfollow nodiratime noatime; do
		case ,$(flags /m-$o), in *,$o,*) ;; *) echo "$o: $(flags /m-$o)" ;; esac
	done
	for m in none clear strictatime relatime; do flags /m-$m; done'
	END
	ok apart "$(cat "$BATS_TEST_TMPDIR/apart")"
	shows 'rw,nosuid,nodev,noatime
rw,noatime
rw,nosuid,nodev
ro,nosuid,nodev,relatime'
}

@test "recursive options reach the mounts below, the others do not" {
	ok apart '
	mount -t tmpfs source "$S"
	mkdir "$S/below" && mount -t tmpfs source "$S/below"
	for o in ro nosuid nodev noexec nosymfollow nodiratime noatime; do
		mount_on "/r-$o" bind "$S" rbind "r$o"
		mount_on "/o-$o" bind "$S" rbind "$o"
	done
	mount_on /r-strictatime bind "$S" rbind rstrictatime
	mount_on /r-norelatime bind "$S" rbind rnorelatime
	script "
	for o in ro nosuid nodev noexec nosymfollow nodiratime noatime; do
		for m in /r-\$o /r-\$o/below /o-\$o; do
			case ,\$(flags \$m), in *,\$o,*) ;; *) echo \$m: \$(flags \$m) ;; esac
		done
		flags /o-\$o/below
	done
	for o in strictatime norelatime; do flags /r-\$o; flags /r-\$o/below; done" | sort | uniq -c | sed "s/^ *//"'
	shows '4 rw
7 rw,relatime'
}

@test "recursive options that take away" {
	ok apart '
	mount -t tmpfs -o ro,nosuid,nodev,noexec,nosymfollow,noatime source "$S"
	mount -o remount,rw "$S"
	mkdir "$S/below" && mount -t tmpfs -o ro,nosuid,nodev,noexec,nosymfollow,noatime source "$S/below"
	mount_on /m bind "$S" rbind rrw rsuid rdev rexec rsymfollow ratime
	mount_on /n bind "$S" rbind rrw rdiratime rrelatime
	mount_on /k bind "$S" rbind rnostrictatime
	script "for m in /m /m/below /n /n/below /k; do flags \$m; done"'
	shows 'rw,relatime
rw,relatime
rw,nosuid,nodev,noexec,relatime,nosymfollow
rw,nosuid,nodev,noexec,relatime,nosymfollow
rw,nosuid,nodev,noexec,relatime,nosymfollow'
}

@test "every spelling of a bind" {
	touch "$S/file"
	mkdir "$S/below"
	mount_on /a bind "$S" bind
	mount_on /b none "$S" rbind
	mount_on /c "" "$S" bind
	mount_on /d bind "$S"
	mount_on /e rbind "$S"
	mount_on /f tmpfs "$S" bind
	change '.mounts += [{destination: "/g", source: $s, options: ["rbind"]}]' --arg s "$S"
	mount_on /h bind ../source bind
	ok script 'ls /a /b /c /d /e /f /g /h | grep -c file'
	shows 8
}

@test "a destination that is relative is below the root, with a warning" {
	mount_on data/deep bind "$S" bind
	touch "$S/file"
	ok box ls /data/deep
	shows file
	[[ $stderr == *"'data/deep' is not absolute, and is taken as '/data/deep'"* ]] || fail "no warning"
}

@test "files, sockets, FIFOs and devices are bound as what they are" {
	echo text >"$S/file"
	mkfifo "$S/fifo"
	mknod "$S/device" c 1 5
	python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$S/socket"
	for kind in file fifo device socket; do mount_on "/at/$kind" bind "$S/$kind" bind; done
	mount_on /etc/passwd bind "$S/file" bind ro
	ok script 'stat -c %F /at/*; cat /etc/passwd; head -c 3 /at/device | od -An -tx1; ! echo x >/etc/passwd'
	contains 'character special file
fifo
regular file
socket
text
 00 00 00'
	[[ $stderr == *"Read-only file system"* ]] || fail "written"
}

@test "a source that does not match its place is an error that says so" {
	touch "$S/file"
	mount_on /etc bind "$S/file" bind
	exits 125 box true || [ "$status" -eq 1 ]
	[[ $stderr == *"mount on '/etc': there is a directory, and the source is none"* ]] || fail "message"
	change 'del(.mounts[-1])'
	mount_on /etc/passwd bind "$S" bind
	run --separate-stderr box true
	[[ $stderr == *"mount on '/etc/passwd': there is something that is not a directory"* ]] || fail "message"
	change 'del(.mounts[-1])'
	mount_on /etc/passwd bind "$S/missing" bind
	run --separate-stderr box true
	[[ $stderr == *"source of the mount on '/etc/passwd': cannot open '$S/missing': no such file or directory"* ]] || fail "message"
}

@test "links of an ordinary image: /var/run, and a link to a file that is not there" {
	rmdir "$B/rootfs/var/run" 2>/dev/null || true
	ln -s /run "$B/rootfs/var/run"
	ln -s ../run/systemd/resolve/stub-resolv.conf "$B/rootfs/etc/resolv.conf"
	ln -s ../proc/self/mounts "$B/rootfs/etc/mtab"
	echo nameserver >"$S/resolv"
	mount_on /var/run/service bind "$S" bind
	mount_on /etc/resolv.conf bind "$S/resolv" bind
	ok script 'ls /run/service; cat /etc/resolv.conf /run/systemd/resolve/stub-resolv.conf; grep -c / /etc/mtab'
	[ "${output%$'\n'*}" = 'resolv
nameserver
nameserver' ] || fail "links"
}

@test "remount: attributes of a bind, and the file system of a tmpfs" {
	mount_on /t tmpfs tmpfs size=64k
	mount_on /t none - remount size=128k nosuid
	mount_on /b bind "$S" bind
	mount_on /b none - remount bind ro noexec
	mount_on /fresh bind "$S" bind remount ro
	ok script 'super /t; flags /t; flags /b; flags /fresh'
	shows 'rw,size=128k
rw,nosuid,relatime
ro,noexec,relatime
ro,relatime'
	mount_on /b none - remount sync
	run --separate-stderr box true
	[[ $stderr == *"would change the host's own mount"* ]] || fail "message"
}

@test "tmpfs: mode of the directory below it, ids of the container, and what is asked for" {
	mkdir -m 1775 "$B/rootfs/sticky"
	mount_on /sticky tmpfs tmpfs
	mount_on /new tmpfs tmpfs
	mount_on /owned tmpfs tmpfs uid=1000 gid=2000 mode=700 size=1m
	for mode in host private; do
		[ $mode = host ] || userns
		rm -rf "$B/rootfs/new"
		ok script 'stat -c "%a %u %g" /sticky /new /owned'
		shows '1775 0 0
1777 0 0
700 1000 2000'
	done
	change '.linux.uidMappings[0].size = 1000'
	run --separate-stderr box true
	[[ $stderr == *"mount on '/owned': option 'uid=1000': the container's user namespace has no uid 1000"* ]] || fail "message"
}

@test "a tmpfs that is read-only has in it what was to be mounted there" {
	mount_on /ro tmpfs tmpfs ro
	mount_on /ro/inside bind "$S" bind
	mount_on /ro/tmp tmpfs tmpfs
	change '.process.cwd = "/ro/cwd" | (.mounts[] | select(.destination == "/dev") | .options) += ["ro"]'
	touch "$S/file"
	ok script 'ls /ro /ro/inside; pwd; touch /ro/tmp/x; touch /ro/x; touch /dev/x; echo >/dev/null; flags /dev'
	contains 'cwd
inside
tmp'
	[ "$(grep -c 'Read-only file system' <<<"$stderr")" -eq 2 ] || fail "written"
}

@test "tmpcopyup: the image's directory, with owners, modes, links and nothing of the mounts in it" {
	mkdir -p "$B/rootfs/data/sub/deep" "$B/rootfs/data/volume"
	echo text >"$B/rootfs/data/sub/deep/file"
	chmod 4750 "$B/rootfs/data/sub/deep/file"
	chown 1000:2000 "$B/rootfs/data/sub/deep/file"
	chmod 4750 "$B/rootfs/data/sub/deep/file"
	ln -s /etc/passwd "$B/rootfs/data/link"
	ln -s "$S" "$B/rootfs/data/outside"
	mkfifo "$B/rootfs/data/fifo"
	mknod "$B/rootfs/data/null" c 1 3
	echo secret >"$S/file"
	mount_on /data/volume bind "$S" bind
	mount_on /data tmpfs tmpfs tmpcopyup size=1m
	ok script 'cd /data; find . -print | sort; stat -c "%a %u %g %F" sub/deep/file fifo null; cat sub/deep/file; readlink link; readlink outside'
	shows ".
./fifo
./link
./null
./outside
./sub
./sub/deep
./sub/deep/file
./volume
4750 1000 2000 regular file
644 0 0 fifo
644 0 0 character special file
text
/etc/passwd
$S"
	[ "$(cat "$S/file")" = secret ] || fail "source changed"
	dd if=/dev/zero of="$B/rootfs/data/big" bs=1M count=2 status=none
	run --separate-stderr box true
	[[ $stderr == *"tmpcopyup: "*"'big'"*"no space left on device"* ]] || fail "message"
}

@test "copy-symlink, src-nofollow, dest-nofollow" {
	echo one >"$S/one"
	ln -s one "$S/link"
	ln -s /etc/group "$B/rootfs/etc/linked"
	mount_on /copied bind "$S/link" bind copy-symlink
	mount_on /plain bind "$S/one" bind copy-symlink
	mount_on /mounted bind "$S/link" bind src-nofollow
	mount_on /etc/linked bind "$S/one" bind dest-nofollow
	ok script 'readlink /copied; cat /plain; readlink /mounted; cat /etc/linked; head -1 /etc/group'
	shows 'one
one
one
one
root:x:0:'
	ln -sfn other "$B/rootfs/copied"
	run --separate-stderr box true
	[[ $stderr == *"mount on '/copied': there is something else than a link to 'one'"* ]] || fail "message"
}

@test "a file system of the host's paths: an overlay" {
	mkdir -p "$S"/{a,b,upper,work}
	echo a >"$S/a/file-a"
	echo b >"$S/b/file-b"
	mount_on /o overlay overlay "lowerdir=$S/a:$S/b" "upperdir=$S/upper" "workdir=$S/work"
	ok script 'ls /o; echo new >/o/new'
	shows 'file-a
file-b'
	[ "$(cat "$S/upper/new")" = new ] || fail "not in the upper directory"
}

@test "an option that a file system does not know names the mount and the option" {
	mount_on /t tmpfs tmpfs 'size=1m,mode=0' 
	run --separate-stderr box true
	[ "$status" -ne 0 ] || fail "accepted"
	[[ $stderr == *"mount on '/t': option 'size=1m,mode=0'"* ]] || fail "message"
}
