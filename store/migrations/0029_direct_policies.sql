-- Row-level security asks for the tenant and the scope themselves. Until now it asked by a subquery, which is worked out once a statement
-- and table: that pays where a million rows are read, and costs more than all else where one is, and each of the fourteen statements
-- about a message looks at one row of several tables. It took a twentieth of Postgres' time for a message; the comparison takes 60
-- nanoseconds more a row. Only `run` keeps the subquery: the reconciler and the gauges read all of it several times a second while
-- a hundred thousand wait, which takes 12 ms instead of 4 each time without.
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT tablename, policyname,
               regexp_replace(qual, subquery, '\1', 'g') AS qual,
               regexp_replace(with_check, subquery, '\1', 'g') AS with_check
        FROM pg_policies, (VALUES ('\( SELECT (\w+\(\)) AS \w+\)')) AS sought (subquery)
        WHERE schemaname = current_schema() AND tablename <> 'run' AND concat(qual, with_check) ~ subquery
    LOOP
        EXECUTE format('ALTER POLICY %I ON %I', one.policyname, one.tablename)
            || coalesce(' USING (' || one.qual || ')', '')
            || coalesce(' WITH CHECK (' || one.with_check || ')', '');
    END LOOP;
END
$$;
