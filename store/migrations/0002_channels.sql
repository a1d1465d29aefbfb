-- squawk-ignore-file require-concurrent-index-creation, adding-field-with-default, constraint-missing-not-valid
-- squawk-ignore-file adding-required-field, disallowed-unique-constraint, ban-drop-constraint
-- (tables small enough to be locked for a moment; defaults are constants, which Postgres does not write row by row)
--
-- Channels in full: identities that change, messages that are edited, taken back, reacted to and joined, accounts that
-- are watched, sends in every form.

-- One telephone, many spellings: WhatsApp's id of a number and the number as it comes elsewhere differ in Mexico (a 1 after
-- 52), Argentina (a 9 after 54) and Brazil (old accounts lack the ninth digit). crm_sync/phones.py says the same.
CREATE FUNCTION phone_match_key(digits text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN digits ~ '^521?[0-9]{10}$' THEN '52' || right(digits, 10)
    WHEN digits ~ '^549?[0-9]{10}$' THEN '549' || right(digits, 10)
    WHEN digits ~ '^55[0-9]{2}9?[6-9][0-9]{7}$' THEN '55' || substr(digits, 3, 2) || '9' || right(digits, 8)
    ELSE digits
END;

ALTER TABLE customer_identity
    DROP CONSTRAINT customer_identity_kind_check,
    ADD CONSTRAINT customer_identity_kind_check
        CHECK (kind IN ('phone', 'bsuid', 'parent_bsuid', 'igsid', 'username', 'email', 'external')),
    -- The account it was first seen at: two business-scoped ids contradict each other only within one account.
    ADD COLUMN account_id text,
    ADD COLUMN match_key text NOT NULL
        GENERATED ALWAYS AS (CASE kind WHEN 'phone' THEN phone_match_key(value) ELSE value END) STORED,
    -- The channel said that it is this customer's no longer: what comes later under it is from somebody else.
    ADD COLUMN retired_at timestamptz,
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX customer_identity_match ON customer_identity (tenant_id, kind, match_key);

ALTER TABLE customer
    ADD COLUMN marketing_accepted boolean,
    ADD COLUMN marketing_chosen_at timestamptz;

ALTER TABLE message
    ADD COLUMN author text NOT NULL DEFAULT 'customer' CHECK (author IN ('customer', 'human', 'bot', 'earshot')),
    ADD COLUMN group_id text,
    ADD COLUMN is_history boolean NOT NULL DEFAULT false,
    -- The provider's time of the newest edit that was applied, and how many there were.
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN edits integer NOT NULL DEFAULT 0,
    -- The message that is analyzed for this one too: a burst of one customer becomes one analysis.
    ADD COLUMN joined_to uuid,
    ADD COLUMN erased_at timestamptz,
    ADD COLUMN action_id uuid;
CREATE INDEX message_joined ON message (joined_to) WHERE joined_to IS NOT NULL;
-- Written before there was an author.
UPDATE message SET author = 'human' WHERE direction = 'outbound';

-- What a message said before it was edited, oldest first by version. item: the raw item it came in.
CREATE TABLE message_version (
    message_id uuid NOT NULL,
    version integer NOT NULL,
    tenant_id bigint NOT NULL,
    text text,
    item bytea,
    replaced_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, version)
);

-- Keyed like message_key, so that a reaction may come before its message. emoji NULL: it was taken back.
CREATE TABLE message_reaction (
    tenant_id bigint NOT NULL,
    account_id text NOT NULL,
    target_key bytea NOT NULL,
    actor_key bytea NOT NULL,
    by_business boolean NOT NULL,
    emoji text,
    reacted_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_id, target_key, actor_key)
);

CREATE INDEX message_key_message ON message_key (message_id);

-- Comments on boosted posts: Meta may deliver one for the post and one for the ad, each with an id of its own.
CREATE TABLE comment_twin (
    tenant_id bigint NOT NULL,
    account_id text NOT NULL,
    twin_key bytea NOT NULL,
    from_ad boolean NOT NULL,
    message_key bytea NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, account_id, twin_key, from_ad)
);

ALTER TABLE run
    DROP CONSTRAINT run_kind_check,
    -- place: an echo or a message from history finds its customer and conversation, and nothing more.
    ADD CONSTRAINT run_kind_check CHECK (kind IN ('initial', 'reanalyze', 'sweep', 'place')),
    -- Until then more of the same burst may come.
    ADD COLUMN gathers_until timestamptz;
CREATE INDEX run_place ON run (id) WHERE kind = 'place';

ALTER TABLE channel_account
    ADD COLUMN reply_url text,
    ADD COLUMN mark_read boolean NOT NULL DEFAULT false,
    ADD COLUMN max_per_s integer NOT NULL DEFAULT 80,
    -- SHA-256 of the token in the tenant file: applying the same file again must not undo a refresh.
    ADD COLUMN applied_token_hash bytea;

-- What the watchdog knows about an account. token_state counts for the token that stands there now.
CREATE TABLE channel_health (
    channel_account_id bigint PRIMARY KEY REFERENCES channel_account ON DELETE CASCADE,
    tenant_id bigint NOT NULL,
    last_webhook_at timestamptz,
    usual_gap_s double precision,
    token_state text NOT NULL DEFAULT 'unknown' CHECK (token_state IN ('alive', 'dead', 'unknown')),
    token_since timestamptz NOT NULL DEFAULT now(),
    token_expires_at timestamptz,
    subscribed boolean,
    error_code text,
    next_inspection_at timestamptz NOT NULL DEFAULT now(),
    -- Meta refuses to refresh a token that is younger than a day, and a tenant file does not say how old its token is.
    next_refresh_at timestamptz NOT NULL DEFAULT now() + interval '25 hours'
);

-- Webhooks by hour: from these comes the usual gap.
CREATE TABLE channel_activity (
    channel_account_id bigint NOT NULL REFERENCES channel_account ON DELETE CASCADE,
    tenant_id bigint NOT NULL,
    hour timestamptz NOT NULL,
    webhooks integer NOT NULL,
    PRIMARY KEY (channel_account_id, hour)
);

ALTER TABLE action
    ADD COLUMN channel text NOT NULL DEFAULT '',
    -- How it left: text, link, choices, template, private_reply, public_reply.
    ADD COLUMN form text,
    -- SHA-256 of what was sent, so that an echo can settle a send whose answer never came.
    ADD COLUMN sent_hash bytea,
    ADD COLUMN sent_at timestamptz;
CREATE INDEX action_provider_message ON action (tenant_id, provider_message_id) WHERE provider_message_id IS NOT NULL;
CREATE INDEX action_uncertain ON action (created_at) WHERE state = 'uncertain';
CREATE INDEX action_failed ON action (settled_at) WHERE state = 'failed';

ALTER TABLE alert
    ADD COLUMN resolved_at timestamptz;
CREATE INDEX alert_tenant ON alert (tenant_id, id DESC);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'message_version', 'message_reaction', 'comment_twin', 'channel_health', 'channel_activity'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant_rows ON %I TO earshot_process '
            'USING (tenant_id = (SELECT app_tenant())) WITH CHECK (tenant_id = (SELECT app_tenant()))', name
        );
        EXECUTE format('CREATE POLICY owner_rows ON %I TO CURRENT_USER USING (true) WITH CHECK (true)', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO earshot_process', name);
    END LOOP;
    -- Without customer text, and needed across tenants by the watchdog.
    FOREACH name IN ARRAY ARRAY['channel_health', 'channel_activity', 'alert'] LOOP
        EXECUTE format(
            'CREATE POLICY system_rows ON %I TO earshot_process '
            'USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()))', name
        );
    END LOOP;
END
$$;
