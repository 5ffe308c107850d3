#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Containers of an ordinary user: with nothing prepared for him, as in a batch job; with a range of ids; with a
# home where overlay cannot write. The user exists in a mount namespace of the test's own only.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # each test has variables of its own
# shellcheck disable=SC2086  # USER_ID and RANGE are numbers

load helpers
load as_user

box() {
	mine run --rm "$IMAGE" "$@"
}

has_begun() {
	[ "$(mine logs web)" = begun ]
}

restarted() {
	[ "$(mine inspect "$1" | jq -r '.[0].RestartCount')" = "$2" ]
}

# ---- a single id ----

@test "alone: output, errors, input and exit status are the command's" {
	ok box sh -c 'echo out; echo err >&2'
	shows out
	[ "$stderr" = err ]
	[ "$(echo typed | mine run --rm -i "$IMAGE" cat)" = typed ]
	exits 42 box sh -c 'exit 42'
	exits 127 box no-such-command
	exits 126 box /etc/passwd
	[ -z "$(mine ps -aq)" ]
}

@test "alone: root inside is the user, and nobody else is there" {
	ok box sh -c 'id -u; cat /proc/1/uid_map | tr -s " "; touch /root/written /tmp/written; stat -c %u /root/written'
	[ "${lines[0]}" = 0 ]
	[ "${lines[2]}" = 0 ]
	exits 125 mine run --rm --user 1000 "$IMAGE" true
	[[ $stderr == *1000* ]]
}

@test "alone: a secret is the user's own, in the container and in what enters it" {
	printf s3cret | mine secret create db - >/dev/null
	ok mine run -d --name web --secret db --secret db,type=env,target=PW "$IMAGE" \
		sh -c 'echo begun; exec sleep 600'
	eventually 10 has_begun
	ok mine exec web sh -c 'cat /run/secrets/db; echo; echo "$PW"; stat -c "%u %a" /run/secrets/db; ! echo x 2>/dev/null >/run/secrets/db'
	shows $'s3cret\ns3cret\n0 444'
	[ "$(stat -c '%u %a' "$HOME_DIR/.local/share/insula/secrets/db")" = "$USER_ID 600" ]
	exits 125 mine secret rm db
	exits 125 mine run --secret db,uid=7 "$IMAGE" true
	[[ $stderr == *7* ]] || fail
	exits 1 env INSULA_ROOT="$E2E_STATE/lib" INSULA_RUNROOT="$E2E_STATE/run" \
		"$PROGRAMS/insula" secret exists db
}

@test "alone: the life of a container, verb by verb" {
	ok mine run -d --name web "$IMAGE" sh -c 'echo begun; trap "exit 3" TERM; while :; do sleep 0.1; done'
	eventually 10 has_begun
	ok mine ps
	contains web
	ok mine exec web sh -c 'echo $$ and $(id -u)'
	contains 'and 0'
	[ "$(echo fed | mine exec -i web cat)" = fed ]
	ok mine inspect web
	[ "$(jq -r '.[0].State.Status' <<<"$output")" = running ]
	ok mine inspect --security web
	[ "$(jq -r '.[0].Security.HostUid' <<<"$output")" = $USER_ID ]
	ok mine stop web
	ok mine wait web
	shows 3
	ok mine rm web
	[ -z "$(mine ps -aq)" ]
	[ -z "$(find "$HOME_DIR/.local/share/insula/containers" -mindepth 1)" ]
}

@test "alone: a terminal" {
	run pty -- setpriv --reuid $USER_ID --regid $USER_ID --clear-groups \
		env -i PATH=/usr/bin:/bin HOME="$HOME_DIR" TERM=xterm "$PROGRAMS/insula" run --rm -it "$IMAGE" sh -c 'tty; exit 4'
	[ "$status" -eq 4 ] || fail
	contains /dev/pts/0
}

# used PID: the time that it has computed.
used() {
	cut -d ' ' -f 14,15 "/proc/$1/stat"
}

stands_still() {
	local before
	before=$(used "$1")
	sleep 0.3
	[ "$(used "$1")" = "$before" ]
}

@test "alone: a reader who never reads, of a pipe that is another's, keeps no signal from the command" {
	local reader us
	ok mine run -d --name web "$IMAGE" sleep 600
	mkfifo -m 600 "$E2E_STATE/unread"
	sh -c 'exec sleep 600' <"$E2E_STATE/unread" 3>&- &
	reader=$!
	as_user sh -c 'echo $$ >"$HOME/pid"; exec "$0" exec web yes' "$PROGRAMS/insula" \
		>"$E2E_STATE/unread" 2>&1 </dev/null 3>&- &
	eventually 10 mine exec web pidof yes
	us=$(cat "$HOME_DIR/pid")
	eventually 10 stands_still "$us"
	kill -TERM "$us"
	eventually 10 lacks_yes
	# The rest of the output waits for its reader, as in a pipeline; a signal ends that.
	eventually 10 sh -c "kill -TERM $us 2>/dev/null; ! kill -0 $us 2>/dev/null"
	kill "$reader"
}

lacks_yes() {
	! mine exec web pidof yes
}

@test "alone: kill -9 of the keeper ends the container, and the next command clears up" {
	local keeper
	ok mine run -d --name web "$IMAGE" sleep 600
	keeper=$(mine inspect web | jq '.[0].State.KeeperPid')
	kill -9 "$keeper"
	eventually 10 sh -c '! kill -0 '"$keeper"' 2>/dev/null'
	ok mine rm -f web
	[ -z "$(find "$HOME_DIR/.local/share/insula/containers" -mindepth 1)" ]
}

@test "alone: made, started, started again by its policy" {
	ok mine create --name later "$IMAGE" sh -c 'echo run >>/runs; cat /runs; exit 7'
	ok mine start later
	ok mine wait later
	shows 7
	ok mine start later
	ok mine wait later
	ok mine logs later
	[ "$(tail -n 2 <<<"$output")" = $'run\nrun' ] || fail
	ok mine run -d --name again --restart on-failure:2 "$IMAGE" sh -c 'echo run >>/runs; wc -l </runs; exit 7'
	eventually 20 ended_after_three
	ok mine rm later again
}

ended_after_three() {
	[ "$(mine logs again | tail -n 1)" = 3 ] && [ "$(mine ps -a --format json | jq -r '.[] | select(.name == "again").status')" = exited ]
}

@test "alone: what only root can remove inside, the user can remove outside" {
	ok mine run --name web "$IMAGE" sh -c 'mkdir -p /tree/deep && touch /tree/deep/file && chmod 0 /tree/deep /tree'
	ok mine rm web
	[ -z "$(find "$HOME_DIR/.local/share/insula/containers" -mindepth 1)" ]
}

has_written() {
	[ "$(mine logs web | tail -n 1)" = begun ]
}

# every_verb: what is there beside the life of a container.
every_verb() {
	local verb upper
	ok mine create --name made --restart unless-stopped "$IMAGE" \
		sh -c 'mkdir /srv/closed; touch /srv/closed/in /srv/new; rm /etc/group; chmod 0 /srv/closed; echo begun; exec sleep 300'
	ok mine diff made
	shows ''
	ok mine rename made web
	ok mine start web
	eventually 10 has_written
	ok mine diff web
	shows "C /etc
D /etc/group
C /srv
A /srv/closed
A /srv/closed/in
A /srv/new"
	ok mine inspect web
	[ "$(jq -r '.[0].State.Status' <<<"$output")" = running ] || fail
	upper=$(jq -r '.[0].GraphDriver.Data.UpperDir' <<<"$output")
	[ -e "$upper/srv/new" ] || fail "$upper"
	if ! has_groups; then
		for verb in "pause" "unpause" "stats --no-stream" "update --memory 64m"; do
			# shellcheck disable=SC2086  # a verb and its options
			exits 125 mine $verb web
			[[ $stderr == *"none was delegated to you"* ]] || fail "$verb: $stderr"
		done
	fi
	ok mine restart -t 0 web
	eventually 10 has_written
	kill -9 "$(mine inspect web | jq '.[0].State.KeeperPid')"
	ok mine up
	shows web
	ok mine stop -t 0 web
	ok mine wait web
	shows 137
	ok mine events --no-stream -f container=web --format '{{.Event}}'
	for verb in rename start stop die; do
		grep -qx "$verb" <<<"$output" || fail "no $verb"
	done
	ok mine system df --format json
	[ "$(jq '.[] | select(.type == "Containers") | .total == 1 and .active == 0 and .reclaimable > 0' <<<"$output")" = true ] || fail
	ok mine system check
	contains ", 0 problems"
	ok mine prune -f
	[ -z "$(mine ps -aq)" ] || fail
	[ -z "$(find "$HOME_DIR/.local/share/insula/containers" -mindepth 1)" ] || fail
}

@test "alone: every other verb" {
	every_verb
}

@test "range: every other verb" {
	with_range
	every_verb
}

@test "alone: a limit without a delegated group is an error that says so" {
	! has_groups || skip "control groups are delegated here"
	local option
	for option in '-m 64m' '--cpu-shares 100' '--pids-limit 50'; do
		# shellcheck disable=SC2086  # an option and its value
		exits 125 mine run --rm $option "$IMAGE" true
		[[ $stderr == *'need a control group'* ]] || fail "not said: $stderr"
	done
}

@test "alone: a directory of the user's is container root's" {
	install -d -o $USER_ID -g $USER_ID "$HOME_DIR/data"
	ok mine run --rm -v "$HOME_DIR/data:/data" "$IMAGE" sh -c 'echo kept >/data/file; stat -c %u /data/file'
	shows 0
	[ "$(stat -c %u "$HOME_DIR/data/file")" = $USER_ID ]
	exits 125 mine run --rm -v "$HOME_DIR/data:/data:idmap" "$IMAGE" true
	[[ $stderr == *'takes root'* ]]
}

@test "alone: networks, names and shared namespaces" {
	ok mine run --rm --network host "$IMAGE" readlink /proc/self/ns/net
	shows "$(readlink /proc/self/ns/net)"
	ok box sh -c 'ip link show lo'
	contains UP
	ok mine run --rm --hostname mine "$IMAGE" hostname
	shows mine
}

@test "alone: modes that take a range, or root, are refused" {
	exits 125 mine run --rm --userns host "$IMAGE" true
	[[ $stderr == *'takes root'* ]]
	exits 125 mine run --rm --userns keep-id "$IMAGE" true
	[[ $stderr == *'no id range'* ]]
	exits 125 "$PROGRAMS/insula" --root "$E2E_STATE/lib" --runroot "$E2E_STATE/run" run --rm --userns keep-id "$IMAGE" true
	[[ $stderr == *'ordinary user'* ]]
	[ -z "$(mine ps -aq)" ]
}

# held PID: what is a child of the command in the subshell PID is stopped.
held() {
	local child
	child=$(pgrep -P "$(pgrep -P "$1")") && grep -q '^State:.*stopped' "/proc/$child/status"
}

# A bind of the host's /proc shows who enters, who is of the same user and in the same user namespace by then.
@test "alone: container root that traces what it sees has no moment in which the helper that enters is open" {
	needs_failpoints
	ok mine run -d --name web --cap-add SYS_PTRACE -v /proc:/host/proc "$IMAGE" sleep 1000
	ok mine mounts add web type=tmpfs,dst=/t
	# what is open is seen
	mine exec web cat "/host/proc/$(mine inspect --format '{{.State.Pid}}' web)/environ" | grep -q -a PATH=
	as_user env INSULA_FAIL=live.entered=stop INSULA_CANARY=canary "$PROGRAMS/insula" mounts remove web /t \
		>/dev/null 2>&1 </dev/null 3>&- &
	local command=$! pid
	eventually 20 held "$command"
	pid=$(pgrep -P "$(pgrep -P "$command")")
	run mine exec web sh -c "cat /host/proc/$pid/environ; readlink /host/proc/$pid/fd/0; exec 3<>/host/proc/$pid/mem && echo open"
	kill -CONT "$pid"
	wait "$command"
	lacks canary
	lacks /dev/null
	lacks open$'\n'
}

@test "alone: mounts and devices come to a container that runs, and go again" {
	mkdir "$HOME_DIR/data"
	echo hello >"$HOME_DIR/data/file"
	chown -R $USER_ID:$USER_ID "$HOME_DIR/data"
	ok mine run -d --name web "$IMAGE" sleep 1000
	ok mine mounts add web "$HOME_DIR/data:/srv/data" "$HOME_DIR/data:/srv/fixed:ro" type=tmpfs,dst=/t
	[ "$(mine exec web sh -c 'cat /srv/data/file; stat -c %u /srv/data/file /t; echo made >/srv/data/made')" = $'hello\n0\n0' ]
	[ "$(stat -c %u "$HOME_DIR/data/made")" = $USER_ID ]
	run ! mine exec web touch /srv/fixed/x
	refused 125 "takes root" mine mounts add web "$HOME_DIR/data:/x:idmap"
	ok mine devices add web /dev/kmsg
	ok mine exec web stat -c %F /dev/kmsg
	shows "character special file"
	ok mine devices remove web /dev/kmsg
	run ! mine exec web ls /dev/kmsg
	ok mine mounts remove web /srv/data /t
	run ! mine exec web ls /srv/data/file
	ok mine restart -t 0 web
	[ "$(mine exec web cat /srv/fixed/file)" = hello ]
	[ "$(mine mounts list --format '{{.Destination}} {{.Mounted}}' web)" = "/srv/fixed yes" ]
}

# ---- the host image ----

@test "host: composed of the system's trees, with the user's rights" {
	ok mine run --rm host sh -c 'cat /etc/os-release; touch /etc/new /usr/new /root/new && echo written'
	contains "$(head -n 1 /etc/os-release)"
	contains written
	exits 1 mine run --rm host cat /etc/shadow
	ok mine run --rm host find /root /home /srv -mindepth 1
	shows ''
	[ ! -e /etc/new ]
	ok mine run --name mine host touch /root/new
	ok mine diff mine
	shows "C /root
A /root/new"
	ok mine cp mine:/usr/lib/os-release "$HOME_DIR/release"
	cmp "$HOME_DIR/release" /etc/os-release || fail
	exits 125 mine cp mine:/etc/shadow "$HOME_DIR/shadow"
	ok mine rm mine
	ok mine run --rm host cat /etc/machine-id
	[ "$output" != "$(cat /etc/machine-id 2>/dev/null)" ]
}

@test "host: what others may not read is absent, though the user may" {
	ok mine run --rm host ls /etc
	! grep -q -x -e shadow -e gshadow <<<"$output" || fail "shadow is listed"
}

# ---- places ----

@test "places: without XDG_RUNTIME_DIR it is a directory in /tmp, closed to others" {
	RUNTIME=
	ok mine run -d --name web "$IMAGE" sleep 600
	[ "$(stat -c '%u %a' "/tmp/insula-run-$USER_ID")" = "$USER_ID 700" ]
	ok mine exec web true
	ok mine rm -f web
}

@test "places: a directory in /tmp that somebody else made, or can write to, is refused" {
	RUNTIME=
	mkdir "/tmp/insula-run-$USER_ID"
	exits 125 mine run --rm "$IMAGE" true
	[[ $stderr == *'yours alone'* ]]
	chmod 700 "/tmp/insula-run-$USER_ID"
	exits 125 mine run --rm "$IMAGE" true
	[[ $stderr == *'yours alone'* ]]
	rmdir "/tmp/insula-run-$USER_ID"
	install -d -o $USER_ID -m 770 "/tmp/insula-run-$USER_ID"
	exits 125 mine run --rm "$IMAGE" true
	[[ $stderr == *'yours alone'* ]]
	[ -z "$(ls -A "/tmp/insula-run-$USER_ID")" ]
	rmdir "/tmp/insula-run-$USER_ID"
	ln -s "$E2E_STATE/runtime" "/tmp/insula-run-$USER_ID"
	exits 125 mine run --rm "$IMAGE" true
	[[ $stderr == *'yours alone'* ]]
	rm "/tmp/insula-run-$USER_ID"
}

@test "places: XDG_RUNTIME_DIR is everybody's: what somebody else made there is refused" {
	chmod 1777 "$RUNTIME"
	mkdir -m 777 "$RUNTIME/insula"
	exits 125 mine run --rm "$IMAGE" true
	[[ $stderr == *"'$RUNTIME/insula' is not a directory of yours alone"* ]] || fail
	[ -z "$(ls -A "$RUNTIME/insula")" ] || fail "it was used"
	rmdir "$RUNTIME/insula"
	ok mine run --rm "$IMAGE" true
	[ "$(stat -c '%u %a' "$RUNTIME/insula")" = "$USER_ID 700" ]
}

@test "places: a home that overlay cannot write to" {
	with_accounts
	mkdir "$E2E_STATE"/{lower,upper,work}
	chown $USER_ID "$E2E_STATE/upper"
	"${INSIDE[@]}" mount -t overlay overlay \
		-o "lowerdir=$E2E_STATE/lower,upperdir=$E2E_STATE/upper,workdir=$E2E_STATE/work" "$HOME_DIR"
	ok mine run --name web "$IMAGE" sh -c 'echo kept >/note; cat /note'
	shows kept
	[ "$(mine ps -a --format json | jq -r '.[0].status')" = exited ]
	ok mine diff web
	contains "A /note"
	ok mine cp web:/note "$HOME_DIR/note"
	[ "$(as_user cat "$HOME_DIR/note")" = kept ] || fail
	[ -e "$(mine inspect web | jq -r '.[0].GraphDriver.Data.UpperDir')/note" ] || fail
	ok mine system check
	contains ", 0 problems"
	ok mine system df -v --format '{{.Name}} {{.RawSize}}'
	[ "$(awk '$1 == "web" { print ($2 > 0) }' <<<"$output")" = 1 ] || fail
	ok mine rm web
	[ -z "$(find "$RUNTIME/insula/containers" -mindepth 1)" ]
}

@test "places: without HOME it is said what to do" {
	run --separate-stderr setpriv --reuid $USER_ID --regid $USER_ID --clear-groups \
		env -i "$PROGRAMS/insula" ps
	[ "$status" -eq 125 ]
	[[ $stderr == *HOME* ]]
}

@test "alone: health checks and restarts go on, with a configuration file of the system too" {
	with_accounts
	mkdir -p "$E2E_STATE"/{upper/insula,work}
	cp "$E2E_STATE"/{passwd,group} "$E2E_STATE/upper"
	# Where root's containers are says nothing of his.
	printf '[store]\nroot = %s\nrunroot = %s\n[run]\nhostname = fromfile\n' "$E2E_STATE/roots" "$E2E_STATE/roots" \
		>"$E2E_STATE/upper/insula/insula.conf"
	"${INSIDE[@]}" mount -t overlay overlay -o "lowerdir=/etc,upperdir=$E2E_STATE/upper,workdir=$E2E_STATE/work" /etc
	ok box hostname
	shows fromfile
	ok mine run -d --name sound --health-cmd 'echo well' --health-interval 100ms --health-retries 1 --health-on-failure kill \
		"$IMAGE" sleep 600
	ok mine run -d --name again --restart on-failure:2 "$IMAGE" sh -c 'echo run; exit 3'
	eventually 20 restarted again 2
	sleep 0.5
	[ "$(mine inspect sound | jq -r '.[0].State.Health.Status')" = healthy ] || fail "$(mine inspect sound | jq -c '.[0].State')"
	[ "$(mine logs again | grep -c run)" = 3 ] || fail
}

# ---- a range of ids ----

@test "range: other users inside, as ids of the range outside" {
	with_range
	install -d -m 777 "$HOME_DIR/data"
	ok mine run --rm -v "$HOME_DIR/data:/data" --user user "$IMAGE" sh -c 'id -u; id -g; touch /data/file'
	[ "${lines[0]}" = 1000 ]
	[ "$(stat -c %u "$HOME_DIR/data/file")" = $((RANGE + 999)) ]
	ok mine run --rm --userns nomap -v "$HOME_DIR/data:/data" "$IMAGE" sh -c 'touch /data/root; stat -c %u /data'
	shows 65534
	[ "$(stat -c %u "$HOME_DIR/data/root")" = "$RANGE" ]
}

@test "range: keep-id is oneself inside" {
	with_range
	install -d -o $USER_ID -g $USER_ID "$HOME_DIR/data"
	ok mine run --rm --userns keep-id -v "$HOME_DIR/data:/data" "$IMAGE" sh -c 'id -u; touch /data/file'
	shows $USER_ID
	[ "$(stat -c %u "$HOME_DIR/data/file")" = $USER_ID ]
	ok mine run --rm --userns keep-id --user root -v "$HOME_DIR/data:/data" "$IMAGE" stat -c %u /data
	shows $USER_ID
}

@test "range: files of other ids are removed with the container" {
	with_range
	ok mine run --name web "$IMAGE" sh -c 'mkdir -m 700 /others && chown 1000:1000 /others && su user -s /bin/sh -c "touch /others/file" || touch /others/file && chown -R 1000 /others'
	ok mine rm web
	[ -z "$(find "$HOME_DIR/.local/share/insula/containers" -mindepth 1)" ]
	ok mine run --rm "$IMAGE" sh -c 'mkdir -m 700 /others && touch /others/file && chown -R 1000 /others'
	eventually 10 sh -c '[ -z "$(find '"$HOME_DIR"'/.local/share/insula/removed -mindepth 1)" ]'
}

# ---- apart ----

@test "root and users do not see each other's containers" {
	export INSULA_ROOT=$E2E_STATE/lib INSULA_RUNROOT=$E2E_STATE/run
	ok insula run -d --name roots "$IMAGE" sleep 600
	ok mine run -d --name users "$IMAGE" sleep 600
	[ "$(insula ps -q | wc -l)" = 1 ]
	[ "$(mine ps -q | wc -l)" = 1 ]
	exits 125 mine exec roots true
	exits 125 insula exec users true
	exits 125 as_user "$PROGRAMS/insula" --root "$E2E_STATE/lib" --runroot "$E2E_STATE/run" ps
	ok insula rm -f roots
	unpin_pad
	unset INSULA_ROOT INSULA_RUNROOT
}

@test "doctor and info say what a user has" {
	ok mine doctor
	contains "your own alone"
	has_groups || contains "none was delegated to you"
	ok mine info
	contains "$HOME_DIR/.local/share/insula"
	with_range
	ok mine doctor
	contains '65536 of /etc/subuid'
}

@test "doctor says whether he has a control group" {
	with_groups
	ok mine doctor
	contains "your containers have theirs"
}

@test "a user namespace that is refused, or gives no right, is said with its remedy" {
	needs_failpoints
	local point
	for point in rootless.clone=error:EACCES rootless.rights=error:EPERM; do
		exits 125 as_user env INSULA_FAIL=$point "$PROGRAMS/insula" run --rm "$IMAGE" true
		[[ $stderr == *"insula-rootless(7)"* ]] || fail
		[ "$(grep -v -c '^hint: ' <<<"$stderr")" -eq 1 ] || fail
		exits 125 as_user env INSULA_FAIL=$point "$PROGRAMS/insula" run -d "$IMAGE" true
		[ -z "$(mine ps -aq)" ] || fail
	done
}

# ---- files into and out of it ----

# Into and out of a container that does not run: without its volumes, and what it wrote is there.
check_copy_ended() {
	local kept
	ok mine cp "$HOME_DIR/in/file" web:/srv/ended
	ok mine cp -a "$HOME_DIR/in" web:/srv/again
	ok mine cp web:/srv/in/file "$HOME_DIR/back"
	[ "$(cat "$HOME_DIR/back")" = new ] || fail
	exits 125 mine cp web:/data/file "$HOME_DIR/none"
	[ ! -e "$HOME_DIR/none" ] || fail "a volume is there"
	ok mine cp web:/etc/passwd "$HOME_DIR/passwd"
	cmp "$HOME_DIR/passwd" "$BATS_FILE_TMPDIR/image/etc/passwd" || fail
	mine cp web:/srv - >"$E2E_STATE/tar" || fail
	tar -tf "$E2E_STATE/tar" | grep -qx srv/ended || fail
	exits 125 mine cp web:/no/such "$HOME_DIR/none"
	[[ $stderr == *"/no/such"* || $stderr == *"no/such"* ]] || fail
	! grep -q "$E2E_STATE" /proc/self/mounts || fail "a mount is left"
	kept=$(stat -c %u "$HOME_DIR/back")
	[ "$kept" = $USER_ID ] || fail "it belongs to $kept"
	ok mine start web
	ok mine exec web cat /srv/ended /srv/again/file
	shows "new
new"
	ok mine stop -t 0 web
}

check_copy() {
	install -d -o $USER_ID -g $USER_ID "$HOME_DIR/data" "$HOME_DIR/in"
	echo new | as_user tee "$HOME_DIR/in/file" >/dev/null
	echo old | as_user tee "$HOME_DIR/data/file" >/dev/null
	ok mine run -d --name web -v "$HOME_DIR/data:/data" "$@" "$IMAGE" sleep 300
	ok mine exec web ln -s /data /srv/link
	ok mine cp "$HOME_DIR/in/file" web:/srv/link/
	ok mine cp -a "$HOME_DIR/in" web:/srv
	ok mine exec web cat /data/file /srv/in/file
	shows "new
new"
	[ "$(stat -c %u "$HOME_DIR/data/file")" = $USER_ID ] || fail
	ok mine cp -a web:/srv/in "$HOME_DIR/out"
	[ "$(stat -c %u "$HOME_DIR/out/file")" = $USER_ID ] || fail
	ok mine stop -t 0 web
	check_copy_ended
	ok mine rm web
}

@test "cp: into a volume and a container, and out of it, with a single id" {
	check_copy
}

@test "cp: with a range of ids" {
	with_range
	check_copy
	rm -rf "${HOME_DIR:?}"/{data,in,out}
	check_copy --userns keep-id
}

@test "cp: what belongs to other ids of his, and to a container without his own" {
	with_range
	install -d -m 755 -o $USER_ID -g $USER_ID "$HOME_DIR/in"
	echo new | as_user tee "$HOME_DIR/in/file" >/dev/null
	ok mine run -d --name web "$IMAGE" sh -c 'mkdir -m 700 /srv/closed; echo secret >/srv/closed/file; chown -R 1000:1000 /srv/closed; touch /ready; sleep 300'
	eventually 10 mine exec web test -e /ready
	ok mine cp web:/srv/closed "$HOME_DIR/running"
	ok mine stop -t 0 web
	ok mine cp web:/srv/closed "$HOME_DIR/ended"
	ok mine cp -a web:/srv/closed "$HOME_DIR/kept"
	[ "$(cat "$HOME_DIR"/{running,ended,kept}/file)" = $'secret\nsecret\nsecret' ] || fail
	[ "$(stat -c %u "$HOME_DIR"/{running,ended,kept}/file)" = "$USER_ID
$USER_ID
$((RANGE + 999))" ] || fail "$(stat -c %u "$HOME_DIR"/{running,ended,kept}/file)"
	ok mine diff web
	contains "A /srv/closed/file"
	ok mine rm web
	ok mine create --name web --userns nomap "$IMAGE" stat -c %u /srv/file /root/file
	ok mine cp "$HOME_DIR/in/file" web:/srv/file
	ok mine cp "$HOME_DIR/in/file" web:/root/file
	ok mine start web
	ok mine wait web
	ok mine logs web
	shows $'0\n0'
	rm -rf "${HOME_DIR:?}"/{running,ended,kept}
}
