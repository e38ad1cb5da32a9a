-- drop: FUNCTION jobctl.copy_begin()
-- drop: FUNCTION jobctl.copy_end()
--
-- Bulk submission inside one transaction: copy_begin(), COPY rows into
-- pg_temp.jobctl_incoming, copy_end().  The staging table belongs to the owner of
-- these functions, who reads it; the caller may only insert.
CREATE OR REPLACE FUNCTION jobctl.copy_begin() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = error AS $$
BEGIN
    CREATE TEMPORARY TABLE jobctl_incoming (
        line bigint NOT NULL, id uuid NOT NULL, project text NOT NULL, queue text NOT NULL,
        kind text NOT NULL, args jsonb NOT NULL, priority integer, run_at timestamptz, run_in interval,
        unique_key text, on_conflict text, unique_for interval, after uuid[], after_ok uuid[],
        max_attempts integer, backoff text, timeout interval, hold boolean NOT NULL
    ) ON COMMIT DROP;
    EXECUTE format('GRANT INSERT ON pg_temp.jobctl_incoming TO %I', jobctl.caller());
END
$$;

-- Turns what was copied into jobs.  Returns a row for each line whose job is
-- another than the one copied: a live job had its unique key.
CREATE OR REPLACE FUNCTION jobctl.copy_end() RETURNS TABLE (line bigint, id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
    got uuid;
BEGIN
    -- a table of that name that the caller made may run the caller's code as us
    PERFORM FROM pg_class c
    WHERE c.oid = to_regclass('pg_temp.jobctl_incoming') AND c.relkind = 'r'
      AND c.relowner = (SELECT p.proowner FROM pg_proc p WHERE p.oid = 'jobctl.copy_end()'::regprocedure);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC064', MESSAGE = 'copy_end() without copy_begin() in this transaction';
    END IF;
    FOR r IN EXECUTE 'SELECT DISTINCT i.project FROM pg_temp.jobctl_incoming i' LOOP
        PERFORM jobctl.ensure_project(r.project);
    END LOOP;

    EXECUTE $sql$
        INSERT INTO jobctl.jobs (id, priority, max_attempts, run_at, wake_at, status, project_id, queue,
                                 kind, backoff, backoff_base, backoff_max, timeout, args)
        SELECT i.id, coalesce(i.priority, 0), coalesce(i.max_attempts, k.max_attempts, 3), t.run_at,
               CASE WHEN t.run_at > now() THEN t.run_at END,
               CASE WHEN i.hold THEN 'held' ELSE 'pending' END, i.project, i.queue, i.kind,
               nullif(split_part(i.backoff, ':', 1), ''),
               nullif(split_part(i.backoff, ':', 2), '')::interval,
               nullif(split_part(i.backoff, ':', 3), '')::interval,
               coalesce(i.timeout, k.timeout), i.args
        FROM pg_temp.jobctl_incoming i
        LEFT JOIN jobctl.kinds k ON k.kind = i.kind
        CROSS JOIN LATERAL (SELECT coalesce(now() + i.run_in, i.run_at, now()) AS run_at) t
        WHERE i.unique_key IS NULL AND k.unique_arg IS NULL AND i.after IS NULL AND i.after_ok IS NULL
    $sql$;

    FOR r IN EXECUTE $sql$
        SELECT i.* FROM pg_temp.jobctl_incoming i LEFT JOIN jobctl.kinds k ON k.kind = i.kind
        WHERE NOT (i.unique_key IS NULL AND k.unique_arg IS NULL AND i.after IS NULL AND i.after_ok IS NULL)
        ORDER BY i.line
    $sql$ LOOP
        BEGIN
            got := jobctl.submit(r.kind, r.args, r.queue, r.project, r.priority, r.run_at, r.run_in,
                r.unique_key, coalesce(r.on_conflict, 'skip'), r.unique_for, r.after, r.after_ok,
                r.max_attempts, r.backoff, r.timeout, r.hold, r.id);
        EXCEPTION WHEN OTHERS THEN
            RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = format('line %s: %s', r.line, SQLERRM);
        END;
        IF got <> r.id THEN
            line := r.line;
            id := got;
            RETURN NEXT;
        END IF;
    END LOOP;

    FOR r IN EXECUTE 'SELECT DISTINCT i.queue FROM pg_temp.jobctl_incoming i' LOOP
        PERFORM jobctl.wake_workers(r.queue);
    END LOOP;
    DROP TABLE pg_temp.jobctl_incoming;
END
$$;
REVOKE ALL ON FUNCTION jobctl.copy_begin(), jobctl.copy_end() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.copy_begin(), jobctl.copy_end() TO jobctl_submitter, jobctl_operator;
