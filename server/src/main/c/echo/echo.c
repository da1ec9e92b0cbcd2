/*
 * The least that a request by pipe can cost: reads as many bytes as a request has, writes as many
 * as an answer has, over and over. For make bench-redo.
 *
 * usage: echo REQUEST_BYTES ANSWER_BYTES
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	static char bytes[1 << 20];
	ssize_t		request = argc == 3 ? atol(argv[1]) : 0;
	ssize_t		answer = argc == 3 ? atol(argv[2]) : 0;

	if (request <= 0 || answer <= 0 || answer > (ssize_t) sizeof(bytes))
		return 2;
	(void) fcntl(0, F_SETPIPE_SZ, 1 << 20);
	for (;;)
	{
		for (ssize_t got = 0, n; got < request; got += n)
		{
			ssize_t		want = request - got;

			n = read(0, bytes, want < (ssize_t) sizeof(bytes) ? want : (ssize_t) sizeof(bytes));
			if (n <= 0)
				return n < 0;
		}
		for (ssize_t sent = 0, n; sent < answer; sent += n)
		{
			n = write(1, bytes + sent, answer - sent);
			if (n < 0)
				return 1;
		}
	}
}
