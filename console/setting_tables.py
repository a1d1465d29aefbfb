"""The forms of all settings as tables: a new setting is one more line here."""

from collections.abc import Iterator
from typing import get_args
from zoneinfo import available_timezones

from config.hours import DAYS
from config.industries import industry_names
from config.queue_names import known_queues
from config.rule_names import known_topics
from config.rules import NO_TARGET
from config.rules_versions import RULES_VERSIONS
from config.tenant import TenantConfig
from config.words import ChannelKind, Priority
from console.setting_fields import Field, Section, SettingsPage

PRIORITIES: tuple[Priority, ...] = get_args(Priority)
MINUTES_A_YEAR = 60 * 24 * 365


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


def work_queues(config: TenantConfig) -> Iterator[str]:
    """Queues in which people work."""
    return (queue for queue in known_queues(config) if queue != NO_TARGET)


def _zones(_config: TenantConfig) -> list[str]:
    return sorted(available_timezones())


THRESHOLDS = SettingsPage(
    "thresholds", _("Thresholds"), _("How sure the model must be before something follows from what it says."),
    (
        Section("", (
            Field("thresholds.escalate", _("Escalate from"), _("A negative message calls a person when the model is at least this sure. Lower: more calls."), "share", lowest=0, highest=1),
            Field("thresholds.unsure", _("Unsure below"), _("Less sure than this goes to people for review, and nothing happens by itself."), "share", lowest=0, highest=1),
            Field("thresholds.debounce_s", _("Wait for more"), _("A burst of one customer within so many seconds is read as one; 0: each message on its own."), "number", lowest=0, highest=60, unit="seconds"),
            Field("thresholds.debounce_urgent", _("Urgent words wait too"), _("Else a message with an urgent word is read at once."), "yes"),
        )),
    ),
)  # fmt: skip

READING = SettingsPage(
    "reading", _("Reading"), _("What the model is told about you, and which model it is."),
    (
        Section(_("You"), (
            Field("name", _("Name"), _("As customers know you: it may stand in what is sent to them.")),
            Field("industry", _("Industry"), _("Brings topics and rules of its own."), "choice", choices=industry_names()),
            Field("tone", _("Tone"), _("How you speak with customers, in a sentence: “warm, first names, no emoji”.")),
            Field("default_region", _("Country"), _("Two letters such as TR: how phone numbers without a country are read.")),
            Field("context_turns", _("Messages before it"), _("So many earlier messages of the conversation are read along."), "whole", lowest=0, highest=20),
        )),
        Section(_("Topics of your own"), (
            Field("topics", _("Topics"), _("One a line: name, colon, what customers write about. They come on top of the industry’s; the same name gives one of those another meaning."), "pairs"),
        )),
        Section(_("Words that call a person"), (
            Field("floor.safety", _("Danger"), _("One a line. P1 to senior agents, and nothing is written to the customer by itself. A | at the end: the word ends there."), "lines"),
            Field("floor.legal_threat", _("Law and press"), _("One a line. P1 to senior agents."), "lines"),
            Field("floor.urgent", _("Urgent"), _("One a line. At least P2."), "lines"),
        ), _("They count whatever the model says, on top of ours."), is_folded=True),
        Section(_("Model"), (
            Field("model.default", _("Model"), _("Empty: what this installation uses.")),
            Field("model.escalation", _("Model for second readings"), _("Reads again what the first is unsure of. Empty: what this installation uses.")),
            Field("model.escalate_below", _("Read again below"), _("Answers that are less sure are read again."), "share", lowest=0, highest=1),
            Field("model.max_escalation_share", _("Most second readings"), _("As a share of a day’s calls; 0 switches them off. One costs some twenty times as much."), "share", lowest=0, highest=1),
            Field("model.rules", _("Version of our instructions"), _("Empty: always the newest."), "choice", choices=("", *RULES_VERSIONS)),
        ), is_folded=True),
    ),
)  # fmt: skip

COSTS = SettingsPage(
    "costs", _("Costs and sweeps"), _("What reading may cost, and how old messages are judged again."),
    (
        Section(_("Budget"), (
            Field("budget.daily_usd", _("A day"), _("When it is used up, messages wait for the model, and people see them all the same. Empty: no limit."), "number", lowest=0, unit="US dollars"),
            Field("budget.monthly_usd", _("A month"), _("Empty: no limit."), "number", lowest=0, unit="US dollars"),
        )),
        Section(_("Sweeps"), (
            Field("sweep.enabled", _("One sweep each month"), _("Off: only when somebody starts one."), "yes"),
            Field("sweep.days", _("Days back"), "", "whole", lowest=1, highest=366),
            Field("sweep.customers", _("Customers"), _("Of high value first, then those who write most."), "whole", lowest=1, highest=1_000_000),
            Field("sweep.budget_usd", _("Budget of a sweep"), _("It pauses before it would spend more."), "number", lowest=0, highest=100_000, unit="US dollars"),
            Field("sweep.batches", _("In batches"), _("Half the price; requests and answers lie with the provider until we have read and deleted them."), "yes"),
            Field("sweep.approve_labels", _("A person approves labels"), _("Labels in the CRM stay as they are until somebody has looked."), "yes"),
        )),
    ),
)  # fmt: skip

_DAY_NAMES = {
    "mon": _("Monday"), "tue": _("Tuesday"), "wed": _("Wednesday"), "thu": _("Thursday"), "fri": _("Friday"), "sat": _("Saturday"),
    "sun": _("Sunday"),
}  # fmt: skip

HOURS = SettingsPage(
    "hours", _("Hours and holidays"), _("When your people work: clocks of answers stand still outside of it."),
    (
        Section(_("Hours"), (
            Field("hours.time_zone", _("Time zone"), "", "choice", choices=_zones),
            *(Field(f"hours.weekdays.{day}", _DAY_NAMES[day]) for day in DAYS),
        ), _("Like 09:00-18:00, several with a comma between them: 09:00-12:00,13:00-18:00. An empty day is closed; all days empty: open around the clock.")),
        Section(_("Holidays"), (
            Field("hours.holidays", _("Holidays"), _("One a line: 2026-12-24, or 2026-12-24..2026-12-26, or of every year 12-25."), "lines"),
        )),
    ),
)  # fmt: skip


def _target(path: str) -> tuple[Field, ...]:
    return (
        Field(f"{path}.first_answer_min", _("First answer"), "", "whole", lowest=0, highest=MINUTES_A_YEAR, unit="minutes"),
        Field(f"{path}.next_answer_min", _("Next answer"), "", "whole", lowest=0, highest=MINUTES_A_YEAR, unit="minutes"),
        Field(f"{path}.resolution_min", _("Resolution"), "", "whole", lowest=0, highest=MINUTES_A_YEAR, unit="minutes"),
        Field(f"{path}.warn_before_min", _("Warn before"), "", "whole", lowest=1, highest=MINUTES_A_YEAR, unit="minutes"),
        Field(f"{path}.counts", _("Counts"), "", "choice", choices=("", "business", "always")),
    )  # fmt: skip


_INHERITED = _("Minutes. Empty: as it is inherited; 0: no clock.")

SLA = SettingsPage(
    "sla", _("Targets for answers"), _("How fast customers hear from a person, by priority."),
    (
        Section("", (
            Field("sla.enabled", _("Clocks run"), _("Off: no clocks at all."), "yes"),
            Field("sla.defaults", _("Our targets where you name none"), _("Off: only what you name has a clock."), "yes"),
            Field("sla.warn_at_share", _("Warn when used up"), _("As a share of the target’s time: 0.8 warns when a fifth is left."), "share", lowest=0.01, highest=0.99),
            Field("sla.reopen_within_h", _("The same matter within"), _("A customer who writes again within so many hours goes on with it; later it is a new one."), "whole", lowest=0, highest=2160, unit="hours"),
        )),
        *(Section(priority, _target(f"sla.{priority}"), _INHERITED) for priority in PRIORITIES),
    ),
)  # fmt: skip


def sla_of(queue: str) -> SettingsPage:
    """The targets that one queue has of its own."""
    sections = tuple(Section(priority, _target(f"sla.queue.{queue}.{priority}"), _INHERITED) for priority in PRIORITIES)
    about = _("Where this queue wants something else than the targets of all.")
    return SettingsPage(f"sla/{queue}", _("Targets for answers"), about, sections)


QUEUES = SettingsPage(
    "queues", _("Queues and assignment"), _("Queues of your own, and who gets what by itself."),
    (
        Section(_("Queues of your own"), (
            Field("queues", _("Queues"), _("One a line: name, colon, what stands in it. Before you take one away, let no rule send there."), "pairs", value_key="about"),
        )),
        Section(_("Assignment"), (
            Field("assignment.auto_assign", _("Given to people"), _("From the other queues people take conversations themselves."), "checks", choices=work_queues),
            Field("assignment.default_capacity", _("Conversations at once"), _("For agents for whom nobody has set a number."), "whole", lowest=1, highest=1000),
            Field("assignment.vanish_after_min", _("Gone after"), _("An agent whose program is silent for so long is gone: what customers wait for goes back to its queue."), "whole", lowest=1, highest=1440, unit="minutes"),
            Field("assignment.skill_wait_min", _("Wait for the skill"), _("So long a conversation waits for somebody with the wanted skill."), "whole", lowest=0, highest=1440, unit="minutes"),
        )),
    ),
)  # fmt: skip


def _survey(name: str) -> tuple[Field, ...]:
    path = f"surveys.{name}"
    return (
        Field(f"{path}.enabled", _("Ask"), _("Whether the invitation leaves is set with the action."), "yes"),
        Field(f"{path}.min_days_between", _("Days between two"), _("For one customer, over all channels."), "whole", lowest=1, highest=3650),
        Field(f"{path}.sample_share", _("Share that is asked"), _("Of the conversations that may be asked; 1: all."), "share", lowest=0, highest=1),
        Field(f"{path}.min_score", _("How sure of a positive"), _("Below this a positive label is not sure enough."), "share", lowest=0, highest=1),
        Field(f"{path}.answer_within_h", _("Answer within"), _("A number that comes later is an ordinary message."), "whole", lowest=1, highest=720, unit="hours"),
        Field(f"{path}.on_channels", _("On channels"), "", "checks", choices=get_args(ChannelKind)),
        Field(f"{path}.ask_reason", _("Ask for the reason"), _("One more message after a score without words."), "yes"),
    )  # fmt: skip


SURVEYS = SettingsPage(
    "surveys", _("Surveys"), _("Whom you ask how it was, and how often."),
    (
        Section(_("Would they recommend you (NPS)"), _survey("nps")),
        Section(_("Were they satisfied (CSAT)"), _survey("csat")),
    ),
)  # fmt: skip

WATCHING = SettingsPage(
    "watching", _("Moods and trends"), _("What you are told of by itself."),
    (
        Section(_("Customers who may leave"), (
            Field("churn.enabled", _("Tell customer success"), _("When a customer’s messages are negative in a row."), "yes"),
            Field("churn.within_days", _("In a row within"), _("Two negatives further apart are not in a row."), "whole", lowest=1, highest=365, unit="days"),
        )),
        Section(_("Topics that turn bad"), (
            Field("trends.enabled", _("Tell of a topic whose negatives rise"), "", "yes"),
            Field("trends.ignore", _("Never these topics"), "", "checks", choices=known_topics),
        )),
        Section(_("Test messages"), (
            Field("canary.enabled", _("Send test messages"), _("A message of Earshot’s own takes the whole way every few minutes and leaves nothing behind: you hear of a fault before a customer does."), "yes"),
        )),
    ),
)  # fmt: skip

AUTOMATION = SettingsPage(
    "automation", _("Limits of automation"), _("What holds for everything that leaves by itself."),
    (
        Section("", (
            Field("automation.max_per_customer_per_day", _("Messages a customer and day"), _("Of all kinds together, within 24 hours."), "whole", lowest=1, highest=100),
            Field("automation.quiet_hours", _("Quiet hours"), _("Like 21:00-08:00, in your time zone. Empty: none. What waits for the morning is set with each action.")),
        )),
    ),
)  # fmt: skip

KEEPING = SettingsPage(
    "keeping", _("How long it is kept"), _("What is older is removed by itself, a little at a time. 0: kept until somebody erases it."),
    (
        Section("", (
            Field("retention.raw_days", _("As it came"), _("What channels sent, with everything in it: at least 7 days, and not longer than the words."), "whole", lowest=0, highest=36_500, unit="days"),
            Field("retention.text_days", _("Words"), _("Texts, summaries, what left for the AI provider, examples: at least 30 days. Labels stay."), "whole", lowest=0, highest=36_500, unit="days"),
            Field("retention.history_days", _("Messages and labels"), _("The whole history of how messages were read: at least 90 days, and not shorter than the words. Figures of that time go with it."), "whole", lowest=0, highest=36_500, unit="days"),
        )),
    ),
)  # fmt: skip

PAGES = {
    page.name: page for page in (THRESHOLDS, READING, HOURS, SLA, QUEUES, SURVEYS, WATCHING, AUTOMATION, COSTS, KEEPING)
}  # fmt: skip
"""In the order in which the overview names them."""

UNITS = {
    "seconds": _("seconds"),
    "minutes": _("minutes"),
    "hours": _("hours"),
    "days": _("days"),
    "US dollars": _("US dollars"),
}
