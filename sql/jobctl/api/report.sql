-- drop: FUNCTION jobctl.report(uuid, uuid[], uuid[], bigint[], bigint[], text[], jsonb[], jsonb[])
--
-- What running jobs say about themselves: progress done and total, a message,
-- stats (merged key by key), a checkpoint.  Null leaves what was there.  A token
-- that no longer runs its job changes nothing.
CREATE OR REPLACE FUNCTION jobctl.report(
    worker uuid, ids uuid[], tokens uuid[], done bigint[], total bigint[], messages text[], stats jsonb[],
    checkpoints jsonb[]) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO jobctl.job_progress AS p (job_id, project_id, done, total, message, stats, checkpoint)
    SELECT j.id, j.project_id, i.done, i.total, left(i.message, 1000), i.stats, i.checkpoint
    FROM unnest(report.ids, report.tokens, report.done, report.total, report.messages, report.stats,
                report.checkpoints) AS i(id, token, done, total, message, stats, checkpoint)
    JOIN jobctl.jobs j ON j.id = i.id AND j.token = i.token AND j.worker_id = report.worker
    ORDER BY j.id
    ON CONFLICT (job_id) DO UPDATE
    SET done = coalesce(excluded.done, p.done), total = coalesce(excluded.total, p.total),
        message = coalesce(excluded.message, p.message),
        stats = CASE WHEN excluded.stats IS NULL THEN p.stats ELSE coalesce(p.stats, '{}') || excluded.stats END,
        checkpoint = coalesce(excluded.checkpoint, p.checkpoint), updated_at = now()
$$;
REVOKE ALL ON FUNCTION jobctl.report(uuid, uuid[], uuid[], bigint[], bigint[], text[], jsonb[], jsonb[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.report(uuid, uuid[], uuid[], bigint[], bigint[], text[], jsonb[], jsonb[])
    TO jobctl_worker;
