"""Pages and API for agents and admins."""
