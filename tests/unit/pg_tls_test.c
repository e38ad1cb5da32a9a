/*
 * pg_tls_test - an answer that TLS has decrypted further than libpq has read
 *
 * The server is a process of ours that answers everything with the same rows, in
 * records as large as TLS has them.  PostgreSQL sends such from version 17 on, and
 * proxies that end TLS in front of it do.
 */
#include "pg.h"

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipe.h"
#include "str.h"
#include "tap.h"

enum {
	FIRST = 8192, RECORD = 16384,	/* the answer: libpq has room for the first and half of the other */
	ROW = 12000,			/* more than the first, less than libpq's buffer */
};

static void
put(struct str *s, int n, uint32_t v)
{
	while (n--)
		str_putc(s, (char)(v >> 8 * n));
}

static void
put_row(struct str *s, size_t n)
{
	str_putc(s, 'D');
	put(s, 4, (uint32_t)(n - 1));
	put(s, 2, 1);
	put(s, 4, (uint32_t)(n - 11));
	for (size_t i = 11; i < n; i++)
		str_putc(s, 'x');
}

static void
put_answer(struct str *s)
{
	static const char parsed[] = "1\0\0\0\4" "2\0\0\0\4" "T\0\0\0\32\0\1c\0\0\0\0\0\0\0"
				     "\0\0\0\31\377\377\377\377\377\377\0\0";
	static const char done[] = "C\0\0\0\15SELECT 2\0" "Z\0\0\0\5I";

	str_add(s, parsed, sizeof parsed - 1);
	put_row(s, ROW);
	put_row(s, FIRST + RECORD - s->len - (sizeof done - 1));
	str_add(s, done, sizeof done - 1);
}

/* A certificate that nobody is asked to believe. */
static SSL_CTX *
context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	if (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
		_exit(1);
	return ctx;
}

static void
serve(int fd, SSL_CTX *ctx)
{
	static const char hello[] = "R\0\0\0\10\0\0\0\0" "Z\0\0\0\5I";
	AUTOSTR answer = STR(STR_ANY);
	SSL *tls = SSL_new(ctx);
	char buf[4096];

	put_answer(&answer);
	if (read(fd, buf, 8) != 8 || write(fd, "S", 1) != 1 || SSL_set_fd(tls, fd) != 1 ||
	    SSL_accept(tls) != 1 || SSL_read(tls, buf, sizeof buf) <= 0)
		return;
	(void)SSL_write(tls, hello, sizeof hello - 1);
	while (SSL_read(tls, buf, sizeof buf) > 0) {
		(void)SSL_write(tls, answer.buf, FIRST);
		(void)SSL_write(tls, answer.buf + FIRST, RECORD);
	}
	SSL_free(tls);
}

/* Its port. */
static int
start_server(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 10) ||
	    getsockname(fd, (struct sockaddr *)&a, &n))
		tap_bail("no socket");
	if (fork() == 0) {
		SSL_CTX *ctx = context();

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

			serve(conn, ctx);
			close(conn);
		}
	}
	close(fd);
	return ntohs(a.sin_port);
}

static struct pg
connect_to(const char *dsn)
{
	struct pg db = PG_INIT;
	struct err e = ERR_INIT;

	if (pg_connect(&db, "test", dsn, &e))
		tap_bail(e.msg);
	db.call_ms = 60000;
	return db;
}

static void
a_call(const char *dsn)
{
	struct pg db = connect_to(dsn);
	struct err e = ERR_INIT;
	PG_RES res = NULL;

	is_int(pg_call(&db, &res, "SELECT", PG_NOARGS, &e), 2, "a call has all rows: \"%s\"", e.msg);
	pg_close(&db);
}

static void
take(void *ctx, const PGresult *res, const struct err *e)
{
	int *rows = ctx;

	*rows = e ? -1 : PQntuples(res);
}

static void
a_pipeline(const char *dsn)
{
	struct pipe p = PIPE_INIT;
	struct pg db = connect_to(dsn);
	struct err e = ERR_INIT;
	int rows = 0;

	if (pipe_open(&p, &db, &e))
		tap_bail(e.msg);
	pipe_call(&p, deadline_in(60000), "SELECT", PG_NOARGS, take, &rows);
	while (!rows) {
		struct pollfd f = { .revents = 0 };
		int64_t deadline;

		f.fd = pipe_fd(&p, &f.events, &deadline);
		(void)poll(&f, 1, poll_timeout(deadline));
		pipe_run(&p, f.revents != 0);
	}
	is_int(rows, 2, "a call of a pipeline has all rows");
	(void)err_set(&e, ERR_UNAVAILABLE, "over");
	pipe_close(&p, &e);
}

int
main(void)
{
	AUTOFREE char *dsn = NULL;

	signal(SIGPIPE, SIG_IGN);	/* the server's, too */
	dsn = xasprintf("host=127.0.0.1 port=%d user=u dbname=d sslmode=require", start_server());
	a_call(dsn);
	a_pipeline(dsn);
	return tap_done();
}
