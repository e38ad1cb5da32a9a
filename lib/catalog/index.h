/*
 * index.h - bringing the catalog up to date with a tree of files
 *
 * Two passes.  The first compares the list that git makes of the tree with that of
 * the database, which is read while git is at work; files that differ go to a
 * temporary file.  Some 250 bytes are kept for every file.  The second pass reads,
 * hashes, cuts and stores them.  A run that is interrupted leaves what it has stored,
 * and the next one finds that unchanged.
 *
 * A run that finds everything as it is stored leaves the SHA-256 of the list.  The next
 * one compares that with its own, and reads the database's list only if they differ.
 */
#ifndef JOBCTL_CATALOG_INDEX_H
#define JOBCTL_CATALOG_INDEX_H

#include "err.h"
#include "pg.h"
#include "str.h"

struct index_stats {
	int64_t files;		/* in the tree, of those that are indexed */
	int64_t indexed;	/* added or changed in this run */
	int64_t chunks;		/* made in this run */
	int64_t deleted;	/* gone since the last run */
	int64_t binary, large, other;	/* skipped: why */
	int64_t unreadable;	/* counted as files, but without text */
};

struct index_job {
	const char *app, *dbname;	/* as for pg_connect() */
	const char *project, *path;
	bool force;
	int64_t chunk_lines, max_size, wait_ms;
	/* told while it runs; ctx is theirs */
	void (*progress)(void *ctx, int64_t done, int64_t total,
			 const struct index_stats *stats);
	void (*message)(void *ctx, const char *text);
	void *ctx;

	/* the result, also of a run that failed as far as it got */
	struct index_stats stats;
	char *repo_path, *repo_name;	/* yours, by index_job_free() */
	struct uuid repository;
	char commit[65];
	char said[80];			/* the last message */
	struct str unreadable;		/* their names, one a line, as many as fit */
};

int index_tree(struct index_job *job, struct err *e) MUSTCHECK;
void index_job_free(struct index_job *job);

#endif
