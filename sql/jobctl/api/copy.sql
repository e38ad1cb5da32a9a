-- drop: FUNCTION jobctl.copy_begin(uuid)
-- drop: FUNCTION jobctl.copy_end()
-- drop: FUNCTION jobctl.copy_insert(bigint, bigint, boolean)
-- drop: FUNCTION jobctl.copy_landed(uuid, uuid)
--
-- Bulk submission inside one transaction: copy_begin(), COPY rows into
-- pg_temp.jobctl_incoming, copy_end().  The staging table belongs to the owner of
-- these functions, who reads it; the caller may only insert.
--
-- batch is a new id made up by the caller, who asks with copy_landed() what
-- became of the batch when the answer to COMMIT was lost.
CREATE OR REPLACE FUNCTION jobctl.copy_begin(batch uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = error AS $$
BEGIN
    IF batch IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(uuid_hash_extended(batch, 0));
    END IF;
    CREATE TEMPORARY TABLE jobctl_incoming (
        line bigint NOT NULL, id uuid NOT NULL, project text NOT NULL, queue text NOT NULL,
        kind text NOT NULL, args jsonb NOT NULL, priority integer, run_at timestamptz, run_in interval,
        unique_key text, on_conflict text, unique_for interval, after uuid[], after_ok uuid[],
        max_attempts integer, backoff text, timeout interval, hold boolean NOT NULL
    ) ON COMMIT DROP;
    EXECUTE format('GRANT INSERT ON pg_temp.jobctl_incoming TO %I', jobctl.caller());
END
$$;

-- Whether the batch was committed, told by one of its jobs, which the caller sees.
-- Waits until the transaction that holds the batch has come to its end.
CREATE OR REPLACE FUNCTION jobctl.copy_landed(batch uuid, job uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    visible text[] := jobctl.project_filter();
BEGIN
    PERFORM pg_advisory_xact_lock(uuid_hash_extended(batch, 0));
    RETURN EXISTS (SELECT FROM jobctl.jobs j
                   WHERE j.id = job AND (visible IS NULL OR j.project_id = ANY (visible)))
        OR EXISTS (SELECT FROM jobctl.finished_jobs f
                   WHERE f.id = job AND (visible IS NULL OR f.project_id = ANY (visible)));
END
$$;

-- The lines from first to last that need nothing but a row each.  A unique key
-- whose job is live is passed over (keyed: there are lines with one).  args that
-- were stored out of line are fetched, because compressed they would pass for
-- smaller than they are.
-- enable_nestloop: nothing is known of the staging table, and kinds would be read
-- once for each line.
CREATE OR REPLACE FUNCTION jobctl.copy_insert(first bigint, last bigint, keyed boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off AS $$
BEGIN
    EXECUTE $sql$
        INSERT INTO jobctl.jobs (id, priority, max_attempts, run_at, wake_at, status, project_id, queue,
                                 kind, created_by, unique_key, backoff, backoff_base, backoff_max, timeout, args)
        SELECT i.id, coalesce(i.priority, 0), coalesce(i.max_attempts, k.max_attempts, 3), t.run_at,
               CASE WHEN t.run_at > now() THEN t.run_at END,
               CASE WHEN i.hold THEN 'held' ELSE 'pending' END, i.project, i.queue, i.kind, $3,
               CASE WHEN k.unique_args IS NULL THEN i.unique_key
                    ELSE jobctl.job_key(i.kind, k.unique_args, i.args, i.unique_key) END,
               nullif(split_part(i.backoff, ':', 1), ''),
               nullif(split_part(i.backoff, ':', 2), '')::interval,
               nullif(split_part(i.backoff, ':', 3), '')::interval,
               coalesce(i.timeout, k.timeout),
               CASE WHEN pg_column_size(i.args) < 1000 THEN i.args ELSE i.args || '{}' END
        FROM pg_temp.jobctl_incoming i
        LEFT JOIN jobctl.kinds k ON k.kind = i.kind
        CROSS JOIN LATERAL (SELECT coalesce(now() + i.run_in, i.run_at, now()) AS run_at) t
        WHERE i.line BETWEEN $1 AND $2 AND i.after IS NULL AND i.after_ok IS NULL
          AND coalesce(i.on_conflict, 'skip') = 'skip' AND i.unique_for IS NULL
    $sql$ || CASE WHEN keyed THEN
        'ON CONFLICT (project_id, unique_key) WHERE unique_key IS NOT NULL DO NOTHING' ELSE '' END
    USING first, last, jobctl.caller();
END
$$;

-- Turns what was copied into jobs.  Returns a row for each line whose job (id) is
-- another than the one copied (given): a live job had its unique key.  An error
-- about a line begins with "line N: ".
CREATE OR REPLACE FUNCTION jobctl.copy_end() RETURNS TABLE (line bigint, given uuid, id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
    first bigint;
    last bigint;
    queues text[] := '{}';
    keyed boolean := false;     -- a line has a unique key, or says what to do about one
    linked boolean := false;    -- or must wait for another job
    at_line bigint;
    mid bigint;
    state text;
    message text;
    hint text;
BEGIN
    -- a table of that name that the caller made may run the caller's code as us
    PERFORM FROM pg_class c
    WHERE c.oid = to_regclass('pg_temp.jobctl_incoming') AND c.relkind = 'r'
      AND c.relowner = (SELECT p.proowner FROM pg_proc p WHERE p.oid = 'jobctl.copy_end()'::regprocedure);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC064', MESSAGE = 'copy_end() without copy_begin() in this transaction';
    END IF;

    -- One block for all of it: whatever fails, at_line or a search tells where.
    BEGIN
        FOR r IN EXECUTE $sql$
            SELECT i.project, i.queue, min(i.line) AS first, max(i.line) AS last,
                   bool_or(i.unique_key IS NOT NULL OR k.unique_args IS NOT NULL
                           OR i.on_conflict IS NOT NULL OR i.unique_for IS NOT NULL) AS keyed,
                   bool_or(i.after IS NOT NULL OR i.after_ok IS NOT NULL) AS linked
            FROM pg_temp.jobctl_incoming i LEFT JOIN jobctl.kinds k ON k.kind = i.kind
            GROUP BY i.project, i.queue ORDER BY 3
        $sql$ LOOP
            at_line := r.first;
            PERFORM jobctl.ensure_project(r.project);
            first := least(first, r.first);
            last := greatest(last, r.last);
            queues := queues || r.queue::text;
            keyed := keyed OR r.keyed;
            linked := linked OR r.linked;
        END LOOP;
        at_line := NULL;
        PERFORM jobctl.copy_insert(first, last, keyed);
        IF EXISTS (SELECT FROM jobctl.projects p WHERE p.submits_per_hour IS NOT NULL) THEN
            FOR r IN EXECUTE $sql$
                SELECT i.project, min(i.line) AS first, count(*)::integer AS n
                FROM pg_temp.jobctl_incoming i
                JOIN jobctl.projects p ON p.project_id = i.project AND p.submits_per_hour IS NOT NULL
                JOIN jobctl.jobs j ON j.id = i.id
                GROUP BY i.project ORDER BY i.project
            $sql$ LOOP
                at_line := r.first;
                PERFORM jobctl.count_submissions(r.project, r.n);
            END LOOP;
            at_line := NULL;
        END IF;

        IF keyed OR linked THEN
            FOR r IN EXECUTE $sql$
                SELECT i.*, o.id AS other,
                       x.key IS NOT NULL AND coalesce(i.on_conflict, 'skip') = 'skip' AND i.unique_for IS NULL
                       AND i.after IS NULL AND i.after_ok IS NULL AS passed_over
                FROM pg_temp.jobctl_incoming i
                LEFT JOIN jobctl.kinds k ON k.kind = i.kind
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN k.unique_args IS NULL THEN i.unique_key
                                ELSE jobctl.job_key(i.kind, k.unique_args, i.args, i.unique_key) END AS key) x
                LEFT JOIN jobctl.jobs o ON o.project_id = i.project AND o.unique_key = x.key
                WHERE NOT EXISTS (SELECT FROM jobctl.jobs j WHERE j.id = i.id)
                ORDER BY i.line
            $sql$ LOOP
                at_line := r.line;
                id := r.other;
                IF NOT r.passed_over OR r.other IS NULL THEN
                    id := jobctl.submit(r.kind, r.args, r.queue, r.project, r.priority, r.run_at, r.run_in,
                        r.unique_key, coalesce(r.on_conflict, 'skip'), r.unique_for, r.after, r.after_ok,
                        r.max_attempts, r.backoff, r.timeout, r.hold, r.id);
                END IF;
                IF id <> r.id THEN
                    line := r.line;
                    given := r.id;
                    RETURN NEXT;
                END IF;
            END LOOP;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
        IF at_line IS NULL AND left(state, 2) IN ('22', '23', '54', 'JC') THEN
            -- the first line that fails: halve until it is alone
            LOOP
                mid := (first + last) / 2;
                BEGIN
                    PERFORM jobctl.copy_insert(first, mid, keyed);
                    EXIT WHEN first = last;     -- alone it does not: the line is not to blame
                    first := mid + 1;
                EXCEPTION WHEN OTHERS THEN
                    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                                            hint = PG_EXCEPTION_HINT;
                    last := mid;
                    at_line := CASE WHEN first = last THEN first END;
                    EXIT WHEN first = last;
                END;
            END LOOP;
        END IF;
        RAISE EXCEPTION USING ERRCODE = state, HINT = hint,
            MESSAGE = CASE WHEN at_line IS NULL THEN message ELSE format('line %s: %s', at_line, message) END;
    END;

    FOR r IN SELECT DISTINCT unnest(queues) AS queue LOOP
        PERFORM jobctl.wake_workers(r.queue);
    END LOOP;
    DROP TABLE pg_temp.jobctl_incoming;
END
$$;
REVOKE ALL ON FUNCTION jobctl.copy_begin(uuid), jobctl.copy_end(), jobctl.copy_insert(bigint, bigint, boolean),
    jobctl.copy_landed(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.copy_begin(uuid), jobctl.copy_end(), jobctl.copy_landed(uuid, uuid)
    TO jobctl_submitter, jobctl_operator;
