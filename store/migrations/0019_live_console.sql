-- squawk-ignore-file require-concurrent-index-creation, adding-foreign-key-constraint
-- (the table is new and empty; the index on action is partial and empty at first)
--
-- What open pages of the console must hear of, and answers that people write there.

-- One row for each change of a conversation, written by triggers so that no code can forget it. Ids only. Unlogged: it costs no
-- write-ahead log, and a server that crashed makes every page look anew. Not NOTIFY: that lets one transaction commit at a time in
-- the whole server. xact tells a reader which rows its last look could not see yet.
CREATE UNLOGGED TABLE live_change (
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tenant_id bigint NOT NULL,
    conversation_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('work', 'message', 'reading', 'reply')),
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX live_change_xact ON live_change (xact);

-- They run as the owner: who changes a conversation acts for its tenant, or for all.
CREATE FUNCTION note_live_work() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO live_change (tenant_id, conversation_id, kind)
    VALUES (coalesce(NEW.tenant_id, OLD.tenant_id), coalesce(NEW.id, OLD.id), 'work');
    RETURN NULL;
END
$$;

-- The same for rows that know their conversation.
CREATE FUNCTION note_live_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO live_change (tenant_id, conversation_id, kind) VALUES (NEW.tenant_id, NEW.conversation_id, TG_ARGV[0]);
    RETURN NULL;
END
$$;

-- The same for rows that know their message only.
CREATE FUNCTION note_live_reading() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO live_change (tenant_id, conversation_id, kind)
    SELECT tenant_id, conversation_id, 'reading'
    FROM message
    WHERE id = NEW.message_id AND conversation_id IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER live_added AFTER INSERT OR DELETE ON conversation
    FOR EACH ROW EXECUTE FUNCTION note_live_work();
CREATE TRIGGER live_changed AFTER UPDATE ON conversation
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION note_live_work();

CREATE TRIGGER live_added AFTER INSERT ON message
    FOR EACH ROW WHEN (NEW.conversation_id IS NOT NULL AND NOT NEW.is_history) EXECUTE FUNCTION note_live_change('message');
CREATE TRIGGER live_changed AFTER UPDATE OF conversation_id, text, author, action_id, state ON message
    FOR EACH ROW WHEN (
        NEW.conversation_id IS NOT NULL AND NOT NEW.is_history
        AND (OLD.conversation_id, OLD.text, OLD.author, OLD.action_id, OLD.state = 'erased')
            IS DISTINCT FROM (NEW.conversation_id, NEW.text, NEW.author, NEW.action_id, NEW.state = 'erased')
    )
    EXECUTE FUNCTION note_live_change('message');

CREATE TRIGGER live_added AFTER INSERT ON routing_decision
    FOR EACH ROW EXECUTE FUNCTION note_live_reading();
CREATE TRIGGER live_changed AFTER INSERT OR UPDATE ON correction
    FOR EACH ROW EXECUTE FUNCTION note_live_reading();

CREATE TRIGGER live_changed AFTER INSERT OR UPDATE OF state, due_at ON sla_clock
    FOR EACH ROW EXECUTE FUNCTION note_live_change('work');

-- An answer that a person writes in the console leaves through the same outbox as automations, as an action of the kind `reply`.
-- written_by: that person. Its words stand in sent_text from the start.
ALTER TABLE action ADD COLUMN written_by bigint;
CREATE TRIGGER live_changed AFTER INSERT OR UPDATE OF state ON action
    FOR EACH ROW WHEN (NEW.kind = 'reply') EXECUTE FUNCTION note_live_change('reply');
CREATE INDEX action_reply ON action (conversation_id) WHERE kind = 'reply';

ALTER TABLE live_change ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_rows ON live_change TO CURRENT_USER USING (true) WITH CHECK (true);
CREATE POLICY system_rows ON live_change TO earshot_process
    USING ((SELECT in_system_scope())) WITH CHECK ((SELECT in_system_scope()));
GRANT SELECT, DELETE ON live_change TO earshot_process;
