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
    "role agent": _("agent"), "role supervisor": _("supervisor"), "role admin": _("administrator"), "role auditor": _("auditor"),
    "sweep running": _("running"), "sweep paused": _("paused"), "sweep done": _("done"), "sweep cancelled": _("cancelled"),
    "because by_hand": _("by a person"), "because budget": _("the budget is used up"), "because superseded": _("a newer one took over"),
    "cause prompt": _("the prompt"), "cause model": _("the model"), "cause examples": _("the examples"), "cause topics": _("the topics"),
    "cause words": _("the words"), "cause noise": _("nothing: the model says it otherwise now"),
    "field sentiment": _("sentiment"), "field intent": _("intent"), "field topics": _("topics"),
    "field days": _("Days back"), "field customers": _("Customers"), "field budget_usd": _("Budget in dollars"),
    "tried topics": _("topics"), "tried industry": _("industry"), "tried tone": _("tone"), "tried examples": _("examples"),
    "tried model": _("model"), "tried rules": _("rules"), "tried thresholds": _("thresholds"),
    "trial planned": _("planned"), "trial waiting": _("waits"), "trial running": _("under way"), "trial done": _("done"),
    "trial failed": _("came to nothing"),
    "verdict passed": _("not worse"), "verdict worse": _("worse"), "verdict unchecked": _("nobody can say"),
    "verdict restored": _("brought back"), "verdict erased": _("a message was taken back"), "verdict none": _("not checked"),
    "purpose live": _("at arrival"), "purpose escalation": _("a second reading"), "purpose again": _("read again"),
    "purpose sweep": _("in a sweep"), "purpose trial": _("a trial"),
    "parked initial": _("at arrival"), "parked reanalyze": _("read again"), "parked sweep": _("in a sweep"),
    "parked place": _("finding its conversation"),
    "mode off": _("off"), "mode shadow": _("recorded only"), "mode approve": _("a person agrees first"), "mode auto": _("by itself"),
    "severity info": _("information"), "severity warning": _("warning"), "severity critical": _("critical"),
    "alert open": _("open"), "alert snoozed": _("put away"), "alert acknowledged": _("somebody is on it"), "alert resolved": _("over"),
    "matched external_id": _("our own mark"), "matched phone": _("phone"), "matched email": _("e-mail"),
    "matched phone_variant": _("another spelling of the phone"), "matched created": _("made by us"),
    "written message": _("a new message"), "written correction": _("a correction"), "written link": _("a record was picked"),
    "written reanalyze": _("a message was read again"), "written sweep": _("a sweep"), "written merge": _("two customers are one"),
    "written nightly": _("a message became old"), "written backfill": _("the first fill"), "written erasure": _("an erasure"),
    "mon": _("Monday"), "tue": _("Tuesday"), "wed": _("Wednesday"), "thu": _("Thursday"), "fri": _("Friday"), "sat": _("Saturday"),
    "sun": _("Sunday"),
    "period not_understood": _("The dates could not be read: these are the last 30 days."),
    "period too_long": _("At most 92 days fit: these are the newest of them."),
    "period in_the_future": _("Nothing has come in the future: the days end today."),
    "period turned_round": _("The first day was after the last: they have changed places."),
    "period too_old": _("What is older than 13 months is not counted any more."),
    "answer faster": _("faster"), "answer slower": _("slower"), "answer no_difference": _("no difference beyond chance"),
    "answer not_enough": _("not enough to say"),
    "read by labels": _("Negative by the labels (the model’s and people’s), on both sides."),
    "read by keywords": _("Negative by keywords, on both sides: the messages before were never analyzed."),
    "clock first_answer": _("first answer"), "clock next_answer": _("next answer"), "clock resolution": _("resolution"),
    "nps": _("NPS"), "csat": _("CSAT"), "all": _("all"),
    "available": _("available"), "away": _("away"), "offline": _("offline"),
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
    "picked": _("Picked. The card is written with the next round."),
    "picked_by_other": _("Another record stands there already: nothing was changed."),
    "no_record": _("Choose a record, or give its id: letters, digits, - and _."),
    "key_unnamed": _("A key needs a name of up to 100 characters and a role: none was made."),
    "key_name_taken": _("There is a live key of this name: none was made. Revoke it first, or choose another name."),
    "key_revoked": _("The key is revoked. Programs that use it are refused from now on."),
    "key_was_revoked": _("The key was revoked before."),
    "no_such_number": _("One of the numbers was out of range: nothing was changed."),
    "sweep_started": _("Started. Workers begin within seconds."),
    "sweep_runs": _("Another sweep is running: let it finish, or pause or cancel it first."),
    "sweep_empty": _("There is nothing to judge in this time: nothing was started."),
    "sweep pause": _("Paused. What the provider has already is still read and paid."),
    "sweep resume": _("It goes on."),
    "sweep cancel": _("Cancelled. What was judged stays."),
    "sweep approve": _("Approved. The labels in the CRM follow."),
    "sweep_unchanged": _("That was done before, or cannot be done now: nothing was changed."),
    "trial_gone": _("That trial is gone: trials are kept for 30 days, and go with a message that is taken back."),
    "refused over_cap": _("It may cost more than you allow: nothing was asked."),
    "refused under_way": _("A check or a publishing is under way: wait for it."),
    "refused proposal_changed": _(
        "The corrections or the live examples have changed since you looked: nothing was done. Look again."
    ),
    "refused nothing_to_publish": _(
        "The examples in the prompt are what the corrections give: there is nothing to publish."
    ),
    "refused note_missing": _("A note has to say why it is published although it is worse."),
    "refused note_too_long": _("The note is too long: 500 characters fit."),
    "refused not_rolled_back": _("That version cannot be brought back: it was never published, or it is the live one."),
    "examples_rolled_back": _("Brought back. It is in the prompt from now on."),
    "examples_left_out": _("Left out. They are proposed no more."),
    "example_again": _("It may be chosen again."),
    "examples_unchanged": _("Nothing was changed: tick what is to be left out."),
    "sample_right": _("Noted: the AI was right."),
    "sample_wrong": _("Noted: the AI was wrong. What you said counts from now on, everywhere."),
    "sample_picked": _("Picked."),
    "sample_empty": _("Last week’s is picked already, or there was nothing to pick from."),
    "refused judged_meanwhile": _(
        "A colleague has judged it meanwhile: nothing was changed. What they said stands below."
    ),
    "refused erased": _("It was taken back meanwhile, so nobody can judge it any more."),
    "no_such_budget": _("The budget has to be a number of dollars: nothing was changed."),
    "schedule_saved": _("Saved. It counts from now on."),
    "settings_changed_meanwhile": _(
        "Somebody has changed the settings since you looked: nothing was saved. Look again."
    ),
    "replayed": _("Back to work. It starts within seconds."),
    "not_parked": _("Nothing of this is parked any more."),
    "alert_yours": _("You are on it."),
    "alert_snoozed": _("Put away. It is told again when the time is up."),
    "alert_taken": _("Somebody is on it already, or it is over: nothing was changed."),
    "ruled approve": _("Approved. It leaves within seconds, unless something else stands in its way."),
    "ruled reject": _("Called off. It does not leave."),
    "ruled": _("Noted. Nothing is sent again."),
    "ruled_before": _("It was settled before: nothing was changed."),
    "report asked": _("It is being counted. The figures stand here in a minute: load the page again."),
    "report no_day": _("That is no day that has passed. Nothing was asked for."),
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
