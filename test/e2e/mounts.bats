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
	static_program "$E2E_DIR/uncover.c" "$BATS_FILE_TMPDIR/uncover"
}

setup() {
	e2e_setup
	B=$BATS_TEST_TMPDIR/bundle
	S=$BATS_TEST_TMPDIR/source
	mkdir "$B" "$S"
	cp -a "$E2E_ROOT" "$B/rootfs"
	mkdir "$B/rootfs/copy" "$B/rootfs/m"
	# Every capability, no filter: what holds, holds against that.
	insula-runtime spec --output - | jq '.process.terminal = false | .root.readonly = false
		| .process.noNewPrivileges = false
		| ["CAP_SYS_ADMIN","CAP_MKNOD","CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_SYS_CHROOT",
		   "CAP_SETUID","CAP_SETGID","CAP_FOWNER","CAP_KILL"] as $all
		| .process.capabilities = {bounding: $all, effective: $all, permitted: $all}
		| .process.env = ["PATH=/bin:/sbin:/usr/bin"]
		| del(.linux.resources)' >"$B/config.json"
}

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

# bounded FLAG... ID: it is run as it stands, and ends within 20 seconds.
bounded() {
	timeout 20 "$INSULA_BIN/insula-runtime" --root "$E2E_STATE/oci" --runroot "$INSULA_RUNROOT" \
		run --bundle "$B" "$@"
}

# script TEXT: a shell script, with the name of mountinfo's fields at hand.
script() {
	box sh -c "
	# line PATH: its line of mountinfo, without the numbers
	line() { awk -v p=\"\$1\" '\$5 == p {l = \$0} END {print l}' /proc/self/mountinfo; }
	# flags PATH: attributes of the mount; super PATH: of its file system
	flags() { line \"\$1\" | cut -d' ' -f6; }
	super() { line \"\$1\" | sed 's/.* - [^ ]* [^ ]* //; s/,inode64//'; }
	# await FILE: until the other side has made it
	await() { i=0; until [ -e \"\$1\" ] || [ \$i -gt 500 ]; do i=\$((i + 1)); sleep 0.02; done; }
	# access PATH: the flags but for access times, which are those of whatever disk the test is on
	access() { flags \"\$1\" | sed 's/,[a-z]*atime//'; }
	# tags PATH: shared, master, unbindable
	tags() { line \"\$1\" | sed 's/ - .*//' | cut -d' ' -f7- | sed 's/:[0-9]*//g'; }
	$1"
}

# await FILE: until the other side has made it; 10 seconds.
await() {
	local end=$((SECONDS + 10))
	until [ -e "$1" ] || [ $SECONDS -ge $end ]; do sleep 0.02; done
}

# apart SCRIPT: in a mount namespace of its own that nothing leaves, with these functions.
apart() {
	export -f insula-runtime change mount_on box script userns fail await mounted
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

@test "options of a file system mean nothing to a bind, and it is said" {
	change '.mounts += [{destination: "/m", source: $s, options: ["bind", "mode=700", "size=1k", "ro"]}]' --arg s "$S"
	chmod 751 "$S"
	ok script 'stat -c %a /m; touch /m/x 2>&1; true'
	shows $'751\ntouch: /m/x: Read-only file system'
	[[ $stderr == *"mount on '/m': 'mode=700' is not an option of a bind mount, and has no effect"* ]] || fail
	[[ $stderr == *"'size=1k' is not an option of a bind mount"* ]] || fail
	exits 125 insula-runtime run --strict --bundle "$B" box
	[[ $stderr == *"mounts[7] '/m': 'mode=700' is not an option of a bind mount"* ]] || fail
}

# In the order of the configuration, and what lies on top comes last: programs believe so.
@test "mountinfo lists mounts in the order in which they were asked for" {
	local file=$BATS_TEST_TMPDIR/file
	touch "$file"
	mkdir "$S/below"
	mount_on /m ramfs ramfs
	mount_on /m - "$S" rbind
	mount_on /t1 tmpfs tmpfs
	mount_on /b1 - "$S" bind shared
	mount_on /t2 tmpfs tmpfs
	mount_on /b2 - "$file" bind ro
	mount_on /b3 - "$S" rbind runbindable
	mount_on /t3 tmpfs tmpfs
	local order='/m /m/below /t1 /b1 /t2 /b2 /b3 /b3/below /t3'
	cat >"$E2E_STATE/look" <<-'LOOK'
		awk '$5 ~ "^/[mtb][0-9]*(/below)?$" {print $5}' /proc/self/mountinfo | uniq | paste -sd" "
		line /m | sed "s/.* - //; s/ .*//"; tags /b3; tags /b3/below
	LOOK
	ok apart 'mount -t tmpfs source "$S" && mkdir "$S/below" && mount -t ramfs below "$S/below"
		script "$(cat "$E2E_STATE/look")"'
	[ "${lines[0]}" = "$order" ] || fail
	[ "$(printf '%s\n' "${lines[@]:1}")" = $'tmpfs\nunbindable\nunbindable' ] || fail
}

# A copy that is put aside must not take along what is mounted below its peer on the host.
@test "rshared: what the host has mounted below a source is there when the container has gone" {
	mount_on /data - "$S" rbind rshared
	ok apart 'mount -t tmpfs source "$S" && mount --make-rshared "$S"
		mkdir "$S/below" && mount -t tmpfs below "$S/below" && touch "$S/below/file"
		script "ls /data/below"; ls "$S/below"'
	shows $'file\nfile'
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
	ok script 'super /t; flags /t; access /b; access /fresh'
	shows 'rw,size=128k
rw,nosuid,relatime
ro,noexec
ro'
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

# ---- propagation ----

# two_ways OPTION...: a tree that the (private) host shares is bound on /data with these options; what each
# side sees of a mount that the other makes while the container runs, and what the mount's tags are.
two_ways() {
	export OPTIONS=$*
	# shellcheck disable=SC2016  # expanded by those shells
	apart '
	mount -t tmpfs source "$S"
	mount --make-rshared "$S"
	mkdir "$S/below" "$S/late" "$S/inner" "$S/below/late" "$S/below/inner"
	mount -t tmpfs source "$S/below"
	mkdir "$S/below/late" "$S/below/inner"
	mount_on /data bind "$S" $OPTIONS
	outside() {
		await "$S/ready"
		mount -t tmpfs late "$S/late" && touch "$S/late/file"
		mount -t tmpfs late "$S/below/late" && touch "$S/below/late/file"
		touch "$S/go"
		await "$S/made"
		for f in inner below/inner; do [ ! -e "$S/$f/file" ] || echo "outside: $f"; done >"$S/outside"
		touch "$S/seen"
	}
	outside &
	script "
	tags /data; tags /data/below; tags /
	touch /data/ready
	await /data/go
	for f in late below/late; do [ ! -e /data/\$f/file ] || echo inside: \$f; done
	mount -t tmpfs inner /data/inner && touch /data/inner/file
	[ ! -d /data/below/inner ] || { mount -t tmpfs inner /data/below/inner && touch /data/below/inner/file; }
	mount --rbind /data /copy && mount -t tmpfs x /data/late && touch /data/late/x
	[ ! -e /copy/late/x ] || echo copy: late
	touch /data/made
	await /data/seen"
	wait
	cat "$S/outside"
	! grep -q "$S/proc" /proc/self/mountinfo' | grep . || true
}

@test "rshared: mounts propagate to the host and from it" {
	ok two_ways rbind rshared
	shows 'shared
shared
inside: late
inside: below/late
copy: late
outside: inner
outside: below/inner'
}

@test "rslave: mounts propagate from the host, and not to it" {
	ok two_ways rbind rslave
	shows 'master
master
inside: late
inside: below/late'
}

@test "slave and shared, without what is below" {
	ok two_ways bind slave
	shows 'master
inside: late'
	ok two_ways bind shared
	shows 'shared
inside: late
copy: late
outside: inner'
}

@test "private, rprivate and nothing: mounts propagate neither way" {
	for o in private rprivate ''; do
		# shellcheck disable=SC2086  # words
		ok two_ways rbind $o
		shows ''
	done
}

@test "unbindable: cannot be bound inside" {
	mount_on /one bind "$S" rbind unbindable
	mount_on /all bind "$S" rbind runbindable
	ok script 'tags /one; tags /all; mount --bind /one /m 2>/dev/null; mount --bind /all /m 2>/dev/null; grep -c " /m " /proc/self/mountinfo || true'
	shows 'unbindable
unbindable
0'
}

@test "with a user namespace: rslave receives; rshared receives, shares inside, and what it cannot is said" {
	userns
	ok two_ways rbind rslave
	shows 'master
master
inside: late
inside: below/late'
	ok two_ways rbind rshared
	shows 'shared master
shared master
inside: late
inside: below/late
copy: late'
	[[ $stderr == *"mount on '/data': shared in one direction only"* ]] || fail "no warning"
	export FLAGS=--strict
	run --separate-stderr two_ways rbind rshared
	[[ $stderr == *"cannot reach the host"* ]] || fail "not refused"
}

@test "a source that the host does not share: a warning, and an error when strict" {
	ok apart 'mount -t tmpfs source "$S"; mount_on /data bind "$S" rbind rshared; script "tags /data"'
	shows shared
	[[ $stderr == *"the host's mount of '$S' is not shared, so mounts propagate neither way"* ]] || fail "no warning"
	FLAGS=--strict
	run --separate-stderr apart 'mount -t tmpfs source "$S"; script true'
	[[ $stderr == *"the host's mount of '$S' is not shared"* ]] || fail "not refused"
}

@test "what is mounted below a shared mount shows up on the host, and that is said" {
	ok apart '
	mount -t tmpfs source "$S" && mount --make-shared "$S"
	mkdir "$S/deep"
	mount_on /data bind "$S" rshared
	mount_on /data/deep tmpfs tmpfs
	script true
	grep -c "$S/deep" /proc/self/mountinfo'
	shows 1
	[[ $stderr == *"mount on '/data/deep': it is below '/data', which is shared with the host"* ]] || fail "no warning"
}

@test "what would cover something in a shared mount on the host, too, is refused" {
	mkdir "$S/deep"
	for list in maskedPaths readonlyPaths; do
		change '.linux.maskedPaths = [] | .linux.readonlyPaths = [] | .linux[$l] = ["/data/deep"]' --arg l $list
		run --separate-stderr apart '
		mount -t tmpfs source "$S" && mount --make-shared "$S"
		mkdir "$S/deep"
		mount_on /data bind "$S" rshared
		script true
		status=$?
		grep -c "$S/deep" /proc/self/mountinfo
		exit $status'
		[[ $stderr == *"'/data/deep'"*"it is in a mount that is shared with the host"* ]] || fail "message"
		change 'del(.mounts[-1])'
	done
	# With a user namespace it is possible, and stays inside.
	userns
	ok apart '
	mount -t tmpfs source "$S" && mount --make-shared "$S"
	mkdir "$S/deep" && touch "$S/deep/file"
	mount_on /data bind "$S" rshared
	mount_on /data/tmp tmpfs tmpfs
	script "tags /data; tags /data/deep; touch /data/deep/x 2>&1 || true"
	grep -c "$S/" /proc/self/mountinfo || true'
	shows 'shared master
shared
touch: /data/deep/x: Read-only file system
0'
}

# What is mounted, but for the launch pad and what is another test's, which comes and goes.
mounted() {
	awk '$5 !~ /\/pad$/ && ($5 !~ /^\/tmp\/insula-/ || index($5, ENVIRON["E2E_STATE"])) { print $5 }' /proc/self/mountinfo
}

@test "rootfsPropagation: shared is a group of the container's own" {
	for p in shared rshared; do
		change '.linux.rootfsPropagation = $p' --arg p $p
		ok apart '
		mount --make-rshared /
		before=$(mounted)
		script "
		echo root: \$(tags /), proc: \$(tags /proc)
		mount --bind / /copy; mount -t tmpfs t /m; touch /m/file; ls /copy/m"
		after=$(mounted)
		[ "$before" = "$after" ] || diff <(echo "$before") <(echo "$after")'
		if [ $p = shared ]; then
			shows $'root: shared, proc:\nfile'
		else
			shows $'root: shared, proc: shared\nfile'
		fi
	done
}

@test "rootfsPropagation: slave receives what the host mounts in the root" {
	change '.linux.rootfsPropagation = "rslave"'
	mkdir "$B/rootfs/mnt" "$B/rootfs/wait"
	for mode in host private; do
		[ $mode = host ] || userns
		rm -f "$B/rootfs/wait/"*
		ok apart '
		mount --bind "$B" "$B" && mount --make-rshared "$B"
		outside() {
			await "$B/rootfs/wait/ready"
			mount -t tmpfs late "$B/rootfs/mnt" && touch "$B/rootfs/mnt/late"
			touch "$B/rootfs/wait/go"
		}
		outside &
		chmod 777 "$B/rootfs/wait"
		script "
		tags /
		touch /wait/ready
		await /wait/go
		ls /mnt"
		wait'
		shows $'master\nlate'
	done
}

@test "rootfsPropagation: private and unbindable" {
	change '.linux.rootfsPropagation = "private"'
	ok script 'echo root: $(tags /); mount --bind / /copy && echo bound'
	shows $'root:\nbound'
	for mode in host private; do
		[ $mode = host ] || userns
		change '.linux.rootfsPropagation = "unbindable"'
		ok script 'tags /; mount --bind / /copy 2>&1 || true'
		shows $'unbindable\nmount: mounting / on /copy failed: Invalid argument'
	done
}

# ---- owners ----

# The source is on the disk: a tmpfs has idmapped mounts from Linux 6.3 on.
@test "idmap: a mount's own maps, seen inside and on disk" {
	local maps='{uidMappings: [{containerID: 0, hostID: 1000, size: 1}, {containerID: 500, hostID: 5000, size: 10}],
		gidMappings: [{containerID: 0, hostID: 2000, size: 1}, {containerID: 500, hostID: 6000, size: 10}]}'
	mount_on /data bind "$S" bind idmap
	change ".mounts[-1] += $maps"
	ok apart '
	chmod 777 "$S"
	touch "$S/root" "$S/five" "$S/other" && chown 500:500 "$S/five" && chown 77:77 "$S/other"
	change ".process.user = {uid: 5003, gid: 6003}"
	script "stat -c \"%n %u %g\" /data/*; touch /data/new"
	stat -c "%n %u %g" "$S/new"'
	shows "/data/five 5000 6000
/data/other 65534 65534
/data/root 1000 2000
$S/new 503 503"
}

@test "idmap: that of the user namespace, and crun's way to write maps" {
	userns
	mount_on /own bind "$S" bind idmap
	mount_on /crun bind "$S" bind 'idmap=uids=@0-7-1;gids=@0-8-1'
	mount_on /absolute bind "$S" bind 'idmap=uids=0-100009-1;gids=0-200010-1'
	mount_on /plain bind "$S" bind
	ok apart '
	touch "$S/file"
	script "stat -c \"%n %u %g\" /*/file; echo x >/own/new; stat -c \"%u\" /own/new"
	stat -c "%u %g" "$S/new"'
	shows '/absolute/file 9 10
/crun/file 7 8
/own/file 0 0
/plain/file 65534 65534
0
0 0'
}

@test "idmap is for one mount, ridmap for the tree" {
	userns
	mount_on /one bind "$S" rbind idmap
	mount_on /all bind "$S" rbind ridmap
	ok apart '
	mkdir "$S/below" "$S/other" && mount --bind "$S/other" "$S/below"
	touch "$S/file" "$S/below/file"
	script "stat -c \"%n %u\" /one/file /one/below/file /all/file /all/below/file"'
	shows '/one/file 0
/one/below/file 65534
/all/file 0
/all/below/file 0'
}

@test "idmap: a file system that does not have it is an error that says so" {
	userns
	mkdir "$S"/{lower,upper,work}
	mount_on /data bind "$S/merged" bind idmap
	mkdir "$S/merged"
	run --separate-stderr apart 'mount -t overlay -o "lowerdir=$S/lower,upperdir=$S/upper,workdir=$S/work" o "$S/merged"
	script true'
	[ "$status" -ne 0 ] || fail "accepted"
	[[ $stderr == *"mount on '/data': cannot map the owners of a mount: its file system does not support it"* ]] || fail "message"
}

@test "a user namespace that is joined: its root owns what is made for it" {
	userns
	change '.process.args = ["sleep", "100"]'
	insula-runtime create --bundle "$B" --pid-file "$E2E_STATE/pid" holder
	pid=$(cat "$E2E_STATE/pid")
	change 'del(.linux.uidMappings, .linux.gidMappings)
		| (.linux.namespaces[] | select(.type == "user")) += {path: $p}' --arg p "/proc/$pid/ns/user"
	mount_on /owned tmpfs tmpfs uid=7 gid=8
	run --separate-stderr script 'id -u; stat -c "%n %u %g" /dev/null /owned /dev/pts/ptmx; cut -c-40 /proc/self/uid_map'
	insula-runtime delete --force holder
	[ "$status" -eq 0 ] || fail "failed"
	shows '0
/dev/null 0 0
/owned 7 8
/dev/pts/ptmx 0 0
         0     100000      65536'
}

# ---- the root ----

@test "root: '.', a link, an absolute path, a mount that is read-only, the host's own" {
	mkdir "$B/m2"
	ln -s rootfs "$B/link"
	for path in link "$B/rootfs" ./rootfs/../rootfs; do
		change '.root.path = $p' --arg p "$path"
		ok box cat /etc/os-release
		contains 'ID=e2e'
	done
	jq '.root.path = "."' <"$B/config.json" >"$B/rootfs/config.json"
	ok insula-runtime run --bundle "$B/rootfs" box
	contains 'ID=e2e'
	ln -s / "$B/host"
	change '.root.path = "host"'
	run --separate-stderr box true
	[[ $stderr == *"is the host's own"* ]] || fail "message"
	touch "$B/file"
	change '.root.path = "file"'
	run --separate-stderr box true
	[[ $stderr == *"cannot open the root file system '$B/file': not a directory"* ]] || fail "message"
	change '.root.path = "rootfs"'
	ok apart 'mount --bind "$B/rootfs" "$B/rootfs" && mount -o remount,bind,ro "$B/rootfs"
	mkdir "$S/x"
	script "touch /x 2>&1; access /"'
	shows "touch: /x: Read-only file system
ro"
}

@test "root: read-only, and what is mounted in it is not" {
	change '.root.readonly = true'
	mount_on /data bind "$S" bind
	ok script 'touch /x 2>&1; touch /data/x /dev/shm/x; flags / | cut -d, -f1'
	shows "touch: /x: Read-only file system
ro"
}

@test "root: is not mapped; one that the container may not enter is an error that says why" {
	userns
	ok box stat -c '%u %g' /bin/busybox
	shows '65534 65534'
	chmod 700 "$B/rootfs"
	run --separate-stderr box true
	[[ $stderr == *"has owner 0:0 and mode 700: the container's root, 100000:200000 on the host, may not enter it"* ]] || fail "message"
	chown 100000 "$B/rootfs"
	ok box stat -c '%u %g' /
	shows '0 65534'
	chown 100007:200000 "$B/rootfs"
	ok box stat -c '%u %g' /
	shows '7 0'
}

@test "--no-pivot: the same root by chroot, and nothing of the host behind it" {
	cp "$BATS_FILE_TMPDIR/uncover" "$B/rootfs/bin/"
	printf '#!/bin/sh\ncat >/dev/null\n' >"$S/hook"
	chmod +x "$S/hook"
	FLAGS=--no-pivot
	for mode in host private hooks; do
		case $mode in
		private) userns ;;
		hooks)
			change '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)
				| .hooks = {createRuntime: [{path: $h}], createContainer: [{path: $h}]}' --arg h "$S/hook"
			;;
		esac
		ok script "tail -1 /etc/os-release; pwd; ls -d '$S' /stage 2>/dev/null; uncover '$S'"
		shows $'ID=e2e\n/\nnothing'
	done
}

# ---- kernel file systems ----

@test "proc and sysfs of namespaces that are the host's or joined" {
	change '(.linux.namespaces[] | select(.type == "network")) += {path: $p}
		| .linux.namespaces |= map(select(.type != "pid")) | .linux.maskedPaths = []' \
		--arg p "/proc/$$/ns/net"
	ok script 'ls /sys/class/net | wc -l; ls -d /proc/1 /proc/self'
	[ "${lines[0]}" -eq "$(find /sys/class/net/ -mindepth 1 | wc -l)" ] || fail "network devices"
	userns
	ok script 'ls /sys/class/net | wc -l; ls -d /proc/1 /proc/self'
	sleep 100 3>&- &
	pid=$!
	change '.linux.namespaces += [{type: "pid", path: $p}]' --arg p "/proc/$pid/ns/pid"
	run --separate-stderr script 'grep NSpid /proc/self/status | wc -w; readlink /proc/self'
	kill $pid
	[ "$status" -eq 0 ] || fail "failed"
}

@test "proc takes its own options" {
	(change '(.mounts[] | select(.destination == "/proc")) += {options: ["hidepid=2", "nosuid"]}'
	) && ok script 'flags /proc; super /proc'
	shows 'rw,nosuid,relatime
rw,hidepid=invisible'
}

@test "a bind of the host's /sys and /proc" {
	change '.mounts |= map(select(.destination | startswith("/sys") | not))'
	mount_on /sys bind /sys rbind rro nosuid
	for mode in host private; do
		[ $mode = host ] || userns
		ok script 'flags /sys; ls /sys/fs/cgroup | wc -l; touch /sys/fs/cgroup/x 2>/dev/null || echo read-only; ls -d /sys/kernel'
		contains 'ro,nosuid'
		contains read-only
		[ "${lines[1]}" -ge "$(find /sys/fs/cgroup -mindepth 1 -maxdepth 1 | wc -l)" ] || fail "not recursive"
	done
}

@test "control groups: the container's own, named as the host has them, read-only or not" {
	ok script 'flags /sys/fs/cgroup; ls /sys/fs/cgroup; cat /proc/self/cgroup | cut -d: -f3 | sort -u'
	contains ro
	[ "${lines[-1]}" = / ] || fail "not in a namespace of its own"
	change '(.mounts[] | select(.destination == "/sys/fs/cgroup") | .options) -= ["ro"]'
	ok script 'cd /sys/fs/cgroup; [ -e cgroup.procs ] || cd pids; mkdir below && echo made'
	shows made
	change '.linux.namespaces |= map(select(.type != "cgroup"))'
	ok script 'cat /proc/self/cgroup | cut -d: -f3 | sort -u | tail -1; ls /sys/fs/cgroup | wc -l'
	[ "${lines[0]}" != / ] || fail "in a namespace of its own"
}

@test "mqueue, devpts and shm with their options" {
	mount_on /q mqueue mqueue nosuid noexec nodev
	mount_on /p devpts devpts newinstance mode=0600 ptmxmode=0640 gid=5
	ok script 'flags /q; super /p; stat -c %a /p/ptmx; ls /q | wc -l'
	shows 'rw,nosuid,nodev,noexec,relatime
rw,gid=5,mode=600,ptmxmode=640
640
0'
	userns
	ok script 'super /p; stat -c "%a %g" /p/ptmx'
	shows 'rw,gid=200005,mode=600,ptmxmode=640
640 0'
}

@test "mountLabel means nothing without SELinux; an unknown kind of label is refused" {
	[ ! -d /sys/fs/selinux ] || skip "SELinux is active"
	change '.linux.mountLabel = "system_u:object_r:container_file_t:s0:c1,c2"'
	mount_on /t tmpfs tmpfs
	ok script 'super /t'
	shows rw
	change '.annotations = {"run.oci.mount_context_type": "nothing"}'
	run --separate-stderr box true
	[[ $stderr == *"'nothing' is not a kind of label"* ]] || fail "message"
}

# ---- devices ----

# device PATH TYPE MAJOR MINOR [FILTER]: one more entry of linux.devices.
device() {
	change '.linux.devices += [{path: $p, type: $t, major: ($a | tonumber), minor: ($b | tonumber)} + '"${5:-{\}}"']' \
		--arg p "$1" --arg t "$2" --arg a "$3" --arg b "$4"
}

# no_dev_mount: whatever the root has on /dev is used.
no_dev_mount() {
	change '.mounts |= map(select(.destination | test("^/dev($|/)") | not))'
}

@test "devices: every type, with modes and owners, in places of every kind" {
	device /dev/fuse c 10 229 '{fileMode: 384, uid: 1000, gid: 2000}'
	device /dev/unbuffered u 1 5
	device /dev/disk b 7 0 '{fileMode: 432}'
	device /dev/deep/er/zero c 1 5 '{uid: 7}'
	device /srv/null c 1 3
	change '.linux.devices += [{path: "/dev/pipe", type: "p", fileMode: 420}, {path: "/run/pipe", type: "p"}]'
	for mode in host private; do
		[ $mode = host ] || userns
		rm -rf "$B/rootfs/run" "$B/rootfs/srv"
		mkdir -m 777 "$B/rootfs/run" "$B/rootfs/srv"
		ok script 'stat -c "%n %F %a %u %g %t %T" /dev/fuse /dev/unbuffered /dev/disk /dev/deep/er/zero /srv/null /dev/pipe /run/pipe
			echo x >/srv/null && head -c 2 /dev/deep/er/zero | od -An -tx1'
		shows '/dev/fuse character special file 600 1000 2000 a e5
/dev/unbuffered character special file 666 0 0 1 5
/dev/disk block special file 660 0 0 7 0
/dev/deep/er/zero character special file 666 7 0 1 5
/srv/null character special file 666 0 0 1 3
/dev/pipe fifo 644 0 0 0 0
/run/pipe fifo 666 0 0 0 0
 00 00'
	done
	# In a user namespace no node is left on the host's disk.
	[ "$(find "$B/rootfs/srv" -type c | wc -l)" -eq 0 ] || fail "a node was left"
}

@test "devices: without a tmpfs on /dev they are made in the image's, or mounted on it" {
	no_dev_mount
	device /dev/sub/fuse c 10 229
	for mode in host private; do
		[ $mode = host ] || userns
		rm -rf "$B/rootfs/dev"
		mkdir -m 755 "$B/rootfs/dev"
		for _ in 1 2; do # the second time what was made is there
			ok script 'for d in null zero full random urandom tty sub/fuse; do stat -c "%F %a %u" /dev/$d; done | sort | uniq -c | tr -s " "
				echo x >/dev/null; readlink /dev/ptmx /dev/fd 2>/dev/null || readlink /dev/ptmx'
			contains '7 character special file 666 0'
			contains pts/ptmx
		done
	done
	[ "$(find "$B/rootfs/dev" -type c | wc -l)" -eq 0 ] || fail "a node was left"
	rm -rf "$B/rootfs/dev"
	change '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)'
	ok script 'stat -c %F /dev/null'
	shows 'character special file'
}

@test "devices: what is in the way is an error, and is not touched" {
	no_dev_mount
	echo precious >"$S/canary"
	rm -rf "$B/rootfs/dev"
	for kind in link file fifo other directory; do
		for mode in host private; do
			mkdir "$B/rootfs/dev"
			case $kind in
			link) ln -s "$S/canary" "$B/rootfs/dev/null" ;;
			file) echo text >"$B/rootfs/dev/null" ;;
			fifo) mkfifo "$B/rootfs/dev/null" ;;
			other) mknod "$B/rootfs/dev/null" c 1 5 ;;
			directory) mkdir "$B/rootfs/dev/null" ;;
			esac
			run --separate-stderr bounded box
			[ "$status" -eq 125 ] || fail "$kind"
			[[ $stderr == *"device '/dev/null': there is something else already"* ]] || fail "message: $kind"
			rm -rf "$B/rootfs/dev"
			if [ $mode = host ]; then userns; fi
		done
		change '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)'
	done
	ln -s "$S" "$B/rootfs/dev"
	run --separate-stderr box true
	[ "$status" -eq 125 ] || fail "/dev as a link"
	[ "$(ls "$S")" = canary ] && [ "$(cat "$S/canary")" = precious ] || fail "touched"
}

@test "devices: a /dev that is bound is left as it is" {
	no_dev_mount
	mount_on /dev bind /dev rbind
	device /dev/null c 1 3
	device /dev/insula-missing c 1 3
	dev() { find /dev -xdev -printf '%p %y %m %u %g %l\n' | sort; }
	before=$(dev)
	ok script 'echo x >/dev/null; ls /dev/insula-missing 2>/dev/null || true'
	shows ''
	[[ $stderr == *"device '/dev/insula-missing' is not in what is bound on /dev"* ]] || fail "no warning"
	[ "$(dev)" = "$before" ] || fail "/dev changed"
	FLAGS=--strict
	run --separate-stderr box true
	[[ $stderr == *"device '/dev/insula-missing': what is bound on /dev does not have it"* ]] || fail "not refused"
}

@test "devices: where none may be made the host's are mounted, if they are what is asked for" {
	device /dev/full c 1 7
	nested() {
		# shellcheck disable=SC2016  # expanded by that shell
		timeout 60 unshare --user --map-root-user --mount --propagation private \
			bash -c 'mount -t tmpfs run "$E2E_STATE/apart" && exec "$INSULA_BIN/insula-runtime" \
			--root "$E2E_STATE/oci" --runroot "$E2E_STATE/apart" --cgroup-manager disabled run --bundle "$B" box'
	}
	mkdir -p "$E2E_STATE/apart" "$E2E_STATE/oci"
	export B E2E_STATE
	change '.process.args = ["sh", "-c", "stat -c \"%F %t %T\" /dev/null /dev/full; echo x >/dev/null && echo written"]
		| .process.rlimits = [] | .mounts |= map(select(.type != "cgroup") | .options = ((.options // []) - ["gid=5"]))'
	ok nested
	shows 'character special file 1 3
character special file 1 7
written'
	# by its number, whatever it is called on the host
	change '.linux.devices[0].path = "/dev/other" | .process.args = ["stat", "-c", "%t %T", "/dev/other"]'
	ok nested
	shows '1 7'
	change '.linux.devices[0].minor = 77'
	run --separate-stderr nested
	[[ $stderr == *"the host has no node of device c 1:77 for '/dev/other'"* ]] || fail "message"
}

# ---- covers ----

@test "masks: files, directories, devices, FIFOs, links; what is absent is no error" {
	mkdir "$B/rootfs/secret" "$B/rootfs/dir"
	echo secret | tee "$B/rootfs/secret/file" "$B/rootfs/dir/file" "$B/rootfs/plain" >/dev/null
	mkfifo "$B/rootfs/fifo"
	ln -s /secret "$B/rootfs/link"
	ln -s loop "$B/rootfs/loop"
	change '.linux.maskedPaths = ["/link", "/plain", "/fifo", "/dev/zero", "/dir/", "/no/such", "/plain/below", "/proc/kcore", "/proc/no", "/sys/firmware"]'
	for mode in host private; do
		[ $mode = host ] || userns
		ok script 'ls -A /secret /dir /sys/firmware | grep -v :; cat /plain /proc/kcore; timeout 2 cat /fifo; timeout 2 head -c 3 /dev/zero
			for f in /secret/x /plain /fifo /dev/zero /dir/x; do echo x 2>/dev/null >$f && echo written $f; done; true'
		! grep -q . <<<"$output" || fail "not covered"
	done
	change '.linux.maskedPaths = ["/loop"]'
	run --separate-stderr box true
	[[ $stderr == *"cannot mask '/loop'"* ]] || fail "message"
	change '.linux.maskedPaths = ["/dir/.."]'
	run --separate-stderr box true
	[ "$status" -ne 0 ] || fail "'..' was accepted"
	rm "$B/rootfs/loop" && ln -s / "$B/rootfs/loop"
	change '.linux.maskedPaths = ["/loop"]'
	run --separate-stderr box true
	[[ $stderr == *"cannot mask '/loop': it is the container's root"* ]] || fail "message"
}

@test "read-only paths: files, directories with mounts in them, links, the root" {
	mkdir -p "$B/rootfs/dir/below"
	touch "$B/rootfs/plain"
	ln -s dir "$B/rootfs/link"
	mount_on /dir/below tmpfs tmpfs
	change '.linux.readonlyPaths = ["/link", "/plain", "/no/such", "/proc/sys"]'
	ok script 'for f in /dir/x /dir/below/x /plain /proc/sys/kernel/hostname; do echo x 2>/dev/null >$f && echo written $f; done; echo y >/ok; access /dir; access /dir/below'
	shows 'ro
ro'
	change '.linux.readonlyPaths = ["/"]'
	ok script 'touch /x 2>&1 || true; touch /dev/shm/x 2>&1 || true'
	contains 'touch: /x: Read-only file system'
}

@test "masks hold although the name of /proc has been moved in a root that is shared" {
	change '.linux.maskedPaths = ["/proc/kcore", "/proc/keys"] | .process.args = ["sh", "-c", "sleep 0.3; for p in /proc /other; do [ ! -e $p/self ] || echo $p $(cat $p/keys | wc -c); done"]'
	mkdir "$B/rootfs/other"
	cp -a "$B/config.json" "$B/swap.json"
	"$BATS_FILE_TMPDIR/swap" "$B/rootfs/proc" "$B/rootfs/other" 3>&- &
	pid=$!
	for _ in 1 2 3 4 5 6 7 8; do
		run --separate-stderr bounded box
		[ "$status" -eq 125 ] || [[ $output != *[1-9] ]] || { kill $pid; fail "keys were read"; }
	done
	kill $pid
}

# ---- what a hostile root tries ----

# canary: a directory of the host's, and what it is like.
canary() {
	find "$S" -printf '%p %y %m %u\n' | sort
	find "$S" -type f -exec cat {} +
	grep -F "$S" /proc/self/mountinfo || true
}

@test "attack: links, files, FIFOs and devices in every place that is mounted on" {
	echo precious >"$S/file"
	before=$(canary)
	mount_on /data/volume tmpfs tmpfs
	mount_on /data/file bind /etc/hostname bind
	for place in proc sys dev data data/volume data/file; do
		for kind in link up file fifo device magic; do
			rm -rf "$B/rootfs"/{proc,sys,dev,data}
			mkdir "$B/rootfs"/{proc,sys,dev}
			mkdir -p "$B/rootfs/$(dirname "$place")"
			rm -rf "${B:?}/rootfs/$place"
			case $kind in
			link) ln -s "$S" "$B/rootfs/$place" ;;
			up) ln -s "../../../../../../../../$S" "$B/rootfs/$place" ;;
			file) touch "$B/rootfs/$place" ;;
			fifo) mkfifo "$B/rootfs/$place" ;;
			device) mknod "$B/rootfs/$place" c 1 3 ;;
			magic) ln -s /proc/self/root "$B/rootfs/$place" ;;
			esac
			run --separate-stderr bounded box
			[ "$status" -ne 124 ] || fail "$kind at $place: hangs"
			[ "$(canary)" = "$before" ] || fail "$kind at $place: the canary was touched"
		done
	done
}

@test "attack: links in a /dev that is the image's" {
	echo precious >"$S/file"
	before=$(canary)
	no_dev_mount
	mount_on /dev/pts devpts devpts newinstance
	mount_on /dev/shm tmpfs tmpfs
	mount_on /dev/mqueue mqueue mqueue
	device /dev/sub/null c 1 3
	for place in null console pts shm mqueue ptmx fd sub; do
		rm -rf "$B/rootfs/dev"
		mkdir "$B/rootfs/dev"
		ln -s "$S" "$B/rootfs/dev/$place"
		for mode in host private; do
			[ $mode = host ] || userns
			run --separate-stderr bounded box
			[ "$(canary)" = "$before" ] || fail "$place: the canary was touched"
		done
		change '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)'
	done
}

@test "attack: a place that is exchanged for a link again and again, while containers start" {
	echo precious >"$S/file"
	mkdir -p "$B/rootfs/vol/target" "$B/rootfs/dev2"
	ln -s "$S" "$B/rootfs/vol/evil"
	ln -s "$S" "$B/rootfs/dev3"
	before=$(canary)
	mount_on /vol/target/new tmpfs tmpfs
	mount_on /vol/target tmpfs tmpfs
	no_dev_mount
	device /vol/target/null c 1 3
	change '.process.args = ["true"] | .process.cwd = "/vol/target/cwd" | .linux.maskedPaths += ["/vol/target/mask"] | .linux.readonlyPaths += ["/vol/target"]'
	"$BATS_FILE_TMPDIR/swap" "$B/rootfs/vol/target" "$B/rootfs/vol/evil" 3>&- &
	one=$!
	"$BATS_FILE_TMPDIR/swap" "$B/rootfs/dev" "$B/rootfs/dev3" 3>&- &
	two=$!
	started=0
	for i in $(seq 40); do
		! bounded "box$i" >/dev/null 2>&1 || started=$((started + 1))
	done
	kill $one $two
	[ $started -gt 0 ] || fail "none of them ran"
	[ "$(canary)" = "$before" ] || fail "the canary was touched: $(canary)"
}

@test "attack: a volume that two containers share (CVE-2021-30465)" {
	echo precious >"$S/file"
	before=$(canary)
	V=$BATS_TEST_TMPDIR/volume
	mkdir -p "$V/target"
	cp "$BATS_FILE_TMPDIR/swap" "$B/rootfs/bin/swap"
	mount_on /vol bind "$V" rbind
	change '.process.args = ["sh", "-c", "ln -s / /vol/evil; ln -s '"$S"' /vol/evil2; exec swap /vol/target /vol/evil /vol/evil2"]'
	insula-runtime run --bundle "$B" attacker >/dev/null 2>&1 3>&- &
	eventually 10 test -L "$V/evil2"
	started=0
	jq '.process.args = ["sh", "-c", "ls -d /bin/busybox; grep -c \"/file \" /proc/self/mountinfo"]
		| .mounts += [{destination: "/vol/target/sub", type: "tmpfs", source: "tmpfs"},
			      {destination: "/vol/target/file", type: "bind", source: "/etc/hostname", options: ["bind"]}]' \
		<"$B/config.json" >"$B/victim.json"
	for i in $(seq 30); do
		! bounded --config "$B/victim.json" "victim$i" >/dev/null 2>&1 || started=$((started + 1))
		[ "$(canary)" = "$before" ] || break
	done
	insula-runtime delete --force attacker
	wait
	[ $started -gt 0 ] || fail "none of them ran"
	[ "$(canary)" = "$before" ] || fail "the canary was touched: $(canary)"
}

@test "attack: options that would become several when joined" {
	mkdir "$S"/{a,upper,work}
	echo precious >"$S/file"
	for option in 'size=1m,uid=0' 'mode=755\054nodev' 'mode=0755 ,x' 'huge=never,gid=0'; do
		mount_on /t tmpfs tmpfs "$option"
		run --separate-stderr box true
		[ "$status" -ne 0 ] || fail "accepted: $option"
		change 'del(.mounts[-1])'
	done
	mount_on /o overlay overlay "lowerdir=$S/a,upperdir=/etc" "upperdir=$S/upper" "workdir=$S/work"
	run --separate-stderr box true
	[ "$status" -ne 0 ] || fail "accepted"
	change 'del(.mounts[-1])'
	for destination in /../x /a/../../x .. '/a/..' /; do
		mount_on "$destination" bind "$S" bind
		run --separate-stderr box true
		[ "$status" -ne 0 ] || fail "accepted: $destination"
		change 'del(.mounts[-1])'
	done
}
