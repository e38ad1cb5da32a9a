-- drop: FUNCTION jobctl.job_surroundings(uuid)
-- drop: FUNCTION jobctl.database_state()
--
-- What jobctl-explain shows besides the reasons: a job with what its kind usually
-- takes, its worker and that worker's session; and who holds old rows back.
CREATE OR REPLACE FUNCTION jobctl.job_surroundings(job uuid)
RETURNS TABLE (kind text, queue text, project text, status text, ended timestamptz, started_at timestamptz, created_at timestamptz,
               status_s double precision, attempt integer, max_attempts integer, crashes integer,
               age_s double precision, created_by text, n bigint, p50_s double precision, p95_s double precision,
               worker uuid, host text, pid integer, version text, heartbeat_s double precision,
               lease_of_s double precision, lease_s double precision, session integer, session_state text,
               session_s double precision, waits_for text, progress_done bigint, progress_total bigint,
               message text, progress_s double precision, eta_s double precision)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT j.kind, j.queue, j.project, j.status, j.completed_at, j.started_at, j.created_at,
           extract(epoch FROM now() - coalesce(j.completed_at, j.started_at,
               CASE WHEN j.run_at > now() THEN j.created_at ELSE j.run_at END)), j.attempt, j.max_attempts,
           j.crashes, extract(epoch FROM now() - j.created_at), j.created_by, k.n, k.p50_s, k.p95_s,
           CASE WHEN j.live THEN j.worker END, w.host, w.pid, w.version,
           extract(epoch FROM now() - w.heartbeat_at), extract(epoch FROM w.lease),
           extract(epoch FROM w.lease_until - now()), s.pid, s.state, extract(epoch FROM now() - s.since),
           nullif(array_to_string(s.waits_for, ', '), ''), j.progress_done, j.progress_total, j.message,
           extract(epoch FROM now() - p.updated_at), j.eta_s
    FROM (SELECT v.* FROM jobctl.job v WHERE v.id = job LIMIT 1) j
    LEFT JOIN jobctl.kind_times k ON k.project = j.project AND k.kind = j.kind
    LEFT JOIN jobctl.workers w ON w.worker_id = j.worker AND j.live
    LEFT JOIN jobctl.job_progress p ON p.job_id = j.id
    LEFT JOIN LATERAL jobctl.worker_session(w.worker_id) s ON true
$$;
REVOKE ALL ON FUNCTION jobctl.job_surroundings(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.job_surroundings(uuid)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

-- One sentence; empty if nothing older than a minute is held and the table is clean.
-- Who may not ask is told nothing.
CREATE OR REPLACE FUNCTION jobctl.database_state(OUT told text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    told := '';
    IF has_function_privilege('jobctl.xmin_holders()', 'EXECUTE') THEN
        SELECT concat_ws(', ', format('dead rows of the last %s cannot be removed: %s',
                                      jobctl.span_text(make_interval(secs => h.age_s)), h.holder),
                         'pid ' || h.pid, h.name, h.application, 'of ' || h.role, h.state)
        INTO told
        FROM jobctl.xmin_holders() h WHERE h.age_s > 60 ORDER BY h.age_s DESC LIMIT 1;
    END IF;
    told := concat_ws('; ', nullif(told, ''),
        (SELECT format('jobctl.jobs has %s dead rows and %s live ones', s.n_dead_tup, s.n_live_tup)
         FROM pg_stat_all_tables s
         WHERE s.relid = 'jobctl.jobs'::regclass AND s.n_dead_tup > 10000 + 2 * s.n_live_tup));
END
$$;
REVOKE ALL ON FUNCTION jobctl.database_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.database_state() TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
