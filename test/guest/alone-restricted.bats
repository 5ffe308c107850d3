#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Systems that keep ordinary users from user namespaces: by a sysctl of Debian's, by the kernel's own limit, and by
# AppArmor, as Ubuntu does (kernel.apparmor_restrict_unprivileged_userns, a change of its own to the kernel) or, with
# Linux 6.7 and later, by a profile that confines whoever logs in. One error that names what refuses and what to
# do, and nothing left; with our profile everything works.

# shellcheck disable=SC2154,SC2030,SC2031  # output, stderr and status are set by run, in each test for itself

load ../e2e/helpers

SYSCTL=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
USER_ID=1000 # "user", who is made with the guest
SESSION=insulatest-session

setup_file() { file_setup; }
teardown_file() { file_teardown; }

setup() {
	heed_skip_file
	HOME_DIR=$(mktemp -d /tmp/insula-e2e-restricted.XXXXXX)
	chmod 755 "$HOME_DIR"
	busybox_root "$HOME_DIR/image"
	mkdir "$HOME_DIR/own"
	chown $USER_ID:$USER_ID "$HOME_DIR/own"
	CONFINED=
	CLONE=$(cat /proc/sys/kernel/unprivileged_userns_clone)
	MAX=$(cat /proc/sys/user/max_user_namespaces)
}

teardown() {
	as_user insula rm --force --all >/dev/null 2>&1 || true
	echo "$CLONE" >/proc/sys/kernel/unprivileged_userns_clone
	echo "$MAX" >/proc/sys/user/max_user_namespaces
	[ ! -e $SYSCTL ] || echo 0 >$SYSCTL
	if [ -n "${PROFILED:-}" ]; then
		apparmor_parser --remove "$HOME_DIR/profile" || true
	fi
	if [ -n "$CONFINED" ]; then
		apparmor_parser --remove "$HOME_DIR/session" || true
	fi
	rm -rf "${HOME_DIR:?}"
}

# as_user PROGRAM ARGUMENT...: ours are those under test; no session, no variable of anybody's.
as_user() {
	local program=$1
	shift
	[[ $program != insula* ]] || program=$INSULA_BIN/$program
	# shellcheck disable=SC2086  # words
	$CONFINED setpriv --reuid $USER_ID --regid $USER_ID --init-groups --reset-env env "HOME=$HOME_DIR/own" \
		"INSULA_ROOT=$HOME_DIR/own/lib" "INSULA_RUNROOT=$HOME_DIR/own/run" "$program" "$@" </dev/null 3>&-
}

run_box() {
	as_user insula run --network none "$@"
}

# Nothing of a container, in the store or running.
nothing_left() {
	[ -z "$(find "$HOME_DIR"/own/lib/{containers,names,removed} "$HOME_DIR"/own/run/{containers,ids} -mindepth 1 2>/dev/null)" ] ||
		fail "$(find "$HOME_DIR/own")"
	[ -z "$(pgrep -u $USER_ID insula)" ] || fail "$(pgrep -l -u $USER_ID insula)"
}

# refused HINT: by run and by insula-runtime, with one error and one hint.
refused() {
	run --separate-stderr run_box --rm "dir:$HOME_DIR/image" true
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *"$1"* ]] || fail
	[ "$(grep -c 'insula:' <<<"$stderr")" = 1 ] || fail
	[ "$(grep -c 'hint:' <<<"$stderr")" = 1 ] || fail
	rm -rf "$HOME_DIR/own/bundle"
	as_user sh -c "mkdir $HOME_DIR/own/bundle && cp -r $HOME_DIR/image $HOME_DIR/own/bundle/rootfs && cd $HOME_DIR/own/bundle &&
		$INSULA_BIN/insula-runtime spec --rootless"
	run --separate-stderr as_user insula-runtime --root "$HOME_DIR/own/oci" run --bundle "$HOME_DIR/own/bundle" one
	[ "$status" -ne 0 ] || fail
	[[ $stderr == *"$1"* ]] || fail
	[ -z "$(as_user insula-runtime --root "$HOME_DIR/own/oci" list -q)" ] || fail
	nothing_left
}

# doctor_notes TEXT
doctor_notes() {
	run --separate-stderr as_user insula doctor
	grep -q "note.*user namespaces: .*$1" <<<"$output" || fail
}

@test "sysctl kernel.unprivileged_userns_clone: an error that names it, and so does the doctor" {
	run_box --rm "dir:$HOME_DIR/image" true
	echo 0 >/proc/sys/kernel/unprivileged_userns_clone
	refused "sysctl kernel.unprivileged_userns_clone is 0: ordinary users may make no user namespace; root can set it to 1"
	doctor_notes 'sysctl kernel.unprivileged_userns_clone is 0'
}

@test "sysctl user.max_user_namespaces: an error that names it, and so does the doctor" {
	echo 0 >/proc/sys/user/max_user_namespaces
	refused "sysctl user.max_user_namespaces limits user namespaces: root can raise it"
	doctor_notes 'sysctl user.max_user_namespaces'
}

# ---- AppArmor ----

needs_mediation() {
	grep -q userns_create /sys/kernel/security/apparmor/features/namespaces/mask 2>/dev/null || [ -e $SYSCTL ] ||
		skip "AppArmor of this kernel does not know user namespaces: INSULA_GUEST_SUITE=trixie has one"
	[ -e /etc/apparmor.d/abi/4.0 ] || skip "this apparmor_parser does not know user namespaces"
}

# Whoever logs in is confined, and may all but make user namespaces; our programs have their own profiles.
confine() {
	needs_mediation
	cat >"$HOME_DIR/session" <<-TEXT
		abi <abi/4.0>,
		profile $SESSION flags=(attach_disconnected) {
		  file, network, capability, signal, unix, ptrace, mount, remount, umount, pivot_root, mqueue, dbus, io_uring,
		  change_profile,
		  $INSULA_BIN/insula px -> insula,
		  $INSULA_BIN/insula-runtime px -> insula-runtime,
		}
	TEXT
	profile
	apparmor_parser --replace "$HOME_DIR/session"
	CONFINED="aa-exec -p $SESSION --"
}

# As Ubuntu 24.04 has it: an ordinary program makes a namespace, and has no right in it.
strip() {
	needs_mediation
	[ -e $SYSCTL ] || skip "this kernel has no kernel.apparmor_restrict_unprivileged_userns, which is Ubuntu's"
	sed 's/ flags=(complain)//' /etc/apparmor.d/unprivileged_userns | apparmor_parser --replace
	echo 1 >$SYSCTL
}

# As Ubuntu 23.10: it makes none.
refuse() {
	strip
	apparmor_parser --remove /etc/apparmor.d/unprivileged_userns
}

# Ours, with the paths of the programs under test. Without: what is confined stays so.
profile() {
	sed "s|@bindir@|$INSULA_BIN|; s|include if exists <local/.*>||" "$BATS_TEST_DIRNAME/../../apparmor/insula.in" >"$HOME_DIR/profile"
	apparmor_parser --replace "$HOME_DIR/profile"
	PROFILED=yes
}

# A day in the life of a user.
smoke() {
	local image=dir:$HOME_DIR/image
	run --separate-stderr run_box --rm "$image" sh -c 'id -u; exit 7'
	[ "$status:$output" = 7:0 ] || fail
	ok run_box --detach --name one "$image" sh -c 'echo said; while :; do sleep 1; done'
	ok as_user insula exec one sh -c 'echo hello >/file; cat /file'
	[ "$output" = hello ] || fail
	ok as_user insula cp one:/file "$HOME_DIR/own/file"
	ok as_user insula cp "$HOME_DIR/own/file" one:/other
	ok as_user insula diff one
	[[ $output == *'/other'* ]] || fail
	for verb in 'ps' 'top one' 'logs one' 'inspect --security one' 'rename one two' 'stop --time 0 two' 'start two' 'restart --time 0 two' \
		'kill two' 'wait two' 'rm two'; do
		# shellcheck disable=SC2086  # words
		ok as_user insula $verb
	done
	ok as_user insula create --network none --name three "$image" true
	ok as_user insula start --attach three
	ok as_user insula rm three
	rm -rf "$HOME_DIR/own/bundle"
	as_user sh -c "mkdir $HOME_DIR/own/bundle && cp -r $HOME_DIR/image $HOME_DIR/own/bundle/rootfs && cd $HOME_DIR/own/bundle &&
		$INSULA_BIN/insula-runtime spec --rootless && sed -i 's/\"terminal\": *true/\"terminal\": false/; s/\"sh\"/\"true\"/' config.json"
	ok as_user insula-runtime --root "$HOME_DIR/own/oci" run --bundle "$HOME_DIR/own/bundle" one
	nothing_left
}

# What has our profile may make namespaces; its payload under the default filter, a copy and another program may not.
no_more_than_needed() {
	ok run_box --rm "dir:$HOME_DIR/image" sh -c 'cat /proc/self/attr/current; unshare -U true 2>&1 && echo made; exit 0'
	[[ $output == insula* ]] || fail
	[[ $output != *made* ]] || fail
	cp "$INSULA_BIN"/insula* "$HOME_DIR"
	run --separate-stderr as_user "$HOME_DIR/insula" run --rm --network none "dir:$HOME_DIR/image" true
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *AppArmor* ]] || fail
	run as_user unshare --user --map-root-user true
	[ "$status" -ne 0 ] || fail
	run as_user bash -c "exec -a $INSULA_BIN/insula unshare --user --map-root-user true"
	[ "$status" -ne 0 ] || fail
	nothing_left
}

@test "AppArmor gives namespaces without rights: refused, with the remedy; with the profile all verbs work, for it alone" {
	strip
	refused "AppArmor keeps ordinary users from user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns): root can load Insula's profile, see insula-rootless(7)"
	doctor_notes 'only by a profile of AppArmor (sysctl kernel.apparmor_restrict_unprivileged_userns is 1), and we run by none'
	profile
	ok as_user insula doctor
	[[ $output == *'ok     user namespaces: '*'for ordinary users by the profile of AppArmor'* ]] || fail
	smoke
	no_more_than_needed
}

@test "AppArmor gives no namespaces: refused, with the remedy; with the profile it works" {
	refuse
	refused "AppArmor keeps ordinary users from user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns): root can load Insula's profile, see insula-rootless(7)"
	profile
	smoke
	no_more_than_needed
}

# An ordinary user whose id is all that he has is mapped in another way.
@test "AppArmor gives namespaces without rights, to one without ranges of ids" {
	strip
	mount --bind /dev/null /etc/subuid
	refused "AppArmor keeps ordinary users from user namespaces" || { umount /etc/subuid; false; }
	umount /etc/subuid
}

@test "whoever logs in is confined by a profile without userns: refused, with its name; our profile lets our programs" {
	confine
	cp "$INSULA_BIN"/insula* "$HOME_DIR"
	run --separate-stderr as_user "$HOME_DIR/insula" run --rm --network none "dir:$HOME_DIR/image" true
	[ "$status" -eq 125 ] || fail
	[[ $stderr == *"AppArmor's profile '$SESSION', by which we run, may forbid user namespaces: see insula-rootless(7)"* ]] || fail
	nothing_left
	smoke
	no_more_than_needed
}
