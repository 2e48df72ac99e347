"""Why a measured number differs from a printed one: the same outcomes scored under other conventions."""
