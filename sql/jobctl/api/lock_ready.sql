-- drop: FUNCTION jobctl.lock_ready(text, text[], text[], integer, text[], boolean, boolean)
--
-- The part of claim() for one queue: the first jobs that are ready and that nobody
-- else has, locked, but for those of the projects barred.  Null if there is none.
-- Barred null: no project has a limit, so all that is found is taken.
--
-- Ahead of what is ready the claim index has an entry for each job that others are just
-- taking, and until the next vacuum for each that ran: most of these are passed over page
-- by page, but those that somebody's snapshot may see are looked at.  When there were
-- many, this session remembers where it found the first job of each priority, and begins
-- there for a second, or thirty times as long as that took (setting jobctl.mark_HASH:
-- until when, priorities, seqs); or where the last claim of any such session ended, if
-- that is what claim_mark has.  Where several do so one looks for all (claim_look: until when
-- that holds), unless what it found was all before the mark, for then there may be more.  What is
-- new is seen whatever its priority, because its seq is the highest.  What takes an old place
-- meanwhile, because it was committed late or given back, waits so much longer, unless
-- nothing else is found: then the whole queue is looked through.
--
-- What others have taken ahead (see 0002_queue.up.sql) still looks ready.  It is behind the
-- mark; where there is none it is left out by its id.  And somebody who took jobs ahead may have
-- committed, and let go of their rows, since the statement that looks for them began: so what
-- was found is compared with the claims that there are by now, and if one has some of it, looked
-- for again; or, once, it is said that it is crowded, and there is nothing else: who is not in turn,
-- as those are who take jobs ahead, may find for ever what they are just taking.
CREATE OR REPLACE FUNCTION jobctl.lock_ready(queue text, kinds text[], visible text[], wanted integer,
                                             barred text[], ahead boolean, once boolean,
                                             OUT places tid[], OUT ids uuid[], OUT first_seq bigint, OUT last_seq bigint,
                                             OUT crowded boolean)
LANGUAGE plpgsql AS $$
DECLARE
    setting text := 'jobctl.mark_' || md5(ROW(queue, kinds, visible, barred)::text);
    mark text[] := string_to_array(nullif(current_setting(setting, true), ''), ' ');
    until double precision := mark[1]::double precision;
    marks integer[] := mark[2]::integer[];   -- priorities, highest first
    starts bigint[] := mark[3]::bigint[];     -- and where to begin in each
    others bigint;      -- claim_mark: a seq, and 15 bits of a hash of whose it is
    looked bigint;      -- claim_look: milliseconds, and the same
    began timestamptz := clock_timestamp();
    entries bigint := pg_stat_get_xact_tuples_returned('jobctl.jobs_claim'::regclass);
    pages bigint := pg_stat_get_xact_blocks_fetched('jobctl.jobs_claim'::regclass);
    marked boolean := coalesce(until > extract(epoch FROM began), false);
    highs bigint[];
    lows bigint[];
    firsts bigint[];
    priorities integer[];
    seqs bigint[];
    others_have uuid[];
    late uuid[];
BEGIN
    IF barred IS NULL AND marks IS NOT NULL THEN
        IF NOT marked THEN
            SELECT c.last_value INTO looked FROM jobctl.claim_look c;
            IF looked & 32767 = hashtext(setting) & 32767 AND looked >> 15 > extract(epoch FROM began) * 1000 THEN
                until := (looked >> 15) / 1000.0;
                marked := true;
            END IF;
        END IF;
        SELECT c.last_value INTO others FROM jobctl.claim_mark c;
        FOR i IN 1 .. cardinality(marks) LOOP
            IF others & 32767 = hashtext(setting || marks[i]) & 32767 THEN
                starts[i] := greatest(starts[i], others >> 15);
            END IF;
        END LOOP;
    END IF;
    LOOP
        IF late IS NOT NULL THEN
            others_have := others_have || late;
        ELSIF NOT marked THEN
            others_have := jobctl.taken_ahead(queue, NULL, NULL);
        END IF;
        highs := '{2147483647}';
        lows := '{}';
        firsts := '{}';
        FOR i IN 1 .. CASE WHEN marked THEN cardinality(marks) ELSE 0 END LOOP
            -- above this mark, at it, and next what is below
            highs := highs || marks[i]::bigint || marks[i] - 1::bigint;
            lows := lows || marks[i] + 1::bigint || marks[i]::bigint;
            firsts := firsts || -9223372036854775808 || starts[i];
        END LOOP;
        lows := lows || -2147483648::bigint;
        firsts := firsts || -9223372036854775808;

        SELECT array_agg(n.ctid), array_agg(n.id), array_agg(n.priority), array_agg(n.seq), min(n.seq), max(n.seq)
        INTO places, ids, priorities, seqs, first_seq, last_seq
        -- bounds that include: only then does reading begin at the mark
        FROM (SELECT r.* FROM unnest(highs, lows, firsts) AS m(high, low, first)
              CROSS JOIN LATERAL (
                  SELECT j.ctid, j.id, j.priority, j.seq FROM jobctl.jobs j
                  WHERE j.queue = lock_ready.queue AND j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
                    AND j.priority BETWEEN m.low AND m.high AND j.seq >= m.first
                    AND (kinds IS NULL OR j.kind = ANY (kinds))
                    AND (visible IS NULL OR j.project_id = ANY (visible))
                    AND (barred IS NULL OR j.project_id <> ALL (barred))
                    AND j.id NOT IN (SELECT unnest(others_have))
                  ORDER BY j.priority DESC, j.seq
                  FOR NO KEY UPDATE SKIP LOCKED) r
              LIMIT wanted) n;
        late := CASE WHEN ids IS NOT NULL THEN jobctl.taken_ahead(queue, first_seq, last_seq) END;
        IF (SELECT bool_or(i.id IN (SELECT unnest(late))) FROM unnest(ids) AS i(id)) THEN
            IF once THEN
                places := NULL;
                ids := NULL;
                crowded := true;
                RETURN;
            END IF;
            CONTINUE;
        END IF;
        late := NULL;
        EXIT WHEN ids IS NOT NULL OR NOT marked;
        marked := false;
        began := clock_timestamp();
    END LOOP;

    IF NOT marked AND (ahead OR pg_stat_get_xact_tuples_returned('jobctl.jobs_claim'::regclass) - entries > 100 + 2 * wanted
                       OR pg_stat_get_xact_blocks_fetched('jobctl.jobs_claim'::regclass) - pages > 50 + wanted / 50) THEN
        until := extract(epoch FROM began + greatest(30 * (clock_timestamp() - began), '1 s'));
        marked := true;
        IF barred IS NULL AND seqs[cardinality(seqs)] >= starts[array_position(marks, priorities[cardinality(seqs)])] THEN
            PERFORM setval('jobctl.claim_look', (until * 1000)::bigint << 15 | (hashtext(setting) & 32767));
        END IF;
    END IF;
    IF marked AND ids IS NOT NULL THEN
        SELECT array_agg(m.priority ORDER BY m.priority DESC), array_agg(m.seq ORDER BY m.priority DESC)
        INTO marks, starts
        FROM (SELECT DISTINCT ON (a.priority) a.priority, a.seq
              FROM (SELECT 1 AS age, t.priority, CASE WHEN ahead THEN max(t.seq) + 1 ELSE min(t.seq) END AS seq
                    FROM unnest(priorities, seqs) AS t(priority, seq) GROUP BY t.priority
                    UNION ALL
                    SELECT 2, o.priority, o.seq FROM unnest(marks, starts) AS o(priority, seq)) a
              ORDER BY a.priority DESC, a.age LIMIT 16) m;
        PERFORM set_config(setting, concat_ws(' ', until, marks, starts), false);
        IF barred IS NULL THEN
            PERFORM setval('jobctl.claim_mark', (seqs[cardinality(seqs)] + 1 << 15) |
                           (hashtext(setting || priorities[cardinality(seqs)]) & 32767));
        END IF;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION jobctl.lock_ready(text, text[], text[], integer, text[], boolean, boolean) FROM PUBLIC;
