-- What tests of the queue's SQL say in few words: jobs, workers and tokens are
-- numbers, and functions of t call those of jobctl with the caller's rights.

CREATE SCHEMA t;
GRANT USAGE ON SCHEMA t TO PUBLIC;

CREATE FUNCTION t.j(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid;
CREATE FUNCTION t.w(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN ('00000000-0000-4000-a000-' || lpad(n::text, 12, '0'))::uuid;
CREATE FUNCTION t.k(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE
    RETURN ('00000000-0000-4000-b000-' || lpad(n::text, 12, '0'))::uuid;
CREATE FUNCTION t.n(id uuid) RETURNS integer LANGUAGE sql IMMUTABLE
    RETURN right(id::text, 12)::integer;

-- Numbers to ids, in order.
CREATE FUNCTION t.jj(VARIADIC n integer[]) RETURNS uuid[] LANGUAGE sql IMMUTABLE
    RETURN ARRAY(SELECT t.j(x) FROM unnest(n) WITH ORDINALITY AS u(x, i) ORDER BY i);
CREATE FUNCTION t.kk(VARIADIC n integer[]) RETURNS uuid[] LANGUAGE sql IMMUTABLE
    RETURN ARRAY(SELECT t.k(x) FROM unnest(n) WITH ORDINALITY AS u(x, i) ORDER BY i);

CREATE FUNCTION t.worker(w integer, queues text[] DEFAULT '{default}', lease interval DEFAULT '1 hour',
                         kinds text[] DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
    SELECT jobctl.register_worker(t.w(w), 'host' || w, 'boot', 1000 + w, 1, 'test', queues, kinds, 100, lease)
$$;

-- The numbers of the jobs, as text: 1,2
CREATE FUNCTION t.claim(w integer, k integer, slots integer DEFAULT 1, queues text[] DEFAULT '{default}',
                        kinds text[] DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(t.n(c.id)::text, ',' ORDER BY c.ordinality)
    FROM jobctl.claim(t.k(k), t.w(w), queues, slots, kinds) WITH ORDINALITY c
$$;

-- The same, taken ahead.
CREATE FUNCTION t.ahead(w integer, k integer, slots integer DEFAULT 1, queues text[] DEFAULT '{default}') RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(t.n(c.id)::text, ',' ORDER BY c.ordinality)
    FROM jobctl.claim(t.k(k), t.w(w), queues, slots, NULL, true) WITH ORDINALITY c
$$;

-- Job j ended under token k: verdict and status.
CREATE FUNCTION t.finish(w integer, j integer, k integer, outcome text DEFAULT 'ok', error text DEFAULT NULL,
                         code integer DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', f.verdict, f.status), ',')
    FROM jobctl.finish(t.w(w), t.jj(j), t.kk(k), ARRAY[outcome], ARRAY[code], ARRAY[NULL::integer], ARRAY[error],
                       ARRAY[NULL::jsonb], ARRAY[0.5::double precision], ARRAY[4096::bigint],
                       ARRAY[(SELECT o.ctid FROM jobctl.jobs o WHERE o.id = t.j(j))]) f
$$;

CREATE FUNCTION t.give_back(w integer, j integer, k integer, why text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(g.verdict, ',') FROM jobctl.give_back(t.w(w), t.jj(j), t.kk(k), why) g
$$;

CREATE FUNCTION t.beat(w integer, j integer[] DEFAULT '{}', k integer[] DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', t.n(h.id), h.what), ',' ORDER BY h.id)
    FROM jobctl.heartbeat(t.w(w), t.jj(VARIADIC j), t.kk(VARIADIC k)) h
$$;

CREATE FUNCTION t.report(w integer, j integer, k integer, done bigint DEFAULT NULL, total bigint DEFAULT NULL,
                         message text DEFAULT NULL, stats jsonb DEFAULT NULL, mark jsonb DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
    SELECT jobctl.report(t.w(w), t.jj(j), t.kk(k), ARRAY[done], ARRAY[total], ARRAY[message], ARRAY[stats], ARRAY[mark])
$$;

CREATE FUNCTION t.output(w integer, j integer, k integer, n integer, data text) RETURNS void LANGUAGE sql AS $$
    SELECT jobctl.append_output(t.w(w), t.jj(j), t.kk(k), ARRAY[n], ARRAY[1], ARRAY[0::bigint], ARRAY[data::bytea])
$$;

CREATE FUNCTION t.cancel(VARIADIC j integer[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', t.n(c.id), c.was, c.status), ',' ORDER BY c.id) FROM jobctl.cancel(t.jj(VARIADIC j)) c
$$;

CREATE FUNCTION t.reap(VARIADIC w integer[] DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', t.n(r.id), r.status), ',' ORDER BY r.id)
    FROM jobctl.reap(ARRAY(SELECT t.w(x) FROM unnest(w) x), 'the process is gone') r
$$;

CREATE FUNCTION t.state(j integer) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(s.status, ' and ') FROM jobctl.job s WHERE s.id = t.j(j)
$$;

-- As if its time had passed.
CREATE FUNCTION t.expire(w integer) RETURNS void LANGUAGE sql AS $$
    UPDATE jobctl.workers SET lease_until = clock_timestamp() - interval '1 s' WHERE worker_id = t.w(w)
$$;
CREATE FUNCTION t.fall_due(j integer) RETURNS void LANGUAGE sql AS $$
    UPDATE jobctl.jobs SET wake_at = now() - interval '1 s', run_at = now() - interval '1 s' WHERE id = t.j(j)
$$;

-- Sentences that are true between any two transactions; what is returned is not.
CREATE FUNCTION t.broken() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('job %s is live and finished', j.id) FROM jobctl.jobs j JOIN jobctl.finished_jobs f USING (id)
    UNION ALL
    SELECT format('job %s ended %s times', f.id, count(*)) FROM jobctl.finished_jobs f GROUP BY f.id HAVING count(*) > 1
    UNION ALL
    SELECT format('claim %s of %s counts %s and has %s', c.token, c.queue, c.unfinished, n.n)
    FROM jobctl.claims c CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM jobctl.jobs j
        WHERE j.id = ANY (c.ids) AND j.queue = c.queue
          AND (c.ahead AND j.token IS NULL OR NOT c.ahead AND j.token = c.token AND j.worker_id = c.worker_id)) n
    WHERE n.n <> c.unfinished
    UNION ALL
    SELECT format('job %s is taken ahead twice', i.id) FROM jobctl.claims c, unnest(c.ids) AS i(id)
    WHERE c.ahead GROUP BY i.id HAVING count(*) > 1
    UNION ALL
    SELECT format('job %s runs under no claim', j.id) FROM jobctl.jobs j
    WHERE j.status = 'running' AND NOT EXISTS (SELECT FROM jobctl.claims c WHERE c.token = j.token AND NOT c.ahead AND j.id = ANY (c.ids))
    UNION ALL
    SELECT format('job %s has %s blockers and %s dependencies', j.id, j.blockers, n.n)
    FROM jobctl.jobs j CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM jobctl.job_dependencies d WHERE d.job_id = j.id) n
    WHERE n.n <> j.blockers
    UNION ALL
    SELECT format('job %s waits for %s, which ended', d.job_id, d.needs_id) FROM jobctl.job_dependencies d
    WHERE NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = d.needs_id)
      AND NOT EXISTS (SELECT FROM jobctl.unsettled u WHERE u.needs_id = d.needs_id)
    UNION ALL
    SELECT format('job %s, which waits, is gone', d.job_id) FROM jobctl.job_dependencies d
    WHERE NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = d.job_id)
    UNION ALL
    SELECT format('progress of job %s, which is gone', p.job_id) FROM jobctl.job_progress p
    WHERE NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = p.job_id)
$$;

CREATE PROCEDURE t.clear() LANGUAGE sql AS $$
    TRUNCATE jobctl.jobs, jobctl.finished_jobs, jobctl.job_attempts, jobctl.job_output, jobctl.job_progress,
        jobctl.job_dependencies, jobctl.unsettled, jobctl.job_events, jobctl.claims, jobctl.workers, jobctl.queues,
        jobctl.job_counts, jobctl.kind_seconds;
    DELETE FROM jobctl.projects WHERE project_id <> 'default'
$$;
