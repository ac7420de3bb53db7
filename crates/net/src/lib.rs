//! Sockets for both servers and both clients.
