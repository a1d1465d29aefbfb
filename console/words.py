"""Our own codes as people read them. English here; other languages translate these texts in their catalogs."""

from collections.abc import Mapping


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


WORDS: Mapping[str, str] = {
    "negative": _("negative"), "neutral": _("neutral"), "positive": _("positive"),
    "confidence high": _("high confidence"), "confidence medium": _("medium confidence"), "confidence low": _("low confidence"),
    "order_status": _("order status"), "refund_request": _("refund request"), "price_inquiry": _("price inquiry"),
    "technical_support": _("technical support"), "complaint": _("complaint"), "compliment": _("compliment"),
    "callback_request": _("callback request"), "cancellation": _("cancellation"), "spam": _("spam"), "other": _("other"),
    "senior": _("senior"), "support": _("support"), "engineering": _("engineering"), "sales": _("sales"),
    "customer_success": _("customer success"), "review": _("review"), "not_yet_analysed": _("not yet analysed"), "auto": _("automatic"),
    "open": _("open"), "snoozed": _("snoozed"), "resolved": _("resolved"),
    "dm": _("direct message"), "story_reply": _("story reply"), "story_mention": _("story mention"), "reel_comment": _("reel comment"),
    "comment": _("comment"), "live_comment": _("live comment"),
    "escalate_to_human": _("escalate to a person"), "send_refund_form": _("send the refund form"),
    "schedule_callback": _("schedule a callback"), "close_with_thanks": _("close with thanks"), "follow_up": _("follow up"),
    "none": _("nothing"), "request_screenshot": _("ask for a screenshot"), "send_nps_invite": _("invite to rate us"),
    "assign": _("assign"), "notify": _("notify"), "tag": _("tag"), "webhook": _("webhook"),
    "action pending": _("waits"), "action sending": _("under way"), "action sent": _("sent"), "action failed": _("failed"),
    "action uncertain": _("uncertain"), "action expired": _("expired"), "action cancelled": _("called off"),
    "action shadow": _("recorded only"),
    "event claimed": _("taken"), "event assigned": _("assigned"), "event transferred": _("handed over"),
    "event unassigned": _("put back"), "event returned": _("came back"), "event snoozed": _("put away"), "event woken": _("woke up"),
    "event resolved": _("resolved"), "event reopened": _("opened again"),
    "run initial": _("at arrival"), "run reanalyze": _("read again"), "run sweep": _("in a sweep"),
    "author agent": _("Agent"), "author automation": _("Automation"), "author app": _("Agent in the app"),
    "whatsapp": "WhatsApp", "instagram": "Instagram", "generic": _("other channel"),
    "text": _("text"), "image": _("image"), "audio": _("voice message"), "video": _("video"), "document": _("document"),
    "author human": _("Agent"), "author earshot": _("Automation"), "author bot": _("Bot of the channel"), "template": _("template"),
    "sticker": _("sticker"), "location": _("location"), "no words": _("no words"),
}  # fmt: skip

NOTICES: Mapping[str, str] = {
    "refused already_assigned": _("A colleague has taken it meanwhile."),
    "refused changed_meanwhile": _("It has changed since you looked: read it again and decide anew."),
    "refused not_yours": _("It is a colleague’s. Ask them to hand it over, or a supervisor."),
    "refused resolved": _("It is resolved. Open it again first."),
    "refused unknown_person": _("There is no such colleague."),
    "refused unknown_queue": _("There is no such queue."),
    "refused": _("That could not be done."),
    "done claim": _("It is yours."),
    "done resolve": _("Resolved. It opens again when the customer writes."),
    "done": _("Done."),
    "corrected": _("Set right. It counts from now on, everywhere."),
    "undone": _("Taken back. What was said before counts again."),
    "not_corrected": _("That could not be set: nothing was changed."),
    "reanalyzing": _("It is being read again. The answer stands here in a few seconds."),
    "replied": _("It leaves now. What became of it stands beside it."),
    "refused reply_empty": _("There was nothing to send."),
    "refused reply_too_long": _("It is too long for this channel. Your words are still in the form."),
    "refused window_closed": _("The window has closed. What you wrote was not sent."),
    "refused no_template": _("There is no template that could be sent now."),
    "refused nothing_to_answer": _("The customer has never written here, so there is nothing to answer."),
    "nothing_to_read": _("There are no words to read."),
}

# Why an answer waits or did not leave; other codes are a channel's own and stand as they are.
REPLY_REASONS: Mapping[str, str] = {
    "window_closed": _("the window had closed"),
    "too_old": _("it waited for a day"),
    "no_template": _("the template is gone"),
    "rate_budget": _("the channel takes only so many"),
    "channel_down": _("the channel is down"),
    "interrupted": _("the sending was interrupted"),
    "not_arrived": _("a person says that it did not arrive"),
    "already_answered": _("the comment has its one private reply"),
    "account_blocked": _("the account cannot send: an administrator has to look"),
}


def english(code: str) -> str:
    """The text for a code of ours; a name that a tenant chose, without its underscores."""
    return WORDS.get(code) or code.replace("_", " ")
