"""A report with everything its numbers rest on, in one file that anyone can verify without the code that measured."""
