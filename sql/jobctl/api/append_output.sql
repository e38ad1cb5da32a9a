-- drop: FUNCTION jobctl.append_output(uuid, uuid[], uuid[], integer[], integer[], bigint[], bytea[])
--
-- Pieces of captured output, each numbered n within its attempt (so that one said
-- twice is stored once), of stream 1 (stdout) or 2 (stderr); dropped is how many
-- bytes were left out just before the piece.  A token that no longer runs its job
-- stores nothing.
CREATE OR REPLACE FUNCTION jobctl.append_output(
    worker uuid, ids uuid[], tokens uuid[], numbers integer[], streams integer[], dropped bigint[], pieces bytea[])
RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO jobctl.job_output (job_id, token, n, attempt, stream, project_id, dropped, data)
    SELECT j.id, i.token, i.n, j.attempt, i.stream, j.project_id, i.dropped, i.data
    FROM unnest(append_output.ids, append_output.tokens, numbers, streams, append_output.dropped, pieces)
        AS i(id, token, n, stream, dropped, data)
    JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = append_output.worker
    WHERE NOT EXISTS (SELECT FROM jobctl.job_output o
                      WHERE o.job_id = i.id AND o.token = i.token AND o.n = i.n)
$$;
REVOKE ALL ON FUNCTION jobctl.append_output(uuid, uuid[], uuid[], integer[], integer[], bigint[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.append_output(uuid, uuid[], uuid[], integer[], integer[], bigint[], bytea[])
    TO jobctl_worker;
