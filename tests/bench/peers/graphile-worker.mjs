/*
 * graphile-worker.mjs - graphile-worker, running jobs that are nothing
 *
 * The settings are those that its documentation (worker.graphile.org/docs/performance) gives
 * with its own highest figure, and that its own performance test runs with: 24 jobs at once
 * in a process, a connection more than that, a local queue of 500, and jobs that ended
 * recorded in batches without waiting for more.  Jobs are added by one call of add_jobs.
 */
import { Logger, runMigrations, runOnce } from 'graphile-worker';
import pg from 'pg';
import { race } from './race.mjs';

const preset = {
	worker: {
		concurrentJobs: 24,
		maxPoolSize: 25,
		localQueue: { size: 500 },
		completeJobBatchDelay: 0,
		failJobBatchDelay: 0,
		logger: new Logger(() => () => {}),	/* a line a job costs more than the job */
	},
};

async function fill(n) {
	const db = new pg.Client();

	await runMigrations({ preset });
	await db.connect();
	await db.query('TRUNCATE graphile_worker._private_jobs');
	await db.query(`SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
		SELECT json_populate_record(NULL::graphile_worker.job_spec, '{"identifier":"nothing"}')
		FROM generate_series(1, ${n})))`);
	await db.query('VACUUM ANALYZE graphile_worker._private_jobs');
	await db.end();
}

/* Resolves when the last batch is recorded; rejects if one could not be. */
async function work() {
	let jobs = 0;

	await runOnce({ preset, taskList: { nothing: () => { jobs++; } } });
	return jobs;
}

await race(fill, work);
