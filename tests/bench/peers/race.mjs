/*
 * race.mjs - processes of a peer that work at the same time
 *
 * "FILE.mjs fill N" puts N jobs where they wait; "FILE.mjs run WIDTH" ends them with
 * WIDTH processes and prints how many jobs ran, and milliseconds.  The clock starts when
 * every process has loaded its packages, and stops when the last job is recorded as
 * ended: what Node.js needs to start and to stop is not counted.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';

/* work() is called in each process, and resolves to the number of jobs it has run. */
export async function race(fill, work) {
	const [, self, what, number] = process.argv;

	if (what === 'fill') {
		await fill(Number(number));
	} else if (what === 'run') {
		const racers = Array.from({ length: Number(number) }, () => fork(self, ['work']));
		await Promise.all(racers.map((r) => once(r, 'message')));
		const from = performance.now();
		const ends = racers.map((r) => once(r, 'message'));
		for (const r of racers)
			r.send('go');
		const jobs = (await Promise.all(ends)).map(([n]) => n);
		console.log(jobs.reduce((a, b) => a + b), (performance.now() - from).toFixed(3));
	} else {
		process.once('message', async () => {
			process.send(await work());
			process.disconnect();
		});
		process.send('ready');
	}
}
