/*
 * pg_connect.c - which database, and getting there
 *
 * libpq's connect_timeout does not apply to asynchronous connects and a host
 * that swallows packets would hold us for ever, so the host list is walked here
 * with a deadline for each.
 */
#include "pg.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "str.h"

enum { CONNECT_TIMEOUT_S = 10, MAX_KEYWORDS = 64 };

char *
pg_private_dir(void)
{
	const char *dir = getenv("JOBCTL_DB_DIR"), *data = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");

	if (dir && *dir)
		return xstrdup(dir);
	if (geteuid() == 0)		/* the server's own user cannot pass through /root */
		return xstrdup("/var/lib/jobctl/db");
	if (data && *data == '/')
		return xasprintf("%s/jobctl/db", data);
	return xasprintf("%s/.local/share/jobctl/db", home && *home ? home : "/nonexistent");
}

static bool
libpq_is_configured(void)
{
	static const char *const names[] = {
		"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE",
	};

	for (size_t i = 0; i < NELEM(names); i++) {
		const char *v = getenv(names[i]);

		if (v && *v)
			return true;
	}
	return false;
}

char *
pg_conninfo(const char *dbname)
{
	const char *env = getenv("JOBCTL_DATABASE");
	AUTOFREE char *dir = NULL, *data = NULL;
	AUTOSTR s = STR(STR_ANY);
	struct stat st;

	if (dbname)
		return xstrdup(dbname);
	if (env && *env)
		return xstrdup(env);
	if (libpq_is_configured())
		return xstrdup("");
	dir = pg_private_dir();
	data = xasprintf("%s/data/PG_VERSION", dir);
	if (stat(data, &st))
		return xstrdup("");
	str_puts(&s, "host='");
	for (const char *p = dir; *p; p++)
		str_putf(&s, *p == '\'' || *p == '\\' ? "\\%c" : "%c", *p);
	str_puts(&s, "/run' port=5432 user=jobctl dbname=jobctl");
	return str_take(&s);
}

/* The parameters of one attempt: keywords and values, borrowed but for app. */
struct params {
	const char *key[MAX_KEYWORDS], *value[MAX_KEYWORDS];
	int n;
};

static void
set(struct params *p, const char *key, const char *value)
{
	for (int i = 0; i < p->n; i++) {
		if (!strcmp(p->key[i], key)) {
			p->value[i] = value;
			return;
		}
	}
	if (p->n < MAX_KEYWORDS - 1) {
		p->key[p->n] = key;
		p->value[p->n++] = value;
	}
	p->key[p->n] = p->value[p->n] = NULL;
}

static void
set_default(struct params *p, const char *key, const char *value)
{
	for (int i = 0; i < p->n; i++)
		if (!strcmp(p->key[i], key))
			return;
	set(p, key, value);
}

static const char *
get(const struct params *p, const char *key)
{
	for (int i = 0; i < p->n; i++)
		if (!strcmp(p->key[i], key))
			return p->value[i];
	return NULL;
}

/* The i-th item of a comma list, yours; the only item serves for every i. NULL past the end. */
static char *
item(const char *list, int i)
{
	if (!list || !strchr(list, ','))
		return list ? xstrdup(list) : NULL;
	while (i-- > 0) {
		list = strchr(list, ',');
		if (!list)
			return NULL;
		list++;
	}
	return xstrndup(list, strcspn(list, ","));
}

static int
count_items(const char *list)
{
	int n = 1;

	for (; list && (list = strchr(list, ',')); list++)
		n++;
	return n;
}

/* Name host, port and database of an attempt; never the whole conninfo, it may hold a password. */
static int
connect_error(PGconn *c, const char *why, struct err *e)
{
	const char *host = PQhost(c);

	(void)err_set(e, ERR_UNAVAILABLE, "cannot connect to \"host=%s port=%s dbname=%s\": %s",
		      host ? host : "", PQport(c) ? PQport(c) : "", PQdb(c) ? PQdb(c) : "", why);
	if (!getenv("JOBCTL_DATABASE") && !libpq_is_configured())
		err_hint(e, "set JOBCTL_DATABASE, give -d, or run: jobctl-db start");
	return -1;
}

static int
connect_one(struct params *p, int64_t deadline, PGconn **out, struct err *e)
{
	PGconn *c = PQconnectStartParams(p->key, p->value, 0);
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;
	int rc = -1;

	if (!c)
		return err_set(e, ERR_OS, "out of memory");
	while (PQstatus(c) != CONNECTION_BAD && st != PGRES_POLLING_OK && st != PGRES_POLLING_FAILED) {
		struct pollfd pfd = {
			.fd = PQsocket(c),
			.events = st == PGRES_POLLING_READING ? POLLIN : POLLOUT,
		};
		int n = poll(&pfd, 1, poll_timeout(deadline));

		if (n < 0 && errno != EINTR) {
			(void)err_sys(e, ERR_OS, "poll");
			goto out;
		}
		if (n == 0 && now_ms() >= deadline) {
			rc = connect_error(c, "timeout expired", e);
			goto out;
		}
		if (n > 0)
			st = PQconnectPoll(c);
	}
	if (PQstatus(c) == CONNECTION_OK) {
		*out = c;
		return 0;
	}
	rc = connect_error(c, PQerrorMessage(c), e);
out:
	PQfinish(c);
	return rc;
}

/* systemd's credential, unless libpq was told of another password file. */
static const char *
passfile(char **hold)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	if (!dir || getenv("PGPASSFILE"))
		return NULL;
	*hold = xasprintf("%s/jobctl.pgpass", dir);
	return access(*hold, R_OK) ? NULL : *hold;
}

static int64_t
host_timeout(const struct params *p)
{
	const char *z = get(p, "connect_timeout");
	long s = z && *z ? strtol(z, NULL, 10) : CONNECT_TIMEOUT_S;

	return s > 0 ? s * 1000 : CONNECT_TIMEOUT_S * 1000;
}

static int
walk_hosts(struct pg *db, struct params *p, struct err *e)
{
	AUTOFREE char *hosts = NULL, *addrs = NULL, *ports = NULL;
	const char *h = get(p, "host"), *a = get(p, "hostaddr"), *port = get(p, "port");
	int n = count_items(a ? a : h), rc = -1;

	hosts = h ? xstrdup(h) : NULL;
	addrs = a ? xstrdup(a) : NULL;
	ports = port ? xstrdup(port) : NULL;
	for (int i = 0; i < n && rc; i++) {
		AUTOFREE char *host = item(hosts, i), *addr = item(addrs, i), *pt = item(ports, i);
		PGconn *c = NULL;

		if (host)
			set(p, "host", host);
		if (addr)
			set(p, "hostaddr", addr);
		if (pt)
			set(p, "port", pt);
		rc = connect_one(p, deadline_in(host_timeout(p)), &c, e);
		if (rc == 0)
			db->conn = c;
	}
	return rc;
}

static void
ignore_notice(void *ctx, const PGresult *res)
{
	(void)ctx;
	(void)res;
}

/*
 * The conninfo's own words, then what the environment and the service file add
 * to the host list (so that a list from there is walked too), then our defaults.
 */
static int
gather(struct params *p, const char *conninfo, PQconninfoOption **own, PQconninfoOption **env,
       struct err *e)
{
	char *why = NULL;

	*own = PQconninfoParse(conninfo, &why);
	if (!*own) {
		(void)err_set(e, ERR_USAGE, "cannot read the connection string: %s", why ? why : "");
		PQfreemem(why);
		return -1;
	}
	for (PQconninfoOption *o = *own; o->keyword; o++)
		if (o->val && *o->val)
			set(p, o->keyword, o->val);
	if (get(p, "service"))
		return 0;
	*env = PQconndefaults();
	for (PQconninfoOption *o = *env; o && o->keyword; o++)
		if (o->val && *o->val && strcmp(o->keyword, "password") != 0)
			set_default(p, o->keyword, o->val);
	return 0;
}

int
pg_connect(struct pg *db, const char *app, const char *dbname, struct err *e)
{
	AUTOFREE char *conninfo = pg_conninfo(dbname), *name = NULL, *hold = NULL;
	PQconninfoOption *own = NULL, *env = NULL;
	struct params p = { .n = 0 };
	const char *bare, *pass;
	char host[64] = "?";
	int rc = -1;

	/* As psql: a string without "=" that is no URI is a database's name. */
	bare = strchr(conninfo, '=') || strstr(conninfo, "://") ? NULL : conninfo;
	if (gather(&p, bare ? "" : conninfo, &own, &env, e))
		return -1;
	if (bare && *bare)
		set(&p, "dbname", bare);
	gethostname(host, sizeof host - 1);
	name = xasprintf("%s %s:%d", app, host, (int)getpid());
	set_default(&p, "fallback_application_name", name);
	set(&p, "client_encoding", "UTF8");
	pass = passfile(&hold);
	if (pass)
		set_default(&p, "passfile", pass);
	rc = walk_hosts(db, &p, e);
	PQconninfoFree(own);
	PQconninfoFree(env);
	if (rc)
		return -1;
	PQsetnonblocking(db->conn, 1);
	PQsetNoticeReceiver(db->conn, ignore_notice, NULL);
	return 0;
}
