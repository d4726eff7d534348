//! AgentApi over HTTP: the router an agent serves and the client Core uses.
