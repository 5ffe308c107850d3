#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula up: what a boot would start.

load helpers

@test "up starts what its policy wants, the oldest first, and nothing else" {
	ok insula run -d --name always --restart always "$E2E_IMAGE" sleep 600
	ok insula run -d --name unless --restart unless-stopped "$E2E_IMAGE" sleep 600
	ok insula run -d --name never "$E2E_IMAGE" sleep 600
	ok insula run -d --name killed --restart unless-stopped "$E2E_IMAGE" sleep 600
	ok insula run -d --name runs --restart always "$E2E_IMAGE" sleep 600
	insula stop --time 0 always unless never
	kill -9 "$(detail killed .State.KeeperPid)"
	ok insula up
	shows $'always\nkilled'
	[ "$(field always status)" = running ]
	[ "$(field killed status)" = running ]
	[ "$(field unless status)" = exited ]
	[ "$(field never status)" = exited ]
	ok insula up
	shows ''
}

@test "up goes on where one cannot be started" {
	local root
	root=$(copy_of_root gone)
	ok insula run -d --name broken --restart always "dir:$root" sleep 600
	ok insula run -d --name good --restart always "$E2E_IMAGE" sleep 600
	insula stop --time 0 broken good
	rm -rf "$root"
	exits 125 insula up
	shows good
	[ "$(field good status)" = running ]
}
