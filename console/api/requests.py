"""What calls may say: paths, queries and bodies. Unknown fields are errors."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)

from config.queues import QueueName
from config.skills import Skill
from config.words import ActionState, Priority

# A NUL is no text to the database; no name or address holds a control character.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
MAX_ID = 2**63 - 1


def _plain_number(value: object) -> object:
    """JSON's true and "5" are no numbers, though Python would take them for some."""
    if isinstance(value, bool | str):
        message = "must be a number"
        raise ValueError(message)  # noqa: TRY004
    return value


Whole = Annotated[int, BeforeValidator(_plain_number)]
Number = Annotated[float, BeforeValidator(_plain_number)]


class Strict(BaseModel):
    """Unknown fields are errors; values are never quoted in one."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Body(Strict):
    """A body that may be left out."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, given: object) -> object:
        return {} if given is None else given


class ConversationPath(BaseModel):
    """Which conversation."""

    conversation_id: UUID


class QueuePath(BaseModel):
    """Which queue."""

    queue: QueueName


class AgentPath(BaseModel):
    """Which agent."""

    user_id: int = Field(ge=1, le=MAX_ID)


class AlertPath(BaseModel):
    """Which alert."""

    alert_id: UUID


class ActionPath(BaseModel):
    """Which action."""

    action_id: UUID


class DecisionPath(BaseModel):
    """Which decision."""

    decision_id: UUID


class MessagePath(BaseModel):
    """Which message."""

    message_id: UUID


class ReplyPath(BaseModel):
    """Which answer of ours in which conversation."""

    conversation_id: UUID
    reply_id: UUID


class EgressPath(BaseModel):
    """Which call that left."""

    egress_id: UUID


class ErasurePath(BaseModel):
    """Which erasure."""

    erasure_id: UUID


class CustomerPath(BaseModel):
    """Which customer."""

    customer_id: UUID


class ConversationQuery(Strict):
    """assignee: "me", "none", or a user's id."""

    queue: QueueName | None = None
    priority: Priority | None = None
    assignee: Annotated[str, StringConstraints(pattern=r"^(me|none|[1-9][0-9]{0,17})$")] | None = None
    state: Literal["open", "snoozed", "resolved"] | None = None
    tag: Text | None = Field(default=None, min_length=1, max_length=64)
    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=100)


class MessagesQuery(Strict):
    """cursor: earlier_cursor of the page before. limit: messages at once."""

    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=200)


class Expected(Body):
    """version: what the caller has seen; the change is refused when the conversation has changed since."""

    version: Whole | None = Field(default=None, ge=0, le=2**31 - 1)


class Assignee(Expected):
    """A person by id or e-mail."""

    user_id: Whole | None = Field(default=None, ge=1, le=MAX_ID)
    email: Text | None = Field(default=None, max_length=320)

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.user_id is None) == (self.email is None):
            message = "give user_id or email, one of them"
            raise ValueError(message)
        return self


class Transfer(Expected):
    """To a person, by id or e-mail, or to a queue."""

    user_id: Whole | None = Field(default=None, ge=1, le=MAX_ID)
    email: Text | None = Field(default=None, max_length=320)
    queue: QueueName | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if sum(one is not None for one in (self.user_id, self.email, self.queue)) != 1:
            message = "give user_id, email or queue, one of them"
            raise ValueError(message)
        return self


class Snooze(Expected):
    """until: a time with an offset, at most a year away."""

    until: AwareDatetime


class AlertSnooze(Strict):
    """hours: for how long, up to a year."""

    hours: Number = Field(gt=0, le=24 * 366)


class AgentChange(Body):
    """What is left out stays. heartbeat: the agent's program runs. Skills, queues and capacity are a supervisor's to set."""

    presence: Literal["available", "away", "offline"] | None = None
    heartbeat: bool = False
    skills: list[Skill] | None = Field(default=None, max_length=50)
    queues: list[QueueName] | None = Field(default=None, max_length=20)
    capacity: Whole | None = Field(default=None, ge=0, le=1000)


class ActionQuery(Strict):
    """waiting: only those that wait for a person's yes."""

    state: ActionState | None = None
    waiting: bool = False
    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=100)


class Settlement(Strict):
    """arrived: whether the customer has it."""

    arrived: StrictBool


class PageQuery(Strict):
    """A list that is not narrowed."""

    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=100)


class CrmWriteQuery(PageQuery):
    """customer_id: only what was written of this customer."""

    customer_id: UUID | None = None


class RecordPick(Strict):
    """record_id: the CRM's own id of the contact or person."""

    record_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,40}$")]


class Unlinking(Strict):
    """search_again: have the customer looked for anew."""

    search_again: bool = False


class AlertQuery(Strict):
    """state: "open" ones are neither acknowledged nor snoozed nor over; "all" holds those too."""

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}$")] | None = None
    state: Literal["open", "all"] = "open"
    cursor: str | None = Field(default=None, max_length=400)
    limit: int = Field(default=50, ge=1, le=100)
