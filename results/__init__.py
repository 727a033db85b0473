"""Tables, statistics and figures from recorded scores; needs neither torch nor a server."""
