#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Files into and out of containers, running or not, as trees and as tar streams; what a hostile container
# or archive tries; and what a container has changed.

load helpers

# A tree with one of everything, in $tree.
make_tree() {
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree/dir/deep" "$tree/empty"
	echo one >"$tree/file"
	echo two >"$tree/dir/deep/file"
	chmod 640 "$tree/dir/deep/file"
	chmod 4755 "$tree/file"
	ln -s ../file "$tree/dir/link"
	ln "$tree/file" "$tree/hard"
	mkfifo "$tree/fifo"
	truncate -s 8M "$tree/sparse"
	printf end >>"$tree/sparse"
	touch -d 2020-02-02T02:02:02Z "$tree/dir/deep/file" "$tree/dir"
	long=$(printf 'long%.0s' $(seq 40))
	mkdir -p "$tree/$long"
	echo long >"$tree/$long/$long"
}

# What a tree is: types, modes, sizes, times, contents.
describe() {
	(cd "$1" && find . -printf '%P %y %m %s %l %T@\n' | sed 's/ d \([0-9]*\) [0-9]* / d \1 - /' | grep -v '^ ' | sort &&
		find . -type f -exec sha256sum {} + | sort)
}

@test "a tree goes in and comes out as it was" {
	make_tree
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula cp "$tree" web:/srv
	ok insula exec web sh -c 'cat /srv/tree/dir/link; stat -c "%a %u %g %h" /srv/tree/file; du -k /srv/tree/sparse | cut -f1'
	[ "$(sed -n 1p <<<"$output")" = one ]
	[ "$(sed -n 2p <<<"$output")" = "4755 0 0 2" ] || fail
	[ "$(sed -n 3p <<<"$output")" -lt 100 ] || fail "the holes were filled"
	ok insula cp -a web:/srv/tree "$BATS_TEST_TMPDIR/out"
	diff <(describe "$tree" | sed 's/ f 4755 / f 755 /') <(describe "$BATS_TEST_TMPDIR/out")
	[ "$(stat -c %h "$BATS_TEST_TMPDIR/out/hard")" -eq 2 ]
	[ "$(du -k "$BATS_TEST_TMPDIR/out/sparse" | cut -f1)" -lt 100 ]
}

@test "of a container that has ended it is the same" {
	make_tree
	ok insula run --name web --network none "$E2E_IMAGE" sh -c 'echo mine >/srv/mine'
	ok insula cp web:/srv/mine "$BATS_TEST_TMPDIR/mine"
	[ "$(cat "$BATS_TEST_TMPDIR/mine")" = mine ]
	ok insula cp "$tree" web:/srv
	ok insula cp -a web:/srv/tree "$BATS_TEST_TMPDIR/out"
	diff <(describe "$tree" | sed 's/ f 4755 / f 755 /') <(describe "$BATS_TEST_TMPDIR/out")
	ok insula cp web:/bin/busybox "$BATS_TEST_TMPDIR"
	cmp "$E2E_ROOT/bin/busybox" "$BATS_TEST_TMPDIR/busybox"
	run grep "$E2E_STATE/run/containers" /proc/self/mountinfo
	[ -z "$output" ] || fail "a mount on the host"
}

@test "the host image can be copied from and to when it has ended" {
	ok insula run --name web --network none host sh -c 'echo mine >/srv/mine'
	ok insula cp web:/etc/passwd "$BATS_TEST_TMPDIR/passwd"
	cmp /etc/passwd "$BATS_TEST_TMPDIR/passwd"
	refused 125 "cannot open" insula cp web:/etc/shadow "$BATS_TEST_TMPDIR/shadow"
	ok insula cp "$BATS_TEST_TMPDIR/passwd" web:/srv/copy
	ok insula cp web:/srv/. "$BATS_TEST_TMPDIR/all"
	[ "$(cat "$BATS_TEST_TMPDIR/all/mine")" = mine ]
	cmp /etc/passwd "$BATS_TEST_TMPDIR/all/copy"
}

# Before Linux 6.13 an overlay has its layers by names.
@test "a kernel that wants names of layers: of one that has ended, and of the host image" {
	needs_failpoints
	export INSULA_FAIL=mount.layers=error:EINVAL
	for image in "$E2E_IMAGE" host; do
		ok insula run --name web --network none "$image" sh -c 'echo mine >/srv/mine'
		ok insula cp web:/srv/mine "$BATS_TEST_TMPDIR/mine"
		ok insula cp "$BATS_TEST_TMPDIR/mine" web:/srv/copy
		ok insula cp web:/srv/copy -
		insula rm web >/dev/null
	done
}

@test "tar streams, both ways, as tar reads and writes them" {
	make_tree
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	for format in gnu pax ustar; do
		[ $format != ustar ] || rm -rf "${tree:?}"/long*
		tar -C "$tree/.." --format=$format -cf "$BATS_TEST_TMPDIR/in.tar" tree
		ok insula exec web mkdir "/srv/$format"
		insula cp -a - "web:/srv/$format" <"$BATS_TEST_TMPDIR/in.tar"
		mkdir "$BATS_TEST_TMPDIR/$format"
		insula cp -a "web:/srv/$format/tree" - | tar -C "$BATS_TEST_TMPDIR/$format" -xf -
		diff <(describe "$tree" | sed 's/\.[0-9]*$//') <(describe "$BATS_TEST_TMPDIR/$format/tree" | sed 's/\.[0-9]*$//')
	done
	insula cp web:/bin/busybox - | tar -xOf - busybox | cmp - "$E2E_ROOT/bin/busybox"
	run pty -- "$INSULA_BIN/insula" cp web:/srv -
	contains "not for a terminal"
}

@test "owners: container root's without -a, their own with it, as the container has them" {
	mkdir "$BATS_TEST_TMPDIR/own"
	echo x >"$BATS_TEST_TMPDIR/own/file"
	chown 1000:2000 "$BATS_TEST_TMPDIR/own/file"
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula cp "$BATS_TEST_TMPDIR/own/file" web:/srv/plain
	ok insula cp -a "$BATS_TEST_TMPDIR/own/file" web:/srv/kept
	ok insula exec web stat -c '%u:%g' /srv/plain /srv/kept
	shows "0:0
1000:2000"
	ok insula cp web:/srv/kept "$BATS_TEST_TMPDIR/plain"
	ok insula cp -a web:/srv/kept "$BATS_TEST_TMPDIR/kept"
	[ "$(stat -c %u:%g "$BATS_TEST_TMPDIR/plain")" = 0:0 ]
	[ "$(stat -c %u:%g "$BATS_TEST_TMPDIR/kept")" = 1000:2000 ]
	chown 70000:70000 "$BATS_TEST_TMPDIR/own/file"
	refused 125 "which the container does not have" insula cp -a "$BATS_TEST_TMPDIR/own/file" web:/srv/far
}

@test "a container plants no set-id file on the host" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sh -c 'cp /bin/busybox /srv/su; chmod 6755 /srv/su; sleep 300'
	eventually 10 insula exec web test -u /srv/su
	ok insula cp web:/srv/su "$BATS_TEST_TMPDIR/su"
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/su")" = 755 ]
	ok insula cp web:/srv "$BATS_TEST_TMPDIR/all"
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/all/su")" = 755 ]
	ok insula cp -a web:/srv/su "$BATS_TEST_TMPDIR/archived"
	[ "$(stat -c %a:%u "$BATS_TEST_TMPDIR/archived")" = 755:0 ]
	ok insula cp -a web:/srv "$BATS_TEST_TMPDIR/tree"
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/tree/su")" = 755 ]
	# In an archive they are kept with -a only.
	modes() { insula cp "$@" web:/srv - | tar -tvf - | sed -n 's|^\(.*\) root.*srv/su$|\1|p;s|^\([^ ]*\) .*srv/su$|\1|p'; }
	[ "$(modes)" = -rwxr-xr-x ] || fail "$(modes)"
	[ "$(modes -a)" = -rwsr-sr-x ] || fail "$(modes -a)"
}

@test "a container plants no file with capabilities on the host" {
	command -v python3 >/dev/null || skip "no python3 to set them"
	capability() { # SET|HAS FILE
		python3 - "$@" <<-'PYTHON'
		import os, sys
		if sys.argv[1] == "set":
		    os.setxattr(sys.argv[2], "security.capability", bytes([1, 0, 0, 2, 0, 4] + [0] * 14))
		else:
		    sys.exit("security.capability" not in os.listxattr(sys.argv[2]))
		PYTHON
	}
	cp "$E2E_ROOT/bin/busybox" "$BATS_TEST_TMPDIR/cap"
	capability set "$BATS_TEST_TMPDIR/cap" || skip "the file system keeps no capabilities"
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula cp -a "$BATS_TEST_TMPDIR/cap" web:/srv/cap
	insula cp -a web:/srv/cap - | grep -aq SCHILY.xattr.security.capability || fail "the container has none"
	ok insula run -d --name other --network none "$E2E_IMAGE" sleep 300
	ok insula cp -a web:/srv/cap other:/srv/cap
	insula cp -a other:/srv/cap - | grep -aq SCHILY.xattr.security.capability || fail "the other has none"
	ok insula cp -a web:/srv/cap "$BATS_TEST_TMPDIR/out"
	! capability has "$BATS_TEST_TMPDIR/out" || fail "capabilities on the host"
	ok insula stop -t 0 web
	ok insula cp -a other:/srv/cap web:/srv/ended
	ok insula cp -a web:/srv/. "$BATS_TEST_TMPDIR/all"
	! capability has "$BATS_TEST_TMPDIR/all/ended" || fail "capabilities on the host"
	! capability has "$BATS_TEST_TMPDIR/all/cap" || fail "capabilities on the host"
	# It has them still when it runs again.
	ok insula start web
	insula cp -a web:/srv/ended - | grep -aq SCHILY.xattr.security.capability || fail "the ended one has none"
}

@test "where things go: into directories, under names, contents only" {
	mkdir "$BATS_TEST_TMPDIR/d"
	echo x >"$BATS_TEST_TMPDIR/d/f"
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula cp "$BATS_TEST_TMPDIR/d" web:/srv/new
	ok insula cp "$BATS_TEST_TMPDIR/d" web:/srv/new
	ok insula cp "$BATS_TEST_TMPDIR/d/." web:/tmp
	ok insula cp "$BATS_TEST_TMPDIR/d/f" web:/home/
	ok insula exec web sh -c 'ls -d /srv/new/f /srv/new/d/f /tmp/f /home/f'
	ok insula cp web:/srv/new/. "$BATS_TEST_TMPDIR/here"
	[ -f "$BATS_TEST_TMPDIR/here/d/f" ]
	refused 125 "no directory '" insula cp "$BATS_TEST_TMPDIR/d/f" web:/nosuch/
	refused 125 "no directory '" insula cp "$BATS_TEST_TMPDIR/d" web:/no/such
	refused 125 "is no directory" insula cp "$BATS_TEST_TMPDIR/d" web:/srv/new/f
	refused 125 "is a directory there" insula cp "$BATS_TEST_TMPDIR/d/f" web:/srv/new/d/../../new/../../srv --follow-link ||
		ok insula exec web test -f /srv/f
}

@test "bad ends are one clear error" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	refused 125 "neither end is in a container" insula cp /etc/passwd /tmp/x
	refused 125 "no container 'nosuch'" insula cp nosuch:/etc/passwd /tmp/x
	refused 125 "both ends are in one container" insula cp web:/etc/passwd web:/tmp
	refused 125 "no such file" insula cp web:/nosuch "$BATS_TEST_TMPDIR"
	refused 125 "cannot open '/no/such'" insula cp /no/such web:/tmp
	refused 125 "'cpuinfo' is a file of the kernel's" insula cp web:/proc/cpuinfo "$BATS_TEST_TMPDIR"
	refused 125 "'etc/passwd' at the target is no directory" insula cp /etc/hostname web:/etc/passwd/
	refused 125 "at the target is no directory" insula cp web:/etc "$BATS_TEST_FILENAME"
	refused 125 "an argument is missing" insula cp web:/etc
	ok insula cp web:/proc "$BATS_TEST_TMPDIR/proc"
	[ -z "$(ls "$BATS_TEST_TMPDIR/proc")" ]
}

@test "a link of the container's leads nowhere out of it" {
	echo secret >"$BATS_TEST_TMPDIR/canary"
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula exec web sh -c "ln -s $BATS_TEST_TMPDIR /srv/out; ln -s ../../../../../../..$BATS_TEST_TMPDIR /srv/up; ln -s /proc/1/root /srv/magic"
	refused 125 "no such file" insula cp web:/srv/out/canary "$BATS_TEST_TMPDIR/got"
	refused 125 "no such file" insula cp web:/srv/up/canary "$BATS_TEST_TMPDIR/got"
	ok insula cp web:/srv/out "$BATS_TEST_TMPDIR/got"
	[ -L "$BATS_TEST_TMPDIR/got" ]
	echo new >"$BATS_TEST_TMPDIR/new"
	run insula cp "$BATS_TEST_TMPDIR/new" web:/srv/out/canary
	[ "$(cat "$BATS_TEST_TMPDIR/canary")" = secret ]
	run insula cp "$BATS_TEST_TMPDIR/new" web:/srv/magic/srv/canary
	[ ! -e /srv/canary ]
	# A link at the very end is replaced, and not followed.
	ok insula exec web ln -s "$BATS_TEST_TMPDIR/canary" /srv/last
	ok insula cp "$BATS_TEST_TMPDIR/new" web:/srv/last
	[ "$(cat "$BATS_TEST_TMPDIR/canary")" = secret ]
	ok insula exec web cat /srv/last
	shows new
}

@test "directories that are exchanged with links all the time lead nowhere out of it" {
	static_program "$E2E_DIR/swapper.c" "$BATS_TEST_TMPDIR/swapper"
	mkdir -p "$BATS_TEST_TMPDIR/canary/sub"
	echo secret >"$BATS_TEST_TMPDIR/canary/sub/file"
	mkdir -p "$BATS_TEST_TMPDIR/in/sub"
	echo evil >"$BATS_TEST_TMPDIR/in/sub/file"
	ok insula run -d --name web --network none -v "$BATS_TEST_TMPDIR/swapper:/swapper:ro" "$E2E_IMAGE" \
		sh -c "mkdir -p /srv/a/sub; echo mine >/srv/a/sub/file; ln -s $BATS_TEST_TMPDIR/canary /srv/b; ln -s / /srv/c; exec /swapper /srv/a /srv/b"
	eventually 10 insula exec web test -e /srv/b
	for _ in $(seq 40); do
		rm -rf "$BATS_TEST_TMPDIR/out"
		insula cp web:/srv/a/sub/file "$BATS_TEST_TMPDIR/out" 2>/dev/null || true
		[ ! -e "$BATS_TEST_TMPDIR/out" ] || ! grep -q secret "$BATS_TEST_TMPDIR/out" || fail "read the host's file"
		rm -rf "$BATS_TEST_TMPDIR/out"
		insula cp web:/srv "$BATS_TEST_TMPDIR/out" 2>/dev/null || true
		! grep -rq secret "$BATS_TEST_TMPDIR/out" 2>/dev/null || fail "read the host's tree"
		insula cp "$BATS_TEST_TMPDIR/in/." web:/srv/a 2>/dev/null || true
	done
	[ "$(cat "$BATS_TEST_TMPDIR/canary/sub/file")" = secret ]
	[ "$(find "$BATS_TEST_TMPDIR/canary" | wc -l)" -eq 3 ]
}

# A volume with files of the host's root: in a directory of its own, in one that everybody writes to, and in
# one with the sticky bit.
make_volume() {
	volume=$BATS_TEST_TMPDIR/volume
	mkdir -p "$volume/cron" "$volume/open" "$volume/sticky"
	chmod 777 "$volume/open"
	chmod 1777 "$volume/sticky"
	for dir in cron open sticky; do
		echo secret >"$volume/$dir/job.sh"
		chmod 600 "$volume/$dir/job.sh"
		ln "$volume/$dir/job.sh" "$volume/$dir-kept"
	done
	echo new >"$BATS_TEST_TMPDIR/job.sh"
	chmod 755 "$BATS_TEST_TMPDIR/job.sh"
	ok insula run -d --name web --network none -v "$volume:/data" "$E2E_IMAGE" sleep 300
	ok insula exec web sh -c 'for dir in cron open sticky; do ln -s /data/$dir /srv/$dir; done'
}

untouched() {
	[ "$(stat -c %a:%u:%g:%h "$1")" = "600:0:0:$2" ] || fail "$1: $(stat -c %a:%u:%g:%h "$1")" || return
	[ "$(cat "$1")" = secret ] || fail "$1 was written into"
}

@test "a link of the container's into a volume gives it nothing of the host's root there" {
	make_volume
	refused 125 "permission denied" insula cp "$BATS_TEST_TMPDIR/job.sh" web:/srv/cron/
	refused 125 "permission denied" insula cp "$BATS_TEST_TMPDIR/job.sh" web:/srv/cron/other.sh
	mkdir -p "$BATS_TEST_TMPDIR/in/cron/made"
	ok insula cp "$BATS_TEST_TMPDIR/job.sh" web:/srv/mine
	refused 125 "permission denied" insula cp -a "$BATS_TEST_TMPDIR/in/." web:/srv
	untouched "$volume/cron/job.sh" 2
	[ "$(ls "$volume/cron")" = job.sh ] || fail "$(ls "$volume/cron")"
	refused 125 "cannot replace" insula cp "$BATS_TEST_TMPDIR/job.sh" web:/srv/sticky/
	untouched "$volume/sticky/job.sh" 2
	# Where the container itself could replace it, it is replaced, and is another file.
	ok insula cp "$BATS_TEST_TMPDIR/job.sh" web:/srv/open/
	[ "$(cat "$volume/open/job.sh")" = new ]
	untouched "$volume/open-kept" 1
	# And what is the container's is still written to, whoever of its users it belongs to.
	ok insula exec web sh -c 'mkdir /srv/theirs; echo old >/srv/theirs/job.sh; chmod 400 /srv/theirs/job.sh; chown -R 1000 /srv/theirs; chmod 500 /srv/theirs'
	ok insula cp "$BATS_TEST_TMPDIR/job.sh" web:/srv/theirs/
	ok insula cp "$BATS_TEST_TMPDIR/job.sh" web:/srv/theirs/other.sh
	ok insula exec web cat /srv/theirs/job.sh
	shows new
}

@test "a hard link in an archive gives the container nothing of the host's root" {
	command -v python3 >/dev/null || skip "no python3 to make archives"
	make_volume
	python3 - "$BATS_TEST_TMPDIR/bad.tar" <<-'PYTHON'
	import sys, tarfile
	t = tarfile.open(sys.argv[1], "w")
	i = tarfile.TarInfo("open/link")
	i.type, i.linkname = tarfile.LNKTYPE, "cron/job.sh"
	t.addfile(i)
	t.close()
	PYTHON
	refused 125 "is not the container's" insula cp - web:/srv <"$BATS_TEST_TMPDIR/bad.tar"
	[ ! -e "$volume/open/link" ]
	untouched "$volume/cron/job.sh" 2
}

@test "a file that another user has put in the way on the host is replaced, and not written into" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula exec web sh -c 'echo secret >/srv/key'
	touch "$BATS_TEST_TMPDIR/key" "$BATS_TEST_TMPDIR/own"
	chmod 666 "$BATS_TEST_TMPDIR/key"
	chown 1000 "$BATS_TEST_TMPDIR/key"
	ln "$BATS_TEST_TMPDIR/key" "$BATS_TEST_TMPDIR/theirs"
	ln "$BATS_TEST_TMPDIR/own" "$BATS_TEST_TMPDIR/other"
	ok insula cp web:/srv/key "$BATS_TEST_TMPDIR/key"
	[ "$(cat "$BATS_TEST_TMPDIR/key")" = secret ]
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/key")" = 0 ]
	[ ! -s "$BATS_TEST_TMPDIR/theirs" ] || fail "another user reads it"
	# One's own is written to.
	ok insula cp web:/srv/key "$BATS_TEST_TMPDIR/own"
	[ "$(cat "$BATS_TEST_TMPDIR/other")" = secret ]
}

@test "hostile archives are refused, and reach nothing outside" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	make() {
		python3 - "$1" "$BATS_TEST_TMPDIR/bad.tar" <<-'PYTHON'
		import io, sys, tarfile
		t = tarfile.open(sys.argv[2], "w", format=tarfile.PAX_FORMAT)
		def add(name, type=tarfile.REGTYPE, link="", data=b"evil"):
		    i = tarfile.TarInfo(name)
		    i.type, i.linkname = type, link
		    i.size = len(data) if type == tarfile.REGTYPE else 0
		    t.addfile(i, io.BytesIO(data))
		{
		    "dots": lambda: add("a/../../evil"),
		    "link": lambda: (add("l", tarfile.SYMTYPE, "/"), add("l/etc/evil")),
		    "hard": lambda: add("h", tarfile.LNKTYPE, "../../etc/passwd"),
		    "gone": lambda: add("h", tarfile.LNKTYPE, "no/such"),
		    "device": lambda: add("dev", tarfile.BLKTYPE),
		    "absolute": lambda: add("/abs/evil"),
		}[sys.argv[1]]()
		t.close()
		PYTHON
	}
	command -v python3 >/dev/null || skip "no python3 to make archives"
	make dots
	refused 125 "has '..'" insula cp - web:/srv <"$BATS_TEST_TMPDIR/bad.tar"
	make hard
	refused 125 "has '..'" insula cp - web:/srv <"$BATS_TEST_TMPDIR/bad.tar"
	make gone
	refused 125 "is a link" insula cp - web:/srv <"$BATS_TEST_TMPDIR/bad.tar"
	make link
	ok insula cp - web:/srv <"$BATS_TEST_TMPDIR/bad.tar"
	[ ! -e /etc/evil ]
	ok insula exec web cat /etc/evil
	make absolute
	ok insula cp - web:/srv <"$BATS_TEST_TMPDIR/bad.tar"
	ok insula exec web cat /srv/abs/evil
	[ ! -e /abs ]
	make device
	ok insula cp - web:/srv <"$BATS_TEST_TMPDIR/bad.tar"
	[[ ${stderr:-} == *"is a device, and is left out"* ]]
	refused 125 "not compressed" insula cp - web:/srv < <(gzip -c "$BATS_TEST_TMPDIR/bad.tar")
	make absolute
	refused 125 "ends in the middle" insula cp - web:/srv < <(head -c 700 "$BATS_TEST_TMPDIR/bad.tar")
	refused 125 "ends in the middle" insula cp - web:/srv < <(insula cp web:/bin/busybox - | head -c 40000)
	refused 125 "is no directory" insula cp - web:/nosuch <"$BATS_TEST_TMPDIR/bad.tar"
}

@test "FIFOs and devices in the way block nobody" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula exec web sh -c 'mkfifo /srv/fifo /srv/target'
	ok timeout 10 "$INSULA_BIN/insula" cp web:/srv "$BATS_TEST_TMPDIR/out"
	[ -p "$BATS_TEST_TMPDIR/out/fifo" ]
	echo x >"$BATS_TEST_TMPDIR/x"
	ok timeout 10 "$INSULA_BIN/insula" cp "$BATS_TEST_TMPDIR/x" web:/srv/target
	ok insula exec web cat /srv/target
	shows x
	ok timeout 10 "$INSULA_BIN/insula" cp web:/dev "$BATS_TEST_TMPDIR/dev"
	[ -z "$(find "$BATS_TEST_TMPDIR/dev" -type c -o -type b)" ]
}

@test "of many devices the first are named, and the others counted" {
	mkdir "$BATS_TEST_TMPDIR/devices"
	for i in $(seq 1000 1129); do
		mknod "$BATS_TEST_TMPDIR/devices/$i" c 1 3 || skip "no devices can be made here"
	done
	ok insula run --name web --network none "$E2E_IMAGE" true
	ok insula cp "$BATS_TEST_TMPDIR/devices" web:/srv
	[ "$(grep -c 'is a device, and is left out' <<<"$stderr")" -eq 100 ] || fail
	[[ $stderr == *"30 more are left out"* ]] || fail
}

@test "what a tar stream cannot have is said, and the rest is in it" {
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	insula exec web sh -c 'mkdir /srv/sub; echo x >/srv/sub/x'
	insula cp web:/dev - >"$BATS_TEST_TMPDIR/dev.tar" 2>"$BATS_TEST_TMPDIR/said"
	grep "'dev/null' is a device, and is left out" "$BATS_TEST_TMPDIR/said"
	! tar -tvf "$BATS_TEST_TMPDIR/dev.tar" | grep '^[cb]' || fail
	tar -tf "$BATS_TEST_TMPDIR/dev.tar" | grep -x 'dev/shm/'
	insula cp web:/srv/sub - 2>"$BATS_TEST_TMPDIR/said" | tar -xO sub/x | grep -x x
	[ ! -s "$BATS_TEST_TMPDIR/said" ] || fail "$(cat "$BATS_TEST_TMPDIR/said")"
}

@test "every name of many files with several is a link to the first" {
	mkdir "$BATS_TEST_TMPDIR/links"
	(cd "$BATS_TEST_TMPDIR/links" && for i in $(seq 300); do
		echo "$i" >"$i" && ln "$i" "$i.second"
	done)
	ok insula run --name web --network none "$E2E_IMAGE" true
	ok insula cp "$BATS_TEST_TMPDIR/links" web:/srv
	ok insula cp web:/srv/links "$BATS_TEST_TMPDIR/out"
	diff -r "$BATS_TEST_TMPDIR/links" "$BATS_TEST_TMPDIR/out"
	[ "$(find "$BATS_TEST_TMPDIR/out" -type f -links 2 | wc -l)" -eq 600 ] || fail
	[ "$BATS_TEST_TMPDIR/out/17" -ef "$BATS_TEST_TMPDIR/out/17.second" ] || fail
}

@test "between two containers, and into a bind" {
	mkdir "$BATS_TEST_TMPDIR/data"
	chown 1000:1000 "$BATS_TEST_TMPDIR/data"
	ok insula run -d --name one --network none "$E2E_IMAGE" sh -c 'echo mine >/srv/mine; sleep 300'
	ok insula run -d --name two --network none -v "$BATS_TEST_TMPDIR/data:/data" "$E2E_IMAGE" sleep 300
	eventually 10 insula exec one test -e /srv/mine
	ok insula cp one:/srv/mine two:/data/copy
	[ "$(cat "$BATS_TEST_TMPDIR/data/copy")" = mine ]
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/data/copy")" = 1000 ]
	ok insula cp two:/data/copy one:/srv/again
	ok insula exec one cat /srv/again
	shows mine
}

@test "a container that is being copied to is not started meanwhile" {
	ok insula run --name web --network none "$E2E_IMAGE" true
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	"$INSULA_BIN/insula" cp - web:/srv <"$BATS_TEST_TMPDIR/pipe" 3>&- &
	pid=$!
	exec 8>"$BATS_TEST_TMPDIR/pipe"
	eventually 10 sh -c "grep -q overlay /proc/$pid/mountinfo"
	run timeout 2 "$INSULA_BIN/insula" rename web other
	[ "$status" -ne 0 ]
	exec 8>&-
	wait "$pid" || true
	ok insula rename web other
}

@test "one that waits for its restart is busy, and is started all the same" {
	ok insula run -d --name web --network none --restart always "$E2E_IMAGE" sh -c 'echo mine >>/srv/mine; echo run'
	# Its state changes all the time, so it is asked until it is found waiting.
	is_busy() {
		[ "$(insula logs web | grep -c run)" -ge 5 ] && run --separate-stderr insula cp web:/srv/mine "$BATS_TEST_TMPDIR/mine" &&
			[ "$status" -eq 125 ] && [[ $stderr == *"is about to be started again"* ]]
	}
	eventually 30 is_busy
	[[ $stderr == *"insula stop web"* ]]
	ok insula stop web
	ok insula cp web:/srv/mine "$BATS_TEST_TMPDIR/mine"
	[ -s "$BATS_TEST_TMPDIR/mine" ]
}

# ---- diff ----

@test "diff tells what was added, changed and removed" {
	ok insula run --name web --network none "$E2E_IMAGE" true
	ok insula diff web
	[ -z "$output" ] || fail "changes of a container that changed nothing"
	ok insula run -d --name busy --network none "$E2E_IMAGE" \
		sh -c 'echo x >/srv/new; rm /etc/group; echo y >>/etc/passwd; mkdir /opt; ln -s a /opt/l; touch /ready; sleep 300'
	eventually 10 insula exec busy test -e /ready
	ok insula diff busy
	shows "C /etc
D /etc/group
C /etc/passwd
A /opt
A /opt/l
A /ready
C /srv
A /srv/new"
	ok insula diff --format json busy
	[ "$(jq -r '.[] | select(.change == "D").path' <<<"$output")" = /etc/group ]
	ok insula diff --format '{{.Path}}' busy
	[ "$(wc -l <<<"$output")" -eq 8 ]
	refused 125 "no container 'nosuch'" insula diff nosuch
}
