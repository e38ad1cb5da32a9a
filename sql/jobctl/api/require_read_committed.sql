-- drop: FUNCTION jobctl.require_read_committed()
--
-- Two transactions that change the same job see each other only at READ COMMITTED:
-- whoever ends a job must find the jobs that came to wait for it meanwhile, and
-- whoever counts what runs must count what others started.  JC078 at any other level.
CREATE OR REPLACE FUNCTION jobctl.require_read_committed() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT LIKE 'read %' THEN
        RAISE EXCEPTION USING ERRCODE = 'JC078',
            MESSAGE = format('this works at isolation level READ COMMITTED only, and the transaction is %s',
                             upper(current_setting('transaction_isolation'))),
            HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED, or see default_transaction_isolation';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION jobctl.require_read_committed() FROM PUBLIC;
