-- squawk-ignore-file require-concurrent-index-creation, adding-foreign-key-constraint, ban-drop-not-null, adding-field-with-default
-- (the new tables are empty; accounts, sessions and readings are few rows; an account without a password is made by new code only)
--
-- Who gets in: people who were invited or switched off, one-time links, sessions that people can see, narrower keys.

-- password_hash: NULL until the person has chosen one. uses_letters: whether single letters work as shortcuts. oidc_issuer, oidc_subject:
-- who they are at the sign-in provider, once they came from there.
ALTER TABLE app_user
    ALTER COLUMN password_hash DROP NOT NULL,
    ADD COLUMN display_name text NOT NULL DEFAULT '',
    ADD COLUMN language text,
    ADD COLUMN theme text,
    ADD COLUMN uses_letters boolean NOT NULL DEFAULT true,
    ADD COLUMN oidc_issuer text,
    ADD COLUMN oidc_subject text;
CREATE UNIQUE INDEX app_user_oidc ON app_user (oidc_issuer, oidc_subject);

-- A role that is not in force. A table of its own, so that whoever asks `membership` for a role never gets one of these. invited: the
-- person has an account and has not agreed yet; off: switched off by an administrator.
CREATE TABLE absent_member (
    tenant_id bigint NOT NULL REFERENCES tenant,
    user_id bigint NOT NULL REFERENCES app_user,
    role text NOT NULL CHECK (role IN ('agent', 'supervisor', 'admin', 'auditor')),
    because text NOT NULL CHECK (because IN ('invited', 'off')),
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);
CREATE INDEX absent_member_user ON absent_member (user_id);

-- A link that its holder may use once. token_hash: SHA-256 of what stands in it. password: to choose a password; join: to take on a role
-- with an account that is there already. tenant_id: NULL for one that was made by the command line.
CREATE TABLE one_time_link (
    token_hash bytea PRIMARY KEY,
    tenant_id bigint REFERENCES tenant,
    user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
    purpose text NOT NULL CHECK (purpose IN ('password', 'join')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (user_id, tenant_id)
);

ALTER TABLE web_session
    ADD COLUMN id uuid NOT NULL DEFAULT uuidv7(),
    ADD COLUMN user_agent text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX web_session_id ON web_session (id);

-- What a key may do beside what its role allows; NULL: all of that.
ALTER TABLE api_key ADD COLUMN scopes text[];

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['absent_member', 'one_time_link'] LOOP
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
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
END
$$;
-- A tenant sees also whom it invited or switched off.
CREATE POLICY absent_rows ON app_user FOR SELECT TO earshot_process USING (
    EXISTS (SELECT FROM absent_member AS m WHERE m.user_id = app_user.id AND m.tenant_id = (SELECT app_tenant()))
);

-- The audit log and the readings of customers' words by what people search for.
CREATE INDEX audit_log_deed ON audit_log (tenant_id, deed, id);
CREATE INDEX audit_log_user ON audit_log (tenant_id, by_user_id, id);
CREATE INDEX conversation_access_tenant ON conversation_access (tenant_id, id);
CREATE INDEX conversation_access_user ON conversation_access (tenant_id, by_user_id, id);
