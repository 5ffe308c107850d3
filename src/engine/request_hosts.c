/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a container's /etc/hosts, /etc/resolv.conf and /etc/localtime are to say. They are checked here, and
 * written when the container is made (identity_files.c).
 */
#include <arpa/inet.h>
#include <string.h>

#include "base/own.h"
#include "engine/launch.h"
#include "engine/request.h"

static bool is_address(const char *text)
{
	unsigned char bits[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, bits) == 1 || inet_pton(AF_INET6, text, bits) == 1;
}

/* A word for a file of lines and blanks. */
static bool is_word(const char *text)
{
	return *text && !text[strcspn(text, " \t#;")] && !str_has_control(text);
}

/* HOST:ADDRESS, the address perhaps in brackets. */
static int add_host(const char *text, struct strv *hosts, struct err *err)
{
	size_t len = strcspn(text, ":=");
	own_free char *name = str_dup_len(text, len, err);
	own_free char *address = str_dup(text[len] ? text + len + 1 : "", err);
	size_t n;

	if (!name || !address)
		return -1;
	char *plain = address;
	n = strlen(address);
	if (n > 2 && address[0] == '[' && address[n - 1] == ']') {
		address[n - 1] = '\0';
		plain++;
	}
	if (!is_word(name) || !is_address(plain)) {
		err_set(err, ERR_USAGE, 0, "--add-host: '%s' is not HOST:ADDRESS", text);
		return err_hint(err, "such as db:10.0.0.7 or db:fd00::7");
	}
	return strv_addf(hosts, err, "%s\t%s", plain, name);
}

static int add_servers(const struct run_options *options, struct strv *resolv, struct err *err)
{
	for (size_t i = 0; i < options->dns.count; i++) {
		const char *server = options->dns.items[i];

		if (!is_address(server)) {
			err_set(err, ERR_USAGE, 0, "--dns: '%s' is not an address", server);
			return err_hint(err, "the number of a name server, or 'none' alone");
		}
		if (strv_addf(resolv, err, "nameserver %s", server) < 0)
			return -1;
	}
	return 0;
}

/* All words of one option are one line. */
static int add_words(const struct strv *words, const char *flag, const char *keyword,
		     struct strv *resolv, struct err *err)
{
	own(str) struct str line = STR_INIT(4096);

	if (!words->count)
		return 0;
	str_add(&line, keyword);
	for (size_t i = 0; i < words->count; i++) {
		if (!is_word(words->items[i]))
			return err_set(err, ERR_USAGE, 0, "%s: '%s' is not one word", flag,
				       words->items[i]);
		str_addf(&line, " %s", words->items[i]);
	}
	if (str_check(&line, flag, err) < 0)
		return -1;
	return strv_add(resolv, line.data, err);
}

static int set_resolv(const struct request *r, struct strv *resolv, struct err *err)
{
	const struct run_options *options = r->options;
	const struct ns_request *net = &r->ns->of[SPEC_NS_NET];
	bool given = options->dns.count || options->dns_search.count || options->dns_options.count;

	if (given && net->mode == NS_MODE_CONTAINER)
		return err_set(
			err, ERR_USAGE, 0,
			"--dns: names are resolved as in the container whose network it has");
	if (!given)
		return strv_copy(resolv, &net->resolv, err);
	if (options->dns.count == 1 && str_eq(options->dns.items[0], "none")) {
		if (options->dns_search.count || options->dns_options.count)
			return err_set(err, ERR_USAGE, 0,
				       "--dns none keeps the image's resolv.conf, which has no "
				       "place for other options");
		return strv_add(resolv, "none", err);
	}
	if (net->mode == NS_MODE_PRIVATE) {
		err_set(err, ERR_USAGE, 0, "--dns: with --network none nobody can be asked");
		return err_hint(err, "--network host, for example");
	}
	if (add_servers(options, resolv, err) < 0 ||
	    add_words(&options->dns_search, "--dns-search", "search", resolv, err) < 0)
		return -1;
	return add_words(&options->dns_options, "--dns-option", "options", resolv, err);
}

static int set_timezone(const struct run_options *options, struct record *record, struct err *err)
{
	own_free char *zone = NULL;

	if (!options->timezone)
		return 0;
	if (launch_read_timezone(options->timezone, &zone, err) < 0)
		return err_wrap(err, "--timezone");
	record->timezone = str_dup(options->timezone, err);
	return record->timezone ? 0 : -1;
}

/* One that shares a network is known there by its own name, and knows the other's. */
static int add_others(const struct ns_request *net, struct strv *hosts, struct err *err)
{
	if (net->mode != NS_MODE_CONTAINER)
		return 0;
	if (strv_copy(hosts, &net->hosts, err) < 0)
		return -1;
	return strv_addf(hosts, err, "127.0.1.1\t%s", net->hostname);
}

int request_hosts(const struct request *r, struct err *err)
{
	const struct ns_request *net = &r->ns->of[SPEC_NS_NET];
	const struct strv *asked = &r->options->add_hosts;
	struct record *record = r->record;

	record->host_names = net->mode == NS_MODE_HOST || net->mode == NS_MODE_PATH ||
			     net->host_names;
	if (add_others(net, &record->hosts, err) < 0)
		return -1;
	for (size_t i = 0; i < asked->count; i++)
		if (add_host(asked->items[i], &record->hosts, err) < 0)
			return -1;
	return set_resolv(r, &record->resolv, err) < 0 ? -1 : set_timezone(r->options, record, err);
}
