"""The outside channels: their webhooks parsed, their sends made."""
