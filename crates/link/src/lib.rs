//! Identity keys, handshake, HTTP/2 over one connection, reconnect, liveness. Knows nothing of Docker.
