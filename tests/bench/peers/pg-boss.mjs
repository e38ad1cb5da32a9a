/*
 * pg-boss.mjs - pg-boss, running jobs that are nothing
 *
 * fetch() and complete() in batches of 100, without a pause, eight loops in a process,
 * sharing its pool of ten connections: one loop waits for its commits, and was
 * less than half as fast.  A partition for the queue changed nothing.  Supervision and
 * schedules are off: their queries are no part of what is measured.
 * Version 12 names a newer Node.js than it needs for this; 12.35 runs with 20.20.
 */
import { PgBoss } from 'pg-boss';
import { race } from './race.mjs';

const queue = 'bench';

async function start(options) {
	const boss = new PgBoss({ supervise: false, schedule: false, ...options });

	boss.on('error', (e) => { throw e; });
	await boss.start();
	return boss;
}

async function fill(n) {
	const boss = await start({});

	await boss.createQueue(queue);
	await boss.deleteAllJobs();
	for (; n > 0; n -= 10000)
		await boss.insert(queue, Array.from({ length: Math.min(n, 10000) }, () => ({ data: {} })));
	await boss.getDb().executeSql('VACUUM ANALYZE pgboss.job');
	await boss.stop({ graceful: false });
}

async function loop(boss) {
	let n = 0;

	for (;;) {
		const jobs = await boss.fetch(queue, { batchSize: 100 });

		if (jobs.length === 0)
			return n;
		await boss.complete(queue, jobs.map((job) => job.id));
		n += jobs.length;
	}
}

async function work() {
	const boss = await start({ migrate: false });
	const ran = await Promise.all(Array.from({ length: 8 }, () => loop(boss)));

	boss.stop({ graceful: false });
	return ran.reduce((a, b) => a + b);
}

await race(fill, work);
