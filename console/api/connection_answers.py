"""What calls about channels, the CRM, alert targets and the set-up answer with; never a secret."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from store.channel_sightings import FirstSigns
from store.errands import Errand
from store.onboarding import Onboarding


class DoneAnswer(BaseModel):
    """subject: what was changed. is_new: it was not there before. cleaned: fields around whose value blanks or quotes were taken away."""

    subject: str
    is_new: bool = False
    cleaned: list[str] = Field(default_factory=list)


class GoneAnswer(BaseModel):
    """subject: what is not there any more."""

    subject: str


class ErrandAnswer(BaseModel):
    """What a worker was asked to look at. result: None until the state is done; it depends on the kind. is_late: nobody does it."""

    id: str
    kind: str
    state: str
    is_late: bool
    result: dict[str, Any] | None

    @classmethod
    def of(cls, errand: Errand) -> Self:
        """From the stored row."""
        return cls(id=errand.id, kind=errand.kind, state=errand.state, is_late=errand.is_late, result=errand.result)


class RefusalAnswer(BaseModel):
    """What the receiver refused. detail: the id that an unknown account gave itself."""

    what: str
    detail: str | None
    times: int
    last_at: str


class SignsAnswer(BaseModel):
    """How far a new account has come."""

    handshake_at: str | None
    webhook_at: str | None
    message_at: str | None
    is_read: bool
    refusals: list[RefusalAnswer]

    @classmethod
    def of(cls, signs: FirstSigns) -> Self:
        """From what the receiver and the workers wrote down."""

        def iso(at: Any) -> str | None:
            return at.isoformat() if at else None

        return cls(
            handshake_at=iso(signs.handshake_at),
            webhook_at=iso(signs.webhook_at),
            message_at=iso(signs.message_at),
            is_read=signs.is_read,
            refusals=[
                RefusalAnswer(what=one.what, detail=one.detail, times=one.times, last_at=one.last_at.isoformat())
                for one in signs.refusals
            ],
        )


class StepAnswer(BaseModel):
    """A step of the set-up."""

    step: str
    state: Literal["done", "skipped", "open"]


class OnboardingAnswer(BaseModel):
    """steps: in order. has_message: a customer's message was read to the end."""

    steps: list[StepAnswer]
    is_over: bool
    has_message: bool

    @classmethod
    def of(cls, found: Onboarding) -> Self:
        """From what stands and what was settled."""
        steps = [
            StepAnswer(step=one.step, state="done" if one.is_done else "skipped" if one.is_skipped else "open")
            for one in found.steps
        ]
        return cls(steps=steps, is_over=found.is_over, has_message=found.has_message)
