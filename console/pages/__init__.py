"""Pages for people: sign-in, inbox, conversations."""
