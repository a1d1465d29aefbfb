-- Who did what, for whoever has to account for it. Only ever appended; details hold ids, names of settings and numbers, never customer
-- text or secrets. tenant_id: NULL where no tenant is concerned, such as a sign-in that nobody was let in by. Neither by_user_id nor
-- by_key_id: the command line, or Earshot itself.
CREATE TABLE audit_log (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint,
    by_user_id bigint,
    by_key_id bigint,
    deed text NOT NULL,
    subject text,
    details jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_log_tenant ON audit_log (tenant_id, id);

-- Every version of a tenant's settings, without secrets, so that each can be compared and restored. changed: [{"path", "before", "after"}].
CREATE TABLE tenant_version (
    tenant_id bigint NOT NULL,
    version integer NOT NULL,
    config jsonb NOT NULL,
    changed jsonb NOT NULL,
    changed_in text NOT NULL CHECK (changed_in IN ('file', 'console', 'api')),
    by_user_id bigint,
    by_key_id bigint,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, version)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['audit_log', 'tenant_version'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format(
            'CREATE POLICY system_rows ON %I TO earshot_process '
            'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO earshot_process', name);
    END LOOP;
END
$$;

-- What a form or a program has seen, so that two who change the same settings at once notice. changed_in: where the settings, channels,
-- CRM or alert targets were changed last: a file that knows nothing of it is not applied over it.
ALTER TABLE tenant
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN changed_in text NOT NULL DEFAULT 'file';
