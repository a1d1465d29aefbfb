"""The versions of the global rules in the prompt; the texts are in analysis/rules, one file a version."""

RULES_VERSIONS = ("g1", "g2")
RULES_VERSION = RULES_VERSIONS[-1]
"""What a tenant gets that keeps to none."""
