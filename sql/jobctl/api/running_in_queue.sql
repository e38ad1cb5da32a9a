-- drop: FUNCTION jobctl.running_in_queue(text)
--
-- How many jobs of a queue run: the claims know, the jobs have no index for it.  The search path
-- keeps PL/pgSQL from being loaded by those who only might call this.
CREATE OR REPLACE FUNCTION jobctl.running_in_queue(queue text) RETURNS integer
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT coalesce(sum(c.unfinished), 0)::integer
            FROM jobctl.claims c WHERE c.queue = running_in_queue.queue);
END
$$;
REVOKE ALL ON FUNCTION jobctl.running_in_queue(text) FROM PUBLIC;
