"""Pages for supervisors, admins and auditors: how the tenant's installation stands, and what a person does about it."""
