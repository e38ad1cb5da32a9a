-- drop: FUNCTION jobctl.claim(uuid, uuid, text[], integer, text[], boolean)
--
-- Take up to slots jobs that are ready, from the queues in the order given (null:
-- every queue), of the kinds given (null: every kind), highest priority and
-- oldest first.  The token is made up by the worker and names this claim for ever;
-- said again with the same token the claim returns the same jobs, so an answer
-- that was lost is not lost.  JC069 if the worker is not registered, or its lease
-- has run out.
--
-- ahead: these jobs are so short that nobody needs to read in their rows that they run,
-- see the table jobctl.claims; where running jobs are counted, the rows say so
-- nevertheless.  place, for finish(): where the row of one taken ahead is that has no
-- progress of an earlier attempt.
CREATE OR REPLACE FUNCTION jobctl.claim(
    token uuid, worker uuid, queues text[], slots integer, kinds text[] DEFAULT NULL,
    ahead boolean DEFAULT false)
RETURNS TABLE (id uuid, project text, queue text, kind text, args jsonb, attempt integer,
               max_attempts integer, timeout_ms bigint, checkpoint jsonb, place tid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off AS $$
DECLARE
    visible text[] := jobctl.project_filter();
    quotas boolean;
    q text;
    room integer;
    wanted integer;
    taken integer := 0;
    locked record;
    quickly boolean;
    in_turn boolean;
    turn bigint;
BEGIN
    PERFORM jobctl.require_read_committed();
    -- said again while the first is still under way: wait for what that one takes
    PERFORM pg_advisory_xact_lock(uuid_hash_extended(claim.token, 1));
    -- share-locked: a reaper that believes it dead cannot remove it under our hands
    PERFORM FROM jobctl.workers w
    WHERE w.worker_id = worker AND w.lease_until > clock_timestamp() AND w.role_name = jobctl.caller()
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'JC069', MESSAGE = 'this worker is not registered, or its lease has run out';
    END IF;
    IF EXISTS (SELECT FROM jobctl.claims c WHERE c.token = claim.token) THEN
        RETURN QUERY
            SELECT j.id, j.project_id::text, j.queue::text, j.kind::text, j.args::jsonb,
                   j.attempt + c.ahead::integer, j.max_attempts,
                   (extract(epoch FROM j.timeout) * 1000)::bigint, p.checkpoint, CASE WHEN c.ahead AND p.job_id IS NULL THEN j.ctid END
            FROM jobctl.claims c
            JOIN jobctl.jobs j ON j.id = ANY (c.ids) AND (c.ahead AND j.token IS NULL OR j.token = c.token)
            LEFT JOIN jobctl.job_progress p ON p.job_id = j.id
            WHERE c.token = claim.token AND c.worker_id IS NOT DISTINCT FROM worker
            ORDER BY j.priority DESC, j.seq;
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;

    PERFORM jobctl.wake_due();
    -- limited queues first and by name: two claims that name them in another order cannot deadlock
    PERFORM FROM jobctl.queues l
    WHERE l.max_running IS NOT NULL AND (claim.queues IS NULL OR l.queue = ANY (claim.queues))
    ORDER BY l.queue FOR NO KEY UPDATE;
    quotas := EXISTS (SELECT FROM jobctl.projects p WHERE p.max_running IS NOT NULL);
    FOR q IN SELECT jobctl.ready_queues() WHERE claim.queues IS NULL UNION ALL
             (SELECT u.name FROM unnest(claim.queues) WITH ORDINALITY AS u(name, n)
              GROUP BY u.name ORDER BY min(u.n))
    LOOP
        room := jobctl.queue_room(q);
        wanted := least(slots - taken, room);
        CONTINUE WHEN wanted <= 0;
        quickly := claim.ahead AND NOT quotas AND room = 1000000;
        -- Locks first: what is locked stays where it is, and the update goes straight there.
        IF quotas THEN
            SELECT r.*, NULL::bigint AS first_seq, NULL::bigint AS last_seq INTO locked
            FROM jobctl.lock_within_quotas(q, kinds, visible, wanted) r;
        ELSE
            in_turn := quickly;
            IF NOT in_turn THEN
                SELECT r.* INTO locked FROM jobctl.lock_ready(q, kinds, visible, wanted, NULL, false, true) r;
                in_turn := locked.crowded;
            END IF;
            -- One looks at a time, and the next begins behind: who comes upon rows that have just
            -- been taken, and locks them, keeps their ends from being written.
            IF in_turn THEN
                turn := hashtextextended(q, 3);
                PERFORM pg_advisory_lock(turn);
                BEGIN
                    SELECT r.* INTO locked FROM jobctl.lock_ready(q, kinds, visible, wanted, NULL, quickly, false) r;
                EXCEPTION WHEN OTHERS OR query_canceled THEN
                    PERFORM pg_advisory_unlock(turn);
                    RAISE;
                END;
                PERFORM pg_advisory_unlock(turn);
            END IF;
        END IF;
        CONTINUE WHEN locked.ids IS NULL;
        INSERT INTO jobctl.claims (token, queue, worker_id, ids, unfinished, ahead, first_seq, last_seq)
        VALUES (claim.token, q, worker, locked.ids, cardinality(locked.ids), quickly,
                CASE WHEN quickly THEN locked.first_seq END, CASE WHEN quickly THEN locked.last_seq END);
        taken := taken + cardinality(locked.ids);
        IF quickly THEN
            RETURN QUERY
                SELECT j.id, j.project_id::text, j.queue::text, j.kind::text, j.args::jsonb, j.attempt + 1, j.max_attempts,
                       (extract(epoch FROM j.timeout) * 1000)::bigint, p.checkpoint, CASE WHEN p.job_id IS NULL THEN j.ctid END
                FROM jobctl.jobs j LEFT JOIN jobctl.job_progress p ON p.job_id = j.id
                WHERE j.ctid = ANY (locked.places)
                ORDER BY j.priority DESC, j.seq;
            EXIT WHEN taken >= claim.slots;
            CONTINUE;
        END IF;
        RETURN QUERY
            WITH took AS (
                UPDATE jobctl.jobs j
                SET status = 'running', token = claim.token, worker_id = worker,
                    attempt = j.attempt + 1, started_at = now()
                WHERE j.ctid = ANY (locked.places)
                RETURNING j.id, j.project_id, j.queue, j.kind, j.args, j.attempt, j.max_attempts,
                          j.timeout, j.priority, j.seq
            )
            SELECT t.id, t.project_id::text, t.queue::text, t.kind::text, t.args::jsonb, t.attempt, t.max_attempts,
                   (extract(epoch FROM t.timeout) * 1000)::bigint, p.checkpoint, NULL::tid
            FROM took t LEFT JOIN jobctl.job_progress p ON p.job_id = t.id
            ORDER BY t.priority DESC, t.seq;
        EXIT WHEN taken >= claim.slots;
    END LOOP;
    -- full: it will look by itself, nobody needs to tell it
    UPDATE jobctl.workers w SET idle = false WHERE w.worker_id = worker AND w.idle AND taken >= claim.slots;
END
$$;
REVOKE ALL ON FUNCTION jobctl.claim(uuid, uuid, text[], integer, text[], boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.claim(uuid, uuid, text[], integer, text[], boolean) TO jobctl_worker;
