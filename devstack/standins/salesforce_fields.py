"""Salesforce's fields: what an org has from the start, what an administrator adds, and which values they take."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from devstack.standins.salesforce_errors import Refused

_CUSTOM_NAME = re.compile(r"(Contact|Account|Activity)\.([A-Za-z][A-Za-z0-9_]{0,39}__c)")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TEXTS = {"string", "textarea", "picklist", "phone", "email", "reference", "id"}


@dataclass(frozen=True)
class Field:
    """One field. kind: its type as describe names it. length: characters. targets: kinds of record it refers to."""

    name: str
    kind: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    options: tuple[str, ...] = ()
    restricted: bool = False
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    required: bool = False
    read_only: bool = False
    targets: tuple[str, ...] = ()

    @property
    def custom(self) -> bool:
        """Made by an administrator."""
        return self.name.endswith("__c")

    def described(self) -> dict[str, Any]:
        """As describe shows it."""
        return {
            "name": self.name,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "type": self.kind,
            "length": self.length,
            "precision": self.precision,
            "scale": self.scale,
            "custom": self.custom,
            "externalId": self.external_id,
            "idLookup": self.external_id or self.kind in {"id", "email"},
            "unique": self.unique,
            "caseSensitive": self.case_sensitive,
            "nillable": not self.required,
            "createable": not self.read_only,
            "updateable": not self.read_only,
            "filterable": self.kind != "textarea",
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {"active": True, "defaultValue": False, "label": one, "validFor": None, "value": one}
                for one in self.options
            ],
            "referenceTo": list(self.targets),
        }


def _text(name: str, length: int = 255, *, kind: str = "string", **more: Any) -> Field:
    return Field(name, kind, length, **more)


def _reference(name: str, *targets: str, **more: Any) -> Field:
    return Field(name, "reference", 18, targets=targets, **more)


_SYSTEM = (
    Field("Id", "id", 18, read_only=True),
    Field("IsDeleted", "boolean", read_only=True),
    Field("CreatedDate", "datetime", read_only=True),
    Field("LastModifiedDate", "datetime", read_only=True),
    Field("SystemModstamp", "datetime", read_only=True),
)
_STATUSES = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")

# The part of the standard objects that an integration like Earshot meets.
STANDARD: dict[str, tuple[Field, ...]] = {
    "Contact": (
        *_SYSTEM,
        _reference("MasterRecordId", "Contact", read_only=True),
        _reference("AccountId", "Account"),
        _reference("OwnerId", "User"),
        _text("LastName", 80, required=True),
        _text("FirstName", 40),
        _text("Name", 121, read_only=True),
        _text("Phone", 40, kind="phone"),
        _text("MobilePhone", 40, kind="phone"),
        _text("HomePhone", 40, kind="phone"),
        _text("OtherPhone", 40, kind="phone"),
        _text("Email", 80, kind="email"),
        _text("Title", 128),
        _text("Department", 80),
        _text("LeadSource", kind="picklist", options=("Web", "Phone Inquiry", "Other")),
        _text("Description", 32_000, kind="textarea"),
        Field("HasOptedOutOfEmail", "boolean"),
    ),
    "Account": (
        *_SYSTEM,
        _text("Name", required=True),
        _text("Rating", kind="picklist", options=("Hot", "Warm", "Cold")),
        Field("AnnualRevenue", "currency", precision=18, scale=0),
        _text("Type", kind="picklist", options=("Prospect", "Customer - Direct", "Other")),
    ),
    "Task": (
        *_SYSTEM,
        _reference("WhoId", "Contact"),
        _reference("OwnerId", "User"),
        _text("Subject", 255),
        _text("Description", 32_000, kind="textarea"),
        Field("ActivityDate", "date"),
        _text("Status", 255, kind="picklist", options=_STATUSES),
        _text("Priority", 255, kind="picklist", options=("High", "Normal", "Low")),
        Field("IsClosed", "boolean", read_only=True),
    ),
    "User": (*_SYSTEM, _text("Username", 80), Field("IsActive", "boolean")),
    "Organization": (
        *_SYSTEM,
        _text("Name", 80, read_only=True),
        _text("OrganizationType", 40, kind="picklist", read_only=True),
        Field("IsSandbox", "boolean", read_only=True),
    ),
    "PermissionSet": (*_SYSTEM, _text("Name", 80, required=True, unique=True), _text("Label", 80, required=True)),
    "PermissionSetAssignment": (
        *_SYSTEM,
        _reference("AssigneeId", "User", required=True),
        _reference("PermissionSetId", "PermissionSet", required=True),
    ),
    "FieldPermissions": (
        *_SYSTEM,
        _reference("ParentId", "PermissionSet", required=True),
        _text("SobjectType", 40, required=True),
        _text("Field", 255, required=True),
        Field("PermissionsRead", "boolean"),
        Field("PermissionsEdit", "boolean"),
    ),
}


def checked_value(field: Field, value: Any) -> Any:
    """The value as it is stored; None for an empty one. Raises: Refused when it does not fit the field."""
    if value is None or value == "":
        return None
    value = _of_its_type(field, value)
    if field.kind in _TEXTS and len(value) > field.length:
        message = f"{field.name}: data value too large: {value[:20]} (max length={field.length})"
        raise Refused("STRING_TOO_LONG", message, fields=[field.name])
    if field.kind == "picklist" and field.restricted and value not in field.options:
        message = f"{field.name}: bad value for restricted picklist field: {value}"
        raise Refused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, fields=[field.name])
    if field.kind == "email" and not _EMAIL.fullmatch(value):
        raise Refused("INVALID_EMAIL_ADDRESS", f"Email: invalid email address: {value}", fields=[field.name])
    if field.kind in {"double", "currency"} and abs(value) >= 10 ** (field.precision - field.scale):
        message = f"{field.name}: value outside of valid range on numeric field: {value}"
        raise Refused("NUMBER_OUTSIDE_VALID_RANGE", message, fields=[field.name])
    return value


def _of_its_type(field: Field, value: Any) -> Any:
    """Raises: Refused for the whole request: Salesforce reads all records before it looks at the first."""
    try:
        if field.kind in _TEXTS and isinstance(value, str):
            return value
        if field.kind in {"double", "currency"} and not isinstance(value, bool):
            return round(float(value), field.scale)
        if field.kind == "boolean" and isinstance(value, bool):
            return value
        if field.kind == "date" and isinstance(value, str):
            return date.fromisoformat(value).isoformat()
        if field.kind == "datetime" and isinstance(value, str):
            at = datetime.fromisoformat(value)
            return at.isoformat(timespec="milliseconds").replace("+00:00", "+0000")
    except (TypeError, ValueError):
        pass
    word = {str: "VALUE_STRING", bool: "VALUE_TRUE", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}
    message = f"Cannot deserialize instance of {field.kind} from {word.get(type(value), 'START_OBJECT')} value {value}"
    raise Refused("JSON_PARSER_ERROR", message, whole=True)


def custom_field(full_name: str, metadata: Any) -> tuple[str, Field]:
    """Object and field of a Tooling request. Raises: Refused when its definition makes no sense."""
    match = _CUSTOM_NAME.fullmatch(full_name)
    if match is None or not isinstance(metadata, dict) or not metadata.get("label"):
        raise Refused("FIELD_INTEGRITY_EXCEPTION", "FullName, Metadata.type and Metadata.label are needed")
    name, kind = match[2], metadata.get("type")
    unique, external = bool(metadata.get("unique")), bool(metadata.get("externalId"))
    if (unique or external) and kind not in {"Text", "Number", "Email"}:
        raise Refused("FIELD_INTEGRITY_EXCEPTION", f"Can not specify externalId or unique for a field of type {kind}")
    length, precision = metadata.get("length"), metadata.get("precision")
    keys: dict[str, Any] = {
        "external_id": external,
        "unique": unique,
        "case_sensitive": bool(metadata.get("caseSensitive")),
    }
    if kind == "Text" and isinstance(length, int) and 0 < length <= 255:
        return match[1], Field(name, "string", length, **keys)
    if kind == "LongTextArea" and isinstance(length, int) and 256 <= length <= 131_072 and metadata.get("visibleLines"):
        return match[1], Field(name, "textarea", length)
    if kind == "Number" and isinstance(precision, int) and 0 < precision <= 18 and "scale" in metadata:
        return match[1], Field(name, "double", precision=precision, scale=int(metadata["scale"]), **keys)
    if kind == "DateTime":
        return match[1], Field(name, "datetime")
    if kind == "Picklist":
        return match[1], Field(name, "picklist", 255, **_picklist(metadata))
    raise Refused("FIELD_INTEGRITY_EXCEPTION", f"Field type or its length, precision or visible lines: {kind}")


def _picklist(metadata: dict[str, Any]) -> dict[str, Any]:
    try:
        values = metadata["valueSet"]["valueSetDefinition"]["value"]
        return {
            "options": tuple(str(one["fullName"]) for one in values),
            "restricted": bool(metadata["valueSet"].get("restricted")),
        }
    except (KeyError, TypeError):
        raise Refused("FIELD_INTEGRITY_EXCEPTION", "a picklist needs valueSet.valueSetDefinition.value") from None
