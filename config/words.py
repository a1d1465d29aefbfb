"""The words that messages, rules and files share."""

from typing import Literal

ActionKind = Literal[
    "escalate_to_human",
    "send_refund_form",
    "schedule_callback",
    "close_with_thanks",
    "follow_up",
    "request_screenshot",
    "send_nps_invite",
    "send_csat_invite",
    "ask_survey_reason",
    "assign",
    "notify",
    "tag",
    "webhook",
]
ActionState = Literal["pending", "sending", "sent", "failed", "uncertain", "expired", "cancelled", "shadow"]
Intent = Literal[
    "order_status",
    "refund_request",
    "price_inquiry",
    "technical_support",
    "complaint",
    "compliment",
    "callback_request",
    "cancellation",
    "spam",
    "other",
]
Sentiment = Literal["positive", "neutral", "negative"]
Priority = Literal["P1", "P2", "P3", "P4"]
Surface = Literal["dm", "story_reply", "story_mention", "reel_comment", "comment", "live_comment"]
Signal = Literal["sarcasm", "urgent", "injection_suspected"]
FloorGroup = Literal["urgent", "legal_threat", "safety"]
ChannelKind = Literal["whatsapp", "instagram", "generic"]
QUEUES = ("senior", "support", "engineering", "sales", "customer_success", "review", "not_yet_analysed", "auto")
