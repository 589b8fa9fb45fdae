"""The endpoint that hears of releases: signatures, the one route, the server. It stores events and decides nothing."""
