/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a reader of one log finds, printed: each stream to its own file, as the container had them. Where both
 * are one, a terminal, they come as they were written, so the one before is flushed when the other has its turn.
 */
#include <stdio.h>

#include "base/loop.h"
#include "engine/log.h"

static struct log_printer *printer_of(struct log_sink *sink)
{
	return (struct log_printer *)sink;
}

static void print(struct log_sink *sink, const struct log_piece *piece)
{
	struct log_printer *p = printer_of(sink);
	FILE *out = p->out[piece->stream];
	char time[CLOCK_TEXT_SIZE];

	if (piece->stream != p->last)
		fflush(p->out[p->last]);
	p->last = piece->stream;
	if (p->timestamps && piece->begins)
		fprintf(out, "%s ", clock_text(piece->time_ns, time));
	fwrite(piece->text, 1, piece->size, out);
	if (piece->ends)
		putc('\n', out);
}

static int flush(struct log_sink *sink, struct err *err)
{
	struct log_printer *p = printer_of(sink);

	for (int i = LOG_STDOUT; i <= LOG_STDERR; i++)
		if (fflush(p->out[i]) < 0 || ferror(p->out[i]))
			return err_errno(err, "cannot write the log");
	return 0;
}

void log_printer_init(struct log_printer *p, FILE *out, FILE *err_out, bool timestamps)
{
	*p = (struct log_printer){.sink = {.put = print, .flush = flush},
				  .out = {[LOG_STDOUT] = out, [LOG_STDERR] = err_out},
				  .timestamps = timestamps};
}
