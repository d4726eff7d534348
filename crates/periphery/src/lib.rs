//! The agent: AgentApi on a Docker Engine, with a journal.
