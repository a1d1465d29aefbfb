-- squawk-ignore-file require-concurrent-index-creation, adding-field-with-default, constraint-missing-not-valid
-- squawk-ignore-file adding-required-field
-- (defaults are constants; the checks are on columns that are new)
--
-- Analyses that can be traced and paid for: what each was made with, what it cost, examples a tenant has published.

-- model: what answered. model_asked: what was asked for. escalated_from: the model whose doubtful answer this one replaces.
ALTER TABLE message_analysis
    ADD COLUMN model_asked text,
    ADD COLUMN schema_version integer,
    ADD COLUMN minimizer_version text,
    ADD COLUMN examples_version integer,
    ADD COLUMN escalated_from text,
    ADD COLUMN request_id text,
    ADD COLUMN input_tokens integer,
    ADD COLUMN output_tokens integer,
    ADD COLUMN cached_tokens integer,
    ADD COLUMN cost_microusd bigint,
    ADD COLUMN latency_ms integer;

ALTER TABLE egress
    ADD COLUMN purpose text NOT NULL DEFAULT 'live' CHECK (purpose IN ('live', 'escalation', 'again', 'sweep', 'trial')),
    ADD COLUMN cache_write_tokens integer;

-- What was read as context is found when it is taken back.
CREATE INDEX egress_context ON egress USING gin (context_ids);

-- Its words hit the floor (see routing/floor.py): read first when the provider is back.
ALTER TABLE run ADD COLUMN urgent boolean NOT NULL DEFAULT false;

-- A second look at a conversation sees everything up to now, also what came after the message it judges.
ALTER TABLE run ADD COLUMN until_now boolean NOT NULL DEFAULT false;

-- Too few messages for a tenant's part of the prompt to be found in the provider's cache again: keeping it there would cost more.
ALTER TABLE tenant ADD COLUMN is_quiet boolean NOT NULL DEFAULT false;

-- What a tenant has spent by day (UTC), so that a cap is one look-up.
CREATE TABLE spend (
    tenant_id bigint NOT NULL,
    day date NOT NULL,
    calls integer NOT NULL DEFAULT 0,
    escalations integer NOT NULL DEFAULT 0,
    cost_microusd bigint NOT NULL DEFAULT 0,
    -- Of sweeps, which have budgets of their own: a sweep must not stop live messages.
    bulk_microusd bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, day)
);

-- Names the model wanted that are not on the tenant's list: suggestions for new topics.
CREATE TABLE topic_suggestion (
    tenant_id bigint NOT NULL,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{1,39}$'),
    seen integer NOT NULL DEFAULT 1,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    dismissed_at timestamptz,
    PRIMARY KEY (tenant_id, name)
);

-- Snapshots of corrections that stand as examples in the tenant's prompt; one is live at most.
-- examples: [{"text": stripped text, "sentiment"?, "intent"?, "topics"?, "message_id", "correction_ids"}]
CREATE TABLE prompt_examples (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    version integer NOT NULL,
    examples jsonb NOT NULL,
    evaluation jsonb NOT NULL DEFAULT '{}',
    published_by bigint,
    published_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    UNIQUE (tenant_id, version)
);
CREATE UNIQUE INDEX prompt_examples_live ON prompt_examples (tenant_id) WHERE retired_at IS NULL;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['spend', 'topic_suggestion', 'prompt_examples'] LOOP
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
CREATE POLICY own_row_changes ON tenant FOR UPDATE TO earshot_process
    USING (id = (SELECT app_tenant())) WITH CHECK (id = (SELECT app_tenant()));
