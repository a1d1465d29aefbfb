-- People who are signed in at the console. token_hash: SHA-256 of what their browser holds; a session ends by sign-out, by age, by
-- rest, when its person is switched off or changes the password, and at once when its row goes.
CREATE TABLE web_session (
    token_hash bytea PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES app_user ON DELETE CASCADE,
    tenant_id bigint REFERENCES tenant ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX web_session_user ON web_session (user_id);
CREATE INDEX web_session_seen ON web_session (seen_at);

ALTER TABLE web_session ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_rows ON web_session TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY system_rows ON web_session TO earshot_process
    USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()));
GRANT SELECT, INSERT, UPDATE, DELETE ON web_session TO earshot_process;
