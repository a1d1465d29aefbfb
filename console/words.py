"""Our own codes as people read them. English here; other languages translate these texts in their catalogs."""

from collections.abc import Mapping

from console.topic_words import TOPICS


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
    "send_csat_invite": _("invite to rate the answer"), "ask_survey_reason": _("ask for the reason"),
    "assign": _("assign"), "notify": _("notify"), "tag": _("tag"), "webhook": _("webhook"),
    "action pending": _("waits"), "action sending": _("under way"), "action sent": _("sent"), "action failed": _("failed"),
    "action uncertain": _("uncertain"), "action expired": _("expired"), "action cancelled": _("called off"),
    "action shadow": _("recorded only"),
    "event claimed": _("taken"), "event assigned": _("assigned"), "event transferred": _("handed over"),
    "event unassigned": _("put back"), "event returned": _("came back"), "event snoozed": _("put away"), "event woken": _("woke up"),
    "event resolved": _("resolved"), "event reopened": _("opened again"),
    "run initial": _("at arrival"), "run reanalyze": _("read again"), "run sweep": _("in a sweep"),
    "author human": _("Agent"), "author bot": _("Automation"), "author earshot": "Earshot",
    "whatsapp": "WhatsApp", "instagram": "Instagram", "generic": _("other channel"),
    "text": _("text"), "image": _("image"), "audio": _("voice message"), "video": _("video"), "document": _("document"),
    "sticker": _("sticker"), "location": _("location"),
    "contacts": _("contacts"), "button": _("button press"), "postback": _("button press"), "interactive": _("choice from a list"),
    "order": _("order"), "template": _("template"), "unsupported": _("of a kind that cannot be shown"), "share": _("shared post"),
    "no words": _("no words"),
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
    "nothing_to_read": _("There are no words to read."),
}

# By HTTP status; 500 stands for every other.
PROBLEMS: Mapping[int, str] = {
    400: _("The form is no longer valid. Go back, reload the page and try again."),
    403: _("Your role may not do this."),
    404: _("There is no such page, or it was erased."),
    500: _("That did not work. Try again in a moment."),
}


def english(code: str) -> str:
    """The text for a code of ours; a name that a tenant chose, without its underscores."""
    return WORDS.get(code) or TOPICS.get(code) or code.replace("_", " ")
