//! Handlers of operations, one file per noun; each is short: what is decided is in `komodo_plan`.
