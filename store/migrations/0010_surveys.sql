-- squawk-ignore-file require-concurrent-index-creation, adding-foreign-key-constraint
-- (the table is new and empty)
--
-- Surveys: an invitation is an action; what the customer says to it is a row of its own.

-- choice_id: what we named the button or row that was tapped ("nps:9"); never the customer's words.
-- is_survey_answer: a survey's score and no other words. Its label says nothing about how the customer feels, so nobody counts it.
ALTER TABLE message
    ADD COLUMN choice_id text,
    ADD COLUMN is_survey_answer boolean NOT NULL DEFAULT false;

-- delivered_at: when the channel said that it had reached the customer. found_resolved: whether the conversation was resolved when
-- the action left, so that a score alone does not open it again.
ALTER TABLE action
    ADD COLUMN delivered_at timestamptz,
    ADD COLUMN found_resolved boolean;

-- One row per message that answers an invitation (an action). The newest score by the provider's time stands, older ones are
-- its history. score NULL: words about the score before it. has_comment: the message's own words are the comment; they stay there.
CREATE TABLE survey_answer (
    message_id uuid PRIMARY KEY,
    tenant_id bigint NOT NULL,
    invitation_id uuid NOT NULL,
    customer_id uuid NOT NULL REFERENCES customer ON DELETE CASCADE,
    survey text NOT NULL CHECK (survey IN ('nps', 'csat')),
    score integer CHECK (score BETWEEN 0 AND CASE survey WHEN 'nps' THEN 10 ELSE 5 END),
    has_comment boolean NOT NULL,
    sent_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (score IS NOT NULL OR has_comment)
);
CREATE INDEX survey_answer_invitation ON survey_answer (invitation_id, sent_at DESC, message_id DESC);
CREATE INDEX survey_answer_customer ON survey_answer (customer_id);
CREATE INDEX survey_answer_tenant ON survey_answer (tenant_id, survey, sent_at);

DO $$
BEGIN
    EXECUTE 'ALTER TABLE survey_answer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY';
    EXECUTE 'CREATE POLICY tenant_rows ON survey_answer TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))';
    EXECUTE 'CREATE POLICY owner_rows ON survey_answer TO CURRENT_USER USING (true) WITH CHECK (true)';
    EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE ON survey_answer TO earshot_process';
END
$$;
