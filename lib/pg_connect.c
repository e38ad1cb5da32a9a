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

#include "lookup.h"
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

/* The parameters of one attempt; the strings live in the connector. */
struct params {
	const char *key[MAX_KEYWORDS], *value[MAX_KEYWORDS];
	int n;
};

struct pg_connector {
	struct params params;
	PQconninfoOption *own, *env;
	char *name, *passfile;
	char *hosts, *addrs, *ports;		/* the lists to walk */
	char *host, *addr, *port;		/* of this attempt */
	int next, nhosts;
	struct lookup *lookup;			/* of the host's addresses, while under way */
	char **found;				/* what it found, NULL-terminated, or NULL */
	size_t nfound, tried;
	int64_t host_ms;			/* for one of several, at most */
	PGconn *conn;				/* of this attempt */
	PostgresPollingStatusType wants;
	int64_t deadline;
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
connect_error(const struct pg_connector *c, const char *why, struct err *e)
{
	const char *host = c->conn ? PQhost(c->conn) : c->host;
	const char *port = c->conn ? PQport(c->conn) : c->port;
	const char *db = c->conn ? PQdb(c->conn) : get(&c->params, "dbname");
	AUTOSTR clauses = STR(STR_ANY);

	/* libpq's text is several lines */
	for (size_t n; *why; why += n + strspn(why + n, " \t\n")) {
		n = strcspn(why, "\n");
		str_putf(&clauses, "%s%.*s", clauses.len ? "; " : "", (int)n, why);
	}
	(void)err_set(e, ERR_UNAVAILABLE, "cannot connect to \"host=%s port=%s dbname=%s\": %s",
		      host ? host : "", port ? port : "", db ? db : "", clauses.buf);
	if (!getenv("JOBCTL_DATABASE") && !libpq_is_configured())
		err_hint(e, "set JOBCTL_DATABASE, give -d, or run: jobctl-db start");
	return -1;
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

static void
forget_found(struct pg_connector *c)
{
	for (size_t i = 0; i < c->nfound; i++)
		free(c->found[i]);
	free(c->found);
	c->found = NULL;
	c->nfound = c->tried = 0;
}

static int64_t
host_timeout(const struct pg_connector *c)
{
	const char *z = get(&c->params, "connect_timeout");
	long s = z && *z ? strtol(z, NULL, 10) : CONNECT_TIMEOUT_S;
	int64_t ms = s > 0 ? s * 1000 : CONNECT_TIMEOUT_S * 1000;

	return c->nhosts > 1 || c->nfound > 1 ? earliest(ms, c->host_ms) : ms;
}

/* Begin an attempt, at this address of the host (NULL: as the conninfo says). */
static int
attempt(struct pg_connector *c, const char *addr, struct err *e)
{
	struct params *p = &c->params;

	if (c->host)
		set(p, "host", c->host);
	if (addr || c->addrs || get(p, "hostaddr"))
		set(p, "hostaddr", addr ? addr : c->addr ? c->addr : "");
	if (c->port)
		set(p, "port", c->port);
	PQfinish(c->conn);
	c->conn = PQconnectStartParams(p->key, p->value, 0);
	if (!c->conn)
		return err_set(e, ERR_OS, "out of memory");
	c->wants = PGRES_POLLING_WRITING;
	c->deadline = deadline_in(host_timeout(c));
	return 0;
}

/* Begin with the next address or host of the list; -1 with e untouched if there is none. */
static int
next_host(struct pg_connector *c, struct err *e)
{
	PQfinish(c->conn);
	c->conn = NULL;
	lookup_free(c->lookup);
	c->lookup = NULL;
	if (c->tried < c->nfound)
		return attempt(c, c->found[c->tried++], e);
	if (c->next == c->nhosts)
		return -1;
	forget_found(c);
	free(c->host);
	free(c->addr);
	free(c->port);
	c->host = item(c->hosts, c->next);
	c->addr = item(c->addrs, c->next);
	c->port = item(c->ports, c->next);
	c->next++;
	if ((c->addr && *c->addr) || !c->host || !lookup_needed(c->host))
		return attempt(c, NULL, e);
	c->lookup = lookup_new(c->host, e);
	c->deadline = deadline_in(host_timeout(c));
	return c->lookup ? 0 : -1;
}

static void
ignore_notice(void *ctx, const PGresult *res)
{
	(void)ctx;
	(void)res;
}

void
pg_ignore_notices(struct pg *db)
{
	if (db->conn)
		PQsetNoticeReceiver(db->conn, ignore_notice, NULL);
}

/* What the environment and a service add.  libpq looks up only a service that PGSERVICE names. */
static PQconninfoOption *
environment(const char *service)
{
	AUTOFREE char *was = getenv("PGSERVICE") ? xstrdup(getenv("PGSERVICE")) : NULL;
	PQconninfoOption *found;

	if (!service)
		return PQconndefaults();
	setenv("PGSERVICE", service, 1);
	found = PQconndefaults();
	if (was)
		setenv("PGSERVICE", was, 1);
	else
		unsetenv("PGSERVICE");
	return found;
}

/*
 * The conninfo's own words, then what the environment and the service file add
 * to the host list (so that a list from there is walked too), then our defaults.
 */
static int
gather(struct pg_connector *c, const char *conninfo, struct err *e)
{
	char *why = NULL;

	c->own = PQconninfoParse(conninfo, &why);
	if (!c->own) {
		(void)err_set(e, ERR_USAGE, "cannot read the connection string: %s", why ? why : "");
		PQfreemem(why);
		return -1;
	}
	for (PQconninfoOption *o = c->own; o->keyword; o++)
		if (o->val && *o->val)
			set(&c->params, o->keyword, o->val);
	c->env = environment(get(&c->params, "service"));
	for (PQconninfoOption *o = c->env; o && o->keyword; o++)
		if (o->val && *o->val && strcmp(o->keyword, "password") != 0)
			set_default(&c->params, o->keyword, o->val);
	return 0;
}

/*
 * A peer that is gone without a word is noticed within a minute, idle or not.  Not
 * its being silent, nor anything on a Unix socket: for that calls have deadlines.
 */
static void
set_keepalives(struct params *p)
{
	set_default(p, "keepalives_idle", "30");
	set_default(p, "keepalives_interval", "10");
	set_default(p, "keepalives_count", "3");
	set_default(p, "tcp_user_timeout", "30000");
}

static char *
copy_of(const char *z)
{
	return z ? xstrdup(z) : NULL;
}

struct pg_connector *
pg_connector_new(const char *app, int pid, const char *dbname, int64_t host_ms, struct err *e)
{
	AUTOFREE char *conninfo = pg_conninfo(dbname);
	struct pg_connector *c = xcalloc(1, sizeof *c);
	struct params *p = &c->params;
	const char *bare, *pass;
	char host[64] = "?";

	/* As psql: a string without "=" that is no URI is a database's name. */
	bare = strchr(conninfo, '=') || strstr(conninfo, "://") ? NULL : conninfo;
	if (gather(c, bare ? "" : conninfo, e)) {
		pg_connector_free(c);
		return NULL;
	}
	if (bare && *bare)
		set(p, "dbname", bare);
	gethostname(host, sizeof host - 1);
	c->name = xasprintf("%s %s:%d", app, host, pid);
	set_default(p, "fallback_application_name", c->name);
	set(p, "client_encoding", "UTF8");
	set_keepalives(p);
	pass = passfile(&c->passfile);
	if (pass)
		set_default(p, "passfile", pass);
	c->hosts = copy_of(get(p, "host"));
	c->addrs = copy_of(get(p, "hostaddr"));
	c->ports = copy_of(get(p, "port"));
	c->nhosts = count_items(c->addrs ? c->addrs : c->hosts);
	c->host_ms = host_ms;
	if (next_host(c, e)) {
		pg_connector_free(c);
		return NULL;
	}
	return c;
}

void
pg_connector_free(struct pg_connector *c)
{
	if (!c)
		return;
	PQfinish(c->conn);
	lookup_free(c->lookup);
	forget_found(c);
	PQconninfoFree(c->own);
	PQconninfoFree(c->env);
	free(c->name);
	free(c->passfile);
	free(c->hosts);
	free(c->addrs);
	free(c->ports);
	free(c->host);
	free(c->addr);
	free(c->port);
	free(c);
}

int
pg_connector_fd(const struct pg_connector *c, short *events, int64_t *deadline)
{
	*events = c->lookup || c->wants == PGRES_POLLING_READING ? POLLIN : POLLOUT;
	*deadline = c->deadline;
	return c->lookup ? lookup_fd(c->lookup) : PQsocket(c->conn);
}

/* The same as pg_connector_step(), while there is no address yet. */
static int
looking_up(struct pg_connector *c, bool ready, struct err *e)
{
	const char *why = "looking up its address takes too long";

	if (!ready && now_ms() < c->deadline)
		return 0;
	if (ready)
		c->nfound = lookup_result(c->lookup, &c->found, &why);
	if (!c->nfound)
		(void)connect_error(c, why, e);
	return next_host(c, e);
}

int
pg_connector_step(struct pg_connector *c, bool ready, struct pg *db, struct err *e)
{
	if (c->lookup)
		return looking_up(c, ready, e);
	if (PQstatus(c->conn) != CONNECTION_BAD && ready)
		c->wants = PQconnectPoll(c->conn);
	if (PQstatus(c->conn) == CONNECTION_OK) {
		db->conn = c->conn;
		c->conn = NULL;
		PQsetnonblocking(db->conn, 1);
		pg_ignore_notices(db);
		return 1;
	}
	if (PQstatus(c->conn) == CONNECTION_BAD || c->wants == PGRES_POLLING_FAILED)
		(void)connect_error(c, PQerrorMessage(c->conn), e);
	else if (now_ms() >= c->deadline)
		(void)connect_error(c, "timeout expired", e);
	else
		return 0;
	return next_host(c, e);
}

int
pg_connect(struct pg *db, const char *app, const char *dbname, struct err *e)
{
	struct pg_connector *c = pg_connector_new(app, getpid(), dbname, NEVER, e);
	int64_t until = db->call_ms ? deadline_in(db->call_ms) : NEVER;
	int rc = c ? 0 : -1;

	while (rc == 0) {
		struct pollfd p = { .revents = 0 };
		int64_t deadline;
		int n = 0;

		p.fd = pg_connector_fd(c, &p.events, &deadline);
		if (p.fd >= 0)
			n = poll(&p, 1, poll_timeout(earliest(deadline, until)));
		if (n < 0 && errno != EINTR)
			rc = err_sys(e, ERR_OS, "poll");
		else if (n <= 0 && now_ms() >= until)
			rc = connect_error(c, "timeout expired", e);
		else
			rc = pg_connector_step(c, n > 0, db, e);
	}
	pg_connector_free(c);
	return rc < 0 ? -1 : 0;
}
