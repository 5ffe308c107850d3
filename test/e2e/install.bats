#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What make install puts below DESTDIR, that it works from there, and that uninstall removes exactly
# that.

load helpers

setup() {
	e2e_setup
	tools=$E2E_DIR/../../tools
	build=$(cd "$INSULA_BIN/../.." && pwd)
	stage=$BATS_TEST_TMPDIR/stage
	mkdir "$stage"
}

install_staged() {
	"$tools/install" --prefix /opt/insula --destdir "$stage" --build "$build" "$@"
}

@test "programs, manual pages, completions and documents are installed" {
	install_staged
	[ -x "$stage/opt/insula/bin/insula" ]
	[ -x "$stage/opt/insula/libexec/insula/insula-keeper" ]
	[ -f "$stage/opt/insula/share/man/man1/insula.1" ]
	[ -f "$stage/opt/insula/share/bash-completion/completions/insula" ]
	[ -f "$stage/opt/insula/share/zsh/site-functions/_insula" ]
	[ -f "$stage/opt/insula/share/fish/vendor_completions.d/insula.fish" ]
	[ -f "$stage/opt/insula/share/doc/insula/README.md" ]
}

@test "every installed manual page is one that the sources have, and none is missing" {
	install_staged
	wanted=$(cd "$E2E_DIR/../../man" && echo *.[1-8])
	have=$(cd "$stage/opt/insula/share/man" && echo */*.[1-8] | sed 's|man[1-8]/||g')
	[ "$(tr ' ' '\n' <<<"$wanted" | sort)" = "$(tr ' ' '\n' <<<"$have" | sort)" ]
}

@test "the installed program runs" {
	install_staged
	run "$stage/opt/insula/bin/insula" version
	[ "$status" -eq 0 ]
	[[ $output == *"0.1.0"* ]]
	ok "$stage/opt/insula/bin/insula" run --rm "$E2E_IMAGE" echo 'with the installed keeper'
	shows 'with the installed keeper'
}

@test "uninstall leaves nothing, after one install and after two" {
	install_staged
	install_staged
	run install_staged --uninstall
	[ "$status" -eq 0 ]
	[ -z "$(ls -A "$stage")" ]
}

@test "uninstall keeps what was there before, and what others put there" {
	mkdir -p "$stage/opt/insula/bin"
	install_staged
	echo mine >"$stage/opt/insula/share/mine"
	install_staged --uninstall
	[ "$(cd "$stage" && find . -type f)" = ./opt/insula/share/mine ]
	[ -d "$stage/opt/insula/bin" ]
	[ ! -e "$stage/opt/insula/libexec" ]
}

@test "uninstall where nothing is installed says so" {
	run install_staged --uninstall
	[ "$status" -eq 1 ]
	[[ $output == *"nothing is installed below"* ]]
}

# ---- the profile for AppArmor ----

profile=opt/insula/share/insula/apparmor.d/insula

@test "the AppArmor profile names the installed programs, and is one that its parser takes" {
	install_staged
	[ "$(grep -c '^profile ' "$stage/$profile")" = 2 ]
	grep '^profile ' "$stage/$profile" | while read -r _ name path flags _; do
		[ "$path" = "/opt/insula/bin/$name" ] && [ -x "$stage$path" ] && [ "$flags" = 'flags=(unconfined)' ] ||
			fail "$name $path $flags"
	done
	[ "$(grep -c '^  userns,$' "$stage/$profile")" = 2 ]
	command -v apparmor_parser >/dev/null || skip "there is no apparmor_parser here"
	# Before its version 4.0 AppArmor has no word for user namespaces; the rest is what it would be there.
	[ -e /etc/apparmor.d/abi/4.0 ] || sed -i -e 's|abi/4.0|abi/3.0|' -e '/^  userns,$/d' "$stage/$profile"
	ok apparmor_parser --skip-kernel-load --skip-cache "$stage/$profile"
	[ "$(apparmor_parser --names "$stage/$profile" | sort | tr '\n' ' ')" = 'insula insula-runtime ' ]
}

@test "the AppArmor profile is where AppArmor looks if it is new enough, or if it is wanted; never otherwise" {
	mkdir -p "$stage/etc/apparmor.d/abi"
	touch "$stage/etc/apparmor.d/abi/3.0"
	install_staged
	[ ! -e "$stage/etc/apparmor.d/insula" ]
	touch "$stage/etc/apparmor.d/abi/4.0"
	install_staged
	cmp "$stage/etc/apparmor.d/insula" "$stage/$profile"
	install_staged --apparmor no
	[ ! -e "$stage/etc/apparmor.d/insula" ]
	install_staged --apparmor yes
	[ -e "$stage/etc/apparmor.d/insula" ]
	install_staged --uninstall
	[ "$(cd "$stage" && find . -type f | sort)" = $'./etc/apparmor.d/abi/3.0\n./etc/apparmor.d/abi/4.0' ]
	exits 2 install_staged --apparmor perhaps
}
