-- drop: FUNCTION jobctl.lock_within_quotas(text, text[], text[], integer)
--
-- lock_ready() where some project may have no more than so many jobs running: of each
-- no more than it has room for, and in place of those that are left out the next of
-- other projects.  Exact across hosts, because whoever claims holds the projects' rows
-- while counting.
CREATE OR REPLACE FUNCTION jobctl.lock_within_quotas(queue text, kinds text[], visible text[], wanted integer,
                                                     OUT places tid[], OUT ids uuid[])
LANGUAGE plpgsql AS $$
DECLARE
    rooms jsonb;
    barred text[];      -- projects of which no more is to be had
    found record;
    sorted record;
BEGIN
    PERFORM jobctl.require_read_committed();
    PERFORM FROM jobctl.projects p WHERE p.max_running IS NOT NULL ORDER BY p.project_id FOR NO KEY UPDATE;
    SELECT jsonb_object_agg(r.project, r.room), array_agg(r.project) FILTER (WHERE r.room <= 0)
    INTO rooms, barred FROM jobctl.project_rooms() r;
    places := '{}';
    ids := '{}';
    LOOP
        SELECT r.places, r.ids INTO found
        FROM jobctl.lock_ready(queue, kinds, visible, wanted - cardinality(ids), coalesce(barred, '{}'), false, false) r;
        EXIT WHEN found.ids IS NULL;
        -- those that exceed their project's room are left; the project's others are ours
        SELECT array_agg(f.place) FILTER (WHERE f.n <= f.room) AS places, array_agg(f.id) FILTER (WHERE f.n <= f.room) AS ids,
               array_agg(f.place) FILTER (WHERE f.n <= f.room AND f.total > f.room) AS last_places,
               array_agg(f.id) FILTER (WHERE f.n <= f.room AND f.total > f.room) AS last_ids,
               array_agg(DISTINCT f.project) FILTER (WHERE f.total > f.room) AS full
        INTO sorted
        FROM (SELECT u.place, u.id, j.project_id::text AS project,
                     row_number() OVER (PARTITION BY j.project_id ORDER BY u.nth) AS n,
                     count(*) OVER (PARTITION BY j.project_id) AS total,
                     coalesce((rooms ->> j.project_id)::integer, wanted) AS room
              FROM unnest(found.places, found.ids) WITH ORDINALITY AS u(place, id, nth)
              JOIN jobctl.jobs j ON j.id = u.id) f;
        IF sorted.full IS NULL THEN
            places := places || sorted.places;
            ids := ids || sorted.ids;
            EXIT;
        END IF;
        places := places || sorted.last_places;
        ids := ids || sorted.last_ids;
        EXIT WHEN cardinality(ids) >= wanted;
        barred := barred || sorted.full;
    END LOOP;
    IF ids = '{}' THEN
        places := NULL;
        ids := NULL;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION jobctl.lock_within_quotas(text, text[], text[], integer) FROM PUBLIC;
