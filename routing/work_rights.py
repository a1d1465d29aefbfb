"""Who may do what with a conversation: pure."""

from typing import Literal

Role = Literal["agent", "supervisor", "admin", "auditor"]
Deed = Literal["claim", "assign", "transfer", "unassign", "snooze", "resolve", "reopen", "reply"]

# A program that acts for a person has the smaller of both rights.
_RANK: dict[Role, int] = {"auditor": 0, "agent": 1, "supervisor": 2, "admin": 3}


def lesser(one: Role, other: Role) -> Role:
    """The role that may do less."""
    return min(one, other, key=_RANK.__getitem__)


def may(role: Role, deed: Deed, *, user_id: int | None, assignee_id: int | None) -> bool:
    """Whether somebody of this role may do it to a conversation that `assignee_id` has (None: nobody).

    Agents work on what is theirs or nobody's; supervisors and admins on all; auditors only read.
    """
    if role in {"supervisor", "admin"}:
        return True
    if role == "auditor" or deed == "assign":
        return False
    return assignee_id is None or assignee_id == user_id
