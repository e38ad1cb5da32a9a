-- drop: FUNCTION jobctl.end_jobs(uuid[], text, text, text)
--
-- End live jobs that are not ended by finish(): cancelled before they ran, needed
-- a job that failed, killed their third worker.  The caller holds the rows' locks.
CREATE OR REPLACE FUNCTION jobctl.end_jobs(ids uuid[], end_status text, end_outcome text, message text)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM jobctl.move_ended(ids, end_status, end_outcome, array_fill(message, ARRAY[cardinality(ids)]));
    PERFORM jobctl.settle_dependents(ids);
END
$$;
REVOKE ALL ON FUNCTION jobctl.end_jobs(uuid[], text, text, text) FROM PUBLIC;
