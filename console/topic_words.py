"""The topics of the industries that we ship, as people read them. A tenant's own topics stand as the tenant wrote them."""

from collections.abc import Mapping


def _(text: str) -> str:
    """Marks a text for the catalogs."""
    return text


TOPICS: Mapping[str, str] = {
    "access": _("access"), "accommodation": _("accommodation"), "account": _("account"), "account_opening": _("account opening"),
    "allergens": _("allergens"), "allowance": _("allowance"), "app": _("app"), "appointment": _("appointment"),
    "arrival": _("arrival"), "assistance": _("assistance"), "authenticity": _("authenticity"), "availability": _("availability"),
    "baggage": _("baggage"), "billing": _("billing"), "booking_change": _("booking change"), "breakfast": _("breakfast"),
    "careers": _("careers"), "cash": _("cash"), "classes": _("classes"), "compensation": _("compensation"),
    "compliance": _("compliance"), "contract": _("contract"), "coverage": _("coverage"), "customs": _("customs"),
    "data_loss": _("data loss"), "delivery": _("delivery"), "disputed_payment": _("disputed payment"),
    "disruption": _("disruption"), "documents": _("documents"), "emergency": _("emergency"), "equipment": _("equipment"),
    "events": _("events"), "facilities": _("facilities"), "feature_request": _("feature request"), "food": _("food"),
    "food_safety": _("food safety"), "fraud": _("fraud"), "guest_safety": _("guest safety"), "hardship": _("hardship"),
    "import_export": _("import export"), "injury": _("injury"), "insurance": _("insurance"), "integration": _("integration"),
    "interest_and_fees": _("interest and fees"), "internet_speed": _("internet speed"), "loan": _("loan"),
    "lost_card": _("lost card"), "lost_property": _("lost property"), "medication": _("medication"),
    "membership": _("membership"), "menu": _("menu"), "number_porting": _("number porting"), "onboarding": _("onboarding"),
    "opening_hours": _("opening hours"), "order_change": _("order change"), "outage": _("outage"), "payment": _("payment"),
    "premises": _("premises"), "prescriptions": _("prescriptions"), "pricing": _("pricing"), "privacy": _("privacy"),
    "product_advice": _("product advice"), "product_quality": _("product quality"), "product_safety": _("product safety"),
    "quality": _("quality"), "records": _("records"), "refund": _("refund"), "reservation": _("reservation"),
    "results": _("results"), "roaming": _("roaming"), "room": _("room"), "security": _("security"), "shipping": _("shipping"),
    "sim_card": _("sim card"), "special_request": _("special request"), "staff": _("staff"), "stock": _("stock"),
    "subscription": _("subscription"), "symptoms": _("symptoms"), "table": _("table"), "technician": _("technician"),
    "termination": _("termination"), "tickets": _("tickets"), "trainer": _("trainer"), "transfer": _("transfer"),
    "transfers": _("transfers"), "treatment": _("treatment"), "trial": _("trial"), "user_management": _("user management"),
    "verification": _("verification"), "vouchers": _("vouchers"), "waiting_time": _("waiting time"), "warranty": _("warranty"),
    "wrong_item": _("wrong item"),
}  # fmt: skip
