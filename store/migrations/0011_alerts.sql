-- squawk-ignore-file require-concurrent-index-creation, adding-field-with-default, constraint-missing-not-valid
-- squawk-ignore-file adding-foreign-key-constraint, adding-required-field, ban-drop-default
-- (the tables are new or small; defaults are constants; the checks are on columns that are new)
--
-- Alerts with a life of their own: who is on them, when they come again, where they are sent; and the counts that trends are judged by.

-- customer_id: whom a churn alert is about. queue: whose business it is. seen_at, times_seen: when the same thing was last noticed,
-- and how often. announced_at: when its targets were told, NULL while they are to be told. announcements: how many times.
ALTER TABLE alert
    ADD COLUMN customer_id uuid,
    ADD COLUMN severity text NOT NULL DEFAULT 'warning' CHECK (severity IN ('info', 'warning', 'critical')),
    ADD COLUMN queue text,
    ADD COLUMN assigned_to bigint,
    ADD COLUMN acknowledged_by bigint,
    ADD COLUMN snoozed_until timestamptz,
    ADD COLUMN times_seen integer NOT NULL DEFAULT 1,
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN announced_at timestamptz DEFAULT now(),
    ADD COLUMN announcements integer NOT NULL DEFAULT 0;
-- What stands there already is old news.
ALTER TABLE alert ALTER COLUMN announced_at DROP DEFAULT;
CREATE INDEX alert_customer ON alert (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX alert_unannounced ON alert (created_at) WHERE announced_at IS NULL;
CREATE INDEX alert_snoozed ON alert (snoozed_until) WHERE snoozed_until IS NOT NULL;

-- Where a tenant's alerts go. url: encrypted. service: the word before "://", for people. busy_until: a worker is sending.
-- sent_at: when something last left, so that a flood becomes a digest.
CREATE TABLE alert_target (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id bigint NOT NULL REFERENCES tenant ON DELETE CASCADE,
    name text NOT NULL,
    service text NOT NULL,
    url bytea NOT NULL,
    config jsonb NOT NULL,
    sent_at timestamptz,
    busy_until timestamptz,
    UNIQUE (tenant_id, name)
);

-- One row per alert, target and announcement. failed: refused for good, or tried too often.
CREATE TABLE alert_delivery (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    alert_id uuid NOT NULL REFERENCES alert ON DELETE CASCADE,
    target_id bigint NOT NULL REFERENCES alert_target ON DELETE CASCADE,
    announcement integer NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'sent', 'failed')),
    tries integer NOT NULL DEFAULT 0,
    error_code text,
    next_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    UNIQUE (alert_id, target_id, announcement)
);
CREATE INDEX alert_delivery_due ON alert_delivery (target_id, next_at) WHERE state IN ('pending', 'sending');
CREATE INDEX alert_delivery_tenant ON alert_delivery (tenant_id, id DESC);

-- Labelled live messages by the provider's hour (UTC) and topic; topic '' counts every message once.
CREATE TABLE topic_hour (
    tenant_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    topic text NOT NULL,
    messages integer NOT NULL,
    negatives integer NOT NULL,
    PRIMARY KEY (tenant_id, hour, topic)
);

-- A topic that rose above its base, from the hour it was noticed until its share had fallen back. The alert may name several.
CREATE TABLE trend_episode (
    tenant_id bigint NOT NULL,
    topic text NOT NULL,
    began_at timestamptz NOT NULL,
    base_share double precision NOT NULL,
    ended_at timestamptz,
    alert_id uuid NOT NULL REFERENCES alert ON DELETE CASCADE,
    PRIMARY KEY (tenant_id, topic, began_at)
);
CREATE UNIQUE INDEX trend_episode_open ON trend_episode (tenant_id, topic) WHERE ended_at IS NULL;
CREATE INDEX trend_episode_alert ON trend_episode (alert_id);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['alert_target', 'alert_delivery', 'topic_hour', 'trend_episode'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
    -- Without customer text, and sent across tenants.
    FOREACH name IN ARRAY ARRAY['alert_target', 'alert_delivery'] LOOP
        EXECUTE format(
            'CREATE POLICY system_rows ON %I TO earshot_process '
            'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))', name
        );
    END LOOP;
END
$$;
