-- squawk-ignore-file require-concurrent-index-creation, require-timeout-settings
-- (the tables are new and empty; the index on messages is partial, and the one on actions covers few rows)
--
-- What the console's insights read instead of messages: labels counted by day, and comparisons of answer times made ahead.

-- Labelled live messages by the day on which they were sent, in the tenant's time zone. topic: '' counts every message once, '-' those
-- without a topic. message_ids: which they are, newest first by receipt, so that a count leads to its messages without a search.
CREATE TABLE label_day (
    tenant_id bigint NOT NULL,
    day date NOT NULL,
    topic text NOT NULL,
    channel text NOT NULL,
    surface text NOT NULL,
    language text NOT NULL,
    sentiment text NOT NULL,
    messages integer NOT NULL,
    message_ids uuid[] NOT NULL,
    PRIMARY KEY (tenant_id, day, topic, channel, surface, language, sentiment) INCLUDE (messages)
);

-- The same messages by language and band of the model's confidence (its number from 0), and those of which people corrected the
-- sentiment or the intent.
CREATE TABLE correction_day (
    tenant_id bigint NOT NULL,
    day date NOT NULL,
    language text NOT NULL,
    band integer NOT NULL,
    analyzed integer NOT NULL,
    corrected integer NOT NULL,
    PRIMARY KEY (tenant_id, day, language, band)
);

-- Days that are counted, or to be. counted_at: NULL before the first time. is_stale: something has changed since.
CREATE TABLE counted_day (
    tenant_id bigint NOT NULL,
    day date NOT NULL,
    messages integer NOT NULL DEFAULT 0,
    counted_at timestamptz,
    is_stale boolean NOT NULL DEFAULT true,
    PRIMARY KEY (tenant_id, day)
);

-- Until when changes have been looked for, and where a day begins.
CREATE TABLE day_watch (
    tenant_id bigint PRIMARY KEY,
    time_zone text NOT NULL,
    looked_at timestamptz NOT NULL
);

-- Answer times before and after a moment. asked_at: when a person asked for this moment, NULL for the tenant's first decision.
-- figures: see worker.answer_time_reports; NULL until they are counted.
CREATE TABLE answer_time_report (
    tenant_id bigint NOT NULL,
    split_at timestamptz NOT NULL,
    asked_at timestamptz,
    counted_at timestamptz,
    figures jsonb,
    PRIMARY KEY (tenant_id, split_at)
);

CREATE INDEX message_erased ON message (tenant_id, erased_at) WHERE erased_at IS NOT NULL;
CREATE INDEX action_kind_sent ON action (tenant_id, kind, sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX correction_undone ON correction (tenant_id, undone_at) WHERE undone_at IS NOT NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['label_day', 'correction_day', 'counted_day', 'day_watch', 'answer_time_report'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
END
$$;
