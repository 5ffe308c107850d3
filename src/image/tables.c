/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What of the host is shown in a container made from it, as data.
 *
 * The rule is an allowlist: of the root directory the system's own trees, and below them what every
 * user of the host may read. The last table is the exception to the second half: files that are
 * readable by all because the host's own users need them, and that a container must not have
 * because they say which host this is, where it is attached, or what its administrator wrote into
 * a file without thinking of modes. Each row says why.
 */
#include "image/host.h"

const char *const host_shown[] = {
	"bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr", NULL,
};

const char *const host_databases[] = {
	"/var/lib/apt", "/var/lib/dpkg", "/var/lib/pacman", "/var/lib/rpm", NULL,
};

const struct host_own host_own[] = {
	{"boot", 0755},
	{"dev", 0755},
	{"home", 0755},
	{"media", 0755},
	{"mnt", 0755},
	{"proc", 0555},
	{"root", 0700},
	{"run", 0755},
	{"run/lock", 01777},
	{"srv", 0755},
	{"sys", 0555},
	{"tmp", 01777},
	{"var", 0755},
	{"var/cache", 0755},
	{"var/lib", 0755},
	{"var/lock", 0, "/run/lock"},
	{"var/log", 0755},
	{"var/run", 0, "/run"},
	{"var/spool", 0755},
	{"var/tmp", 01777},
	{NULL},
};

const struct host_hidden host_hidden[] = {
	{"/etc", "machine-id", "identifies the host; a container gets its own"},
	{"/etc", "hostid", "identifies the host"},
	{"/etc", "hostname", "the container has its own"},
	{"/etc", "hosts", "the container has its own"},
	{"/etc", "resolv.conf", "the container has its own"},
	{"/etc", "fstab", "names the host's disks and servers"},
	{"/etc", "crypttab", "names the host's disks and key files"},
	{"/etc", "exports", "names what the host shares, and with whom"},
	{"/etc", ".pwd.lock", "a lock between the host's account tools"},
	{"/etc", "passwd-", "the host's accounts of before"},
	{"/etc", "group-", "the host's groups of before"},
	{"/etc", "subuid-", "the host's id ranges of before"},
	{"/etc", "subgid-", "the host's id ranges of before"},
	{"/etc", "insula", "our own configuration of the host"},
	{"/etc", "krb5.keytab", "keys of the host's services"},
	{"/etc/ssh", "ssh_host_*", "identify the host to others"},
	{"/etc/netplan", "*", "network settings, with pass phrases of wireless networks"},
	{"/etc/NetworkManager", "system-connections", "network settings with pass phrases"},
	{"/etc/wpa_supplicant", "*.conf", "pass phrases of wireless networks"},
	{"/etc/network", "interfaces*", "network settings of the host"},
	{"/etc/iscsi", "*", "identifies the host to its storage, with credentials"},
	{"/etc/nvme", "host*", "identifies the host to its storage"},
	{"/etc/lvm", "archive", "layout of the host's disks"},
	{"/etc/lvm", "backup", "layout of the host's disks"},
	{"/etc/mdadm", "mdadm.conf", "layout of the host's disks"},
	{"/etc/docker", "key.json", "identifies the host to registries"},
};

const size_t host_hidden_count = sizeof(host_hidden) / sizeof(host_hidden[0]);

_Static_assert(sizeof(host_hidden) / sizeof(host_hidden[0]) <= 64, "a set of rows is one word");
