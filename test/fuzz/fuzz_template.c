/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: bytes as a template, of a verb with a table of fields and of one without, on a document that has a
 * value of each kind.
 *
 * What must hold: a refusal has one printable line, and is no error of ours; what is printed of a row is bounded;
 * a control character of the document comes out only as JSON has it, escaped; and everything is released.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cli/template.h"
#include "must.h"

#define OUTPUT_MAX ((size_t)1 << 20)

static const struct template_field fields[] = {{"ID", "id", "CONTAINER ID"},
					       {"Labels", "labels", "LABELS"},
					       {"State", "state", "STATE"},
					       {"Size", "size", "SIZE"},
					       {0}};

static const char rows[] =
	"[{\"id\":\"a\\u001bbc\",\"labels\":[\"a=b\",\"c=d\",\"\"],\"state\":{\"pid\":7,\"up\":"
	"true,"
	"\"none\":null,\"cpu\":1.25,\"deep\":[[1,[2]],{\"x\":{\"y\":\"z\"}}]},\"size\":-9},"
	"{\"id\":\"\",\"labels\":[],\"state\":{}}]";

static void check_error(const struct err *err)
{
	MUST(err->kind == ERR_USAGE || err->kind == ERR_LIMIT || err->kind == ERR_INVALID);
	MUST(*err->message && !str_has_control(err->message) && !str_has_control(err->hint));
}

static void run(const char *text, const struct template_field *known, const struct json *doc)
{
	struct err err = ERR_INIT;
	own_template struct template *t = template_parse(text, known, &err);

	if (!t) {
		check_error(&err);
		return;
	}
	for (json_node n = json_first(doc, 0); n != JSON_NONE; n = json_next(doc, n)) {
		own(str) struct str out = STR_INIT(OUTPUT_MAX);
		struct err rendering = ERR_INIT;

		if (template_render(t, doc, n, &out, &rendering) < 0)
			check_error(&rendering);
		MUST(out.len <= OUTPUT_MAX);
		/* One of the template's own may be written as "\x1b". */
		MUST(strpbrk(text, "\033\\") || !strchr(out.data, '\033'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct err err = ERR_INIT;
	own_free char *text = malloc(size + 1);
	own_json struct json *doc = json_parse(rows, sizeof rows - 1, "rows", &err);

	MUST(text && doc);
	memcpy(text, input, size);
	text[size] = '\0';
	run(text, fields, doc);
	run(text, NULL, doc);
	template_check(text, fields, &err);
	return 0;
}
