/*
 * The peer of the page service, and the client that asks both: for make bench-pages.
 *
 *   pages serve                                          prints a port of 127.0.0.1; answers each message of a
 *                                                        request's size with one of a page's, and knows no more
 *   pages ask PORT DEPTH SECONDS SPC DB REL BLOCKS LSN [TENANT TIMELINE]
 *                                                        random pages in a closed loop of DEPTH requests; of the
 *                                                        page service if a timeline is named, else of "serve"
 *   pages sql PORT USER DATABASE SECONDS BLOCKS QUERY    the same of a PostgreSQL that asks for no password, by a
 *                                                        prepared query of a block number, its answer binary
 *   pages hold PORT COUNT TENANT TIMELINE                opens connections to the page service, says "held", and
 *                                                        keeps them until its standard input ends
 *
 * ask and sql print: pages, seconds, p50 and p99 in microseconds, microseconds of processor time a page (their own).
 *
 *   request  'd' u32 length | u8 2 | u64 id, request LSN, not modified since | u32 spc, db, rel, u8 fork, u32 block
 *   answer   'd' u32 length | u8 102 | the same 41 bytes | page
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAGE 8192
#define REQUEST (5 + 1 + 24 + 17)
#define ANSWER (REQUEST + PAGE)
#define BATCH 32
#define MOST_DEPTH 256
#define SAMPLES (1 << 20)

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "pages: %s: %s\n", what, strerror(errno));
	exit(1);
}

static _Noreturn void
refused(const char *what, const char *said, size_t length)
{
	fprintf(stderr, "pages: %s: ", what);
	for (size_t i = 0; i < length && i < 400; i++)
		fputc(said[i] >= ' ' && said[i] < 127 ? said[i] : ' ', stderr);
	fputc('\n', stderr);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double
processor(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static char *
put32(char *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, 4);
	return at + 4;
}

static char *
put64(char *at, uint64_t v)
{
	v = htobe64(v);
	memcpy(at, &v, 8);
	return at + 8;
}

static uint32_t
get32(const char *at)
{
	uint32_t	v;

	memcpy(&v, at, 4);
	return be32toh(v);
}

static void
send_all(int s, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t		n = write(s, bytes, length);

		if (n < 0)
			die("write");
		bytes += n;
		length -= n;
	}
}

static void
receive_all(int s, char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t		n = read(s, bytes, length);

		if (n <= 0)
			die("the server has closed the connection");
		bytes += n;
		length -= n;
	}
}

static int
to(int port)
{
	int			s = socket(AF_INET, SOCK_STREAM, 0);
	int			one = 1;
	struct sockaddr_in a = {.sin_family = AF_INET,.sin_port = htons(port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s < 0 || connect(s, (struct sockaddr *) &a, sizeof(a)) < 0)
		die("connect");
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return s;
}

/* ---- the peer ---- */

static void *
serve_one(void *argument)
{
	int			s = (int) (intptr_t) argument;
	char	   *in = malloc(64 << 10);
	char	   *out = calloc(BATCH, ANSWER);
	size_t		owed = 0;

	for (int i = 0; i < BATCH; i++)
	{
		char	   *at = out + i * ANSWER;

		at[0] = 'd';
		put32(at + 1, ANSWER - 1);
		at[5] = 102;
	}
	for (;;)
	{
		ssize_t		n = read(s, in, 64 << 10);

		if (n <= 0)
			break;
		owed += n;
		while (owed >= REQUEST)
		{
			size_t		many = owed / REQUEST < BATCH ? owed / REQUEST : BATCH;

			for (size_t sent = 0; sent < many * ANSWER; sent += n)
			{
				n = write(s, out + sent, many * ANSWER - sent);
				if (n < 0)
					goto done;
			}
			owed -= many * REQUEST;
		}
	}
done:
	close(s);
	free(in);
	free(out);
	return NULL;
}

static int
serve(void)
{
	int			l = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t	length = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (l < 0 || bind(l, (struct sockaddr *) &a, sizeof(a)) < 0 || listen(l, 128) < 0
		|| getsockname(l, (struct sockaddr *) &a, &length) < 0)
		die("listen");
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;)
	{
		int			s = accept(l, NULL, NULL);
		int			one = 1;
		pthread_t	thread;

		if (s < 0)
			die("accept");
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (pthread_create(&thread, NULL, serve_one, (void *) (intptr_t) s) != 0)
			die("pthread_create");
		pthread_detach(thread);
	}
}

/* ---- libpq's protocol, as far as it is needed ---- */

/* Up to the message of that type, whose body is dropped like all before. */
static void
skip_to(int s, char wanted)
{
	char		head[5];
	char		body[1 << 16];

	for (;;)
	{
		uint32_t	length;

		receive_all(s, head, 5);
		length = get32(head + 1) - 4;
		if (length > sizeof(body))
			refused("a message too long", head, 1);
		receive_all(s, body, length);
		if (head[0] == 'E')
			refused("the server refuses", body, length);
		if (head[0] == 'R' && get32(body) != 0)
			refused("the server asks for a password", "", 0);
		if (head[0] == wanted)
			return;
	}
}

static void
start_up(int s, const char *user, const char *database)
{
	char		b[512];
	char	   *at = put32(b + 4, 196608);

	at = stpcpy(stpcpy(at, "user") + 1, user) + 1;
	at = stpcpy(stpcpy(at, "database") + 1, database) + 1;
	*at++ = 0;
	put32(b, at - b);
	send_all(s, b, at - b);
	skip_to(s, 'Z');
}

static int
page_service(int port, const char *tenant, const char *timeline)
{
	int			s = to(port);
	char		b[512];
	int			n = snprintf(b + 5, sizeof(b) - 5, "pagestream_v3 %s %s", tenant, timeline);

	start_up(s, "bench", "bench");
	b[0] = 'Q';
	put32(b + 1, 4 + n + 1);
	send_all(s, b, 5 + n + 1);
	skip_to(s, 'W');
	return s;
}

/* ---- what was measured ---- */

static double samples[SAMPLES];
static long answered;

static int
ascending(const void *a, const void *b)
{
	double		d = *(const double *) a - *(const double *) b;

	return d < 0 ? -1 : d > 0;
}

static void
print(double seconds, double used)
{
	long		n = answered < SAMPLES ? answered : SAMPLES;

	qsort(samples, n, sizeof(double), ascending);
	printf("%ld %.6f %.2f %.2f %.3f\n", answered, seconds, samples[n / 2], samples[n - 1 < n * 99 / 100 ? n - 1 : n * 99 / 100],
		   used / answered * 1e6);
}

static uint64_t seed = 88172645463325252ULL;

static uint32_t
random_block(uint32_t blocks)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t) (seed >> 32) % blocks;
}

/* ---- pages in a closed loop ---- */

static int
ask(int argc, char **argv)
{
	int			depth = atoi(argv[3]);
	double		limit = atof(argv[4]);
	uint32_t	spc = strtoul(argv[5], NULL, 10);
	uint32_t	db = strtoul(argv[6], NULL, 10);
	uint32_t	rel = strtoul(argv[7], NULL, 10);
	uint32_t	blocks = strtoul(argv[8], NULL, 10);
	uint64_t	lsn = strtoull(argv[9], NULL, 10);
	int			s = argc == 12 ? page_service(atoi(argv[2]), argv[10], argv[11]) : to(atoi(argv[2]));
	static char in[(MOST_DEPTH + 1) * ANSWER];
	static char out[MOST_DEPTH * REQUEST];
	static double sent[MOST_DEPTH];
	size_t		filled = 0;
	long		asked = 0;
	uint64_t	id = 1;
	double		used = processor();
	double		begun = now();
	double		t = begun;
	long		more = depth;

	if (depth < 1 || depth > MOST_DEPTH || blocks == 0)
		return 2;
	while (more > 0 || answered < asked)
	{
		char	   *o = out;
		size_t		taken = 0;
		ssize_t		n;

		for (; more > 0; more--)
		{
			*o++ = 'd';
			o = put32(o, REQUEST - 1);
			*o++ = 2;
			o = put64(put64(put64(o, id++), lsn), lsn);
			o = put32(put32(put32(o, spc), db), rel);
			*o++ = 0;
			o = put32(o, random_block(blocks));
			sent[asked++ % depth] = t;
		}
		if (o > out)
			send_all(s, out, o - out);
		n = read(s, in + filled, sizeof(in) - filled);
		if (n <= 0)
			die("the server has closed the connection");
		filled += n;
		t = now();
		while (filled - taken >= 6)
		{
			char	   *at = in + taken;

			if (at[0] != 'd' || get32(at + 1) != ANSWER - 1 || at[5] != 102)
				refused("expected a page", at, filled - taken);
			if (filled - taken < ANSWER)
				break;
			samples[answered % SAMPLES] = (t - sent[answered % depth]) * 1e6;
			answered++;
			taken += ANSWER;
			more += t - begun < limit;
		}
		filled -= taken;
		memmove(in, in + taken, filled);
	}
	print(t - begun, processor() - used);
	return 0;
}

/* ---- the same by a query ---- */

static int
sql(char **argv)
{
	double		limit = atof(argv[5]);
	uint32_t	blocks = strtoul(argv[6], NULL, 10);
	int			s = to(atoi(argv[2]));
	char		b[2048];
	char	   *at = b;
	char	   *end;
	static char in[1 << 16];
	double		used;
	double		begun;
	double		t;

	start_up(s, argv[3], argv[4]);
	*at++ = 'P';
	at = stpcpy(stpcpy(at + 4, "p") + 1, argv[7]) + 1;
	*at++ = 0;
	*at++ = 1;
	at = put32(at, 23);
	put32(b + 1, at - b - 1);
	*at++ = 'S';
	at = put32(at, 4);
	send_all(s, b, at - b);
	skip_to(s, 'Z');

	/* Bind a number to the statement, all formats binary; execute; sync. */
	at = b;
	*at++ = 'B';
	at = stpcpy(stpcpy(at + 4, "") + 1, "p") + 1;
	at = memcpy(at, "\0\1\0\1\0\1", 6) + 6;
	at = put32(at, 4);
	end = at + 4;
	end = memcpy(end, "\0\1\0\1", 4) + 4;
	put32(b + 1, end - b - 1);
	end = memcpy(end, "E\0\0\0\11\0\0\0\0\0S\0\0\0\4", 15) + 15;
	used = processor();
	begun = t = now();
	while (t - begun < limit)
	{
		size_t		filled = 0;
		size_t		from = 0;
		double		asked = t;
		int			done = 0;
		int			page = 0;

		put32(at, random_block(blocks));
		send_all(s, b, end - b);
		while (!done)
		{
			ssize_t		n = read(s, in + filled, sizeof(in) - filled);

			if (n <= 0)
				die("the server has closed the connection");
			filled += n;
			while (filled - from >= 5 && filled - from >= 1 + get32(in + from + 1))
			{
				if (in[from] == 'E')
					refused("the server refuses", in + from, filled - from);
				page |= in[from] == 'D' && get32(in + from + 1) == 4 + 2 + 4 + PAGE;
				done = in[from] == 'Z';
				from += 1 + get32(in + from + 1);
			}
		}
		if (!page)
			refused("expected a page", in, filled);
		t = now();
		samples[answered++ % SAMPLES] = (t - asked) * 1e6;
	}
	print(t - begun, processor() - used);
	return 0;
}

static int
hold(char **argv)
{
	int			count = atoi(argv[3]);

	for (int i = 0; i < count; i++)
		page_service(atoi(argv[2]), argv[4], argv[5]);
	printf("held\n");
	fflush(stdout);
	while (getchar() != EOF)
		continue;
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "serve") == 0)
		return serve();
	if ((argc == 10 || argc == 12) && strcmp(argv[1], "ask") == 0)
		return ask(argc, argv);
	if (argc == 8 && strcmp(argv[1], "sql") == 0)
		return sql(argv);
	if (argc == 6 && strcmp(argv[1], "hold") == 0)
		return hold(argv);
	fprintf(stderr, "usage: pages serve|ask|sql|hold ..., see the source\n");
	return 2;
}
