//! What must hold for users, tried with the real programs on a real Docker Engine: the numbered acceptance points of
//! operation safety. Only tests live here; what they share is in `komodo_testkit::installation`.
