/*
 * Requests on one descriptor, pages on another. All integers are in the machine's order.
 *
 *   message   u32 kind, u32 body length, body, zeros up to a multiple of 8
 *   'B' begin  u32 spc, db, rel, fork, block, u32 request number
 *   'P' push   the page to start from, 8192 bytes (none: start from zeros)
 *   'A' apply  u64 end LSN, the WAL record
 *   'G' get    empty; answered by   u32 'R', u32 request number, 8192 bytes
 *
 * One page is B, at most one P, any number of A, G. The parent need not wait before it sends more.
 * Whatever is wrong ends the process with a line on stderr; end of input ends it quietly.
 */
#include "walredo.h"

#include <errno.h>
#include <unistd.h>

#define HEADER 8
#define ROOM (1 << 20)

typedef struct Input
{
	int			fd;
	char	   *bytes;
	size_t		room;
	size_t		from;			/* what is not used yet: [from, to) */
	size_t		to;
} Input;

/* Makes n bytes available from in->from on. What is made room for follows what has arrived. */
static void
need(Input *in, size_t n)
{
	while (in->to - in->from < n)
	{
		ssize_t		got;

		if (in->from > 0 && (in->from == in->to || in->from + n > in->room))
		{
			memmove(in->bytes, in->bytes + in->from, in->to - in->from);
			in->to -= in->from;
			in->from = 0;
		}
		if (in->to == in->room)
		{
			in->room *= 2;
			in->bytes = repalloc_huge(in->bytes, in->room);
		}
		got = read(in->fd, in->bytes + in->to, in->room - in->to);
		if (got == 0 && in->to == in->from && n == HEADER)
			_exit(0);
		if (got == 0)
			elog(ERROR, "the input ends within a message");
		if (got < 0 && errno != EINTR)
			elog(ERROR, "could not read a request: %m");
		if (got > 0)
			in->to += got;
	}
}

static void
answer(int out, uint32 number)
{
	static struct
	{
		uint32		kind;
		uint32		number;
		char		page[BLCKSZ];
	}			reply;
	size_t		sent = 0;

	reply.kind = 'R';
	reply.number = number;
	memcpy(reply.page, redo_page(), BLCKSZ);
	while (sent < sizeof(reply))
	{
		ssize_t		n = write(out, (char *) &reply + sent, sizeof(reply) - sent);

		if (n < 0 && errno != EINTR)
			elog(ERROR, "could not write a page: %m");
		if (n > 0)
			sent += n;
	}
}

static void
expect(uint32 kind, uint32 length, bool right)
{
	if (!right)
		elog(ERROR, "unexpected message %u of %u bytes", kind, length);
}

void
serve(int fd, int out)
{
	Input		in = {fd, NULL, ROOM, 0, 0};
	uint32		number = 0;
	bool		begun = false;

	in.bytes = palloc(ROOM);
	for (;;)
	{
		uint32		kind;
		uint32		length;
		char	   *body;

		need(&in, HEADER);
		memcpy(&kind, in.bytes + in.from, 4);
		memcpy(&length, in.bytes + in.from + 4, 4);
		need(&in, HEADER + TYPEALIGN64(8, (uint64) length));
		body = in.bytes + in.from + HEADER;
		switch (kind)
		{
			case 'B':
				expect(kind, length, !begun && length == sizeof(PageTag) + 4);
				memcpy(&number, body + sizeof(PageTag), 4);
				redo_begin((PageTag *) body);
				begun = true;
				break;
			case 'P':
				expect(kind, length, begun && length == BLCKSZ);
				redo_push(body);
				break;
			case 'A':
				expect(kind, length, begun && length >= 8 + SizeOfXLogRecord);
				redo_apply(*(uint64 *) body, (XLogRecord *) (body + 8), length - 8);
				break;
			case 'G':
				expect(kind, length, begun && length == 0);
				answer(out, number);
				redo_end();
				begun = false;
				break;
			default:
				expect(kind, length, false);
		}
		in.from += HEADER + TYPEALIGN64(8, (uint64) length);
	}
}
