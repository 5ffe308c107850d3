#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula secret, and run --secret: values that a container gets, and nobody else.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load helpers

VALUE=Tr0ub4dor-and-3

# keep NAME [VALUE]
keep() {
	printf %s "${2:-$VALUE}" | insula secret create "$1" - >/dev/null
}

# Files below a directory that have the value, as it is or in hex digits.
leaks() {
	local hex
	hex=$(printf %s "$VALUE" | od -An -v -tx1 | tr -d ' \n')
	grep -r -l -a -F -e "$VALUE" -e "$hex" "$@" 2>/dev/null
}

@test "a value comes from a file, the standard input or a variable, and is kept for its owner alone" {
	printf 'a\0b' >"$BATS_TEST_TMPDIR/value"
	ok insula secret create from-file "$BATS_TEST_TMPDIR/value"
	[[ $output =~ ^[0-9a-f]{25}$ ]] || fail
	keep from-stdin
	ok env PASSWORD=$VALUE "$INSULA_BIN/insula" secret create --env from-env PASSWORD
	ok insula run --rm --secret from-file --secret from-stdin --secret from-env "$E2E_IMAGE" \
		sh -c 'cd /run/secrets; od -An -tx1 from-file; cat from-stdin; echo; cat from-env'
	shows " 61 00 62
$VALUE
$VALUE"
	[ "$(stat -c %a "$INSULA_ROOT/secrets")" = 700 ]
	[ "$(stat -c %a "$INSULA_ROOT"/secrets/* | sort -u)" = 600 ]
}

@test "ls, inspect and exists show everything but the value" {
	printf %s "$VALUE" | insula secret create --label team=blue db - >/dev/null
	keep web
	ok insula secret ls
	[[ ${lines[0]} == ID*NAME*DRIVER*CREATED*UPDATED* ]] || fail
	[[ ${lines[1]} == *' db '*' file '* && ${lines[2]} == *' web '* ]] || fail
	ok insula secret ls --noheading --filter name=d --format '{{.Name}} {{.Size}} {{join .Labels ","}}'
	shows "db ${#VALUE} team=blue"
	ok insula secret ls --quiet --filter label=team
	shows "$(insula secret inspect --format '{{.ID}}' db)"
	ok insula secret inspect db web
	lacks "$VALUE"
	[ "$(jq -r '.[0].Spec | .Name + " " + .Labels.team + " " + .Driver.Name' <<<"$output")" = 'db blue file' ]
	ok insula secret inspect --showsecret --format '{{.SecretData}}' "$(insula secret ls -q --filter name=db)"
	shows "$VALUE"
	ok insula secret inspect --pretty db
	contains 'Name:	db'
	exits 125 insula secret inspect --format '{{.Spec.Name}}' nope db gone
	shows db
	[[ $stderr == *"'nope'"*"'gone'"* ]] || fail
	exits 125 insula secret inspect --format '{{.Spec.Title}}' db
	[[ $stderr == *"there is no field 'Spec.Title'"* ]] || fail
	ok insula secret list --noheading
	[[ ${lines[0]} == *db*file* ]] || fail
	ok insula secret ls -n --format 'table {{.Name}}\t{{.Size}}'
	[ "${lines[0]}" = "db	${#VALUE}" ] || fail
	ok insula secret exists db
	exits 1 insula secret exists nope
	[ -z "$output$stderr" ] || fail
}

@test "what is no name, too much or nothing is refused" {
	local name
	for name in '' . .. a/b ../a -a a,b a=b "$(printf 'a\nb')" "$(printf 'a%.0s' {1..201})"; do
		refused 125 'not the name of a secret' insula secret create -- "$name" /dev/null
	done
	refused 125 'this has none' insula secret create a /dev/null
	refused 125 'this has more' insula secret create a /dev/zero
	head -c 512000 /dev/zero >"$BATS_TEST_TMPDIR/most"
	ok insula secret create most "$BATS_TEST_TMPDIR/most"
	ok in_box --secret most -- wc -c /run/secrets/most
	shows '512000 /run/secrets/most'
	refused 125 'cannot read the secret' insula secret create a /nonexistent
	refused 125 'no variable' insula secret create --env a NOT_THERE
	refused 125 'there is no secret' insula secret inspect nope
	refused 125 'no --showsecret' insula secret ls --showsecret
	refused 125 'no text' insula secret inspect --showsecret most
	refused 125 "there is no 'show'" insula secret show
	[ "$(insula secret ls -q | wc -l)" = 1 ]
}

@test "a name is taken once; --replace changes the value, and --ignore nothing" {
	keep db one
	local id created
	id=$(insula secret inspect --format '{{.ID}}' db)
	created=$(insula secret inspect --format '{{.CreatedAt}}' db)
	refused 125 "there is a secret 'db' already" insula secret create db /etc/hostname
	[ "$(echo -n two | insula secret create --ignore db -)" = "$id" ]
	[ "$(insula secret inspect --showsecret --format '{{.SecretData}}' db)" = one ]
	[ "$(insula secret inspect --showsecret --format json db | jq -r '.[0].SecretData')" = one ]
	[ "$(insula secret inspect --format json db | jq '.[0] | has("SecretData")')" = false ]
	[ "$(echo -n two | insula secret create --replace db -)" = "$id" ]
	ok insula secret inspect --showsecret --format '{{.SecretData}} {{.CreatedAt}}' db
	shows "two $created"
}

@test "a file has the owner, the mode and the place that were asked for" {
	keep db
	ok in_box --secret db --secret db,target=other,uid=1000,gid=10,mode=440 \
		--secret db,target=/etc/deep/pw,mode=0400 --user 1000:1000 -- \
		sh -c 'cat /run/secrets/db; echo; stat -c "%n %u:%g %a" /run/secrets/* /etc/deep/pw; cat /run/secrets/other; echo; ! cat /etc/deep/pw'
	[ "$output" = "$VALUE
/run/secrets/db 0:0 444
/run/secrets/other 1000:10 440
/etc/deep/pw 0:0 400
$VALUE" ] || fail
	ok in_box --userns host --read-only --secret db,target=/srv/x -- cat /srv/x
	shows "$VALUE"
}

@test "a variable is set in the container and in what enters it, newlines and all" {
	keep db $'one\ntwo=2\n'
	ok insula run -d --name web --secret db,type=env --secret db,type=env,target=PW \
		--health-cmd 'test "$PW" = "$db"' --health-interval disable "$E2E_IMAGE" \
		sh -c 'printf %s "$PW" | od -c; exec sleep 600'
	ok insula exec web sh -c 'printf %s "$db" | od -An -c'
	shows '   o   n   e  \n   t   w   o   =   2  \n'
	ok insula healthcheck run web
	insula exec web sh -c 'tr "\0" "\n" </proc/1/environ' | grep -q '^PW=one$'
}

@test "a variable has no NUL and no more than a kernel takes" {
	printf 'a\0b' | insula secret create nul - >/dev/null
	head -c 131072 /dev/zero | tr '\0' x | insula secret create long - >/dev/null
	refused 125 'has a NUL byte' insula run --secret nul,type=env "$E2E_IMAGE" true
	refused 125 'too long for a variable' insula create --secret long,type=env "$E2E_IMAGE" true
	ok in_box --secret nul --secret long -- wc -c /run/secrets/nul /run/secrets/long
}

@test "a value is in no file of ours, no command line, no log, event or unit" {
	keep db
	ok insula run -d --name web --secret db --secret db,type=env,target=PW --secret db,target=/srv/pw \
		"$E2E_IMAGE" sleep 600
	insula exec web true
	insula inspect --security web >"$BATS_TEST_TMPDIR/inspect"
	insula events --stream=false >"$BATS_TEST_TMPDIR/events"
	insula generate systemd --new --name web >"$BATS_TEST_TMPDIR/unit"
	insula run --dry-run --secret db --secret db,type=env "$E2E_IMAGE" true >"$BATS_TEST_TMPDIR/plan"
	grep -q '"--secret" "db"\|--secret db' "$BATS_TEST_TMPDIR/unit"
	[ "$(leaks "$INSULA_ROOT" "$INSULA_RUNROOT" "$BATS_TEST_TMPDIR")" = "$INSULA_ROOT/secrets/db" ]
	run grep -s -l -a -F -f <(echo "$VALUE") /proc/[0-9]*/cmdline "/proc/$(detail web .State.KeeperPid)/environ"
	lacks /proc/
	[ "$(detail web '[.Config.Secrets[] | .Name + ":" + .Type + ":" + .Target] | join(" ")')" = \
		'db:mount:/run/secrets/db db:env:PW db:mount:/srv/pw' ]
}

@test "nothing of it reaches the writable layer, and nobody inside can write it" {
	keep db
	ok insula run -d --name web --userns host --cap-add all --secret db --secret db,target=/srv/pw \
		"$E2E_IMAGE" sleep 600
	ok insula exec web sh -c '! echo x >/run/secrets/db && ! echo x >/srv/pw && ! touch /run/secrets/new && ! rm /run/secrets/db'
	ok insula cp web:/run/secrets/db -
	contains "$VALUE"
	insula stop --time 0 web >/dev/null
	[ -z "$(leaks "$INSULA_ROOT/containers")" ]
	[ ! -s "$INSULA_ROOT/containers/$(detail web .Id)/upper/srv/pw" ]
	ok insula diff web
	lacks secrets/db
	refused 125 "db" insula cp web:/run/secrets/db -
}

@test "what an image has in its place leads nowhere" {
	local root
	keep db
	root=$(copy_of_root links)
	mkdir "$BATS_TEST_TMPDIR/canary" "$root/srv/inside"
	ln -s "$BATS_TEST_TMPDIR/canary" "$root/run/secrets"
	ok insula run --rm --secret db "dir:$root" cat "$BATS_TEST_TMPDIR/canary/db"
	shows "$VALUE" # inside the container's own tree
	[ -z "$(ls "$BATS_TEST_TMPDIR/canary")" ]
	ln -sfn ../../../../../../srv/inside "$root/run/secrets"
	ok insula run --rm --secret db "dir:$root" cat /srv/inside/db
	shows "$VALUE"
	ln -sfn /proc/self/fd "$root/run/secrets"
	exits 125 insula run --rm --secret db "dir:$root" true
	rm "$root/run/secrets"
	mkfifo "$root/run/secrets"
	refused 125 'not a directory' insula run --rm --secret db "dir:$root" true
	rm "$root/run/secrets"
	ln -s / "$root/run/secrets"
	refused 125 'leads to the root' insula run --rm --secret db "dir:$root" true
	[ -z "$(leaks "$root" "$BATS_TEST_TMPDIR/canary")" ]
}

@test "each start has the value of that moment, and another container has none" {
	keep db one
	ok insula create --name web --secret db "$E2E_IMAGE" cat /run/secrets/db
	printf two | insula secret create --replace db - >/dev/null
	ok insula start --attach web
	shows two
	insula secret rm --force db >/dev/null
	keep db three
	ok insula start --attach web
	shows three
	ok in_box -- sh -c 'ls /run/secrets 2>&1; env'
	lacks three
	ok insula run -d --name long --restart always --secret db "$E2E_IMAGE" \
		sh -c 'cat /run/secrets/db; until [ -e /go ]; do sleep 0.05; done; rm /go'
	eventually 20 said long three
	printf four | insula secret create --replace db - >/dev/null
	insula exec long touch /go
	eventually 20 said long four
}

@test "a restart after a reboot works" {
	keep db
	ok insula create --name web --secret db --secret db,type=env,target=PW "$E2E_IMAGE" \
		sh -c 'cat /run/secrets/db; echo " $PW"'
	unpin_pad
	rm -rf "$INSULA_RUNROOT"
	ok insula start --attach web
	shows "$VALUE $VALUE"
}

@test "one that is wanted is not removed; one that is not there stops a start before anything is made" {
	keep db
	keep other
	ok insula create --name web --secret db "$E2E_IMAGE" true
	ok insula create --name shop --secret source=db,target=x "$E2E_IMAGE" true
	exits 125 insula secret rm db other
	[ "$output" = other ] || fail
	[[ $stderr == *"secret 'db' is wanted by '"* && $stderr == *"'web'"* && $stderr == *"'shop'"* ]] || fail
	ok insula secret rm --force "$(insula secret inspect --format '{{.ID}}' db)"
	shows db
	refused 125 "there is no secret 'db'" insula start web
	[ "$(field web status)" = created ]
	refused 125 "there is no secret 'db'" insula run --secret db "$E2E_IMAGE" true
	refused 125 "there is no secret 'db'" insula secret rm db
	ok insula secret rm --ignore db
	keep one
	ok insula secret rm --all
	shows one
}

@test "what is asked for wrongly is refused" {
	keep db
	local text
	for text in db,type=file db,mode=999 db,mode=4755 db,uid=-1 db,uid=70000 db,gid=x db,target= db,foo=1 \
		db,target=../x db,target=a/b db,target=/ db,target=/run/secrets db,target=/run/secrets/a/b \
		db,target=/a/../b type=env db,type=env,mode=400 db,type=env,target=A=B '' ','; do
		refused 125 '--secret' insula run --secret "$text" "$E2E_IMAGE" true
	done
	refused 125 "two secrets have the target '/run/secrets/db'" \
		insula run --secret db --secret db "$E2E_IMAGE" true
	refused 125 "'/srv/x' is mounted on twice" \
		insula run --secret db,target=/srv/x --tmpfs /srv/x "$E2E_IMAGE" true
	refused 125 "'/run/secrets' is mounted on twice" \
		insula run --secret db --tmpfs /run/secrets "$E2E_IMAGE" true
	refused 125 "the mount on '/run/secrets/mine' would be below '/run/secrets'" \
		insula run --secret db -v /etc:/run/secrets/mine:ro "$E2E_IMAGE" true
	ok in_box --secret db --tmpfs /run -- cat /run/secrets/db
	shows "$VALUE"
}

@test "a file that is damaged is told from one that is not there, and can be removed" {
	keep db
	keep web
	sed -i '2s/7/8/' "$INSULA_ROOT/secrets/db"
	refused 125 'checksum is wrong' insula run --secret db "$E2E_IMAGE" true
	truncate -s 40 "$INSULA_ROOT/secrets/web"
	refused 125 'cut short' insula run --secret web "$E2E_IMAGE" true
	exits 1 insula system check
	contains "secrets: secret 'db'"
	contains "secrets: secret 'web'"
	contains '2 problems'
	exits 0 insula secret ls
	[[ $output == *' db '* && $stderr == *"secret 'web'"* ]] || fail
	refused 125 "there is a secret 'web' already" insula secret create --ignore web /etc/hostname
	ok insula secret create --replace db /etc/hostname
	ok insula secret rm --force web
	rm "$INSULA_ROOT/secrets/db"
	ln -s /etc/shadow "$INSULA_ROOT/secrets/db"
	refused 125 'symbolic link' insula secret inspect db
	rm "$INSULA_ROOT/secrets/db"
}

@test "doctor and check find nothing wrong with secrets" {
	keep db
	ok insula system check
	insula doctor | grep -v -q "$INSULA_ROOT/secrets"
}

@test "a writer that is killed leaves the old value" {
	needs_failpoints
	keep db old
	for point in file.written file.renamed; do
		printf new | INSULA_FAIL=$point=kill insula secret create --replace db - >/dev/null 2>&1 || true
		[[ $(insula secret inspect --showsecret --format '{{.SecretData}}' db) == @(old|new) ]]
	done
	ok insula secret ls --quiet
	[ "${#lines[@]}" = 1 ]
	exits 1 insula doctor
	contains "temporary-file $INSULA_ROOT/secrets/.db."
	ok insula doctor --repair
	[ -z "$(find "$INSULA_ROOT/secrets" -name '.*')" ]
}
