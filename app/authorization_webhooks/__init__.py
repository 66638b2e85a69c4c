"""External authorization: a server of the tenant decides which id tags may charge."""
