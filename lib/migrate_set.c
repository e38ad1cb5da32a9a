/*
 * migrate_set.c - reading sets
 */
#include "migrate_set.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "str.h"

struct err *
mig_problem(struct mig_problems *p)
{
	p->v = xreallocarray(p->v, p->n + 1, sizeof *p->v);
	p->v[p->n] = (struct err)ERR_INIT;
	return &p->v[p->n++];
}

void
mig_problems_free(struct mig_problems *p)
{
	free(p->v);
	*p = (struct mig_problems){ .linted = p->linted };
}

static void
file_free(struct mig_file *f)
{
	free(f->path);
	free(f->text);
	free(f->steps);
}

static void
words_free(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void
mig_set_free(struct mig_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		free(set->v[i].name);
		file_free(&set->v[i].up);
		file_free(&set->v[i].down);
		file_free(&set->v[i].verify);
	}
	for (size_t i = 0; i < set->napi; i++) {
		free(set->api[i].name);
		file_free(&set->api[i].file);
		words_free(set->api[i].drops, set->api[i].ndrops);
		words_free(set->api[i].after, set->api[i].nafter);
	}
	free(set->v);
	free(set->api);
	free(set->name);
	*set = (struct mig_set){ .n = 0 };
}

const struct mig_version *
mig_set_find(const struct mig_set *set, int64_t version)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].version == version)
			return &set->v[i];
	return NULL;
}

int64_t
mig_set_head(const struct mig_set *set)
{
	return set->n ? set->v[set->n - 1].version : 0;
}

static bool
plain(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

bool
mig_set_name_ok(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++)
		if (!plain(name[n]) && !(n && name[n] == '.'))
			return false;
	return n > 0 && n < 64;
}

enum part { PART_UP, PART_DOWN, PART_VERIFY };

/* Version, name (yours) and part of "0001_tenancy.up.sql"; false if it is not such a name. */
static bool
parse_name(const char *z, int64_t *version, char **name, enum part *part)
{
	static const char *const suffix[] = { ".up.sql", ".down.sql", ".verify.sql" };
	size_t digits = strspn(z, "0123456789"), end = digits + 1;

	if (!digits || digits > 18 || z[digits] != '_')
		return false;
	while (plain(z[end]))
		end++;
	for (size_t i = 0; i < NELEM(suffix); i++) {
		if (strcmp(z + end, suffix[i]) != 0 || end == digits + 1)
			continue;
		*version = strtoll(z, NULL, 10);
		if (!*version)
			return false;
		*name = xstrndup(z + digits + 1, end - digits - 1);
		*part = (enum part)i;
		return true;
	}
	return false;
}

bool
mig_name_ok(const char *name)
{
	size_t n = 0;

	while (plain(name[n]))
		n++;
	return n && !name[n];
}

int64_t
mig_file_version(const char *file, size_t *digits)
{
	AUTOFREE char *name = NULL;
	int64_t version;
	enum part part;

	if (!parse_name(file, &version, &name, &part))
		return 0;
	*digits = strspn(file, "0123456789");
	return version;
}

/* No statement of a file that runs in our transaction may end it. */
static int
check_statements(struct mig_file *f, bool linted, struct err *e)
{
	struct mig_stmts st;
	int rc = 0;

	if (mig_scan(f->text, f->len, &st, e))
		return -1;
	f->empty = !st.n;
	for (size_t i = 0; i < st.n && !rc && !linted; i++) {
		if (!mig_is_transaction_control(&st.v[i]))
			continue;
		rc = err_set(e, ERR_DATA, "line %d: %s: a migration runs in one transaction with "
			     "its bookkeeping and cannot begin or end one",
			     mig_line_of_byte(f->text, st.v[i].start), st.v[i].word[0]);
		err_hint(e, "take the statement out, or see \"-- jobctl: no-transaction\" in "
			    "jobctl-migrate(1)");
	}
	free(st.v);
	return rc;
}

/* What is claimed of a migration is no part of it, and read by those who check it. */
static int
load_claims(struct mig_file *f, const char *raw, size_t n, struct err *e)
{
	if (mig_text(raw, n, &f->text, &f->len, e))
		return err_ctx(e, "%s", f->path);
	mig_sha256(f->text, f->len, f->sha256);
	return 0;
}

static int
load(struct mig_file *f, const char *raw, size_t n, const struct mig_problems *p, struct err *e)
{
	if (mig_text(raw, n, &f->text, &f->len, e) ||
	    mig_directives(f->text, f->len, &f->no_transaction, e))
		return err_ctx(e, "%s", f->path);
	mig_sha256(f->text, f->len, f->sha256);
	if (f->no_transaction ? mig_steps(f->text, f->len, &f->steps, &f->nsteps, e)
			      : check_statements(f, p->linted, e))
		return err_ctx(e, "%s", f->path);
	return 0;
}

static struct mig_version *
find_or_add(struct mig_set *set, int64_t version, const char *name)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].version == version && !strcmp(set->v[i].name, name))
			return &set->v[i];
	set->v = xreallocarray(set->v, set->n + 1, sizeof *set->v);
	set->v[set->n] = (struct mig_version){ .version = version, .name = xstrdup(name) };
	return &set->v[set->n++];
}

/* Where a file of this name belongs, if it can be one of a migration's, and the first. */
static struct mig_file *
place(struct mig_set *set, const char *file, const char *path, bool *claims,
      struct mig_problems *p)
{
	AUTOFREE char *name = NULL;
	struct mig_version *v;
	struct mig_file *f;
	int64_t version;
	enum part part;

	if (!parse_name(file, &version, &name, &part)) {
		struct err *e = mig_problem(p);

		(void)err_set(e, ERR_DATA, "%s: not the name of a migration", path);
		err_hint(e, "names are NNNN_name.up.sql, NNNN_name.down.sql and "
			    "NNNN_name.verify.sql, from 0001");
		return NULL;
	}
	v = find_or_add(set, version, name);
	f = part == PART_UP ? &v->up : part == PART_DOWN ? &v->down : &v->verify;
	*claims = part == PART_VERIFY;
	if (f->path) {
		(void)err_set(mig_problem(p), ERR_DATA, "%s: version %" PRId64 " is in %s already",
			      path, version, f->path);
		return NULL;
	}
	f->path = xstrdup(path);
	return f;
}

static void
add_numbered(struct mig_set *set, const char *file, const char *path, const char *raw, size_t n,
	     struct mig_problems *p)
{
	bool claims = false;
	struct mig_file *f = place(set, file, path, &claims, p);
	struct err e = ERR_INIT;

	if (f && (claims ? load_claims(f, raw, n, &e) : load(f, raw, n, p, &e)))
		*mig_problem(p) = e;
}

/* What DROP can be given.  The longer of two comes first. */
static const char *const droppable[] = {
	"MATERIALIZED VIEW", "VIEW", "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE",
	"EVENT TRIGGER", "TRIGGER", "RULE", "POLICY", "TYPE", "DOMAIN", "SEQUENCE",
	"OPERATOR CLASS", "OPERATOR FAMILY", "OPERATOR", "CAST",
};

static const char *
drop_kind(const char *what)
{
	for (size_t i = 0; i < NELEM(droppable); i++) {
		size_t n = strlen(droppable[i]);

		if (!strncasecmp(what, droppable[i], n) && what[n] == ' ')
			return droppable[i];
	}
	return NULL;
}

char *
mig_prev_line(const char *all, size_t *end)
{
	size_t start = *end;
	char *line;

	while (start && all[start - 1] != '\n')
		start--;
	line = xstrndup(all + start, *end - start);
	*end = start ? start - 1 : 0;
	return line;
}

void
mig_put_drop(struct str *s, const char *what, bool strict)
{
	const char *kind = drop_kind(what);

	if (kind && !strict)
		str_putf(s, "DROP %s IF EXISTS%s", kind, what + strlen(kind));
	else
		str_putf(s, "DROP %s", what);
}

static void
add_word(char ***v, size_t *n, const char *p, size_t len)
{
	*v = xreallocarray(*v, *n + 1, sizeof **v);
	(*v)[(*n)++] = xstrndup(p, len);
}

struct api_headers {
	struct mig_api *api;
	bool drop_seen;
	struct err *e;
};

static int
api_header(void *ctx, const char *key, size_t nkey, const char *value, size_t n)
{
	struct api_headers *h = ctx;
	struct mig_api *a = h->api;

	if (nkey == 5 && !memcmp(key, "after", 5)) {
		if (n > 4 && !memcmp(value + n - 4, ".sql", 4))
			n -= 4;
		add_word(&a->after, &a->nafter, value, n);
	} else if (nkey == 4 && !memcmp(key, "drop", 4)) {
		h->drop_seen = true;
		if (n == 7 && !memcmp(value, "nothing", 7))
			return 0;
		add_word(&a->drops, &a->ndrops, value, n);
		if (!drop_kind(a->drops[a->ndrops - 1]) || memchr(value, ';', n))
			return err_set(h->e, ERR_DATA, "\"-- drop: %.*s\" is not what DROP takes",
				       n > 200 ? 200 : (int)n, value);
	}
	return 0;
}

static void
add_api(struct mig_set *set, const char *file, const char *path, const char *raw, size_t n,
	struct mig_problems *p)
{
	struct mig_api *a;
	struct err e = ERR_INIT;
	struct api_headers h = { .e = &e };

	set->api = xreallocarray(set->api, set->napi + 1, sizeof *set->api);
	a = h.api = &set->api[set->napi++];
	*a = (struct mig_api){ .name = xstrndup(file, strlen(file) - strlen(".sql")) };
	a->file.path = xstrdup(path);
	if (load(&a->file, raw, n, p, &e))
		goto fail;
	if (a->file.no_transaction) {
		(void)err_set(&e, ERR_DATA, "%s: an api file runs in a transaction", path);
		goto fail;
	}
	if (mig_headers(a->file.text, a->file.len, api_header, &h)) {
		(void)err_ctx(&e, "%s", path);
		goto fail;
	}
	if (h.drop_seen)
		return;
	(void)err_set(&e, ERR_DATA, "%s: does not say how to remove what it makes", path);
	err_hint(&e, "begin the file with \"-- drop: FUNCTION name(types)\" or "
		     "\"-- drop: VIEW name\"");
fail:
	*mig_problem(p) = e;
}

static void
add_file(struct mig_set *set, const char *name, const char *path, const char *raw, size_t n,
	 struct mig_problems *p)
{
	if (!strncmp(name, "api/", 4))
		add_api(set, name + 4, path, raw, n, p);
	else
		add_numbered(set, name, path, raw, n, p);
}

static int
by_version(const void *a, const void *b)
{
	const struct mig_version *x = a, *y = b;

	if (x->version != y->version)
		return x->version < y->version ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct mig_api *)a)->name, ((const struct mig_api *)b)->name);
}

static void
check_pairs(const struct mig_set *set, struct mig_problems *p)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct mig_version *v = &set->v[i], *last = i ? v - 1 : NULL;

		if (!v->up.path)
			(void)err_set(mig_problem(p), ERR_DATA,
				      "%s: there is no %04" PRId64 "_%s.up.sql",
				      v->down.path ? v->down.path : v->verify.path,
				      v->version, v->name);
		else if (!v->down.path)
			(void)err_set(mig_problem(p), ERR_DATA,
				      "%s: there is no %04" PRId64 "_%s.down.sql", v->up.path,
				      v->version, v->name);
		if (v->up.path && v->up.empty) {
			struct err *e = mig_problem(p);

			(void)err_set(e, ERR_DATA, "%s: there is no statement in it", v->up.path);
			err_hint(e, "what is applied is never run again, so it is not applied "
				    "before it is written");
		}
		if (last && last->version == v->version)
			(void)err_set(mig_problem(p), ERR_DATA,
				      "set %s: version %" PRId64 " twice, as \"%s\" and \"%s\"",
				      set->name, v->version, last->name, v->name);
	}
}

static bool
is_placed(const struct mig_api *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(v[i].name, name))
			return true;
	return false;
}

static bool
is_ready(const struct mig_api *a, const struct mig_api *placed, size_t n)
{
	for (size_t i = 0; i < a->nafter; i++)
		if (!is_placed(placed, n, a->after[i]))
			return false;
	return true;
}

/* By name, but each after those it names. */
static void
order_api(struct mig_set *set, struct mig_problems *p)
{
	struct mig_api *v = set->api;

	qsort(v, set->napi, sizeof *v, by_name);
	for (size_t i = 0; i < set->napi; i++)
		for (size_t j = 0; j < v[i].nafter; j++)
			if (!is_placed(v, set->napi, v[i].after[j])) {
				(void)err_set(mig_problem(p), ERR_DATA,
					      "%s: comes after \"%.100s\", which there is not",
					      v[i].file.path, v[i].after[j]);
				return;
			}
	for (size_t n = 0; n < set->napi; n++) {
		size_t i = n;
		struct mig_api next;

		while (i < set->napi && !is_ready(&v[i], v, n))
			i++;
		if (i == set->napi) {
			(void)err_set(mig_problem(p), ERR_DATA,
				      "%s: its \"-- after:\" lines lead back to itself",
				      v[n].file.path);
			return;
		}
		next = v[i];
		memmove(&v[n + 1], &v[n], (i - n) * sizeof *v);
		v[n] = next;
	}
}

static int
finish(struct mig_set *set, size_t problems_before, struct mig_problems *p)
{
	AUTOSTR all = STR(STR_ANY);

	if (set->n)
		qsort(set->v, set->n, sizeof *set->v, by_version);
	check_pairs(set, p);
	if (set->napi)
		order_api(set, p);
	for (size_t i = 0; i < set->napi; i++)
		str_putf(&all, "%s %s\n", set->api[i].name, set->api[i].file.sha256);
	if (set->napi)
		mig_sha256(all.buf, all.len, set->api_sha256);
	return p->n > problems_before ? -1 : 0;
}

int
mig_set_builtin(struct mig_set *set, const char *name, const struct sql_file *files,
		struct mig_problems *p)
{
	size_t before = p->n;

	*set = (struct mig_set){ .name = xstrdup(name), .builtin = true };
	for (; files->set; files++) {
		AUTOFREE char *path = NULL;

		if (strcmp(files->set, name) != 0)
			continue;
		path = xasprintf("sql/%s/%s", files->set, files->name);
		add_file(set, files->name, path, files->text, files->len, p);
	}
	return finish(set, before, p);
}

static int
read_file(const char *path, struct str *s, struct err *e)
{
	AUTOFD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char buf[65536];
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, ERR_NOINPUT, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_NOINPUT, "cannot read %s: not a regular file", path);
	while ((n = read(fd, buf, sizeof buf)) != 0) {
		if (n > 0)
			str_add(s, buf, (size_t)n);
		else if (errno != EINTR)
			return err_sys(e, ERR_NOINPUT, "cannot read %s", path);
	}
	return 0;
}

static int
is_sql(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 4 && !strcmp(d->d_name + n - 4, ".sql");
}

static int
by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The .sql files of a directory, with the prefix that says which; -1 if it cannot be listed. */
static int
read_dir(struct mig_set *set, const char *dir, const char *prefix, struct mig_problems *p)
{
	struct dirent **list;
	int n = scandir(dir, &list, is_sql, by_bytes);

	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		AUTOFREE char *path = xasprintf("%s/%s", dir, list[i]->d_name);
		AUTOFREE char *name = xasprintf("%s%s", prefix, list[i]->d_name);
		AUTOSTR raw = STR(STR_ANY);
		struct err e = ERR_INIT;
		bool claims;

		if (read_file(path, &raw, &e)) {
			*mig_problem(p) = e;
			if (!*prefix)
				(void)place(set, name, path, &claims, p);	/* it is there */
		} else {
			add_file(set, name, path, raw.buf, raw.len, p);
		}
		free(list[i]);
	}
	free(list);
	return 0;
}

int
mig_set_dir(struct mig_set *set, const char *name, const char *dir, struct mig_problems *p)
{
	AUTOFREE char *api = xasprintf("%s/api", dir);
	size_t before = p->n;

	*set = (struct mig_set){ .name = xstrdup(name) };
	if (read_dir(set, dir, "", p))
		return err_sys(mig_problem(p), ERR_NOINPUT, "cannot read %s", dir);
	if (read_dir(set, api, "api/", p) && errno != ENOENT && errno != ENOTDIR)
		(void)err_sys(mig_problem(p), ERR_NOINPUT, "cannot read %s", api);
	if (p->n == before && !set->n)
		return err_set(mig_problem(p), ERR_NOINPUT, "there are no migrations in %s", dir);
	return finish(set, before, p);
}

int
mig_set_files(struct mig_set *set, char *const *paths, struct mig_problems *p)
{
	size_t before = p->n;

	*set = (struct mig_set){ .name = xstrdup("") };
	for (; *paths; paths++) {
		size_t n = strlen(*paths), m = strlen(".down.sql");
		bool down = n >= m && !strcmp(*paths + n - m, ".down.sql");
		AUTOSTR raw = STR(STR_ANY);
		struct err e = ERR_INIT;
		struct mig_version *v;
		struct mig_file *f;

		set->v = xreallocarray(set->v, set->n + 1, sizeof *set->v);
		v = &set->v[set->n++];
		*v = (struct mig_version){ .name = xstrdup(*paths) };
		f = down ? &v->down : &v->up;
		f->path = xstrdup(*paths);
		if (read_file(*paths, &raw, &e) || load(f, raw.buf, raw.len, p, &e))
			*mig_problem(p) = e;
	}
	return p->n > before ? -1 : 0;
}
