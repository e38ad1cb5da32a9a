-- drop: FUNCTION jobctl.append_output(uuid, uuid[], uuid[], integer[], integer[], bigint[], bytea[])
--
-- Pieces of captured output, each numbered n within its attempt (so that one said
-- twice is stored once), of stream 1 (stdout) or 2 (stderr); dropped is how many
-- bytes were left out just before the piece.  A token that no longer runs its job
-- stores nothing.
CREATE OR REPLACE FUNCTION jobctl.append_output(
    worker uuid, ids uuid[], tokens uuid[], numbers integer[], streams integer[], dropped bigint[], pieces bytea[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
BEGIN
    -- said again while the first is still under way: that one goes first
    PERFORM pg_advisory_xact_lock(uuid_hash_extended(worker, 2));
    INSERT INTO jobctl.job_output (job_id, token, n, attempt, stream, project_id, dropped, data)
    SELECT j.id, i.token, i.n, j.attempt + CASE WHEN j.token IS NULL THEN 1 ELSE 0 END, i.stream, j.project_id, coalesce(i.dropped, 0), i.data
    FROM unnest(append_output.ids, append_output.tokens, numbers, streams, append_output.dropped, pieces)
        AS i(id, token, n, stream, dropped, data)
    JOIN jobctl.jobs j ON j.id = i.id
    JOIN jobctl.workers w ON w.worker_id = append_output.worker AND w.role_name = jobctl.caller()
    WHERE (j.token = i.token AND j.worker_id = w.worker_id
           OR j.token IS NULL AND (i.id, i.token) IN (SELECT h.id, h.token FROM jobctl.has_ahead(worker, append_output.tokens) h))
      AND NOT EXISTS (SELECT FROM jobctl.job_output o
                      WHERE o.job_id = i.id AND o.token = i.token AND o.n = i.n AND o.at >= coalesce(j.started_at, now() - interval '1 hour'));
END
$$;
REVOKE ALL ON FUNCTION jobctl.append_output(uuid, uuid[], uuid[], integer[], integer[], bigint[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.append_output(uuid, uuid[], uuid[], integer[], integer[], bigint[], bytea[])
    TO jobctl_worker;
