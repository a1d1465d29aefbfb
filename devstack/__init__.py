"""Everything on one machine without Docker: servers, stand-ins, sample tenants and traffic."""
