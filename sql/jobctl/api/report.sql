-- drop: FUNCTION jobctl.report(uuid, uuid[], uuid[], bigint[], bigint[], text[], jsonb[], jsonb[])
--
-- What running jobs say about themselves: progress done and total, a message,
-- stats (merged key by key), a checkpoint.  Null leaves what was there, and so does
-- what cannot be kept: negative progress, stats that are no object, stats or a
-- checkpoint beyond 64 KiB, or a checkpoint beyond 120,000 bytes of text, which no
-- environment variable holds.  A token that no longer runs its job changes nothing.
-- What it returns is to be said again: somebody had the job's row.
CREATE OR REPLACE FUNCTION jobctl.report(
    worker uuid, ids uuid[], tokens uuid[], done bigint[], total bigint[], messages text[], stats jsonb[],
    checkpoints jsonb[]) RETURNS TABLE (id uuid, token uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    w jobctl.workers;
BEGIN
    SELECT * INTO w FROM jobctl.workers o WHERE o.worker_id = worker AND o.role_name = jobctl.caller();
    PERFORM jobctl.mark_taken(w.worker_id, report.ids, report.tokens);   -- what has progress does not end ahead
    RETURN QUERY
    WITH running AS MATERIALIZED (
        -- locked, so that none can end meanwhile and leave its report behind
        SELECT j.id, j.project_id, i.n FROM unnest(report.ids, report.tokens) WITH ORDINALITY AS i(id, token, n)
        JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = w.worker_id
        FOR KEY SHARE OF j SKIP LOCKED
    ), written AS (
        INSERT INTO jobctl.job_progress AS p (job_id, project_id, done, total, message, stats, checkpoint)
        SELECT DISTINCT ON (r.id) r.id, r.project_id,
               CASE WHEN report.done[r.n] >= 0 THEN report.done[r.n] END,
               CASE WHEN report.total[r.n] >= 0 THEN report.total[r.n] END,
               left(messages[r.n], 1000),
               CASE WHEN jsonb_typeof(report.stats[r.n]) = 'object' AND pg_column_size(report.stats[r.n]) <= 65536
                    THEN report.stats[r.n] END,
               CASE WHEN pg_column_size(checkpoints[r.n]) <= 65536
                     AND octet_length(checkpoints[r.n]::text) <= 120000 THEN checkpoints[r.n] END
        FROM running r
        ORDER BY r.id, r.n DESC
        ON CONFLICT (job_id) DO UPDATE
        SET done = coalesce(excluded.done, p.done), total = coalesce(excluded.total, p.total),
            message = coalesce(excluded.message, p.message),
            stats = CASE WHEN excluded.stats IS NOT NULL
                          AND pg_column_size(coalesce(p.stats, '{}') || excluded.stats) <= 65536
                    THEN coalesce(p.stats, '{}') || excluded.stats ELSE p.stats END,
            checkpoint = coalesce(excluded.checkpoint, p.checkpoint), updated_at = now()
    )
    SELECT i.id, i.token FROM unnest(report.ids, report.tokens) AS i(id, token)
    JOIN jobctl.jobs j ON j.id = i.id
    WHERE (j.token = i.token AND j.worker_id = w.worker_id
           OR j.token IS NULL AND (i.id, i.token) IN (SELECT h.id, h.token FROM jobctl.has_ahead(w.worker_id, report.tokens) h))
      AND NOT EXISTS (SELECT FROM running r WHERE r.id = i.id);
END
$$;
REVOKE ALL ON FUNCTION jobctl.report(uuid, uuid[], uuid[], bigint[], bigint[], text[], jsonb[], jsonb[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.report(uuid, uuid[], uuid[], bigint[], bigint[], text[], jsonb[], jsonb[])
    TO jobctl_worker;
