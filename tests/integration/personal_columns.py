"""What each column that could hold words or an identity becomes when a customer is erased, or why it stays.

A test holds this to the schema: whoever adds such a column says here what becomes of it, and sees to it in store/customer_erasure.py.
"""

# Deleted with the customer's row, or because they name the customer, a conversation or a message of theirs.
ROWS_GO = {
    "action", "agent_task", "alert", "alert_delivery", "channel_notice", "conversation", "conversation_event", "conversation_rest", "conversation_tag",
    "crm_event", "crm_link", "crm_pick", "crm_search", "crm_state", "crm_write", "customer", "customer_identity", "message_raw",
    "message_reaction", "message_version", "run", "sla_clock", "survey_answer", "trial_text", "unparsed_body",
    "webhook_delivery",
}  # fmt: skip
# Emptied in rows that stay as tombstones or as accounts of what was paid for.
EMPTIED = {
    "message": {"provider_message_id", "text", "sender", "reply_to_provider_id", "minimized_text", "stripped", "group_id", "choice_id"},
    "message_analysis": {"summary"},
    "egress": {"minimized_text"},
    "correction": {"reason"},
    "prompt_examples": {"examples"},
}  # fmt: skip
_CODES = "fixed words of ours: states, kinds, codes, labels, names of models and versions"
_TENANTS = "settings, people and secrets of the tenant or the installation, not of customers"
KEPT = {
    **dict.fromkeys(
        (
            "message", "message_analysis", "egress", "correction", "routing_decision", "audit_sample", "sweep", "sweep_batch", "sweep_item",
            "trial", "label_day", "correction_day", "topic_hour", "trend_episode", "topic_suggestion", "live_change",
            "customer_erasure", "retention_mark", "canary", "channel_health", "channel_sighting", "onboarding_step", "crm_connection", "prompt_examples",
        ),
        _CODES,
    ),
    **dict.fromkeys(
        (
            "absent_member", "action_secret", "agent", "alert_target", "api_key", "app_user", "channel_account", "installation_secret",
            "membership", "one_time_link", "prompt_registry", "routing_policy", "schema_migration", "tenant", "tenant_version",
            "web_session", "webhook_subscription", "day_watch",
        ),
        _TENANTS,
    ),
    "message_key": "keyed hashes by which a late repetition is recognised",
    "comment_twin": "keyed hashes by which a second delivery of a comment is recognised",
    "erased_identity": "keyed hashes by which what comes late is refused; gone after 30 days",
    "audit_log": "what people did: ids and numbers, no customer text; ids of erased customers lead nowhere",
    "api_write": "answers to writes, without customer text; gone after a day",
    "errand": "stripped words that an administrator pasted; gone after an hour, and no customer's to be found by",
    "answer_time_report": "counted figures",
    "crm_erasure": "the record that the CRM is asked to clear; needed until it has been",
}  # fmt: skip
