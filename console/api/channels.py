"""/channels and /alert-targets: which accounts messages come by, where alerts go, and how both are. Nothing secret."""

from datetime import datetime
from typing import Self
from urllib.parse import urlsplit

from flask import Response
from pydantic import BaseModel

from console.api.callers import caller
from console.api.paths import new_blueprint
from console.api.writing import answer, database
from store.alert_targets import TargetState, list_target_states
from store.channel_accounts import AccountHealth, list_account_health

blueprint = new_blueprint("channels", __name__)


class ChannelAnswer(BaseModel):
    """An account. reply_host: where a generic channel's answers go, without path and parameters. blocked_because: why nothing is sent, None
    while it may be. token_state: alive, dead or unknown. usual_gap_s: how long it is usually silent.
    """

    kind: str
    account_id: str
    login: str | None
    reply_host: str | None
    mark_read: bool
    max_per_s: int
    blocked_because: str | None
    blocked_at: datetime | None
    token_state: str | None
    token_since: datetime | None
    token_expires_at: datetime | None
    subscribed: bool | None
    error_code: str | None
    last_webhook_at: datetime | None
    usual_gap_s: float | None

    @classmethod
    def of(cls, account: AccountHealth) -> Self:
        """Without the address, in which a token may stand."""
        known = {name: value for name, value in vars(account).items() if name in cls.model_fields}
        return cls(**known, reply_host=urlsplit(account.reply_url).hostname if account.reply_url else None)


class ChannelList(BaseModel):
    """By channel and id."""

    channels: list[ChannelAnswer]


class TargetAnswer(BaseModel):
    """Where alerts go. kinds: empty for all. waiting, failed: of the last 30 days' deliveries. sent_at: when something last left."""

    name: str
    service: str
    kinds: list[str]
    min_severity: str | None
    quiet_hours: str | None
    sent_at: datetime | None
    waiting: int
    failed: int
    last_error: str | None

    @classmethod
    def of(cls, target: TargetState) -> Self:
        """From the stored row."""
        known = {name: value for name, value in vars(target).items() if name in cls.model_fields}
        config = target.config
        return cls(
            **known,
            kinds=list(config.get("kinds") or ()),
            min_severity=config.get("min_severity"),
            quiet_hours=config.get("quiet_hours"),
        )


class TargetList(BaseModel):
    """By name."""

    targets: list[TargetAnswer]


@blueprint.get("/channels", summary="List channel accounts and how they are", responses={200: ChannelList})
def list_channels() -> Response:
    """Whether each may send, whether its token lives, and when its last webhook came. For supervisors, admins and auditors."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_account_health(conn, who.tenant_id)
    return answer(ChannelList(channels=[ChannelAnswer.of(one) for one in found]).model_dump(mode="json"))


@blueprint.get("/alert-targets", summary="List where alerts go", responses={200: TargetList})
def list_targets() -> Response:
    """What each wants to be told of, and what of it waits or failed. For supervisors, admins and auditors."""
    who = caller()
    with database().tenant_transaction(who.tenant_id) as conn:
        found = list_target_states(conn, who.tenant_id)
    return answer(TargetList(targets=[TargetAnswer.of(one) for one in found]).model_dump(mode="json"))
