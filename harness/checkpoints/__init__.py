"""The authors' released checkpoint files: read in the formats they come in, mapped onto this project's networks."""
