"""A paper of one's own: a folder to begin with, and tables read into claims. No torch."""
