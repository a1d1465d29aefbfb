-- squawk-ignore-file require-concurrent-index-creation, adding-field-with-default, ban-drop-not-null
-- (defaults are constants; the indexes are on tables that are still empty; nothing that runs reads the columns that may be NULL now)
--
-- Corrections that win at once, snapshots of examples that are proposed before they are published, audits, trials.

-- Appended for ever. Of a message's corrections of one field the newest that is not undone counts.
-- new_value: a sentiment, an intent, or names of topics joined by commas. model_value: what the model had said by then, NULL when
-- only a keyword reading was there.
ALTER TABLE correction
    ADD COLUMN model_value text,
    ADD COLUMN analysis_id uuid,
    ADD COLUMN undone_at timestamptz,
    ADD COLUMN undone_by bigint;
CREATE INDEX correction_tenant ON correction (tenant_id, id DESC);

-- A snapshot gets its number when it is proposed, because the trial that checks it lets it leave the building: the ledger's
-- "g1.s1.e3" then names it for ever. published_at: NULL while it was only proposed. note: why an admin overruled the check.
ALTER TABLE prompt_examples
    ALTER COLUMN published_at DROP NOT NULL,
    ADD COLUMN proposed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN based_on integer,
    ADD COLUMN note text;

-- A trial of words that somebody pasted has no message.
ALTER TABLE egress ALTER COLUMN message_id DROP NOT NULL;

-- A small random sample of analyzed messages that people confirm or correct. period: the Monday of its week.
-- sentiment, intent, topics: what the person says; NULL until then.
CREATE TABLE audit_sample (
    id uuid PRIMARY KEY DEFAULT uuidv7(),
    tenant_id bigint NOT NULL,
    period date NOT NULL,
    message_id uuid NOT NULL,
    analysis_id uuid NOT NULL,
    picked_at timestamptz NOT NULL DEFAULT now(),
    judged_at timestamptz,
    judged_by bigint,
    sentiment text,
    intent text,
    topics text[],
    UNIQUE (tenant_id, message_id)
);
CREATE INDEX audit_sample_period ON audit_sample (tenant_id, period);
CREATE INDEX audit_sample_message ON audit_sample (message_id);
ALTER TABLE audit_sample ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_rows ON audit_sample TO earshot_process
    USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()));
CREATE POLICY owner_rows ON audit_sample TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_sample TO earshot_process;

-- The human values that stand for a message: always one row.
CREATE FUNCTION active_correction(of_message uuid)
RETURNS TABLE (sentiment text, intent text, topics text[], corrected text[], corrected_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT max(c.new_value) FILTER (WHERE c.field = 'sentiment'),
           max(c.new_value) FILTER (WHERE c.field = 'intent'),
           string_to_array(max(c.new_value) FILTER (WHERE c.field = 'topics'), ','),
           coalesce(array_agg(c.field ORDER BY c.field), '{}'),
           max(c.created_at)
    FROM (
        SELECT DISTINCT ON (k.field) k.field, k.new_value, k.created_at
        FROM correction AS k
        WHERE k.message_id = of_message AND k.undone_at IS NULL
        ORDER BY k.field, k.id DESC
    ) AS c
$$;

-- Whether an analysis counts yet. A later migration says more.
CREATE FUNCTION analysis_counts(run_kind text, run_id uuid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN run_kind IS NOT NULL AND run_id IS NOT NULL;

-- What a message means, for everybody who asks: its newest valid analysis (or that of one run), with what people have corrected.
-- The one place that decides which analysis counts: one that must not count yet is left out here.
-- A person is sure: the score of a corrected sentiment is 1. The model's advice goes with the reading that it was given for.
CREATE FUNCTION effective_label(of_message uuid, of_run uuid DEFAULT NULL)
RETURNS TABLE (
    analysis_id uuid, sentiment text, score double precision, intent text, topics text[], summary text,
    suggested_action text, language text, signals jsonb, analyzed_at timestamptz,
    corrected text[], corrected_at timestamptz,
    model_sentiment text, model_score double precision, model_intent text, model_topics text[]
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT a.id,
           coalesce(c.sentiment, a.sentiment),
           CASE WHEN c.sentiment IS NULL THEN a.score ELSE 1.0 END,
           coalesce(c.intent, a.intent),
           coalesce(c.topics, a.topics),
           a.summary,
           CASE
               WHEN coalesce(c.sentiment, a.sentiment) = a.sentiment AND coalesce(c.intent, a.intent) = a.intent
               THEN a.suggested_action
               ELSE 'none'
           END,
           a.language,
           CASE WHEN c.sentiment IS NULL THEN a.signals ELSE a.signals - 'sarcasm' END,
           a.created_at,
           c.corrected, c.corrected_at,
           a.sentiment, a.score, a.intent, a.topics
    FROM (
        SELECT *
        FROM message_analysis AS n
        WHERE n.message_id = of_message AND n.id > of_message AND NOT n.provisional
          AND CASE WHEN of_run IS NULL THEN analysis_counts(n.run_kind, n.run_id) ELSE n.run_id = of_run END
        ORDER BY n.id DESC
        LIMIT 1
    ) AS a
    CROSS JOIN LATERAL active_correction(of_message) AS c
$$;
